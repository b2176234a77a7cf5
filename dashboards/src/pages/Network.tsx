// What was measured in one network? Values and counts, no profile: that needs three networks.
import { useCountryName, useData } from "../api/load";
import type { NetworkIndicator, NetworkReply, TargetRow } from "../api/types";
import { Days } from "../chart/Days";
import { t } from "../messages/text";
import { counted, mechanisms, outcomes, probes, rate, target } from "../shell/columns";
import { Downloads } from "../shell/Downloads";
import { Evidence } from "../shell/Evidence";
import { CoverageFacts } from "../shell/Facts";
import { Page, to } from "../shell/Page";
import { Show } from "../shell/States";
import { Table, type Column } from "../shell/Table";
import { indicatorName } from "./Country";

export default function Network({ asn }: { asn: string }) {
  const number = asn.replace(/^AS/i, "");
  const path = `/v1/networks/${encodeURIComponent(number)}`;
  const from = useData<NetworkReply>(path);
  return (
    <Show from={from}>{(data) => <Body data={data} path={path} />}</Show>
  );
}

function Body({ data, path }: { data: NetworkReply; path: string }) {
  const place = useCountryName(data.country);
  return (
    <Page
      title={data.name === null ? t("asn", { asn: data.asn }) : t("asn_named", { asn: data.asn, name: data.name })}
      crumbs={[
        { href: "/", text: t("nav.world") },
        { href: to.country(data.country), text: place },
      ]}
      lead={<p>{t("network.lead")}</p>}
    >
      <section aria-labelledby="coverage">
        <h2 id="coverage">{t("country.coverage")}</h2>
        <CoverageFacts coverage={data.coverage} />
      </section>
      <section aria-labelledby="indicators">
        <h2 id="indicators">{t("country.indicators")}</h2>
        <Table caption={t("country.indicators")} columns={indicators(data.country)} rows={data.indicators} />
      </section>
      <Days
        name={`AS${data.asn}-days`}
        title={t("network.days")}
        days={data.days.map((d) => ({ day: d.day, whole: d.measurements, part: d.deviations }))}
        wholeWord={t("column.measurements")}
        partWord={t("column.deviating")}
      />
      <section aria-labelledby="targets">
        <h2 id="targets">{t("country.targets")}</h2>
        <Table caption={t("country.targets")} columns={TARGETS} rows={data.targets} />
      </section>
      <Evidence path={`/v1/verdicts?asn=${data.asn}`} title={t("evidence.title")} />
      <Downloads path={path} tables={["indicators", "targets", "days"]} />
    </Page>
  );
}

function indicators(country: string): Column<NetworkIndicator>[] {
  return [
    {
      key: "id", head: t("column.indicator"), heads: true, raw: (r) => r.id,
      cell: (r) => <a href={to.indicator(country, r.id)}>{indicatorName(r.id)}</a>,
    },
    probes<NetworkIndicator>(),
    counted<NetworkIndicator>("measurements", t("column.measurements"), (r) => r.measurements),
    counted<NetworkIndicator>("deviations", t("column.deviating"), (r) => r.deviations),
    rate<NetworkIndicator>(),
  ];
}

const TARGETS: Column<TargetRow>[] = [
  target<TargetRow>(),
  counted<TargetRow>("measurements", t("column.measurements"), (r) => r.measurements),
  outcomes<TargetRow>(),
  mechanisms<TargetRow>(),
];
