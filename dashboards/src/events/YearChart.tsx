// How did a year go? A small calendar for each month: a day is the darker the longer something
// was lost, hatched where nothing would have been seen, marked where the collector was deaf.
import { render } from "preact";
import type { CalendarDay } from "../api/events";
import type { Marks } from "../chart/Plot";
import { Figure } from "../chart/Figure";
import { PlotArea } from "../chart/Plot";
import { day as dayWord } from "../format/time";
import { Patterns } from "../map/Patterns";
import { t, word } from "../messages/text";
import type { Column } from "../shell/Table";
import { Field } from "./PlaceMap";
import { long, region } from "./when";
import { address } from "./words";

/** Upper ends of steps, minutes; a whole day is the last. */
export const MINUTES = [0, 60, 360, 1080, 1440] as const;
const FLOOR = 3;

export type Shade = { kind: "not_covered" } | { kind: "step"; step: number };

/** What a day looks like: a loss that was seen is shown, however few sites there are by now. */
export function shade({ lost_minutes, worst_state, eligible_sites, min_detectable_share }: CalendarDay): Shade {
  if (lost_minutes <= 0 && worst_state === null && (eligible_sites === null || eligible_sites < FLOOR || min_detectable_share === null)) return { kind: "not_covered" };
  const step = MINUTES.findIndex((end) => lost_minutes <= end);
  return { kind: "step", step: step < 0 ? MINUTES.length - 1 : step };
}

/** Column (Monday first) and row of a day in its month. */
export function cellOf(day: string): { month: number; column: number; row: number } {
  const date = new Date(`${day.slice(0, 10)}T00:00:00Z`);
  const first = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1));
  const offset = (first.getUTCDay() + 6) % 7;
  const at = offset + date.getUTCDate() - 1;
  return { month: date.getUTCMonth(), column: at % 7, row: Math.floor(at / 7) };
}

export function YearChart({ name, title, days }: { name: string; title: string; days: CalendarDay[] }) {
  return (
    <Figure name={name} title={title} note={<Key />} columns={COLUMNS} rows={days}>
      <PlotArea
        label={t("calendar.label", { title, lost: days.filter(({ lost_minutes }) => lost_minutes > 0).length, blind: days.filter((d) => shade(d).kind === "not_covered").length })}
        height={364}
        depends={[days]}
        draw={(marks, width) => draw(marks, width, days)}
      />
    </Figure>
  );
}

function Key() {
  return (
    <ul class="key fields">
      {MINUTES.map((end, step) => (
        <li key={end}><Field ground={`step step-${step}`} texture={null} />{step === 0 ? t("calendar.nothing") : t("calendar.step", { long: long(end * 60) })}</li>
      ))}
      <li><Field ground="no-step" texture="hatch" />{t("calendar.not_covered")}</li>
      <li><span class="key-dot" />{t("calendar.deaf")}</li>
    </ul>
  );
}

function draw({ dot, plot, rect, text }: Marks, width: number, days: CalendarDay[]): Element {
  const across = width < 420 ? 2 : width < 720 ? 3 : width < 1000 ? 4 : 6;
  const wide = Math.floor((width - 4) / across);
  const cell = Math.min(24, Math.floor((wide - 14) / 7));
  const high = cell * 6 + 34;
  const height = Math.ceil(12 / across) * high + 4;
  const left = (month: number) => (month % across) * wide + 2;
  const top = (month: number) => Math.floor(month / across) * high + 24;
  const placed = days.map((of) => {
    const { month, column, row } = cellOf(of.day);
    const [x, y] = [left(month) + column * cell, top(month) + row * cell];
    return { of, x, y, shade: shade(of) };
  });
  const months = [...new Set(placed.map(({ of }) => cellOf(of.day).month))];
  const year = days[0]?.day.slice(0, 4) ?? "2000";
  const monthName = new Intl.DateTimeFormat(region(), { month: "long", timeZone: "UTC" });
  type Placed = (typeof placed)[number];
  const said = ({ of, shade: { kind } }: Placed) =>
    t("calendar.day", { day: dayWord(of.day), what: kind === "not_covered" ? t("calendar.not_covered") : of.lost_minutes > 0 ? t("calendar.lost", { long: long(of.lost_minutes * 60) }) : of.worst_state === null ? t("calendar.nothing") : word("event_state", of.worst_state) });
  const chart = plot({
    width, height, margin: 0,
    style: { background: "transparent", color: "inherit", fontSize: "12px" },
    x: { type: "identity", axis: null },
    y: { type: "identity", axis: null },
    marks: [
      rect(placed, {
        x1: "x", x2: (p: Placed) => p.x + cell - 2, y1: "y", y2: (p: Placed) => p.y + cell - 2, title: said,
        fill: ({ shade: s }: Placed) => (s.kind === "step" ? `var(--step-${s.step})` : "url(#year-hatch)"),
        stroke: ({ of }: Placed) => (of.lost_minutes > 0 ? "var(--coast)" : "var(--line)"), strokeWidth: 0.8,
      }),
      dot(placed.filter(({ of }) => of.deaf_minutes > 0), {
        x: (p: Placed) => p.x + (cell - 2) / 2, y: (p: Placed) => p.y + (cell - 2) / 2, r: Math.max(2, cell / 6),
        fill: "var(--paper)", stroke: "var(--ink)", strokeWidth: 1.3,
      }),
      text(months, {
        x: left, y: (month: number) => top(month) - 10, textAnchor: "start", fontWeight: 600, fill: "currentColor",
        text: (month: number) => monthName.format(new Date(Date.UTC(Number(year), month, 1))),
      }),
    ],
  });
  // Inside the picture, so that it leaves the page with it.
  const patterns = document.createElementNS("http://www.w3.org/2000/svg", "g");
  render(<Patterns id="year" />, patterns);
  chart.prepend(patterns);
  return chart;
}

const COLUMNS: Column<CalendarDay>[] = [
  { key: "day", head: t("column.day"), cell: (r) => dayWord(r.day), raw: (r) => r.day.slice(0, 10), heads: true },
  { key: "lost_minutes", head: t("column.lost"), cell: (r) => (r.lost_minutes <= 0 ? t("table.none") : long(r.lost_minutes * 60)), raw: (r) => r.lost_minutes, numeric: true },
  { key: "worst_state", head: t("column.state"), cell: (r) => (r.worst_state === null ? (shade(r).kind === "not_covered" ? t("calendar.not_covered") : t("calendar.nothing")) : word("event_state", r.worst_state)), raw: (r) => r.worst_state },
  { key: "worst_class", head: t("column.class"), cell: (r) => (r.worst_class === null ? t("table.none") : word("class", r.worst_class)), raw: (r) => r.worst_class },
  {
    key: "event_ids", head: t("column.events"), raw: (r) => r.event_ids.join(";"),
    cell: (r) => (r.event_ids.length === 0 ? t("table.none") : (
      <>{r.event_ids.map((id, at) => <span key={id}>{at > 0 && ", "}<a href={address(id)} aria-label={t("calendar.event_of", { index: at + 1, day: dayWord(r.day) })}>{t("calendar.event", { index: at + 1 })}</a></span>)}</>
    )),
  },
  { key: "eligible_sites", head: t("column.eligible"), cell: (r) => (r.eligible_sites === null || r.eligible_sites < FLOOR ? t("table.few") : String(r.eligible_sites)), raw: (r) => r.eligible_sites, numeric: true },
  { key: "min_detectable_share", head: t("column.detectable"), cell: (r) => (r.min_detectable_share === null ? t("table.none") : t("coverage.from_share", { share: r.min_detectable_share })), raw: (r) => r.min_detectable_share, numeric: true },
  { key: "deaf_minutes", head: t("column.deaf"), cell: (r) => (r.deaf_minutes === 0 ? t("table.none") : long(r.deaf_minutes * 60)), raw: (r) => r.deaf_minutes, numeric: true },
];
export const DAYS = COLUMNS;
