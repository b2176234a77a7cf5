// Which map is drawn? The Earth for real data, the simulated world's own for everything else:
// nothing simulated can reach the real map.
import { geoEqualEarth, geoPath } from "d3-geo";
import { useEffect, useState } from "preact/hooks";
import type { AtlasReply } from "../api/types";
import { HEIGHT, islands, WIDTH } from "./islands";

export interface Shape {
  code: string | null;
  path: string;
  /** Where a label has room; absent where it has not. */
  label: [number, number] | null;
}
export interface Drawn {
  kind: "earth" | "simulated";
  width: number;
  height: number;
  shapes: Shape[];
}

/** Whatever an atlas says of itself: simulated data never gets the map of the Earth. */
export function kindOf(atlas: Pick<AtlasReply, "simulated" | "kind">): Drawn["kind"] {
  return atlas.simulated ? "simulated" : atlas.kind;
}

async function draw(kind: Drawn["kind"], codes: readonly string[]): Promise<Drawn> {
  if (kind === "simulated") {
    const path = geoPath(null);
    const shapes = islands(codes).map(({ code, geometry, centre }) => ({
      code,
      path: path.digits(1)(geometry) ?? "",
      label: centre,
    }));
    return { kind, width: WIDTH, height: HEIGHT, shapes };
  }
  const { lands } = await import("./earth");
  const all = await lands();
  const projection = geoEqualEarth().fitWidth(WIDTH, { type: "Sphere" });
  const path = geoPath(projection).digits(1);
  const bottom = path.bounds({ type: "Sphere" })[1][1];
  const shapes = all.map(({ code, shape }) => ({ code, path: path(shape) ?? "", label: null }));
  return { kind, width: WIDTH, height: Math.ceil(bottom), shapes };
}

/** The map of these countries; `null` while it is being fetched, "failed" where it cannot be. */
export function useAtlas(kind: Drawn["kind"] | null, codes: readonly string[]): Drawn | null | "failed" {
  const [drawn, setDrawn] = useState<Drawn | null | "failed">(null);
  const key = codes.join(" ");
  useEffect(() => {
    if (kind === null) return;
    let left = false;
    draw(kind, key === "" ? [] : key.split(" ")).then(
      (done) => !left && setDrawn(done),
      () => !left && setDrawn("failed"),
    );
    return () => {
      left = true;
    };
  }, [kind, key]);
  return drawn;
}
