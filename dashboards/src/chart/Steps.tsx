// When did each step begin and end? All on one axis, failed ones marked.
import type { Observation } from "../api/types";
import { milliseconds } from "../format/number";
import { t, word } from "../messages/text";
import { failureWord, told } from "../pages/observation";
import type { Column } from "../shell/Table";
import { Figure } from "./Figure";
import { PlotArea } from "./Plot";

const COLUMNS: Column<Observation>[] = [
  { key: "index", head: t("column.step"), cell: (r) => <a href={`#observation-${r.index}`}>{t("step.number", { index: r.index })}</a>, raw: (r) => r.index, heads: true },
  { key: "kind", head: t("column.layer"), cell: (r) => t(`layer.${r.step.kind}`), raw: (r) => r.step.kind },
  { key: "started_us", head: t("column.started"), cell: (r) => milliseconds(r.started), raw: (r) => r.started, numeric: true },
  { key: "ended_us", head: t("column.ended"), cell: (r) => milliseconds(r.ended), raw: (r) => r.ended, numeric: true },
  { key: "failure", head: t("column.failure"), cell: (r) => (r.failure === null ? t("table.none") : failureWord(r.failure)), raw: (r) => r.failure },
  { key: "told", head: t("column.told"), cell: (r) => told(r), raw: (r) => told(r) },
];

const ROW = 30;

export function Steps({ name, observations }: { name: string; observations: Observation[] }) {
  const title = t("measurement.steps");
  const end = Math.max(1, ...observations.map(({ ended }) => ended)) / 1000;
  const failed = observations.filter(({ failure }) => failure !== null).length;
  const height = observations.length * ROW + 44;
  return (
    <Figure
      name={name}
      title={title}
      note={
        <ul class="key">
          <li><span class="key-whole" />{t("step.done")}</li>
          <li><span class="key-part" />{t("key.failed")}</li>
        </ul>
      }
      columns={COLUMNS}
      rows={observations}
    >
      <PlotArea
        label={t("measurement.steps_label", { count: observations.length, failed })}
        height={height}
        depends={[observations]}
        draw={({ plot, barX, text, axisX, gridX, tickX }, width) => {
          const left = (r: Observation) => r.started / 1000;
          const right = (r: Observation) => r.ended / 1000;
          const late = (r: Observation) => left(r) > end * 0.55;
          const words = (r: Observation) =>
            `${r.index} ${t(`layer.${r.step.kind}.short`)}${r.failure === null ? "" : ` ✕ ${word("failure", r.failure)}`}`;
          const colour = (r: Observation) => (r.failure === null ? "var(--band)" : "var(--accent-strong)");
          return plot({
            width,
            height,
            marginLeft: 10,
            marginRight: 14,
            marginTop: 4,
            marginBottom: 38,
            style: { background: "transparent", color: "inherit", fontSize: "12px" },
            x: { domain: [0, end], label: null },
            y: { domain: observations.map(({ index }) => index), axis: null, padding: 0 },
            marks: [
              gridX({ stroke: "var(--line)", strokeOpacity: 1, ticks: Math.max(2, width / 110) }),
              axisX({ ticks: Math.max(2, width / 110), label: t("axis.milliseconds"), labelAnchor: "left", labelArrow: "none" }),
              barX(observations, { y: "index", x1: left, x2: right, fill: colour, insetTop: 15, insetBottom: 2 }),
              tickX(observations, { y: "index", x: left, stroke: "currentColor", strokeWidth: 1.5, insetTop: 15, insetBottom: 2 }),
              text(observations.filter((r) => !late(r)), { y: "index", x: left, dy: -6, text: words, textAnchor: "start", fill: "currentColor" }),
              text(observations.filter(late), { y: "index", x: right, dy: -6, text: words, textAnchor: "end", fill: "currentColor" }),
            ],
          });
        }}
      />
    </Figure>
  );
}
