// What happened, seen by whom, how sure is that, and what was said of it when?
import { OPEN, type EventReply, type Group } from "../api/events";
import { useData } from "../api/load";
import { Alternatives, Cause, Essentials, NotCovered, Sureness } from "../events/Account";
import { Axis } from "../events/Axis";
import { Cite } from "../events/Cite";
import { EventTable } from "../events/EventTable";
import { Took } from "../events/Lag";
import { Revisions } from "../events/Revisions";
import { about, StateTag } from "../events/State";
import { fromInside, inside, isWeb, newest, outside, saidWord } from "../events/story";
import { TableFile } from "../events/TableFile";
import { address, place, title, useCountries, useNames, type Names } from "../events/words";
import { count } from "../format/number";
import { t } from "../messages/text";
import { Made } from "../shell/context";
import { Page, to } from "../shell/Page";
import { Empty, Show } from "../shell/States";
import { Table, type Column } from "../shell/Table";
import { Time } from "../shell/Value";

export default function Event({ id }: { id: string }) {
  const path = `/v1/events/${encodeURIComponent(id)}`;
  const from = useData<EventReply>(path);
  const atlas = useCountries();
  const names = useNames(atlas);
  return (
    <Show from={from}>
      {(data) => {
        const { event } = data;
        const country = event.countries.length === 1 ? event.countries[0] : undefined;
        return (
          <Made.Provider value={{ method: event.detector_version, from: event.start, to: event.end ?? event.as_of }}>
            <Page
              title={title(event, names)}
              crumbs={[
                { href: "/events", text: t("nav.events") },
                ...(country === undefined ? [] : [{ href: to.country(country), text: names(country) }]),
              ]}
              lead={
                <>
                  <p class="event-state"><StateTag state={event.state} /> {about(event.state)}</p>
                  <p class="note">
                    {t("revisions.number", { index: event.revision })}, {t("live.as_of")} <Time at={event.as_of} />. {t("event.says_how")}
                  </p>
                </>
              }
            >
              {event.merged_into !== null && <p class="notice">{t("event.merged")} <a href={address(event.merged_into)}>{event.merged_into}</a></p>}
              {event.state === "retracted" && <p class="notice" role="note">{t("event.retracted")}</p>}
              <Essentials event={event} />
              <Took lag={data.lag} />
              <Axis data={data} names={names} />
              <Inside data={data} names={names} />
              <Groups groups={data.groups} names={names} />
              <div class="columns">
                <Sureness event={event} />
                <Alternatives event={event} />
              </div>
              <div class="columns">
                <Cause event={event} />
                <NotCovered event={event} />
              </div>
              <Revisions revisions={data.revisions} actions={data.actions ?? []} names={names} />
              <Incident data={data} names={names} />
              <Cite event={event} names={names} simulated={data.simulated === true} />
              <section class="downloads" aria-labelledby="downloads">
                <h2 id="downloads">{t("downloads.title")}</h2>
                <ul>
                  <li><a href={path} download="">{t("downloads.json")}</a></li>
                  <li><button type="button" class="link" onClick={() => window.print()}>{t("downloads.print")}</button></li>
                  <li><a href={`/review?event=${encodeURIComponent(event.event_id)}`}>{t("event.review")}</a></li>
                </ul>
              </section>
            </Page>
          </Made.Provider>
        );
      }}
    </Show>
  );
}

/** What sites themselves said afterwards, and then what others say. */
function Inside({ data, names }: { data: EventReply; names: Names }) {
  const all = newest(data.evidence);
  const own = all.filter(fromInside);
  const others = all.filter((one) => !fromInside(one));
  return (
    <section aria-labelledby="inside">
      <h2 id="inside">{t("inside.title")}</h2>
      <p class="note">{t("inside.note")}</p>
      {own.length === 0 ? <Empty>{t(OPEN.includes(data.event.state) ? "inside.none_yet" : "inside.none")}</Empty> : (
        <ul class="texts">{own.map((one, at) => <li key={at}>{inside(one, names)}</li>)}</ul>
      )}
      {others.length > 0 && (
        <>
          <h3>{t("inside.others")}</h3>
          <ul class="texts">
            {others.map((one, at) => (
              <li key={at}>
                {outside(one, names)}
                {one.url !== null && isWeb(one.url) && <> <a href={one.url} rel="noreferrer noopener external">{t("column.source")}</a></>}
              </li>
            ))}
          </ul>
        </>
      )}
      <TableFile name={`evidence-${data.event.event_id}`} title={t("inside.title")} rows={data.evidence} />
    </section>
  );
}

function Groups({ groups, names }: { groups: Group[]; names: Names }) {
  const columns: Column<Group>[] = [
    { key: "location", head: t("column.place"), cell: (r) => place(r.location, names), raw: (r) => r.location, heads: true },
    { key: "verdict", head: t("column.said"), cell: (r) => <span class="words">{saidWord(r.verdict)}</span>, raw: (r) => r.verdict },
    { key: "sites", head: t("column.sites"), cell: (r) => (r.sites === null ? t("table.few") : count(r.sites)), raw: (r) => r.sites, numeric: true },
  ];
  return (
    <section aria-labelledby="groups">
      <h2 id="groups">{t("groups.title")}</h2>
      <p class="note">{t("groups.note")}</p>
      {groups.length === 0 ? <Empty>{t("groups.none")}</Empty> : <Table caption={t("groups.title")} columns={columns} rows={groups} />}
    </section>
  );
}

function Incident({ data, names }: { data: EventReply; names: Names }) {
  const { event } = data;
  const others = data.incident.filter(({ event_id }) => event_id !== event.event_id);
  const named = data.incident_more ? [] : event.related_ids.filter((id) => !others.some(({ event_id }) => event_id === id));
  if (others.length + named.length === 0) return null;
  return (
    <section aria-labelledby="incident">
      <h2 id="incident">{t("incident.title")}</h2>
      <p class="note">
        {t("incident.note")} {data.incident_more && t("incident.more")}
      </p>
      {others.length > 0 && <EventTable caption={t("incident.title")} events={others} names={names} />}
      {named.length > 0 && <ul class="texts">{named.map((id) => <li key={id}><a href={address(id)}><code>{id}</code></a></li>)}</ul>}
    </section>
  );
}
