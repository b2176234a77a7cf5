// How is a number written? Rounded to what is known: an interval decides how many digits of
// its point mean something.
import type { Interval } from "../api/types";

let locale = "en";
export function setLocale(code: string): void {
  locale = code;
}

function fixed(value: number, digits: number, code = locale): string {
  // No "-0".
  return new Intl.NumberFormat(code, {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  }).format(value === 0 ? 0 : value);
}

/** Digits after the point that an interval of this width leaves with a meaning: 1 to 3. */
export function digits(width: number): number {
  if (!Number.isFinite(width) || width <= 0) return 2;
  return Math.min(3, Math.max(1, Math.ceil(-Math.log10(width / 2))));
}

/** A score between 0 and 1. */
export function score(point: number, interval: Interval | null): string {
  return fixed(point, interval === null ? 2 : digits(interval[1] - interval[0]));
}

/** Both ends of an interval, with as many digits as the point has. */
export function ends(interval: Interval): [string, string] {
  const n = digits(interval[1] - interval[0]);
  return [fixed(interval[0], n), fixed(interval[1], n)];
}

/** A count. */
export function count(value: number, code = locale): string {
  return new Intl.NumberFormat(code, { maximumFractionDigits: 0 }).format(value);
}

/** A share of a whole, in per cent; `of` is how many were counted, where that is known. */
export function share(value: number, of?: number): string {
  const fine = of === undefined ? value > 0 && value < 0.1 : of >= 1000 && value < 0.1;
  return new Intl.NumberFormat(locale, {
    style: "percent",
    maximumFractionDigits: fine ? 1 : 0,
  }).format(value);
}

/** Milliseconds from microseconds. */
export function milliseconds(micros: number): string {
  const ms = micros / 1000;
  return new Intl.NumberFormat(locale, {
    style: "unit",
    unit: "millisecond",
    maximumFractionDigits: ms < 10 ? 1 : 0,
  }).format(ms);
}

export function bytes(value: number): string {
  const [scaled, unit] =
    value >= 1_000_000 ? [value / 1e6, "megabyte"] : value >= 1000 ? [value / 1e3, "kilobyte"] : [value, "byte"];
  return new Intl.NumberFormat(locale, { style: "unit", unit, maximumFractionDigits: scaled < 10 ? 1 : 0 }).format(
    scaled,
  );
}

/** Network numbers are names: never grouped. */
const NAMES = new Set(["asn", "port", "status", "year", "code", "index"]);

/** A parameter of a sentence. */
export function formatParam(name: string, value: string | number, code: string): string {
  if (typeof value === "string") return value;
  if (NAMES.has(name)) return String(value);
  const part = name.endsWith("share");
  if (Number.isInteger(value) && !part) return count(value, code);
  return part
    ? new Intl.NumberFormat(code, { style: "percent", maximumFractionDigits: value > 0 && value < 0.1 ? 1 : 0 }).format(value)
    : new Intl.NumberFormat(code, { maximumFractionDigits: 2 }).format(value);
}
