// How much stands behind a number?
import type { ComponentChildren } from "preact";
import type { Coverage } from "../api/types";
import { count, share } from "../format/number";
import { t } from "../messages/text";

export function Facts({ facts }: { facts: [string, ComponentChildren][] }) {
  return (
    <dl class="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** Measurements without probes of ours were imported. */
export function probesOf({ probes, measurements }: Coverage): string {
  if (probes === null) return t("table.few");
  return probes === 0 && measurements > 0 ? t("table.imported") : count(probes);
}

export function CoverageFacts({ coverage }: { coverage: Coverage }) {
  return (
    <Facts
      facts={[
        [t("column.networks"), count(coverage.networks)],
        [t("column.probes"), probesOf(coverage)],
        [t("column.user_share"), coverage.user_share === null ? t("coverage.share_unknown") : share(coverage.user_share)],
        [t("column.days_seen"), count(coverage.days)],
        [t("column.measurements"), count(coverage.measurements)],
      ]}
    />
  );
}
