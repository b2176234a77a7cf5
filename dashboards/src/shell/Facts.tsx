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

export function CoverageFacts({ coverage }: { coverage: Coverage }) {
  return (
    <Facts
      facts={[
        [t("column.networks"), count(coverage.networks)],
        [t("column.probes"), coverage.probes === null ? t("table.few") : count(coverage.probes)],
        [t("column.user_share"), coverage.user_share === null ? t("coverage.share_unknown") : share(coverage.user_share)],
        [t("column.days_seen"), count(coverage.days)],
        [t("column.measurements"), count(coverage.measurements)],
      ]}
    />
  );
}
