// How soon can a loss be told? As soon as the beats of probes allow, and no sooner.
import type { Lag as Told, Took as Taken } from "../api/events";
import { t } from "../messages/text";
import { long } from "./when";

export function Lag({ lag }: { lag: Told | null }) {
  return (
    <p class="note">
      {lag === null
        ? t("lag.unknown")
        : t("lag.known", { interval: long(lag.interval_s), suspected: long(lag.suspected_s), confirmed: long(lag.confirmed_s) })}
    </p>
  );
}

/** How long it took in this case. */
export function Took({ lag }: { lag: Taken | null }) {
  if (lag === null) return null;
  const parts = [
    ...(lag.suspected_s === null ? [] : [t("took.suspected", { long: long(lag.suspected_s) })]),
    ...(lag.confirmed_s === null ? [] : [t("took.confirmed", { long: long(lag.confirmed_s) })]),
    t("took.interval", { interval: long(lag.interval_s) }),
  ];
  return <p class="note">{parts.join(" ")}</p>;
}
