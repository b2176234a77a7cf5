// What do all parts of a page have to know? Whether the data is simulated, and what a picture
// that leaves the page has to say about where it is from.
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import { t } from "../messages/text";
import { day } from "../format/time";

export interface Around {
  simulated: boolean;
  version: string | null;
}
export const Surroundings = createContext<Around>({ simulated: false, version: null });

/** What the numbers of a page were made with. */
export interface Provenance {
  method?: string;
  from?: string;
  to?: string;
}
export const Made = createContext<Provenance>({});

export interface Source {
  simulated: boolean;
  lines: () => string[];
}

export function useSource(): Source {
  const { simulated } = useContext(Surroundings);
  const { method, from, to } = useContext(Made);
  return {
    simulated,
    lines: () => [
      ...(simulated ? [t("simulated.picture")] : []),
      [
        t("figure.source"),
        ...(method === undefined ? [] : [t("figure.method", { method })]),
        ...(from === undefined || to === undefined ? [] : [t("figure.window", { from: day(from), to: day(to) })]),
        location.href,
      ].join(" · "),
      t("disclaimer"),
    ],
  };
}
