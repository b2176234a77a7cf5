// Which single measurements stand behind a number?
import type { VerdictRow } from "../api/types";
import { t, word } from "../messages/text";
import { to } from "./Page";
import { Table, type Column } from "./Table";
import { Time } from "./Value";

// What matters first: on a phone the rest is a scroll away.
const COLUMNS: Column<VerdictRow>[] = [
  {
    key: "measurement", head: t("column.measurement"), heads: true, raw: (r) => r.measurement,
    cell: (r) => (
      <a href={to.measurement(r.measurement)}>
        <Time at={r.started} country={r.country} />
      </a>
    ),
  },
  {
    key: "outcome", head: t("column.outcome"), raw: (r) => r.outcome,
    cell: (r) => <span class={`tag outcome-${r.outcome}`}>{word("outcome", r.outcome)}</span>,
  },
  { key: "target", head: t("column.target"), cell: (r) => <a class="address" href={to.target(r.target)}>{r.target}</a>, raw: (r) => r.target },
  { key: "mechanism", head: t("column.mechanism"), cell: (r) => (r.mechanism === null ? t("table.none") : <span class="words">{word("mechanism", r.mechanism)}</span>), raw: (r) => r.mechanism },
  { key: "asn", head: t("column.network"), cell: (r) => <a href={to.network(r.asn)}>{t("asn", { asn: r.asn })}</a>, raw: (r) => r.asn },
  { key: "country", head: t("column.country"), cell: (r) => <a href={to.country(r.country)}>{r.country}</a>, raw: (r) => r.country },
  { key: "experiment", head: t("column.experiment"), cell: (r) => word("experiment", r.experiment), raw: (r) => r.experiment },
];

export function VerdictTable({ caption, rows }: { caption: string; rows: VerdictRow[] }) {
  return <Table caption={caption} columns={COLUMNS} rows={rows} first={200} />;
}
