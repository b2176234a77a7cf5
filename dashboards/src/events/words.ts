// What are events called? Places, kinds and states in words that a reader knows.
import { useData } from "../api/load";
import type { Revision } from "../api/events";
import type { AtlasReply } from "../api/types";
import { t, word } from "../messages/text";

export type Names = (code: string) => string;

/** Names of countries as soon as they are known; until then their codes. */
export function useNames(): Names {
  const atlas = useData<AtlasReply>("/v1/atlas");
  if (atlas.state !== "ready") return (code) => code;
  const names = new Map(atlas.data.countries.map(({ code, name }) => [code, name]));
  return (code) => names.get(code) ?? code;
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
  const params = { what: word("class", of.disruption_class), place: of.area_name ?? place(of.location, names) };
  if (of.state === "suspected" || of.state === "lapsed") return t("event.title_suspected", params);
  if (of.state === "retracted") return t("event.title_retracted", params);
  return t("event.title", params);
}

export const address = (id: string): string => `/events/${encodeURIComponent(id)}`;
