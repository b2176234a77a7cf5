// When was it? UTC on the page; local time in the title of the element.

let locale = "en";
export function setTimeLocale(code: string): void {
  locale = code;
}

const DAY = 86_400_000;

/** "24 Nov 2026, 14:05 UTC". */
export function instant(text: string): string {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return text;
  const written = new Intl.DateTimeFormat(locale, {
    day: "numeric",
    month: "short",
    year: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
    timeZone: "UTC",
  }).format(at);
  return `${written} UTC`;
}

/** "24 Nov 2026" of a day that has no time of day. */
export function day(text: string): string {
  const at = new Date(`${text.slice(0, 10)}T00:00:00Z`);
  if (Number.isNaN(at.getTime())) return text;
  return new Intl.DateTimeFormat(locale, {
    day: "numeric",
    month: "short",
    year: "numeric",
    timeZone: "UTC",
  }).format(at);
}

/** The one time zone of a country, where it has one and the browser knows it. */
export function zoneOf(country: string | undefined): string | undefined {
  if (country === undefined) return undefined;
  try {
    const place = new Intl.Locale(`und-${country}`) as Intl.Locale & {
      getTimeZones?: () => string[] | undefined;
      timeZones?: string[];
    };
    const zones = place.getTimeZones?.() ?? place.timeZones;
    return zones?.length === 1 ? zones[0] : undefined;
  } catch {
    return undefined;
  }
}

/** The same instant in a zone (the reader's own without one), with the zone's name. */
export function local(text: string, zone?: string): string {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return text;
  return new Intl.DateTimeFormat(locale, {
    day: "numeric",
    month: "short",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
    timeZoneName: "short",
    ...(zone === undefined ? {} : { timeZone: zone }),
  }).format(at);
}

/** Whole days between the end of a window and now; 0 for the future. */
export function daysSince(dayText: string, now: number): number {
  const end = Date.parse(`${dayText.slice(0, 10)}T00:00:00Z`);
  return Number.isNaN(end) ? 0 : Math.max(0, Math.floor((now - end) / DAY));
}
