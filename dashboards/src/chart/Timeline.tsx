// How did the three numbers move? One row each on one axis of time, with their interval. Days
// without a point because networks differ show their contested range; those without enough
// evidence are gaps.
import { render } from "preact";
import { DIMENSIONS, type Dim, type Interval, type TimelineDay } from "../api/types";
import { score } from "../format/number";
import { day } from "../format/time";
import { Patterns } from "../map/Patterns";
import { t } from "../messages/text";
import type { Loss } from "../shell/Losses";
import type { Column } from "../shell/Table";
import { NARROW } from "./Dimensions";
import { Figure } from "./Figure";
import { PlotArea } from "./Plot";

interface Point {
  dimension: Dim;
  at: Date;
  day: string;
  point: number;
  low: number;
  high: number;
}

export function points(timeline: TimelineDay[]): Point[] {
  return DIMENSIONS.flatMap((dimension) =>
    timeline.map((entry) => {
      const [point, low, high] = entry[dimension] ?? [NaN, NaN, NaN];
      return { dimension, at: new Date(`${entry.day.slice(0, 10)}T00:00:00Z`), day: entry.day, point, low, high };
    }),
  );
}

/** Where the axis ends: what goes on reaches that far. */
const axisEnd = (timeline: TimelineDay[]) => new Date(`${(timeline.at(-1)?.day ?? "1970-01-01").slice(0, 10)}T00:00:00Z`);
interface Divided {
  dimension: Dim;
  from: Date;
  to: Date;
  low: number;
  high: number;
}

const contested = (entry: TimelineDay, dimension: Dim): Interval | null => entry[`${dimension}_contested`];

/** A range for each day on which networks differ too much for a point. */
export function divided(timeline: TimelineDay[]): Divided[] {
  return DIMENSIONS.flatMap((dimension) =>
    timeline.flatMap((entry) => {
      const range = contested(entry, dimension);
      if (range === null) return [];
      const noon = Date.parse(`${entry.day.slice(0, 10)}T00:00:00Z`);
      const half = 12 * 3600 * 1000;
      return [{ dimension, from: new Date(noon - half), to: new Date(noon + half), low: range[0], high: range[1] }];
    }),
  );
}

/** Whether any day shows anything. */
export function shows(timeline: TimelineDay[]): boolean {
  return timeline.some((entry) => DIMENSIONS.some((dimension) => entry[dimension] !== null || contested(entry, dimension) !== null));
}

const known = (value: number | undefined) => (value === undefined || Number.isNaN(value) ? null : value);

const COLUMNS: Column<TimelineDay>[] = [
  { key: "day", head: t("column.day"), cell: (r) => day(r.day), raw: (r) => r.day, heads: true },
  ...DIMENSIONS.flatMap((dimension): Column<TimelineDay>[] => [
    {
      key: dimension,
      head: t(`dimension.${dimension}.short`),
      cell: (r) => {
        const entry = r[dimension];
        if (entry !== null) return score(entry[0], [entry[1], entry[2]]);
        return t(contested(r, dimension) === null ? "table.none" : "estimate.divided");
      },
      raw: (r) => known(r[dimension]?.[0]),
      numeric: true,
    },
    {
      key: `${dimension}_low_90`,
      head: t("column.low", { dimension: t(`dimension.${dimension}.short`) }),
      cell: (r) => (r[dimension] === null ? "" : score(r[dimension][1], null)),
      raw: (r) => known(r[dimension]?.[1]),
      numeric: true,
    },
    {
      key: `${dimension}_high_90`,
      head: t("column.high", { dimension: t(`dimension.${dimension}.short`) }),
      cell: (r) => (r[dimension] === null ? "" : score(r[dimension][2], null)),
      raw: (r) => known(r[dimension]?.[2]),
      numeric: true,
    },
    ...([0, 1] as const).map((end): Column<TimelineDay> => ({
      key: `${dimension}_contested_${end === 0 ? "low" : "high"}`,
      head: t(end === 0 ? "column.contested_low" : "column.contested_high", { dimension: t(`dimension.${dimension}.short`) }),
      cell: (r) => {
        const range = contested(r, dimension);
        return range === null ? "" : score(range[end], null);
      },
      raw: (r) => contested(r, dimension)?.[end] ?? null,
      numeric: true,
    })),
  ]),
];

export function Timeline({ name, country, timeline, losses = [] }: { name: string; country: string; timeline: TimelineDay[]; losses?: Loss[] }) {
  const title = t("country.timeline", { country });
  const all = points(timeline);
  const ranges = divided(timeline);
  const first = timeline[0]?.day ?? "";
  const last = timeline.at(-1)?.day ?? "";
  return (
    <Figure name={name} title={title} note={losses.length === 0 ? t("country.timeline_note") : `${t("country.timeline_note")} ${t("country.timeline_losses")}`} columns={COLUMNS} rows={timeline}>
      <PlotArea
        label={t("country.timeline_label", { country, from: day(first), to: day(last) })}
        height={330}
        depends={[timeline, losses.map(({ id }) => id).join()]}
        draw={({ plot, areaY, lineY, dot, rect, ruleX, ruleY, text, axisX, axisY }, width) => {
          const chart = plot({
            width,
            height: 330,
            marginLeft: 34,
            marginRight: 10,
            marginBottom: 32,
            style: { background: "transparent", color: "inherit", fontSize: "12px" },
            x: { type: "utc", label: null },
            y: { domain: [0, 1], label: null },
            fy: { domain: [...DIMENSIONS], axis: null, padding: 0.28 },
            marks: [
              // Losses of connectivity, numbered as in the list below; one of hours is at least a line.
              rect(losses, { x1: "from", x2: (l: Loss) => l.to ?? axisEnd(timeline), y1: 0, y2: 1, fill: "var(--warn-ground)", stroke: "var(--warn-line)", strokeWidth: 0.6 }),
              ruleX(losses, { x: "from", stroke: "var(--warn-line)", strokeDasharray: "3,2" }),
              ruleY([0, 0.5, 1], { stroke: "var(--line)" }),
              axisX({ ticks: Math.max(2, Math.floor(width / 110)), label: null, anchor: "bottom" }),
              axisY({ ticks: [0, 0.5, 1], label: null, tickSize: 0 }),
              rect(ranges, {
                fy: "dimension", x1: "from", x2: "to", y1: "low", y2: "high", inset: 0,
                fill: "url(#timeline-divided)", stroke: "none",
              }),
              areaY(all, { fy: "dimension", x: "at", y1: "low", y2: "high", fill: "var(--band)", fillOpacity: 0.85 }),
              lineY(all, { fy: "dimension", x: "at", y: "point", stroke: "var(--accent-strong)", strokeWidth: 2 }),
              dot(all.filter(({ point }) => !Number.isNaN(point)), { fy: "dimension", x: "at", y: "point", r: 1.3, fill: "var(--accent-strong)" }),
              text([...DIMENSIONS], {
                fy: (dimension: Dim) => dimension,
                text: (dimension: Dim) => {
                  const title = t(width < NARROW ? `dimension.${dimension}.narrow` : `dimension.${dimension}`);
                  const any =
                    all.some((p) => p.dimension === dimension && !Number.isNaN(p.point)) ||
                    ranges.some((range) => range.dimension === dimension);
                  return any ? title : `${title}: ${t("estimate.insufficient")}`;
                },
                frameAnchor: "top-left", dy: -16, fontWeight: 600, fill: "currentColor",
              }),
              text(losses, { fy: () => DIMENSIONS[0], x: "from", text: (l: Loss) => String(l.number), frameAnchor: "top", dy: -31, fontWeight: 600, fill: "currentColor" }),
            ],
            marginTop: losses.length === 0 ? 24 : 38,
          });
          // Inside the picture, so that it leaves the page with it.
          const patterns = document.createElementNS("http://www.w3.org/2000/svg", "g");
          render(<Patterns id="timeline" />, patterns);
          chart.prepend(patterns);
          return chart;
        }}
      />
    </Figure>
  );
}
