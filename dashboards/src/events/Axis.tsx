// What did each signal say, and when? One axis of time: sites expected and heard, and below them
// a row for each thing that was said, with the event's start and end and what is certain of them.
import type { Bin, Evidence, EventReply } from "../api/events";
import { Figure } from "../chart/Figure";
import { PlotArea, type Marks } from "../chart/Plot";
import { count } from "../format/number";
import { instant } from "../format/time";
import { t, word } from "../messages/text";
import type { Column } from "../shell/Table";
import { saidWord } from "./story";
import { long, region, span } from "./when";
import { place, type Names } from "./words";

const HIGH = 132;
const ROW = 38;
const TOP = 26;
const BOTTOM = 30;

/** A row of the table behind the picture. */
interface Said {
  location: string;
  signal: string;
  verdict: string;
  from: string;
  to: string | null;
  error_s: number | null;
  sites: number | null;
  value: number | null;
  baseline: number | null;
  url: string | null;
}

const number = (value: number | null) => (value === null ? t("table.none") : count(value));

function columns(names: Names): Column<Said>[] {
  return [
    { key: "from", head: t("column.from"), cell: (r) => <span class="moment">{instant(r.from)}</span>, raw: (r) => r.from, heads: true },
    { key: "to", head: t("column.to"), cell: (r) => <span class="moment">{r.to === null ? t("event.goes_on") : instant(r.to)}</span>, raw: (r) => r.to },
    { key: "location", head: t("column.place"), cell: (r) => place(r.location, names), raw: (r) => r.location },
    { key: "signal", head: t("column.signal"), cell: (r) => word("signal", r.signal), raw: (r) => r.signal },
    { key: "verdict", head: t("column.said"), cell: (r) => <span class="words">{saidWord(r.verdict)}</span>, raw: (r) => r.verdict },
    { key: "sites", head: t("column.sites"), cell: (r) => number(r.sites), raw: (r) => r.sites, numeric: true },
    { key: "value", head: t("column.value"), cell: (r) => number(r.value), raw: (r) => r.value, numeric: true },
    { key: "baseline", head: t("column.baseline"), cell: (r) => number(r.baseline), raw: (r) => r.baseline, numeric: true },
    { key: "error_s", head: t("column.error"), cell: (r) => (r.error_s === null ? t("table.none") : long(r.error_s)), raw: (r) => r.error_s, numeric: true },
    { key: "url", head: t("column.source"), cell: (r) => (r.url === null ? t("table.none") : r.url), raw: (r) => r.url },
  ];
}

/** Bins of each place, in the order of their first. */
export function series(timeline: Bin[]): [string, Bin[]][] {
  const found = new Map<string, Bin[]>();
  for (const bin of [...timeline].sort((a, b) => a.at.localeCompare(b.at))) found.set(bin.location, [...(found.get(bin.location) ?? []), bin]);
  return [...found];
}

/** Evidence of one kind, about one place, in one row; rows by their first moment. */
export function rows(evidence: Evidence[]): Evidence[][] {
  const found = new Map<string, Evidence[]>();
  for (const said of [...evidence].sort((a, b) => a.from.localeCompare(b.from))) {
    const key = `${said.signal} ${said.location} ${said.verdict}`;
    found.set(key, [...(found.get(key) ?? []), said]);
  }
  return [...found.values()];
}

export function Axis({ data, names }: { data: EventReply; names: Names }) {
  const { event, timeline, evidence } = data;
  const expected = series(timeline);
  const said = rows(evidence);
  const table: Said[] = [
    ...timeline.map((bin): Said => ({
      location: bin.location, signal: "probe", verdict: "heard", from: bin.at, to: bin.at, error_s: null, sites: bin.eligible, value: bin.observed, baseline: bin.expected, url: null,
    })),
    ...evidence,
  ];
  if (table.length === 0) return <p class="empty">{t("axis.nothing")}</p>;
  const height = TOP + expected.length * (HIGH + 24) + said.length * ROW + BOTTOM;
  return (
    <Figure
      name={`event-${event.event_id}`}
      title={t("axis.title")}
      note={
        <ul class="key">
          <li><span class="key-dash" />{t("axis.expected")}</li>
          <li><span class="key-whole" />{t("axis.heard")}</li>
          <li><span class="key-part" />{t("axis.said")}</li>
          <li><span class="key-shade" />{t("axis.uncertain")}</li>
        </ul>
      }
      columns={columns(names)}
      rows={table}
    >
      <PlotArea
        label={t("axis.label", { when: span(event.start, event.end), rows: said.length, sites: number(event.eligible_sites), affected: event.affected_sites === null ? t("table.few") : count(event.affected_sites) })}
        height={height}
        depends={[data, names]}
        draw={(marks, width) => draw(marks, width, height, data, expected, said, names)}
      />
    </Figure>
  );
}

/** Hours by the clock of a day of 24; the day where it begins, and once at least. */
function tick(): (at: Date, index: number) => string {
  const write = (parts: Intl.DateTimeFormatOptions) => new Intl.DateTimeFormat(region(), { ...parts, timeZone: "UTC" });
  const [clock, on] = [write({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" }), write({ day: "numeric", month: "short" })];
  return (at, index) => (index === 0 || at.getUTCHours() + at.getUTCMinutes() === 0 ? `${clock.format(at)}\n${on.format(at)}` : clock.format(at));
}

function draw(marks: Marks, width: number, height: number, { event, timeline, evidence }: EventReply, expected: [string, Bin[]][], said: Evidence[][], names: Names): Element {
  const { areaY, axisX, lineY, plot, rect, ruleX, ruleY, text } = marks;
  const times = [
    event.start_lower, event.start_upper, event.end_lower, event.end_upper, ...timeline.map(({ at }) => at),
    ...evidence.flatMap(({ from, to }) => [from, to]),
  ].flatMap((at) => (at === null ? [] : [Date.parse(at)])).filter(Number.isFinite);
  const [first, last] = [Math.min(...times), Math.max(...times)];
  const margin = Math.max(60_000, (last - first) * 0.02);
  const [left, right] = [new Date(first - margin), new Date(last + margin)];
  const at = (moment: string | null) => (moment === null ? right : new Date(moment));
  /** Heights are pixels: rows of two kinds share one axis. */
  const tops = expected.map((_, index) => TOP + index * (HIGH + 24) + 18);
  const below = TOP + expected.length * (HIGH + 24);
  const most = expected.map(([, bins]) => Math.max(1, ...bins.map((bin) => Math.max(bin.expected, bin.observed))));
  const level = (index: number, value: number) => (tops[index] ?? 0) + (HIGH - 22) * (1 - value / (most[index] ?? 1));
  const floor = (index: number) => level(index, 0);
  const flat = said.flatMap((row, index) => row.map((one) => ({ one, top: below + index * ROW })));
  const heads = said.flatMap((row, index) => (row[0] === undefined ? [] : [{ row, first: row[0], y: below + index * ROW + 8 }]));
  const letters = Math.max(12, Math.floor(width / 13));
  const certain = (lower: string | null, upper: string | null) => (lower === null || upper === null ? [] : [{ lower, upper }]);
  const ends = [...certain(event.start_lower, event.start_upper), ...certain(event.end_lower, event.end_upper)];
  return plot({
    width,
    height,
    marginLeft: 30,
    marginRight: 10,
    marginTop: 0,
    marginBottom: BOTTOM,
    style: { background: "transparent", color: "inherit", fontSize: "12px" },
    x: { type: "utc", domain: [left, right], label: null },
    y: { type: "identity", axis: null },
    marks: [
      axisX({ ticks: Math.max(3, Math.floor(width / 110)), tickFormat: tick(), label: null, anchor: "bottom" }),
      rect(ends, { x1: (r: { lower: string }) => at(r.lower), x2: (r: { upper: string }) => at(r.upper), y1: TOP - 8, y2: height - BOTTOM, fill: "var(--warn-ground)", stroke: "var(--warn-line)", strokeWidth: 0.5 }),
      ruleX([event.start, ...(event.end === null ? [] : [event.end])], { x: (moment: string) => at(moment), y1: TOP - 8, y2: height - BOTTOM, stroke: "currentColor", strokeWidth: 1.2 }),
      ...expected.flatMap(([location, bins], index) => [
        areaY(bins, { x: (b: Bin) => at(b.at), y1: () => floor(index), y2: (b: Bin) => level(index, b.observed), fill: "var(--band)", curve: "step-after" }),
        lineY(bins, { x: (b: Bin) => at(b.at), y: (b: Bin) => level(index, b.observed), stroke: "var(--accent-strong)", strokeWidth: 1.6, curve: "step-after" }),
        lineY(bins, { x: (b: Bin) => at(b.at), y: (b: Bin) => level(index, b.expected), stroke: "var(--ink-soft)", strokeWidth: 1.6, strokeDasharray: "4,3", curve: "step-after" }),
        ruleY([floor(index)], { y: (y: number) => y, stroke: "currentColor", strokeWidth: 0.7 }),
        text([0, most[index] ?? 1], { x: () => left, y: (value: number) => level(index, value), text: (value: number) => count(value), textAnchor: "end", dx: -5, fill: "currentColor" }),
        text([location], { x: () => left, y: () => (tops[index] ?? 0) - 12, text: (l: string) => t("axis.sites_of", { place: place(l, names) }), textAnchor: "start", fontWeight: 600, fill: "currentColor", stroke: "var(--paper)", strokeWidth: 3, lineWidth: letters, textOverflow: "ellipsis-end" }),
      ]),
      rect(flat, { x1: (r) => at(r.one.from), x2: (r) => at(r.one.to), y1: (r) => r.top + 18, y2: (r) => r.top + 29, fill: "var(--accent-strong)", fillOpacity: (r: { one: Evidence }) => ((r.one.llr ?? 0) < 0 ? 0.35 : 1), stroke: "var(--accent-strong)" }),
      text(heads, {
        x: () => left, y: "y", textAnchor: "start", fill: "currentColor", stroke: "var(--paper)", strokeWidth: 3, lineWidth: letters, textOverflow: "ellipsis-end",
        text: (r: { first: Evidence }) => t("axis.row", { signal: word("signal", r.first.signal), place: place(r.first.location, names), said: saidWord(r.first.verdict) }),
      }),
      text([{ moment: event.start, word: t("axis.start") }, ...(event.end === null ? [] : [{ moment: event.end, word: t("axis.end") }])], {
        x: (r: { moment: string }) => at(r.moment), y: () => 10, text: "word", fontWeight: 600, fill: "currentColor",
        textAnchor: "middle",
      }),
    ],
  });
}
