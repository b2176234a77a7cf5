// Where do countries lie that do not exist? An own atlas, drawn from the codes alone: islands
// of merged Voronoi cells, the same on every visit, like no coast on Earth.
import { Delaunay } from "d3-delaunay";
import type { MultiPolygon } from "geojson";

export interface Island {
  code: string;
  geometry: MultiPolygon;
  centre: [number, number];
}

export const WIDTH = 800;
export const HEIGHT = 440;

/** A small generator (mulberry32): the atlas must not change between visits. */
function generator(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function seedOf(codes: readonly string[]): number {
  let hash = 2166136261;
  for (const letter of codes.join(",")) hash = Math.imul(hash ^ letter.charCodeAt(0), 16777619);
  return hash;
}

type Point = [number, number];
const name = ([x, y]: Point): string => `${x.toFixed(2)},${y.toFixed(2)}`;

/** The outline of cells that belong together: edges that two of them share cancel out. */
function outline(cells: Point[][]): Point[][] {
  const edges = new Map<string, [Point, Point]>();
  for (const cell of cells) {
    for (let i = 0; i + 1 < cell.length; i++) {
      const [a, b] = [cell[i], cell[i + 1]] as [Point, Point];
      if (!edges.delete(`${name(b)} ${name(a)}`)) edges.set(`${name(a)} ${name(b)}`, [a, b]);
    }
  }
  const from = new Map<string, [Point, Point][]>();
  for (const edge of edges.values()) {
    const key = name(edge[0]);
    from.set(key, [...(from.get(key) ?? []), edge]);
  }
  const rings: Point[][] = [];
  for (const start of edges.values()) {
    let edge = from.get(name(start[0]))?.pop();
    const ring: Point[] = [];
    while (edge !== undefined) {
      ring.push(edge[0]);
      const next = from.get(name(edge[1]))?.pop();
      if (next === undefined) ring.push(edge[1]);
      edge = next;
    }
    if (ring.length > 3) rings.push(ring);
  }
  return rings;
}

export function islands(countries: readonly string[]): Island[] {
  const codes = [...new Set(countries)].sort();
  if (codes.length === 0) return [];
  const random = generator(seedOf(codes));
  const columns = Math.max(1, Math.round(Math.sqrt((codes.length * WIDTH) / HEIGHT)));
  const rows = Math.ceil(codes.length / columns);
  const [wide, high] = [WIDTH / columns, HEIGHT / rows];
  const seeds = codes.map((_, at): Point => {
    const row = Math.floor(at / columns);
    const inRow = row === rows - 1 ? codes.length - row * columns : columns;
    const shift = (WIDTH - inRow * wide) / 2;
    return [
      shift + ((at % columns) + 0.5 + (random() - 0.5) * 0.16) * wide,
      (row + 0.5 + (random() - 0.5) * 0.08) * high,
    ];
  });
  const points = Array.from({ length: codes.length * 140 }, (): Point => [random() * WIDTH, random() * HEIGHT]);
  const delaunay = Delaunay.from(points);
  const voronoi = delaunay.voronoi([0, 0, WIDTH, HEIGHT]);
  const reach = Math.min(wide, high) * 0.5;
  // Bays and capes: each island's reach swings with the direction from its middle.
  const coasts = seeds.map(() => [random() * 6, random() * 6, 0.06 + random() * 0.08] as const);
  const own: Point[][][] = codes.map(() => []);
  points.forEach((point, at) => {
    let nearest = 0;
    let best = Infinity;
    seeds.forEach(([x, y], index) => {
      const distance = Math.hypot((x - point[0]) * 0.86, y - point[1]);
      if (distance < best) [nearest, best] = [index, distance];
    });
    const [x, y] = seeds[nearest] ?? [0, 0];
    const [p, q, swing] = coasts[nearest] ?? [0, 0, 0];
    const angle = Math.atan2(point[1] - y, point[0] - x);
    const coast = reach * (0.84 + swing * (Math.sin(2 * angle + p) + Math.sin(3 * angle + q)));
    const cell = voronoi.cellPolygon(at) as Point[] | null;
    // Sea all around: what touches the frame is no land.
    const inside = cell?.every(([cx, cy]) => cx > 6 && cx < WIDTH - 6 && cy > 6 && cy < HEIGHT - 6) === true;
    if (best < coast && cell !== null && inside) own[nearest]?.push(cell);
  });
  return codes.map((code, at) => ({
    code,
    centre: seeds[at] ?? [0, 0],
    geometry: {
      type: "MultiPolygon",
      coordinates: outline(own[at] ?? []).map((ring) => [[...ring, ring[0] ?? [0, 0]]]),
    },
  }));
}
