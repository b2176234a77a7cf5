// From when to when? One span in UTC, the day said once where it is one day; and how long.
import { currentLanguage, t } from "../messages/text";

const PARTS: Intl.DateTimeFormatOptions = {
  day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: "UTC",
};

const FINE = 10 * 60_000;

/** As pages write times: day before month in English. */
export const region = (): string => (currentLanguage() === "en" ? "en-GB" : currentLanguage());

/** "20 Nov 2026, 12:50 to 21 Nov 2026, 03:02 UTC". */
export function span(from: string, to: string | null): string {
  const [start, end] = [new Date(from), new Date(to ?? from)];
  if (Number.isNaN(start.getTime()) || Number.isNaN(end.getTime())) return to === null ? from : `${from} ${to}`;
  // Where both ends lie within minutes, seconds are what tells them apart.
  const fine = Math.abs(end.getTime() - start.getTime()) < FINE && to !== null ? ({ second: "2-digit" } as const) : {};
  const whole = new Intl.DateTimeFormat(region(), { ...PARTS, ...fine });
  if (to === null) return t("span.since", { from: whole.format(start) });
  const sameDay = start.toISOString().slice(0, 10) === end.toISOString().slice(0, 10);
  const clock = new Intl.DateTimeFormat(region(), { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: "UTC", ...fine });
  return t("span.whole", { from: whole.format(start), to: (sameDay ? clock : whole).format(end) });
}

/** The two largest units that mean something: "14 h 12 min", "9 s". */
export function long(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [days, hours, minutes] = [Math.floor(whole / 86_400), Math.floor((whole % 86_400) / 3600), Math.floor((whole % 3600) / 60)];
  const write = (value: number, unit: "second" | "minute" | "hour" | "day") => t(`long.${unit}`, { count: value });
  const parts: string[] =
    whole < 60 ? [write(whole, "second")]
    : whole < 3600 ? [write(minutes, "minute"), ...(minutes < 10 && whole % 60 > 0 ? [write(whole % 60, "second")] : [])]
    : whole < 86_400 ? [write(hours, "hour"), ...(minutes > 0 ? [write(minutes, "minute")] : [])]
    : [write(days, "day"), ...(hours > 0 ? [write(hours, "hour")] : [])];
  return parts.join(" ");
}

/** Seconds between two texts of time; 0 where one cannot be read. */
export function between(from: string, to: string): number {
  const seconds = (Date.parse(to) - Date.parse(from)) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, seconds) : 0;
}
