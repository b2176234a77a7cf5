// Which losses of connectivity were seen? A list with an address for every question.
import { useLocation } from "preact-iso";
import { useData, type Loaded } from "../api/load";
import { CLASSES, STATES, type EventsReply } from "../api/events";
import type { AtlasReply } from "../api/types";
import { EventTable } from "../events/EventTable";
import { Part } from "../events/Part";
import { OpenData } from "../events/OpenData";
import { useCountries, useNames, type Names } from "../events/words";
import { t, word } from "../messages/text";
import { Page } from "../shell/Page";
import { Empty } from "../shell/States";
import { useMore } from "../shell/useMore";

const FILTERS = ["country", "state", "class", "from", "until"] as const;
type Filter = (typeof FILTERS)[number];
const PAGE = 50;

/** The question that an address asks; empty values ask nothing. */
export function asked(query: Record<string, string>): Partial<Record<Filter, string>> {
  return Object.fromEntries(FILTERS.flatMap((name) => {
    const value = query[name];
    return value === undefined || value === "" ? [] : [[name, value]];
  }));
}

export function pathOf(question: Partial<Record<Filter, string>>, limit = PAGE): string {
  return `/v1/events?${new URLSearchParams({ ...question, limit: String(limit) }).toString()}`;
}

export default function Events() {
  const { query } = useLocation();
  const atlas = useCountries();
  const names = useNames(atlas);
  const question = asked(query);
  const path = pathOf(question);
  const from = useData<EventsReply>(path);
  return (
    <Page title={t("events.title")} crumbs={[{ href: "/live", text: t("nav.live") }]} lead={<p>{t("events.lead")}</p>}>
      <Filters key={path} question={question} atlas={atlas} names={names} />
      <Part from={from}>
        {(data) =>
          data.events.length === 0 && data.next === null ? (
            <>
              <Empty>{t(Object.keys(question).length === 0 ? "events.none" : "events.none_found")}</Empty>
              <p><a href="/coverage/shutdowns">{t("events.where_seen")}</a></p>
            </>
          ) : (
            <Rows key={path} path={path} first={data} names={names} />
          )
        }
      </Part>
      <OpenData asOf={null} />
      <p class="filter"><a href="/review">{t("events.review")}</a></p>
    </Page>
  );
}

function Filters({ question, atlas, names }: { question: Partial<Record<Filter, string>>; atlas: Loaded<AtlasReply>; names: Names }) {
  const { route } = useLocation();
  const codes = atlas.state === "ready" ? atlas.data.countries.map(({ code }) => code) : [];
  const here = question.country === undefined || codes.includes(question.country) ? codes : [question.country, ...codes];
  const ask = (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const chosen = FILTERS.flatMap((name) => {
      const value = form.get(name);
      return typeof value === "string" && value !== "" ? [[name, value]] : [];
    });
    const search = new URLSearchParams(chosen as [string, string][]).toString();
    route(search === "" ? "/events" : `/events?${search}`);
  };
  const any = <option value="">{t("events.any")}</option>;
  return (
    <form class="filter-form filter" action="/events" method="get" onSubmit={ask} aria-label={t("verdicts.filters")}>
      <label>
        <span>{t("filter.country")}</span>
        <select name="country" defaultValue={question.country ?? ""} key={here.length}>
          {any}
          {here.map((code) => <option key={code} value={code} selected={code === question.country}>{names(code)}</option>)}
        </select>
      </label>
      <label>
        <span>{t("column.state")}</span>
        <select name="state">
          {any}
          {STATES.map((state) => <option key={state} value={state} selected={state === question.state}>{word("event_state", state)}</option>)}
        </select>
      </label>
      <label>
        <span>{t("column.class")}</span>
        <select name="class">
          {any}
          {CLASSES.map((name) => <option key={name} value={name} selected={name === question.class}>{word("class", name)}</option>)}
        </select>
      </label>
      <label><span>{t("filter.since")}</span><input type="date" name="from" defaultValue={question.from ?? ""} /></label>
      <label><span>{t("filter.until")}</span><input type="date" name="until" defaultValue={question.until ?? ""} /></label>
      <span class="filter-buttons">
        <button type="submit">{t("events.show")}</button>
        {Object.keys(question).length > 0 && <a href="/events">{t("events.clear")}</a>}
      </span>
    </form>
  );
}

function Rows({ path, first, names }: { path: string; first: EventsReply; names: Names }) {
  const { rows: all, next, problem, load } = useMore(path, first, (reply) => reply.events);
  return (
    <section aria-labelledby="list">
      <h2 id="list">{t(next === null ? "events.found" : "events.found_more", { count: all.length })}</h2>
      <EventTable caption={t("events.title")} events={all} names={names} first={Infinity} />
      {problem !== null && <p class="notice" role="alert">{problem.message ?? t("events.failed")}</p>}
      {next !== null && <button type="button" class="more" onClick={load}>{t("verdicts.more")}</button>}
    </section>
  );
}
