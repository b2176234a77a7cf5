// On which days was a country's connection lost, and on which would nobody have seen it?
import { useLocation } from "preact-iso";
import type { CalendarReply, EventsReply } from "../api/events";
import { useData } from "../api/load";
import { DAYS, shade, YearChart } from "../events/YearChart";
import { EventTable } from "../events/EventTable";
import { long } from "../events/when";
import { useCountries, useNames } from "../events/words";
import { count } from "../format/number";
import { t } from "../messages/text";
import { Facts } from "../shell/Facts";
import { Page, to } from "../shell/Page";
import { Empty, Show } from "../shell/States";
import { Table } from "../shell/Table";

/** A year as the address has it; else the collector says which is its last. */
export function yearOf(asked: string | undefined): number | null {
  return asked !== undefined && /^\d{4}$/.test(asked) ? Number(asked) : null;
}

export default function Calendar({ country: given }: { country: string }) {
  const { query } = useLocation();
  const country = given.toUpperCase();
  const year = yearOf(query["year"]);
  const here = encodeURIComponent(country);
  const from = useData<CalendarReply>(`/v1/countries/${here}/calendar${year === null ? "" : `?year=${year}`}`);
  const shown = from.state === "ready" ? from.data.year : year;
  const events = useData<EventsReply>(shown === null ? null : `/v1/events?country=${here}&from=${shown}-01-01&until=${shown}-12-31&limit=50`);
  const atlas = useCountries();
  const names = useNames(atlas);
  return (
    <Show from={from}>
      {(data) => {
        const title = t("calendar.title", { country: names(country), year: data.year });
        const lost = data.days.filter(({ lost_minutes }) => lost_minutes > 0);
        const eventful = data.days.filter(({ lost_minutes, event_ids }) => lost_minutes > 0 || event_ids.length > 0);
        const blind = data.days.filter((day) => shade(day).kind === "not_covered");
        const deaf = data.days.reduce((sum, { deaf_minutes }) => sum + deaf_minutes, 0);
        return (
          <Page
            title={title}
            crumbs={[{ href: "/", text: t("nav.world") }, { href: to.country(country), text: names(country) }]}
            lead={<p>{t("calendar.lead")}</p>}
          >
            <nav class="years" aria-label={t("calendar.years")}>
              <a href={`/countries/${here}/calendar?year=${data.year - 1}`}>{String(data.year - 1)}</a>{" "}
              <strong aria-current="page">{String(data.year)}</strong>{" "}
              <a href={`/countries/${here}/calendar?year=${data.year + 1}`}>{String(data.year + 1)}</a>
            </nav>
            {data.days.length === 0 ? <Empty>{t("calendar.empty")}</Empty> : (
              <>
                <Facts
                  facts={[
                    [t("calendar.days_lost"), count(lost.length)],
                    [t("calendar.time_lost"), long(lost.reduce((sum, { lost_minutes }) => sum + lost_minutes, 0) * 60)],
                    [t("calendar.days_blind"), t("of", { part: blind.length, whole: data.days.length })],
                    [t("calendar.time_deaf"), long(deaf * 60)],
                  ]}
                />
                <YearChart name={`${country}-${data.year}`} title={title} days={data.days} />
                <section aria-labelledby="lost">
                  <h2 id="lost">{t("calendar.event_days")}</h2>
                  {eventful.length === 0 ? <Empty>{t(blind.length === 0 ? "calendar.none" : "calendar.none_seen", { count: blind.length })}</Empty>
                    : <Table caption={t("calendar.event_days")} columns={DAYS} rows={[...eventful].reverse()} first={20} />}
                </section>
                <section aria-labelledby="events">
                  <h2 id="events">{t("column.events")}</h2>
                  {events.state === "error" && <p class="notice" role="alert">{t("events.failed")}</p>}
                  {events.state === "loading" && <p role="status">{t("loading")}</p>}
                  {events.state === "ready" && (events.data.events.length === 0 ? <Empty>{t("events.none_found")}</Empty>
                    : <EventTable caption={t("column.events")} events={events.data.events} names={names} first={20} />)}
                  <p><a href={`/events?country=${here}`}>{t("country.all_events")}</a> · <a href="/coverage/shutdowns">{t("live.coverage")}</a></p>
                </section>
              </>
            )}
          </Page>
        );
      }}
    </Show>
  );
}
