// Which events are there, one a row?
import type { Revision } from "../api/events";
import { instant } from "../format/time";
import { t } from "../messages/text";
import { Table, type Column } from "../shell/Table";
import { StateTag } from "./State";
import { lossOf, sureness } from "./story";
import { between, long } from "./when";
import { address, title, type Names } from "./words";

export function eventColumns(names: Names): Column<Revision>[] {
  return [
    {
      key: "event_id", head: t("column.event"), heads: true, raw: (r) => r.event_id,
      cell: (r) => <a class="words" href={address(r.event_id)}>{title(r, names)}</a>,
    },
    { key: "state", head: t("column.state"), cell: (r) => <StateTag state={r.state} />, raw: (r) => r.state },
    {
      key: "start", head: t("column.start"), raw: (r) => r.start,
      cell: (r) => <time dateTime={r.start} class="moment">{instant(r.start)}</time>,
    },
    {
      key: "end", head: t("column.duration"), raw: (r) => r.end,
      cell: (r) => (r.end === null ? t("event.goes_on") : long(between(r.start, r.end))),
    },
    { key: "drop_fraction", head: t("column.loss"), cell: (r) => lossOf(r.drop_fraction), raw: (r) => r.drop_fraction, numeric: true },
    { key: "confidence", head: t("column.confidence"), cell: (r) => sureness(r.confidence), raw: (r) => r.confidence, numeric: true },
    { key: "evidence_grade", head: t("column.grade"), cell: (r) => r.evidence_grade, raw: (r) => r.evidence_grade },
  ];
}

export function EventTable({ caption, events, names, first = 50 }: { caption: string; events: Revision[]; names: Names; first?: number }) {
  return <Table caption={caption} columns={eventColumns(names)} rows={events} first={first} keyOf={(row) => row.event_id} />;
}
