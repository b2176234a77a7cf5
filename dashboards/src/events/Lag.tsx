// How soon can a loss be told? As soon as the beats of probes allow, and no sooner.
import type { Lag as Told } from "../api/events";
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
