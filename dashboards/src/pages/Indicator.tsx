// What does one indicator rest on, in one country?
import { useData } from "../api/load";
import type { IndicatorReply, NetworkRate } from "../api/types";
import { Days } from "../chart/Days";
import { Rates } from "../chart/Rates";
import { share } from "../format/number";
import { day } from "../format/time";
import { has, say, t } from "../messages/text";
import { counted, mechanisms, network, probes, rate, target } from "../shell/columns";
import { Made } from "../shell/context";
import { Downloads } from "../shell/Downloads";
import { Evidence } from "../shell/Evidence";
import { Facts } from "../shell/Facts";
import { Later } from "../shell/Later";
import { Page, to } from "../shell/Page";
import { Show } from "../shell/States";
import { Table, type Column } from "../shell/Table";
import { sentence, Texts, Value } from "../shell/Value";
import { reading } from "../format/estimate";
import { indicatorName } from "./Country";

interface Props {
  country: string;
  indicator: string;
}

export default function Indicator({ country, indicator }: Props) {
  const path = `/v1/countries/${encodeURIComponent(country.toUpperCase())}/indicators/${encodeURIComponent(indicator)}`;
  const from = useData<IndicatorReply>(path);
  return (
    <Show from={from}>
      {(data) => {
        const { indicator: value } = data;
        const read = reading(value.score);
        const place = data.name ?? data.country;
        return (
          <Made.Provider value={{ method: data.method, from: data.window.from, to: data.window.to }}>
            <Page
              title={t("indicator.title", { indicator: indicatorName(value.id), country: place })}
              crumbs={[
                { href: "/", text: t("nav.world") },
                { href: to.country(data.country), text: place },
              ]}
              lead={
                <p>
                  {has(`indicator.${value.id}.what`) ? `${say(`indicator.${value.id}.what`)} ` : null}
                  {t("window", { from: day(data.window.from), to: day(data.window.to), count: data.window.days })}
                </p>
              }
            >
              <section aria-labelledby="value" class="headline">
                <h2 id="value">{t("indicator.value")}</h2>
                <p class="big"><Value estimate={value.score} /></p>
                {read.kind === "insufficient" && value.explanation.length === 0 && <p>{sentence(read)}</p>}
                <Facts
                  facts={[
                    [t("column.dimension"), t(`dimension.${value.dimension}`)],
                    [t("column.rate"), value.raw === null ? t("table.none") : share(value.raw, value.measurements)],
                    [t("column.networks_deviating"), t("of", { part: value.networks_deviating, whole: value.networks })],
                    [t("column.deviations"), t("of", { part: value.deviations, whole: value.measurements })],
                    [t("column.tier"), t("indicator.tier", { tier: value.tier, weight: share(value.weight) })],
                  ]}
                />
              </section>
              <section aria-labelledby="told" class="account">
                <h2 id="told">{t("country.account")}</h2>
                <Texts texts={value.explanation} empty={t("account.nothing")} />
                {value.alternatives.length > 0 && (
                  <>
                    <h3>{t("account.alternatives")}</h3>
                    <Texts texts={value.alternatives} />
                  </>
                )}
                {value.not_covered.length > 0 && (
                  <>
                    <h3>{t("account.not_covered")}</h3>
                    <Texts texts={value.not_covered} />
                  </>
                )}
              </section>
              <Later>
                <Rates
                  name={`${data.country}-${value.id}-networks`}
                  title={t("indicator.networks", { indicator: value.id, country: place })}
                  rows={data.networks}
                  columns={NETWORKS}
                />
                <Days
                  name={`${data.country}-${value.id}-days`}
                  title={t("indicator.days", { indicator: value.id, country: place })}
                  days={data.days.map((d) => ({ day: d.day, whole: d.measurements, part: d.deviations }))}
                  wholeWord={t("column.measurements")}
                  partWord={t("column.deviating")}
                />
                <section aria-labelledby="targets">
                  <h2 id="targets">{t("indicator.targets")}</h2>
                  <Table caption={t("indicator.targets")} columns={TARGETS} rows={data.targets} />
                </section>
                <Evidence path={data.evidence} title={t("evidence.title")} />
                <Downloads path={path} tables={["networks", "targets", "days"]} />
              </Later>
            </Page>
          </Made.Provider>
        );
      }}
    </Show>
  );
}

const NETWORKS: Column<NetworkRate>[] = [
  network<NetworkRate>(),
  probes<NetworkRate>(),
  counted<NetworkRate>("measurements", t("column.measurements"), (r) => r.measurements),
  counted<NetworkRate>("deviations", t("column.deviating"), (r) => r.deviations),
  rate<NetworkRate>(),
];

type TargetRow = IndicatorReply["targets"][number];
const TARGETS: Column<TargetRow>[] = [
  target<TargetRow>(),
  counted<TargetRow>("networks", t("column.networks"), (r) => r.networks),
  counted<TargetRow>("measurements", t("column.measurements"), (r) => r.measurements),
  counted<TargetRow>("deviations", t("column.deviating"), (r) => r.deviations),
  mechanisms<TargetRow>(),
];
