// Where is what known about the Internet coming apart? One map for each dimension, never a
// blend of them, and the same in a list.
import { useData } from "../api/load";
import { DIMENSIONS, type AtlasReply, type Change, type Dim, type WorldCountry, type WorldReply } from "../api/types";
import { Figure } from "../chart/Figure";
import { reading } from "../format/estimate";
import { count, score } from "../format/number";
import { day } from "../format/time";
import { Legend } from "../map/Legend";
import { WorldMap } from "../map/Map";
import { kindOf, useAtlas, type Drawn } from "../map/atlas";
import { t } from "../messages/text";
import { Made } from "../shell/context";
import { Downloads } from "../shell/Downloads";
import { Later } from "../shell/Later";
import { Page, to } from "../shell/Page";
import { Empty, Freshness, Show } from "../shell/States";
import { Table, type Column } from "../shell/Table";
import { Value } from "../shell/Value";

export default function World() {
  const world = useData<WorldReply>("/v1/world");
  const atlas = useData<AtlasReply>("/v1/atlas");
  const known = atlas.state === "ready" ? atlas.data : null;
  const kind = known === null ? null : kindOf(known);
  const codes =
    known !== null && known.countries.length > 0
      ? known.countries.map(({ code }) => code)
      : world.state === "ready" ? world.data.countries.map(({ country }) => country) : [];
  const drawn = useAtlas(kind, codes);
  return (
    <Show from={world}>
      {(data) => (
        <Made.Provider value={{ method: data.method, from: data.window.from, to: data.window.to }}>
          <Page
            title={t("world.title")}
            lead={
              <p>
                {t("world.lead")}{" "}
                {t("window", { from: day(data.window.from), to: day(data.window.to), count: data.window.days })}
              </p>
            }
          >
            <Freshness window={data.window} simulated={data.simulated} now={Date.now()} />
            {data.countries.length === 0 ? (
              <Empty>{t("world.empty")}</Empty>
            ) : (
              <Body data={data} drawn={atlas.state === "error" ? "failed" : drawn} />
            )}
          </Page>
        </Made.Provider>
      )}
    </Show>
  );
}

function Body({ data, drawn }: { data: WorldReply; drawn: Drawn | null | "failed" }) {
  return (
    <>
      <Legend unmeasured={typeof drawn === "object" && drawn?.kind === "earth"} />
      <div class="small-multiples">
        <OneMap dimension="d1" data={data} drawn={drawn} />
        <Later>
          {DIMENSIONS.filter((dimension) => dimension !== "d1").map((dimension) => (
            <OneMap key={dimension} dimension={dimension} data={data} drawn={drawn} />
          ))}
          <section class="list" aria-labelledby="countries">
            <h2 id="countries">{t("world.list")}</h2>
            <p class="note">{t("world.list_note")}</p>
            <Table caption={t("world.list")} columns={LIST} rows={byName(data.countries)} first={300} />
          </section>
        </Later>
      </div>
      <Later>
        <Changes changes={data.changes} countries={data.countries} />
        <Downloads path="/v1/world" tables={["countries", "changes"]} />
      </Later>
    </>
  );
}

interface MapProps {
  dimension: Dim;
  data: WorldReply;
  drawn: Drawn | null | "failed";
}

function OneMap({ dimension, data, drawn }: MapProps) {
  return (
    <Figure
      name={`world-${dimension}`}
      title={t(`dimension.${dimension}`)}
      note={t(`dimension.${dimension}.about`)}
      columns={mapColumns(dimension)}
      rows={data.countries}
      tabled
    >
      {drawn === "failed" ? (
        <p role="alert" class="map-stand-in">{t("world.no_map")}</p>
      ) : drawn === null ? (
        <div class="map-stand-in bone" />
      ) : (
        <WorldMap
          drawn={drawn}
          dimension={dimension}
          countries={data.countries}
          label={t("world.map_label", { dimension: t(`dimension.${dimension}`) })}
        />
      )}
    </Figure>
  );
}

/** By name: there is no ranking of countries. */
function byName(countries: WorldCountry[]): WorldCountry[] {
  return [...countries].sort((a, b) => a.name.localeCompare(b.name));
}

function Changes({ changes, countries }: { changes: Change[]; countries: WorldCountry[] }) {
  const names = new Map(countries.map(({ country, name }) => [country, name]));
  return (
    <section aria-labelledby="changes">
      <h2 id="changes">{t("world.changes")}</h2>
      <p class="note">{t("world.changes_note")}</p>
      {changes.length === 0 ? (
        <Empty>{t("world.no_changes")}</Empty>
      ) : (
        <ul class="cards">
          {changes.map((change, at) => (
            <li key={at} class="card">
              <a href={to.country(change.country)}>{names.get(change.country) ?? change.country}</a>
              <span>{t(`dimension.${change.dimension}`)}</span>
              <strong>
                {t(change.to > change.from ? "world.rose" : "world.fell", {
                  from: score(change.from, null),
                  to: score(change.to, null),
                })}
              </strong>
              <span class="note">
                {t("world.change_since", { day: day(change.since), share: change.probability })}
              </span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function mapColumns(dimension: Dim): Column<WorldCountry>[] {
  const of = (row: WorldCountry) => row.dimensions[dimension];
  return [
    { key: "country", head: "", cell: (r) => r.country, raw: (r) => r.country },
    { key: "name", head: "", cell: (r) => r.name, raw: (r) => r.name },
    { key: "state", head: "", cell: () => "", raw: (r) => reading(of(r)).kind },
    { key: "point", head: "", cell: () => "", raw: (r) => of(r)?.point },
    { key: "low_90", head: "", cell: () => "", raw: (r) => of(r)?.interval?.[0] },
    { key: "high_90", head: "", cell: () => "", raw: (r) => of(r)?.interval?.[1] },
    { key: "contested_low", head: "", cell: () => "", raw: (r) => of(r)?.contested?.[0] },
    { key: "contested_high", head: "", cell: () => "", raw: (r) => of(r)?.contested?.[1] },
    { key: "method_low", head: "", cell: () => "", raw: (r) => of(r)?.method_interval?.[0] },
    { key: "method_high", head: "", cell: () => "", raw: (r) => of(r)?.method_interval?.[1] },
    { key: "grade", head: "", cell: () => "", raw: (r) => of(r)?.grade },
  ];
}

const LIST: Column<WorldCountry>[] = [
  {
    key: "country",
    head: t("column.country"),
    cell: (r) => <a href={to.country(r.country)}>{r.name}</a>,
    raw: (r) => r.name,
    heads: true,
  },
  ...DIMENSIONS.map((dimension): Column<WorldCountry> => ({
    key: dimension,
    head: t(`dimension.${dimension}.short`),
    cell: (r) => <Value estimate={r.dimensions[dimension]} />,
    raw: (r) => r.dimensions[dimension]?.point,
  })),
  {
    key: "networks",
    head: t("column.networks"),
    cell: (r) => count(r.coverage.networks),
    raw: (r) => r.coverage.networks,
    numeric: true,
  },
];
