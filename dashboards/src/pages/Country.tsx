// What is known about one country, how well, and from what?
import { useData } from "../api/load";
import { DIMENSIONS, type CountryReply, type Dim, type DimensionValue, type IndicatorValue } from "../api/types";
import { Dimensions } from "../chart/Dimensions";
import { shows, Timeline } from "../chart/Timeline";
import { reading } from "../format/estimate";
import { count, share } from "../format/number";
import { day } from "../format/time";
import { has, say, t, word } from "../messages/text";
import { counted, mechanisms, network, outcomes, probes, target } from "../shell/columns";
import { Made } from "../shell/context";
import { Downloads } from "../shell/Downloads";
import { losses, Losses, useLosses } from "../shell/Losses";
import { CoverageFacts, Facts } from "../shell/Facts";
import { Later } from "../shell/Later";
import { Page, to } from "../shell/Page";
import { Empty, Freshness, Show } from "../shell/States";
import { Table, type Column } from "../shell/Table";
import { sentence, Texts, Time, Value } from "../shell/Value";

export default function Country({ country }: { country: string }) {
  const path = `/v1/countries/${encodeURIComponent(country.toUpperCase())}`;
  const from = useData<CountryReply>(path);
  const lost = useLosses(country.toUpperCase(), from.state === "ready" ? (from.data.timeline[0] ?? null)?.day ?? null : null);
  return (
    <Show from={from}>
      {(data) => (
        <Made.Provider value={{ method: data.method, from: data.window.from, to: data.window.to }}>
          <Page
            title={data.name}
            crumbs={[{ href: "/", text: t("nav.world") }]}
            lead={<p>{t("window", { from: day(data.window.from), to: day(data.window.to), count: data.window.days })}</p>}
          >
            <Freshness window={data.window} simulated={data.simulated} now={Date.now()} />
            <Dimensions data={data} />
            <section aria-labelledby="coverage">
              <h2 id="coverage">{t("country.coverage")}</h2>
              <CoverageFacts coverage={data.coverage} />
            </section>
            <Later>
              <section aria-labelledby="account">
                <h2 id="account">{t("country.account")}</h2>
                <div class="columns">
                  {DIMENSIONS.map((dimension) => (
                    <Account key={dimension} dimension={dimension} value={data.dimensions[dimension]} />
                  ))}
                </div>
              </section>
              {shows(data.timeline) ? (
                <Timeline name={`${data.country}-timeline`} country={data.name} timeline={data.timeline} losses={lost === null || lost === "failed" ? [] : losses(lost.events)} />
              ) : (
                <section aria-labelledby="timeline">
                  <h2 id="timeline">{t("country.timeline", { country: data.name })}</h2>
                  <Empty>{t("country.no_timeline")}</Empty>
                </section>
              )}
              <Losses country={data.country} reply={lost} />
              <section aria-labelledby="indicators">
                <h2 id="indicators">{t("country.indicators")}</h2>
                <p class="note">{t("country.indicators_note")}</p>
                <Table caption={t("country.indicators")} columns={indicatorColumns(data.country)} rows={data.indicators} />
              </section>
              <section aria-labelledby="networks">
                <h2 id="networks">{t("country.networks")}</h2>
                <p class="note">{t("country.networks_note")}</p>
                <Table caption={t("country.networks")} columns={networkColumns(data)} rows={data.networks} />
              </section>
              <section aria-labelledby="targets">
                <h2 id="targets">{t("country.targets")}</h2>
                <p class="note">{t("country.targets_note")}</p>
                <Table caption={t("country.targets")} columns={TARGETS} rows={data.targets} />
              </section>
              <Downloads path={path} tables={["indicators", "networks", "targets", "timeline"]} />
              <section aria-labelledby="made">
                <h2 id="made">{t("country.made")}</h2>
                <Facts facts={provenance(data)} />
              </section>
            </Later>
          </Page>
        </Made.Provider>
      )}
    </Show>
  );
}

function Account({ dimension, value }: { dimension: Dim; value: DimensionValue }) {
  const read = reading(value);
  return (
    <section class="account" aria-labelledby={`account-${dimension}`}>
      <h3 id={`account-${dimension}`}>{t(`dimension.${dimension}`)}</h3>
      <p class="account-value">
        <Value estimate={value} plain />
        {value.grade !== null && <span class="grade"> {t("estimate.grade", { grade: value.grade })}</span>}
      </p>
      {read.kind === "insufficient" && value.explanation.length === 0 && <p>{sentence(read)}</p>}
      <Texts texts={value.explanation} />
      {value.alternatives.length > 0 && (
        <>
          <h4>{t("account.alternatives")}</h4>
          <Texts texts={value.alternatives} />
        </>
      )}
      {value.not_covered.length > 0 && (
        <>
          <h4>{t("account.not_covered")}</h4>
          <Texts texts={value.not_covered} />
        </>
      )}
    </section>
  );
}

export function indicatorName(id: string): string {
  const key = `indicator.${id}.title`;
  return has(key) ? t("indicator_named", { id, name: say(key) }) : id;
}

function indicatorColumns(country: string): Column<IndicatorValue>[] {
  return [
    {
      key: "id", head: t("column.indicator"), heads: true, raw: (r) => r.id,
      cell: (r) => <a href={to.indicator(country, r.id)}>{indicatorName(r.id)}</a>,
    },
    { key: "score", head: t("column.score"), cell: (r) => <Value estimate={r.score} />, raw: (r) => r.score.point },
    { key: "dimension", head: t("column.dimension"), cell: (r) => t(`dimension.${r.dimension}.short`), raw: (r) => r.dimension },
    {
      key: "raw", head: t("column.rate"), numeric: true, raw: (r) => r.raw,
      cell: (r) => (r.raw === null ? t("table.none") : share(r.raw, r.measurements)),
    },
    {
      key: "networks_deviating", head: t("column.networks_deviating"), numeric: true, raw: (r) => r.networks_deviating,
      cell: (r) => t("of", { part: r.networks_deviating, whole: r.networks }),
    },
    {
      key: "deviations", head: t("column.deviations"), numeric: true, raw: (r) => r.deviations,
      cell: (r) => t("of", { part: r.deviations, whole: r.measurements }),
    },
    { key: "tier", head: t("column.tier"), cell: (r) => r.tier, raw: (r) => r.tier },
  ];
}

type NetworkRow = CountryReply["networks"][number];

function networkColumns(data: CountryReply): Column<NetworkRow>[] {
  const ids = data.indicators.map(({ id }) => id).filter((id) => data.networks.some(({ indicators }) => id in indicators));
  return [
    network<NetworkRow>(),
    probes<NetworkRow>(),
    counted<NetworkRow>("measurements", t("column.measurements"), (r) => r.measurements),
    ...ids.map((id): Column<NetworkRow> => ({
      key: id,
      head: id,
      numeric: true,
      cell: (r) => {
        const found = r.indicators[id];
        if (found === undefined || found.raw === null) return t("table.none");
        return (
          <span title={t("of", { part: found.deviations, whole: found.measurements })}>
            {share(found.raw, found.measurements)}
          </span>
        );
      },
      raw: (r) => r.indicators[id]?.raw,
    })),
  ];
}

type TargetRow = CountryReply["targets"][number];
const TARGETS: Column<TargetRow>[] = [
  target<TargetRow>(),
  { key: "category", head: t("column.category"), cell: (r) => (r.category === null ? t("table.none") : word("category", r.category)), raw: (r) => r.category },
  counted<TargetRow>("networks", t("column.networks"), (r) => r.networks),
  counted<TargetRow>("measurements", t("column.measurements"), (r) => r.measurements),
  outcomes<TargetRow>(),
  mechanisms<TargetRow>(),
];

function provenance(data: CountryReply): [string, preact.ComponentChildren][] {
  return [
    [t("made.method"), <a href="/method">{data.method}</a>],
    [t("made.rules"), String(data.rules)],
    [t("made.code"), <code>{data.code_version}</code>],
    [t("made.seed"), <code>{String(data.seed)}</code>],
    [t("made.computed"), <Time at={data.vintage.computed} country={data.country} />],
    [t("made.digest"), <code class="digest">{data.vintage.digest}</code>],
    ...Object.entries(data.vintage.references).map(([name, digest]): [string, preact.ComponentChildren] => [
      word("reference", name),
      <code class="digest">{digest}</code>,
    ]),
    [t("column.measurements"), count(data.coverage.measurements)],
  ];
}
