// How did it go, day after day? Counts as bars, of which a part is set apart.
import type { ComponentChildren } from "preact";
import { count } from "../format/number";
import { day } from "../format/time";
import { t } from "../messages/text";
import type { Column } from "../shell/Table";
import { Figure } from "./Figure";
import { PlotArea } from "./Plot";

export interface DayBar {
  day: string;
  whole: number;
  part: number | null;
}

interface Props {
  name: string;
  title: string;
  note?: ComponentChildren;
  days: DayBar[];
  wholeWord: string;
  partWord?: string;
}

/** One bar a day: what others measured, and was imported, is counted with the rest. */
export function perDay(days: DayBar[]): DayBar[] {
  const sums = new Map<string, DayBar>();
  for (const { day: on, whole, part } of days) {
    const sum = sums.get(on);
    if (sum === undefined) sums.set(on, { day: on, whole, part });
    else sums.set(on, { day: on, whole: sum.whole + whole, part: part === null ? sum.part : (sum.part ?? 0) + part });
  }
  return [...sums.values()].sort((a, b) => a.day.localeCompare(b.day));
}

export function Days({ name, title, note, days: given, wholeWord, partWord }: Props) {
  const days = perDay(given);
  const columns: Column<DayBar>[] = [
    { key: "day", head: t("column.day"), cell: (r) => day(r.day), raw: (r) => r.day, heads: true },
    { key: "measurements", head: wholeWord, cell: (r) => count(r.whole), raw: (r) => r.whole, numeric: true },
  ];
  if (partWord !== undefined) {
    columns.push({
      key: "deviating", head: partWord, numeric: true,
      cell: (r) => (r.part === null ? t("table.none") : count(r.part)), raw: (r) => r.part,
    });
  }
  if (days.length === 0) return null;
  const total = days.reduce((sum, { whole }) => sum + whole, 0);
  const parts = days.reduce((sum, { part }) => sum + (part ?? 0), 0);
  const label = partWord === undefined
    ? t("days.label", { title, count: total })
    : t("days.label_parts", { title, whole: total, parts });
  const DAY = 86_400_000;
  return (
    <Figure
      name={name}
      title={title}
      note={
        <>
          {note}
          <ul class="key">
            <li><span class="key-whole" />{wholeWord}</li>
            {partWord !== undefined && <li><span class="key-part" />{partWord}</li>}
          </ul>
        </>
      }
      columns={columns}
      rows={days}
      level={2}
    >
      <PlotArea
        label={label}
        height={180}
        depends={[given]}
        draw={({ plot, rectY, ruleY, axisX, axisY, gridY }, width) => {
          const at = (r: DayBar) => new Date(`${r.day.slice(0, 10)}T00:00:00Z`);
          const end = (r: DayBar) => new Date(at(r).getTime() + DAY);
          return plot({
            width,
            height: 180,
            marginLeft: 46,
            marginBottom: 32,
            style: { background: "transparent", color: "inherit", fontSize: "12px" },
            x: { type: "utc", label: null },
            y: { label: null, nice: true, domain: [0, Math.max(1, ...days.map(({ whole }) => whole))] },
            marks: [
              gridY({ stroke: "var(--line)", strokeOpacity: 1, ticks: 4 }),
              axisX({ ticks: Math.max(2, Math.floor(width / 110)), label: null }),
              axisY({ ticks: 4, label: null }),
              rectY(days, { x1: at, x2: end, y1: 0, y2: "whole", fill: "var(--band)", insetLeft: 0.5, insetRight: 0.5 }),
              rectY(days.filter(({ part }) => part !== null && part > 0), {
                x1: at, x2: end, y1: 0, y2: "part", fill: "var(--accent-strong)", insetLeft: 0.5, insetRight: 0.5,
              }),
              ruleY([0], { stroke: "currentColor" }),
            ],
          });
        }}
      />
    </Figure>
  );
}
