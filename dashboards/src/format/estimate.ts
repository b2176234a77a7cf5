// What may be said of an estimate? `insufficient` is not 0 and not "ok"; a value that is barely
// known is not written like one that is known well.
import type { Dim, DimensionValue, Estimate, Interval } from "../api/types";

export interface Published {
  kind: "published";
  point: number;
  interval: Interval | null;
  /** 0 to 4: step of the palette. */
  step: number;
  certainty: Certainty;
}
/** Networks differ too much for one number: the range that holds whatever a tenth of the probes say. */
export interface Divided {
  kind: "divided";
  range: Interval;
}
export interface Insufficient {
  kind: "insufficient";
  reasons: string[];
}
export type Reading = Published | Divided | Insufficient;
export type Certainty = "well" | "roughly" | "barely";

/** Upper ends of the first four steps of the palette. */
export const STEPS = [0.1, 0.25, 0.5, 0.75] as const;

/** Widths of the 90 % interval up to which a value is known well, or roughly. */
export const WELL = 0.15;
export const ROUGHLY = 0.3;

export function step(point: number): number {
  return STEPS.filter((end) => point >= end).length;
}

export function certainty(interval: Interval | null): Certainty {
  if (interval === null) return "barely";
  const width = interval[1] - interval[0];
  // Ends are rounded on the way here; half a thousandth decides nothing.
  if (width <= WELL + 5e-4) return "well";
  return width <= ROUGHLY + 5e-4 ? "roughly" : "barely";
}

export function reading(estimate: Estimate | undefined): Reading {
  if (estimate === undefined) return { kind: "insufficient", reasons: ["not_measured"] };
  if (estimate.state === "divided" && estimate.contested !== null) {
    return { kind: "divided", range: estimate.contested };
  }
  if (estimate.state !== "published" || estimate.point === null) {
    return { kind: "insufficient", reasons: estimate.reasons };
  }
  const { point, interval } = estimate;
  return { kind: "published", point, interval, step: step(point), certainty: certainty(interval) };
}

export function readings(dimensions: Partial<Record<Dim, DimensionValue>>): Record<Dim, Reading> {
  return {
    d1: reading(dimensions.d1),
    d2t: reading(dimensions.d2t),
    d3: reading(dimensions.d3),
  };
}
