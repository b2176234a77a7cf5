// Which map do these countries stand on? The same as everywhere; simulated ones never on the Earth's.
import type { Loaded } from "../api/load";
import type { AtlasReply } from "../api/types";
import { kindOf, useAtlas, type Drawn } from "../map/atlas";

export function useMap(atlas: Loaded<AtlasReply>, codes: readonly string[]): Drawn | null | "failed" {
  const known = atlas.state === "ready" ? atlas.data : null;
  const all = known !== null && known.countries.length > 0 ? known.countries.map(({ code }) => code) : codes;
  const drawn = useAtlas(known === null ? null : kindOf(known), all);
  return atlas.state === "error" ? "failed" : drawn;
}
