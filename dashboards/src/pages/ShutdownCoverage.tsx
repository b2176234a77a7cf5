// Where would a loss have been seen? The smallest share of sites whose loss would have raised an
// alarm on that day; places with fewer than three sites are hatched, because nothing would.
import { useLocation } from "preact-iso";
import type { Covered, ShutdownCoverageReply } from "../api/events";
import { useData } from "../api/load";
import { Figure } from "../chart/Figure";
import { Part } from "../events/Part";
import { Field, PlaceMap, type Filled } from "../events/PlaceMap";
import { useMap } from "../events/useMap";
import { long } from "../events/when";
import { place, useCountries, useNames, type Names } from "../events/words";
import { count } from "../format/number";
import { day } from "../format/time";
import { t } from "../messages/text";
import { Page, to } from "../shell/Page";
import { Empty } from "../shell/States";
import { Table, type Column } from "../shell/Table";

/** Fewer sites than this see nothing, and nothing is said of them. */
const FLOOR = 3;
/** Upper ends of the steps: what would be seen, the smallest share darkest. */
const STEPS = [0.2, 0.3, 0.6, 0.95, 1] as const;

const DAY = 86_400_000;

/** A day as the address has it, or else yesterday: the last that is over. */
export function dayOf(asked: string | undefined, now: number): string {
  const good = asked !== undefined && /^\d{4}-\d\d-\d\d$/.test(asked) && !Number.isNaN(Date.parse(asked));
  return good ? asked : new Date(now - DAY).toISOString().slice(0, 10);
}

export function shifted(of: string, days: number): string {
  return new Date(Date.parse(of) + days * DAY).toISOString().slice(0, 10);
}

/** 4 (darkest: small losses are seen) to 0; null where nothing would be. */
export function sight({ eligible_sites, min_detectable_share }: Pick<Covered, "eligible_sites" | "min_detectable_share">): number | null {
  if (eligible_sites === null || eligible_sites < FLOOR || min_detectable_share === null) return null;
  const at = STEPS.findIndex((end) => min_detectable_share <= end + 1e-9);
  return at < 0 ? 0 : STEPS.length - 1 - at;
}

export default function ShutdownCoverage() {
  const { query, route } = useLocation();
  const explicit = query["day"] !== undefined && query["day"] !== "";
  const chosen = dayOf(query["day"], Date.now());
  // Without a day in the address the collector says which is its last: a simulated world has its own.
  const path = explicit ? `/v1/coverage/shutdowns?day=${chosen}` : "/v1/coverage/shutdowns";
  const from = useData<ShutdownCoverageReply>(path);
  const atlas = useCountries();
  const names = useNames(atlas);
  const own = from.state === "ready" ? from.data.rows.filter(({ location }) => /^country\/[A-Z]{2}$/.test(location)) : [];
  const drawn = useMap(atlas, own.map(({ location }) => location.slice(8)));
  const shown = from.state === "ready" ? from.data.day.slice(0, 10) : chosen;
  const link = (on: string) => `/coverage/shutdowns?day=${on}`;
  return (
    <Page
      title={t("sight.title")}
      crumbs={[{ href: "/coverage", text: t("nav.coverage") }]}
      lead={<p>{t("sight.lead")}</p>}
    >
      <form
        class="filter-form filter" action="/coverage/shutdowns" method="get" aria-label={t("sight.choose")}
        onSubmit={(event) => {
          event.preventDefault();
          const value = new FormData(event.currentTarget).get("day");
          if (typeof value === "string" && value !== "") route(link(value));
        }}
      >
        <a href={link(shifted(shown, -1))}>{t("sight.before")}</a>
        <label><span>{t("column.day")}</span><input key={shown} type="date" name="day" required defaultValue={shown} /></label>
        <button type="submit">{t("events.show")}</button>
        <a href={link(shifted(shown, 1))}>{t("sight.after")}</a>
      </form>
      <Part from={from}>
        {({ rows, day: on }) => {
          const parts = rows.filter((row) => !own.includes(row)).sort((a, b) => a.location.localeCompare(b.location));
          const countries = [...own].sort((a, b) => place(a.location, names).localeCompare(place(b.location, names)));
          const deaf = Math.max(0, ...rows.map(({ deaf_minutes }) => deaf_minutes));
          return rows.length === 0 ? <Empty>{t("sight.empty", { day: day(on) })}</Empty> : (
            <>
              {deaf > 0 && <p class="notice" role="note">{t("sight.deaf", { long: long(deaf * 60) })}</p>}
              <Figure name={`coverage-shutdowns-${shown}`} title={t("sight.map", { day: day(on) })} note={<Key />} columns={columns(names)} rows={[...countries, ...parts]} tabled>
                {drawn === "failed" ? <p role="alert" class="map-stand-in">{t("world.no_map")}</p>
                  : drawn === null ? <div class="map-stand-in bone" />
                  : <PlaceMap drawn={drawn} filled={filled(countries, names)} label={t("sight.map_label")} names={names} />}
              </Figure>
              <section aria-labelledby="countries">
                <h2 id="countries">{t("column.countries")}</h2>
                <p class="note">{t("sight.list_note")}</p>
                <Table caption={t("column.countries")} columns={columns(names)} rows={countries} first={300} />
              </section>
              {parts.length > 0 && (
                <section aria-labelledby="parts">
                  <h2 id="parts">{t("sight.parts")}</h2>
                  <p class="note">{t("sight.parts_note")}</p>
                  <Table caption={t("sight.parts")} columns={columns(names)} rows={parts} first={50} />
                </section>
              )}
            </>
          );
        }}
      </Part>
    </Page>
  );
}

function Key() {
  return (
    <>
      <ul class="key fields">
        {STEPS.map((end, at) => (
          <li key={end}><Field ground={`step step-${STEPS.length - 1 - at}`} texture={null} />{t("sight.step", { share: end })}</li>
        ))}
        <li><Field ground="no-step" texture="hatch" />{t("sight.none")}</li>
      </ul>
      <p>{t("sight.how")}</p>
    </>
  );
}

function words(row: Covered): string {
  return sight(row) === null || row.min_detectable_share === null ? t("sight.none_short") : t("coverage.from_share", { share: row.min_detectable_share });
}

function filled(rows: Covered[], names: Names): Map<string, Filled> {
  return new Map(rows.map((row) => {
    const code = row.location.slice(8);
    const step = sight(row);
    return [code, {
      name: names(code), figure: words(row), href: to.country(code),
      title: t("sight.shape", { name: names(code), what: words(row) }),
      ground: step === null ? "no-step" : `step step-${step}`, texture: step === null ? "hatch" : null,
    }];
  }));
}

function columns(names: Names): Column<Covered>[] {
  const sites = (n: number | null) => (n === null || n < FLOOR ? t("table.few") : count(n));
  return [
    { key: "location", head: t("column.place"), heads: true, cell: (r) => place(r.location, names), raw: (r) => r.location },
    { key: "day", head: t("column.day"), cell: (r) => day(r.day), raw: (r) => r.day.slice(0, 10) },
    { key: "min_detectable_share", head: t("column.detectable"), cell: (r) => <span class={sight(r) === null ? "not-covered" : ""}>{words(r)}</span>, raw: (r) => r.min_detectable_share, numeric: true },
    { key: "eligible_sites", head: t("column.eligible"), cell: (r) => sites(r.eligible_sites), raw: (r) => r.eligible_sites, numeric: true },
    { key: "eligible_asns", head: t("column.networks"), cell: (r) => count(r.eligible_asns), raw: (r) => r.eligible_asns, numeric: true },
    { key: "deaf_minutes", head: t("column.deaf"), cell: (r) => (r.deaf_minutes === 0 ? t("table.none") : long(r.deaf_minutes * 60)), raw: (r) => r.deaf_minutes, numeric: true },
  ];
}
