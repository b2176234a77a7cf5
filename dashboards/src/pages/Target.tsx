// Where can one address be reached, and where not?
import { useData } from "../api/load";
import type { TargetReply } from "../api/types";
import { Days } from "../chart/Days";
import { t, word } from "../messages/text";
import { counted, mechanisms, outcomes, probes } from "../shell/columns";
import { Downloads } from "../shell/Downloads";
import { Evidence } from "../shell/Evidence";
import { Page, to } from "../shell/Page";
import { Show } from "../shell/States";
import { Table, type Column } from "../shell/Table";

type Row = TargetReply["countries"][number];
const COLUMNS: Column<Row>[] = [
  { key: "country", head: t("column.country"), cell: (r) => <a href={to.country(r.country)}>{r.name}</a>, raw: (r) => r.country, heads: true },
  counted<Row>("networks", t("column.networks"), (r) => r.networks),
  probes<Row>(),
  counted<Row>("measurements", t("column.measurements"), (r) => r.measurements),
  outcomes<Row>(),
  mechanisms<Row>(),
];

export default function Target({ target }: { target: string }) {
  const path = `/v1/targets/${encodeURIComponent(target)}`;
  const from = useData<TargetReply>(path);
  return (
    <Show from={from}>
      {(data) => (
        <Page
          title={data.target}
          crumbs={[{ href: "/targets", text: t("targets.title") }]}
          lead={
            <p>
              {data.category === null ? null : `${t("target.category", { category: word("category", data.category) })} `}
              {t("target.lead")}
            </p>
          }
        >
          <section aria-labelledby="countries">
            <h2 id="countries">{t("target.countries")}</h2>
            <Table caption={t("target.countries")} columns={COLUMNS} rows={data.countries} />
          </section>
          <Days
            name="target-days"
            title={t("target.days")}
            days={data.days.map((d) => ({ day: d.day, whole: d.measurements, part: d.anomalies }))}
            wholeWord={t("column.measurements")}
            partWord={t("column.anomalies")}
          />
          <Evidence path={`/v1/verdicts?target=${encodeURIComponent(data.target)}`} title={t("evidence.title")} />
          <Downloads path={path} tables={["countries", "days"]} />
        </Page>
      )}
    </Show>
  );
}
