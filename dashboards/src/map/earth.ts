// Where do countries lie? Natural Earth's 1:110m map (public domain) as packed by world-atlas
// (ISC); read only when a page shows real data.
import codes from "i18n-iso-countries/codes.json";
import { feature } from "topojson-client";
import type { GeometryCollection, Topology } from "topojson-specification";
import type { Feature, Geometry } from "geojson";

export interface Land {
  /** ISO 3166-1 alpha-2; null where the map shows land that has no code. */
  code: string | null;
  shape: Feature<Geometry>;
}

type Atlas = Topology<{ countries: GeometryCollection<{ name: string }> }>;

/** ISO's three digits to its two letters. */
const LETTERS = new Map((codes as string[][]).map(([two, , digits]) => [digits, two]));

export async function lands(): Promise<Land[]> {
  const { default: atlas } = await import("world-atlas/countries-110m.json");
  const world = atlas as unknown as Atlas;
  return feature(world, world.objects.countries).features.map((shape) => ({
    code: LETTERS.get(String(shape.id).padStart(3, "0")) ?? null,
    shape,
  }));
}
