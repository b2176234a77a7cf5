// How is one estimate shown? Number, interval and a small bar in the same scale everywhere;
// `insufficient` in words and hatched.
import type { Estimate, Text } from "../api/types";
import { reading, type Reading } from "../format/estimate";
import { ends, score } from "../format/number";
import { instant, local, zoneOf } from "../format/time";
import { has, say, t } from "../messages/text";

/** Short words for the reasons that have any. */
export function why(reasons: string[]): string {
  return reasons.map((key) => `reason.${key}`).filter(has).map((key) => say(key)).join("; ");
}

/** One line about a reading, for titles and screen readers. */
export function sentence(read: Reading): string {
  if (read.kind === "insufficient") {
    const reasons = why(read.reasons);
    return reasons === "" ? t("estimate.insufficient_long") : t("estimate.insufficient_why", { reasons });
  }
  if (read.kind === "divided") {
    const [low, high] = ends(read.range);
    return t("estimate.divided_long", { low, high });
  }
  const point = score(read.point, read.interval);
  if (read.interval === null) return t("estimate.point_only", { point });
  const [low, high] = ends(read.interval);
  return t("estimate.sentence", { point, low, high });
}

export function Value({ estimate, plain }: { estimate: Estimate | undefined; plain?: boolean }) {
  const read = reading(estimate);
  if (read.kind === "insufficient") {
    return (
      <span class="value insufficient" title={why(read.reasons)}>
        {t("estimate.insufficient")}
        {plain !== true && <Bar read={read} />}
      </span>
    );
  }
  if (read.kind === "divided") {
    const [low, high] = ends(read.range);
    return (
      <span class="value divided" title={sentence(read)}>
        <span class="state">{t("estimate.divided")}</span>
        <span class="interval">{t("estimate.interval", { low, high })}</span>
        {plain !== true && <Bar read={read} />}
      </span>
    );
  }
  const interval = read.interval === null ? null : ends(read.interval);
  return (
    <span class="value" title={`${estimate?.point ?? ""}`}>
      <span class="point">{score(read.point, read.interval)}</span>
      {interval !== null && (
        <span class="interval">
          {t("estimate.interval", { low: interval[0], high: interval[1] })}
        </span>
      )}
      {plain !== true && <Bar read={read} />}
    </span>
  );
}

/** The scale from 0 to 1: the interval as a band, the point as a tick. */
function Bar({ read }: { read: Reading }) {
  if (read.kind === "insufficient") {
    return <svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><rect class="bar-none" y="2" width="100" height="4" /></svg>;
  }
  if (read.kind === "divided") {
    const [low, high] = read.range;
    return (
      <svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
        <rect class="bar-ground" y="3" width="100" height="2" />
        <rect class="bar-band" x={low * 100} y="1.5" width={Math.max(0.5, (high - low) * 100)} height="5" />
      </svg>
    );
  }
  const [low, high] = read.interval ?? [read.point, read.point];
  return (
    <svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
      <rect class="bar-ground" y="3" width="100" height="2" />
      <rect class="bar-band" x={low * 100} y="1.5" width={Math.max(0.5, (high - low) * 100)} height="5" />
      <rect class="bar-point" x={Math.min(98, Math.max(0, read.point * 100 - 1))} width="2" height="8" />
    </svg>
  );
}

export function Texts({ texts, empty }: { texts: Text[]; empty?: string }) {
  if (texts.length === 0) return empty === undefined ? null : <p class="empty">{empty}</p>;
  return (
    <ul class="texts">
      {texts.map(({ key, params }, at) => (
        <li key={at}>{say(key, params)}</li>
      ))}
    </ul>
  );
}

/** UTC on the page, the country's (or the reader's) time on hover. */
export function Time({ at, country }: { at: string; country?: string }) {
  const zone = zoneOf(country);
  const title = t(zone === undefined ? "time.reader" : "time.country", { time: local(at, zone) });
  return <time dateTime={at} title={title}>{instant(at)}</time>;
}
