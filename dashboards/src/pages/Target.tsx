// Where can one address be reached, and where not?
import { useData } from "../api/load";
import type { TargetReply } from "../api/types";
import { Days } from "../chart/Days";
import { share } from "../format/number";
import { day } from "../format/time";
import { t, word } from "../messages/text";
import { counted, mechanisms, outcomes, probes } from "../shell/columns";
import { Downloads } from "../shell/Downloads";
import { Evidence } from "../shell/Evidence";
import { Page, to } from "../shell/Page";
import { Show } from "../shell/States";
import { Table, type Column } from "../shell/Table";
import { COLUMNS as WAVES } from "./Waves";

type Row = TargetReply["countries"][number];
const COLUMNS: Column<Row>[] = [
  { key: "country", head: t("column.country"), cell: (r) => <a href={to.country(r.country)}>{r.name}</a>, raw: (r) => r.country, heads: true },
  counted<Row>("networks", t("column.networks"), (r) => r.networks),
  probes<Row>(),
  counted<Row>("measurements", t("column.measurements"), (r) => r.measurements),
  outcomes<Row>(),
  mechanisms<Row>(),
];

type Past = TargetReply["history"][number];
function past(name: (code: string) => string): Column<Past>[] {
  return [
    { key: "day", head: t("column.day"), cell: (r) => day(r.day), raw: (r) => r.day, heads: true },
    { key: "country", head: t("column.country"), cell: (r) => <a href={to.country(r.country)}>{name(r.country)}</a>, raw: (r) => r.country },
    counted<Past>("measurements", t("column.measurements"), (r) => r.measurements),
    counted<Past>("anomalies", t("column.anomalies"), (r) => r.anomalies),
    { key: "share", head: t("column.rate"), numeric: true, cell: (r) => share(r.anomalies / Math.max(1, r.measurements), r.measurements), raw: (r) => r.anomalies / Math.max(1, r.measurements) },
  ];
}

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
          {data.waves.length > 0 && (
            <section aria-labelledby="waves">
              <h2 id="waves">{t("target.waves")}</h2>
              <Table caption={t("target.waves")} columns={WAVES} rows={data.waves} />
            </section>
          )}
          <section aria-labelledby="history">
            <h2 id="history">{t("target.history")}</h2>
            <Table
              caption={t("target.history")}
              columns={past((code) => data.countries.find(({ country }) => country === code)?.name ?? code)}
              rows={[...data.history].sort((a, b) => b.day.localeCompare(a.day) || a.country.localeCompare(b.country))}
            />
          </section>
          <Evidence path={`/v1/verdicts?target=${encodeURIComponent(data.target)}`} title={t("evidence.title")} />
          <Downloads path={path} tables={["countries", "days", "history"]} />
        </Page>
      )}
    </Show>
  );
}
