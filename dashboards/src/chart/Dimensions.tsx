// How sure is each of the three numbers? A row for each dimension: the point, the statistical
// interval around it, the method's interval, and how far missing indicators could move it.
import { render } from "preact";
import { DIMENSIONS, type CountryReply, type Dim, type DimensionValue } from "../api/types";
import { reading } from "../format/estimate";
import { score } from "../format/number";
import { t } from "../messages/text";
import { Patterns } from "../map/Patterns";
import { sentence, why } from "../shell/Value";
import type { Column } from "../shell/Table";
import { Figure } from "./Figure";
import { PlotArea, type Marks } from "./Plot";

/** Below this many pixels, titles have no room. */
export const NARROW = 520;

interface Row {
  dimension: Dim;
  title: string;
  value: DimensionValue;
}

const number = (value: number | null | undefined) => (value === null || value === undefined ? "" : score(value, null));
const pair = (ends: readonly [number, number] | null) =>
  ends === null ? t("table.none") : t("estimate.interval", { low: number(ends[0]), high: number(ends[1]) });

const COLUMNS: Column<Row>[] = [
  { key: "dimension", head: t("column.dimension"), cell: (r) => r.title, raw: (r) => r.dimension, heads: true },
  {
    key: "point",
    head: t("column.score"),
    cell: (r) => {
      const read = reading(r.value);
      return read.kind === "published" ? number(read.point) : t(`estimate.${read.kind}`);
    },
    raw: (r) => r.value.point,
    numeric: true,
  },
  { key: "low_90", head: t("column.statistical"), cell: (r) => pair(r.value.interval), raw: (r) => r.value.interval?.[0] },
  { key: "high_90", head: t("column.statistical_wide"), cell: (r) => widthOf(r.value.interval), raw: (r) => r.value.interval?.[1] },
  { key: "method_low", head: t("column.method"), cell: (r) => pair(r.value.method_interval), raw: (r) => r.value.method_interval?.[0] },
  { key: "method_high", head: t("column.method_wide"), cell: (r) => widthOf(r.value.method_interval), raw: (r) => r.value.method_interval?.[1] },
  { key: "missing_low", head: t("column.bounds"), cell: (r) => pair(r.value.bounds), raw: (r) => r.value.bounds?.[0] },
  { key: "missing_high", head: t("column.bounds_wide"), cell: (r) => widthOf(r.value.bounds), raw: (r) => r.value.bounds?.[1] },
  { key: "contested_low", head: t("column.contested"), cell: (r) => pair(r.value.contested), raw: (r) => r.value.contested?.[0] },
  { key: "contested_high", head: t("column.contested_wide"), cell: (r) => widthOf(r.value.contested), raw: (r) => r.value.contested?.[1] },
  { key: "grade", head: t("column.grade"), cell: (r) => r.value.grade ?? t("table.none"), raw: (r) => r.value.grade },
];

function widthOf(ends: readonly [number, number] | null): string {
  return ends === null ? t("table.none") : score(ends[1] - ends[0], null);
}

export function Dimensions({ data }: { data: CountryReply }) {
  const rows = DIMENSIONS.map((dimension): Row => ({
    dimension,
    title: t(`dimension.${dimension}`),
    value: data.dimensions[dimension],
  }));
  const label = rows.map(({ title, value }) => `${title}: ${sentence(reading(value))}`).join(" ");
  return (
    <Figure
      name={`${data.country}-dimensions`}
      title={t("country.dimensions", { country: data.name })}
      note={
        <ul class="key">
          <li><span class="key-point" />{t("key.point")}</li>
          <li><span class="key-band" />{t("key.statistical")}</li>
          <li><span class="key-line" />{t("key.method")}</li>
          <li><span class="key-dash" />{t("key.bounds")}</li>
          <li><span class="key-contested" />{t("key.contested")}</li>
        </ul>
      }
      columns={COLUMNS}
      rows={rows}
    >
      <PlotArea label={label} height={236} depends={[data]} draw={(marks, width) => draw(marks, width, rows)} />
    </Figure>
  );
}

function draw(marks: Marks, width: number, rows: Row[]): Element {
  const { barX, dot, plot, ruleX, ruleY, text, axisX } = marks;
  const is = (kind: "published" | "divided" | "insufficient") => rows.filter(({ value }) => reading(value).kind === kind);
  const [known, divided, unknown] = [is("published"), is("divided"), is("insufficient")];
  const of = (pick: (value: DimensionValue) => readonly [number, number] | null, at: 0 | 1) => (r: Row) => pick(r.value)?.[at] ?? undefined;
  const short = (r: Row) => {
    const reasons = why(r.value.reasons);
    return reasons === "" || width < NARROW ? t("estimate.insufficient") : t("estimate.insufficient_short", { reasons });
  };
  const chart = plot({
    width,
    height: 236,
    marginLeft: 8,
    marginRight: 12,
    marginTop: 8,
    marginBottom: 38,
    style: { background: "transparent", color: "inherit", fontSize: "13px" },
    x: { domain: [0, 1], label: null },
    y: { domain: rows.map(({ dimension }) => dimension), axis: null, padding: 0 },
    marks: [
      axisX({ ticks: [0, 0.25, 0.5, 0.75, 1], tickFormat: String, label: t("axis.score"), labelAnchor: "left", labelArrow: "none" }),
      ruleX([0, 0.25, 0.5, 0.75, 1], { stroke: "var(--line)" }),
      barX(known, { y: "dimension", x1: 0, x2: 1, fill: "var(--band-ground)", insetTop: 36, insetBottom: 14 }),
      ruleY(rows.filter(({ value }) => value.bounds !== null), {
        y: "dimension", x1: of((v) => v.bounds, 0), x2: of((v) => v.bounds, 1),
        stroke: "var(--ink-soft)", strokeDasharray: "2,3", strokeWidth: 1.5, dy: 16,
      }),
      ruleY(known.filter(({ value }) => value.method_interval !== null), {
        y: "dimension", x1: of((v) => v.method_interval, 0), x2: of((v) => v.method_interval, 1),
        stroke: "var(--accent)", strokeWidth: 2, dy: 10,
      }),
      barX(known.filter(({ value }) => value.interval !== null), {
        y: "dimension", x1: of((v) => v.interval, 0), x2: of((v) => v.interval, 1),
        fill: "var(--band)", insetTop: 38, insetBottom: 16,
      }),
      dot(known, { y: "dimension", x: (r: Row) => r.value.point, r: 5.5, fill: "var(--accent-strong)", stroke: "var(--paper)", strokeWidth: 1.5, dy: 11 }),
      barX(divided, { y: "dimension", x1: 0, x2: 1, fill: "var(--band-ground)", insetTop: 36, insetBottom: 14 }),
      barX(divided.filter(({ value }) => value.interval !== null), {
        y: "dimension", x1: of((v) => v.interval, 0), x2: of((v) => v.interval, 1),
        fill: "var(--band)", insetTop: 36, insetBottom: 20,
      }),
      barX(divided, {
        y: "dimension", x1: of((v) => v.contested, 0), x2: of((v) => v.contested, 1),
        fill: "url(#dimensions-divided)", stroke: "var(--accent)", insetTop: 43, insetBottom: 13,
      }),
      text(divided, {
        y: "dimension", x: 1, textAnchor: "end", dy: -12, fill: "currentColor",
        text: (r: Row) => t("estimate.divided_short", { range: pair(r.value.contested) }),
      }),
      barX(unknown, { y: "dimension", x1: 0, x2: 1, fill: "url(#dimensions-hatch)", stroke: "var(--hatch-line)", insetTop: 36, insetBottom: 14 }),
      text(rows, {
        y: "dimension", x: 0, textAnchor: "start", dy: -12, fontWeight: 600, fill: "currentColor",
        text: (r: Row) => (width < NARROW ? t(`dimension.${r.dimension}.narrow`) : r.title),
      }),
      text(known, {
        y: "dimension", x: 1, textAnchor: "end", dy: -12, fill: "currentColor",
        text: ({ value }: Row) => {
          const read = reading(value);
          return read.kind === "published" ? score(read.point, read.interval) : "";
        },
      }),
      text(unknown, {
        y: "dimension", x: 1, textAnchor: "end", dy: -12, fill: "currentColor", text: short,
        lineWidth: Math.max(8, (width - 340) / 13), textOverflow: "ellipsis-end",
      }),
    ],
  });
  // Inside the picture, so that it leaves the page with it.
  const patterns = document.createElementNS("http://www.w3.org/2000/svg", "g");
  render(<Patterns id="dimensions" />, patterns);
  chart.prepend(patterns);
  return chart;
}
