// Which networks deviate, and how often? One bar each, on a scale from none to all.
import type { NetworkRate } from "../api/types";
import { share } from "../format/number";
import { t } from "../messages/text";
import { Table, type Column } from "../shell/Table";
import { Figure } from "./Figure";
import { PlotArea } from "./Plot";

interface Props {
  name: string;
  title: string;
  rows: NetworkRate[];
  columns: Column<NetworkRate>[];
}

const ROW = 40;

export function Rates({ name, title, rows, columns }: Props) {
  const known = rows.filter(({ raw }) => raw !== null);
  if (known.length === 0) {
    return (
      <section>
        <h2>{title}</h2>
        <Table caption={title} columns={columns} rows={rows} />
      </section>
    );
  }
  const label = known.map((r) => `${nameOf(r)}: ${share(r.raw ?? 0, r.measurements)}.`).join(" ");
  // Own and imported rows of one network stand apart.
  const at = (_: NetworkRate, index: number) => index;
  const height = known.length * ROW + 44;
  return (
    <Figure name={name} title={title} note={t("indicator.networks_note")} columns={columns} rows={rows}>
      <PlotArea
        label={label}
        height={height}
        depends={[rows]}
        draw={({ plot, barX, text, ruleX, axisX }, width) =>
          plot({
            width,
            height,
            marginLeft: 8,
            marginRight: 14,
            marginTop: 4,
            marginBottom: 38,
            style: { background: "transparent", color: "inherit", fontSize: "13px" },
            x: { domain: [0, 1], label: null },
            y: { domain: known.map((_, at) => at), axis: null, padding: 0 },
            marks: [
              axisX({ ticks: [0, 0.25, 0.5, 0.75, 1], tickFormat: (d: number) => share(d), label: t("axis.rate"), labelAnchor: "left", labelArrow: "none" }),
              ruleX([0, 0.25, 0.5, 0.75, 1], { stroke: "var(--line)" }),
              barX(known, { y: at, x1: 0, x2: 1, fill: "var(--band-ground)", insetTop: 22, insetBottom: 6 }),
              barX(known, { y: at, x1: 0, x2: "raw", fill: "var(--accent-strong)", insetTop: 22, insetBottom: 6 }),
              text(known, { y: at, x: 0, text: nameOf, textAnchor: "start", dy: -9, fill: "currentColor" }),
              text(known, { y: at, x: 1, text: (r: NetworkRate) => share(r.raw ?? 0, r.measurements), textAnchor: "end", dy: -9, fill: "currentColor", fontWeight: 600 }),
            ],
          })
        }
      />
    </Figure>
  );
}

function nameOf({ asn, name, imported }: NetworkRate): string {
  const text = name === null ? t("asn", { asn }) : t("asn_named", { asn, name });
  return imported === true ? `${text}, ${t("table.imported")}` : text;
}
