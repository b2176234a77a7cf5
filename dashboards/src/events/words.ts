// What are events called? Places, kinds and states in words that a reader knows.
import { useMemo } from "preact/hooks";
import { useData, type Loaded } from "../api/load";
import type { Revision } from "../api/events";
import type { AtlasReply } from "../api/types";
import { t, word } from "../messages/text";

export type Names = (code: string) => string;

/** Which countries there are; a page asks once, for its names and its map. */
export const useCountries = (): Loaded<AtlasReply> => useData<AtlasReply>("/v1/atlas");

/** Names of countries as soon as they are known; until then their codes. */
export function useNames(atlas: Loaded<AtlasReply>): Names {
  const known = atlas.state === "ready" ? atlas.data : null;
  return useMemo(() => {
    const names = new Map((known?.countries ?? []).map(({ code, name }) => [code, name]));
    return (code) => names.get(code) ?? code;
  }, [known]);
}

/** `country/XB/asn/64498` as "AS64498 in Borsia". */
export function place(location: string, names: Names): string {
  const [kind, first = "", sub, second = ""] = location.split("/");
  if (kind === "world") return t("place.world");
  if (kind === "asn") return t("asn", { asn: first });
  if (kind === "region") return t("place.region", { code: first });
  if (kind !== "country") return location;
  const country = names(first);
  if (sub === undefined) return country;
  if (sub === "asn") return t("place.network", { asn: second, country });
  return t("place.access", { access: word("access", second), country });
}

/** The country that a place lies in, where it lies in one. */
export function countryOf(location: string): string | undefined {
  const [kind, first = ""] = location.split("/");
  if (kind === "country") return first;
  return kind === "region" ? first.split("-")[0] : undefined;
}

/** "Total blackout, Borsia"; what is not certain, or was wrong, says so first. */
export function title(of: Revision, names: Names): string {
  const kind = of.disruption_class;
  // "Mobile networks lost" says which networks: the country is place enough.
  const location = kind === "mobile_only" || kind === "fixed_only" ? of.location.replace(/\/access\/\w+$/, "") : of.location;
  const params = { what: word("class", kind), place: of.area_name ?? place(location, names) };
  if (of.state === "suspected" || of.state === "lapsed") return t("event.title_suspected", params);
  if (of.state === "retracted") return t("event.title_retracted", params);
  return t("event.title", params);
}

export const address = (id: string): string => `/events/${encodeURIComponent(id)}`;
