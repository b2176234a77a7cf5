// What is going on now? Every country's state, how old it is, and how soon a loss could show;
// countries that are not covered say so and never look quiet.
import { OPEN, type EventsReply, type LiveCountry, type LiveReply } from "../api/events";
import { Figure } from "../chart/Figure";
import { EventTable } from "../events/EventTable";
import { Lag } from "../events/Lag";
import { OpenData } from "../events/OpenData";
import { Field, PlaceMap, type Filled } from "../events/PlaceMap";
import { StateTag } from "../events/State";
import { lossOf, sureness } from "../events/story";
import { useFresh } from "../events/useFresh";
import { useMap } from "../events/useMap";
import { long } from "../events/when";
import { address, title, useCountries, useNames, type Names } from "../events/words";
import { count } from "../format/number";
import { t, word } from "../messages/text";
import { Facts } from "../shell/Facts";
import { Page, to } from "../shell/Page";
import { Empty, Show } from "../shell/States";
import { Table, type Column } from "../shell/Table";
import { Time } from "../shell/Value";

/** Seconds between two looks: the collector decides once a minute. */
const EVERY = 60;
/** Minutes after which a picture that did not move is old, by either clock. */
const OLD = 5;

const GROUNDS: Record<LiveCountry["state"], Pick<Filled, "ground" | "texture">> = {
  quiet: { ground: "step step-0", texture: null },
  suspected: { ground: "step step-1", texture: "suspected" },
  confirmed: { ground: "step step-4", texture: null },
  ending: { ground: "step step-2", texture: "ending" },
  not_covered: { ground: "no-step", texture: "hatch" },
};
/** What matters first. */
const ORDER: readonly LiveCountry["state"][] = ["confirmed", "suspected", "ending", "quiet", "not_covered"];

export default function Live() {
  const { from, age } = useFresh<LiveReply>("/v1/live", EVERY);
  const events = useFresh<EventsReply>("/v1/events?limit=50", EVERY).from;
  const atlas = useCountries();
  const names = useNames(atlas);
  const codes = from.state === "ready" ? from.data.countries.map(({ country }) => country) : [];
  const drawn = useMap(atlas, codes);
  const inPart = parts(events.state === "ready" ? events.data : null);
  const columns = columnsOf(inPart);
  return (
    <Show from={from}>
      {(data) => (
        <Page title={t("live.title")} lead={<p>{t("live.lead")}</p>}>
          <Age data={data} age={age ?? 0} />
          {data.deaf && <p class="notice" role="alert"><strong>{t("live.deaf")}</strong> {t("live.deaf_note")}</p>}
          <Now data={data} events={events.state === "ready" ? events.data : null} names={names} />
          <Counts data={data} />
          {data.countries.length === 0 ? <Empty>{t("live.empty")}</Empty> : (
            <div class="small-multiples">
              <Figure name="live" title={t("live.map")} note={<Key />} columns={columns} rows={sorted(data.countries)} tabled>
                {drawn === "failed" ? <p role="alert" class="map-stand-in">{t("world.no_map")}</p>
                  : drawn === null ? <div class="map-stand-in bone" />
                  : <PlaceMap drawn={drawn} filled={filled(data.countries, inPart)} label={t("live.map_label")} names={names} />}
              </Figure>
              <section class="list" aria-labelledby="countries">
                <h2 id="countries">{t("live.list")}</h2>
                <p class="note">{t("live.list_note")}</p>
                <Table caption={t("live.list")} columns={columns} rows={sorted(data.countries)} first={300} keyOf={(row) => row.country} />
              </section>
            </div>
          )}
          <section aria-labelledby="recent">
            <h2 id="recent">{t("live.recent")}</h2>
            {events.state === "error" && <p class="notice" role="alert">{t("events.failed")}</p>}
            {events.state === "loading" && <p role="status">{t("loading")}</p>}
            {events.state === "ready" && (
              events.data.events.length === 0 ? <Empty>{t("events.none")}</Empty>
                : <EventTable caption={t("live.recent")} events={events.data.events} names={names} first={10} />
            )}
            <p><a href="/events">{t("live.all_events")}</a> · <a href="/coverage/shutdowns">{t("live.coverage")}</a></p>
          </section>
          <OpenData asOf={data.as_of} licence={data.licence} />
        </Page>
      )}
    </Show>
  );
}

function Age({ data, age }: { data: LiveReply; age: number }) {
  // Only real data lives in the reader's own time.
  const behind = data.simulated === true || data.as_of === null ? 0 : (Date.now() - Date.parse(data.as_of)) / 60_000;
  return (
    <>
      <p class="age">
        {data.as_of === null ? t("live.as_of_none") : <>{t("live.as_of_start")} <Time at={data.as_of} />.</>} <span class="age-own">{age < 10 ? t("live.age_now") : t("live.age", { age: long(Math.floor(age / 10) * 10) })}</span>
      </p>
      <Lag lag={data.lag ?? null} />
      {behind >= OLD && behind < 60 * 24 * 366 && (
        <p class="notice stale" role="status">{t("live.old", { age: long(behind * 60) })}</p>
      )}
    </>
  );
}

/** The events that go on, by name; told to a screen reader when they change. */
function Now({ data, events, names }: { data: LiveReply; events: EventsReply | null; names: Names }) {
  const rank = ({ state }: { state: string }) => ORDER.indexOf(state as LiveCountry["state"]);
  const open = (events?.events ?? []).filter(({ state }) => OPEN.includes(state)).sort((a, b) => rank(a) - rank(b));
  const told = new Set(open.map(({ event_id }) => event_id));
  const others = sorted(data.countries).filter(({ state, event_id }) => OPEN.includes(state) && (event_id === null || !told.has(event_id)));
  return (
    <section aria-labelledby="now">
      <h2 id="now">{t("live.now")}</h2>
      <div role="status">
        {open.length + others.length === 0 ? (
          <p>{data.deaf ? t("live.nothing_deaf") : t("live.nothing")}</p>
        ) : (
          <ul class="cards">
            {open.map((event) => (
              <li key={event.event_id} class={`card state-${event.state}`}>
                <a href={address(event.event_id)}>{title(event, names)}</a>
                <StateTag state={event.state} />
                <span>{t("live.since")} <Time at={event.start} {...(event.countries[0] === undefined ? {} : { country: event.countries[0] })} /></span>
                <span class="note">{t("live.loss", { loss: lossOf(event.drop_fraction), confidence: sureness(event.confidence), grade: event.evidence_grade })}</span>
              </li>
            ))}
            {others.map((row) => (
              <li key={row.country} class={`card state-${row.state}`}>
                {row.event_id === null ? <strong>{row.name}</strong> : <a href={address(row.event_id)}>{row.name}</a>}
                <StateTag state={row.state} />
                <span class="note">{t("live.sites_heard", { sites: sites(row) })}</span>
              </li>
            ))}
          </ul>
        )}
      </div>
    </section>
  );
}

function Counts({ data }: { data: LiveReply }) {
  const of = (state: LiveCountry["state"]) => count(data.countries.filter((row) => row.state === state).length);
  return (
    <section aria-labelledby="counts">
      <h2 id="counts" class="visually-hidden">{t("live.counts")}</h2>
      <Facts facts={ORDER.map((state) => [word("live_count", state), of(state)])} />
    </section>
  );
}

function Key() {
  return (
    <ul class="key fields">
      {ORDER.map((state) => (
        <li key={state}><Field {...GROUNDS[state]} />{word("event_state", state)}</li>
      ))}
    </ul>
  );
}

const sorted = (rows: LiveCountry[]) =>
  [...rows].sort((a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state) || a.name.localeCompare(b.name));

/** Heard of expected; no number where the state itself says that there is none. */
function sites({ state, observed, expected, eligible_sites }: LiveCountry): string {
  const whole = expected ?? eligible_sites;
  if (state === "not_covered" || observed === null || whole === null || whole === 0) return t("live.sites_unknown");
  return t("live.sites", { observed, expected: Math.round(whole) });
}

/** Of which rows the event touches a part of the country only, so far as that is known. */
function parts(events: EventsReply | null): (row: LiveCountry) => boolean {
  const places = new Map((events?.events ?? []).map(({ event_id, location }) => [event_id, location]));
  return ({ country, event_id }) => {
    const location = event_id === null ? undefined : places.get(event_id);
    return location !== undefined && location !== `country/${country}`;
  };
}

function filled(rows: LiveCountry[], inPart: (row: LiveCountry) => boolean): Map<string, Filled> {
  const said = (row: LiveCountry) => (inPart(row) ? t("live.in_part", { state: word("event_state", row.state) }) : word("event_state", row.state));
  return new Map(rows.map((row) => [row.country, {
    ...(GROUNDS[row.state] ?? GROUNDS.not_covered),
    name: row.name,
    figure: said(row),
    title: t("live.shape", { name: row.name, state: said(row), sites: sites(row) }),
    href: row.event_id === null ? to.country(row.country) : address(row.event_id),
  }]));
}

const columnsOf = (inPart: (row: LiveCountry) => boolean): Column<LiveCountry>[] => [
  { key: "country", head: t("column.country"), cell: (r) => <a href={to.country(r.country)}>{r.name}</a>, raw: (r) => r.country, heads: true },
  {
    key: "state", head: t("column.state"), raw: (r) => r.state,
    cell: (r) => (r.event_id === null ? <StateTag state={r.state} /> : <><a href={address(r.event_id)}><StateTag state={r.state} /></a>{inPart(r) && <> {t("live.part")}</>}</>),
  },
  { key: "observed", head: t("column.sites"), cell: sites, raw: (r) => r.observed, numeric: true },
  { key: "expected", head: t("column.eligible"), cell: (r) => (r.eligible_sites === null || r.eligible_sites < 3 ? t("table.few") : count(r.eligible_sites)), raw: (r) => r.expected, numeric: true },
  {
    key: "min_detectable_share", head: t("column.detectable"), numeric: true, raw: (r) => r.min_detectable_share,
    cell: (r) => (r.min_detectable_share === null ? t("table.none") : t("coverage.from_share", { share: r.min_detectable_share })),
  },
];
