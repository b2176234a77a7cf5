// How are the numbers made? What the collector itself says of its method, not a copy of it.
import { useData } from "../api/load";
import { DIMENSIONS, type MethodReply } from "../api/types";
import { share } from "../format/number";
import { t, word } from "../messages/text";
import { Downloads } from "../shell/Downloads";
import { Facts } from "../shell/Facts";
import { Page } from "../shell/Page";
import { Show } from "../shell/States";
import { Table, type Column } from "../shell/Table";

type Row = MethodReply["indicators"][number];
const COLUMNS: Column<Row>[] = [
  { key: "id", head: t("column.indicator"), cell: (r) => t("indicator_named", { id: r.id, name: r.title }), raw: (r) => r.id, heads: true },
  { key: "tier", head: t("column.tier"), cell: (r) => r.tier, raw: (r) => r.tier },
  { key: "weight", head: t("column.weight"), cell: (r) => share(r.weight), raw: (r) => r.weight, numeric: true },
  { key: "b", head: t("column.background"), cell: (r) => String(r.b), raw: (r) => r.b, numeric: true },
  { key: "h", head: t("column.goalpost"), cell: (r) => String(r.h), raw: (r) => r.h, numeric: true },
  { key: "implemented", head: t("column.implemented"), cell: (r) => t(r.implemented ? "yes" : "not_yet"), raw: (r) => r.implemented },
  { key: "sources", head: t("column.sources"), cell: (r) => <Lines texts={r.sources} />, raw: (r) => r.sources.join("; ") },
  { key: "known_false_positives", head: t("column.false_positives"), cell: (r) => <Lines texts={r.known_false_positives} />, raw: (r) => r.known_false_positives.join("; ") },
];

function Lines({ texts }: { texts: string[] }) {
  if (texts.length === 0) return <>{t("table.none")}</>;
  return <ul class="lines">{texts.map((text) => <li key={text}>{text}</li>)}</ul>;
}

/** Floors come as names and numbers, some of them in groups. */
export function floors(given: Record<string, unknown>, prefix = ""): [string, string][] {
  return Object.entries(given).flatMap(([name, value]): [string, string][] => {
    const key = `${prefix}${name}`;
    if (value !== null && typeof value === "object" && !Array.isArray(value)) {
      return floors(value as Record<string, unknown>, `${key}.`);
    }
    const said = typeof value === "number" && value > 0 && value < 1 ? share(value) : String(value);
    return [[word("floor_name", key), said]];
  });
}

export default function Method() {
  const from = useData<MethodReply>("/v1/method");
  return (
    <Show from={from}>
      {(data) => (
        <Page title={data.title} lead={<p>{t("method.lead", { method: data.method })}</p>}>
          <section aria-labelledby="means">
            <h2 id="means">{t("method.means")}</h2>
            <p>{t("method.direction")}</p>
            <dl class="glossary">
              {DIMENSIONS.map((dimension) => (
                <div key={dimension}>
                  <dt>{t(`dimension.${dimension}`)}</dt>
                  <dd>{t(`dimension.${dimension}.about`)}</dd>
                </div>
              ))}
              <div><dt>{t("estimate.insufficient")}</dt><dd>{t("method.insufficient")}</dd></div>
              <div><dt>{t("estimate.divided")}</dt><dd>{t("method.divided")}</dd></div>
              <div><dt>{t("key.statistical")}</dt><dd>{t("method.statistical")}</dd></div>
              <div><dt>{t("key.method")}</dt><dd>{t("method.interval")}</dd></div>
              <div><dt>{t("key.bounds")}</dt><dd>{t("method.bounds")}</dd></div>
              <div><dt>{t("column.grade")}</dt><dd>{t("method.grade")}</dd></div>
            </dl>
            <p class="disclaimer boxed">{data.disclaimer}</p>
          </section>
          <section aria-labelledby="floors">
            <h2 id="floors">{t("method.floors")}</h2>
            <p class="note">{t("method.floors_note")}</p>
            <Facts facts={floors(data.floors)} />
          </section>
          <section aria-labelledby="indicators">
            <h2 id="indicators">{t("country.indicators")}</h2>
            {DIMENSIONS.map((dimension) => (
              <section key={dimension} aria-labelledby={`m-${dimension}`}>
                <h3 id={`m-${dimension}`}>{t(`dimension.${dimension}`)}</h3>
                <Table
                  caption={t(`dimension.${dimension}`)}
                  columns={COLUMNS}
                  rows={data.indicators.filter((row) => row.dimension === dimension)}
                />
              </section>
            ))}
          </section>
          <section aria-labelledby="text">
            <h2 id="text">{t("method.text")}</h2>
            <pre class="method-text" tabIndex={0} dir="ltr">{data.text}</pre>
          </section>
          <Downloads path="/v1/method" tables={["indicators"]} />
        </Page>
      )}
    </Show>
  );
}
