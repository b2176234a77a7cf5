// Where do probes look from, and where do they not? What is not covered is not "fine".
import { useData } from "../api/load";
import type { CoverageReply } from "../api/types";
import { Days } from "../chart/Days";
import { share } from "../format/number";
import { day } from "../format/time";
import { t } from "../messages/text";
import { probesOf } from "../shell/Facts";
import { counted, network, probes } from "../shell/columns";
import { Made } from "../shell/context";
import { Downloads } from "../shell/Downloads";
import { Page, to } from "../shell/Page";
import { Empty, Freshness, Show } from "../shell/States";
import { Table, type Column } from "../shell/Table";

type Row = CoverageReply["countries"][number];
type NetworkRow = Row["networks"][number];

const COLUMNS: Column<Row>[] = [
  { key: "country", head: t("column.country"), cell: (r) => <a href={to.country(r.country)}>{r.name}</a>, raw: (r) => r.country, heads: true },
  counted<Row>("networks", t("column.networks"), (r) => r.coverage.networks),
  { key: "probes", head: t("column.probes"), cell: (r) => probesOf(r.coverage), raw: (r) => r.coverage.probes, numeric: true },
  { key: "user_share", head: t("column.user_share"), cell: (r) => (r.coverage.user_share === null ? t("coverage.share_unknown") : share(r.coverage.user_share)), raw: (r) => r.coverage.user_share, numeric: true },
  counted<Row>("days", t("column.days_seen"), (r) => r.coverage.days),
  counted<Row>("measurements", t("column.measurements"), (r) => r.coverage.measurements),
];

const NETWORKS: Column<NetworkRow>[] = [
  network<NetworkRow>(),
  probes<NetworkRow>(),
  counted<NetworkRow>("measurements", t("column.measurements"), (r) => r.measurements),
];

export default function Coverage() {
  const from = useData<CoverageReply>("/v1/coverage");
  return (
    <Show from={from}>
      {(data) => (
        <Made.Provider value={{ from: data.window.from, to: data.window.to }}>
          <Page
            title={t("coverage.title")}
            lead={
              <p>
                {t("coverage.lead")} <a href="/coverage/shutdowns">{t("live.coverage")}</a>{" "}
                {t("window", { from: day(data.window.from), to: day(data.window.to), count: data.window.days })}
              </p>
            }
          >
            <Freshness window={data.window} simulated={data.simulated} now={Date.now()} />
            {data.countries.length === 0 ? (
              <Empty>{t("world.empty")}</Empty>
            ) : (
              <>
                <Table caption={t("coverage.title")} columns={COLUMNS} rows={data.countries} first={300} />
                <div class="small-multiples">
                  {data.countries.map((row) => (
                    <section key={row.country} aria-label={row.name} class="panel">
                      <Days
                        name={`${row.country}-coverage`}
                        title={t("coverage.days", { country: row.name })}
                        days={row.days.map((d) => ({ day: d.day, whole: d.measurements, part: null }))}
                        wholeWord={t("column.measurements")}
                      />
                      <Table caption={t("coverage.networks", { country: row.name })} columns={NETWORKS} rows={row.networks} first={10} />
                    </section>
                  ))}
                </div>
              </>
            )}
            <Downloads path="/v1/coverage" tables={["countries"]} />
          </Page>
        </Made.Provider>
      )}
    </Show>
  );
}
