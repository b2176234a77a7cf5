// Which columns do several pages share?
import { count, share } from "../format/number";
import { t, word } from "../messages/text";
import { to } from "./Page";
import type { Column } from "./Table";

const sorted = (counts: Record<string, number>) => Object.entries(counts).sort(([, a], [, b]) => b - a);
const flat = (counts: Record<string, number>) => sorted(counts).map(([name, n]) => `${name}=${n}`).join(" ");

export function Outcomes({ counts, prefix }: { counts: Record<string, number>; prefix: "outcome" | "mechanism" }) {
  const all = sorted(counts).filter(([, n]) => n > 0);
  if (all.length === 0) return <>{t("table.none")}</>;
  return (
    <ul class="tags">
      {all.map(([name, n]) => (
        <li key={name} class={`tag ${prefix}-${name.split(".")[0] ?? ""}`}>
          {word(prefix, name)} <span class="count">{count(n)}</span>
        </li>
      ))}
    </ul>
  );
}

export function network<Row extends { asn: number; name: string | null }>(): Column<Row> {
  return {
    key: "asn",
    head: t("column.network"),
    cell: ({ asn, name }) => (
      <a href={to.network(asn)}>{name === null ? t("asn", { asn }) : t("asn_named", { asn, name })}</a>
    ),
    raw: ({ asn }) => asn,
    heads: true,
  };
}

export function target<Row extends { target: string }>(): Column<Row> {
  return {
    key: "target",
    head: t("column.target"),
    cell: ({ target }) => <a class="address" href={to.target(target)}>{target}</a>,
    raw: ({ target }) => target,
    heads: true,
  };
}

export function probes<Row extends { probes: number | null; imported?: boolean }>(): Column<Row> {
  return {
    key: "probes",
    head: t("column.probes"),
    cell: ({ probes, imported }) =>
      probes !== null ? count(probes) : t(imported === true ? "table.imported" : "table.few"),
    raw: ({ probes }) => probes,
    numeric: true,
  };
}

export function counted<Row>(key: string, head: string, of: (row: Row) => number): Column<Row> {
  return { key, head, cell: (row) => count(of(row)), raw: of, numeric: true };
}

export function rate<Row extends { raw: number | null; measurements: number }>(): Column<Row> {
  return {
    key: "rate",
    head: t("column.rate"),
    cell: ({ raw, measurements }) => (raw === null ? t("table.none") : share(raw, measurements)),
    raw: ({ raw }) => raw,
    numeric: true,
  };
}

export function outcomes<Row extends { outcomes: Record<string, number> }>(): Column<Row> {
  return {
    key: "outcomes",
    head: t("column.outcomes"),
    cell: (row) => <Outcomes counts={row.outcomes} prefix="outcome" />,
    raw: (row) => flat(row.outcomes),
  };
}

export function mechanisms<Row extends { mechanisms: Record<string, number> }>(): Column<Row> {
  return {
    key: "mechanisms",
    head: t("column.mechanisms"),
    cell: (row) => <Outcomes counts={row.mechanisms} prefix="mechanism" />,
    raw: (row) => flat(row.mechanisms),
  };
}
