// Which losses of connectivity does a country's timeline carry? The newest, numbered as in the
// picture, with a way to all of them.
import type { EventsReply, Revision } from "../api/events";
import { useData } from "../api/load";
import { day } from "../format/time";
import { t, word } from "../messages/text";

export interface Loss {
  number: number;
  id: string;
  from: Date;
  to: Date | null;
}

/** What is shown on an axis of days: what was confirmed, oldest first. */
export function losses(events: Revision[]): (Loss & { event: Revision })[] {
  return events
    .filter(({ state }) => ["confirmed", "ending", "ended", "final"].includes(state))
    .sort((a, b) => a.start.localeCompare(b.start))
    .map((event, at) => ({ event, number: at + 1, id: event.event_id, from: new Date(event.start), to: event.end === null ? null : new Date(event.end) }));
}

/** Since the first day of a country's timeline; asks nothing before that is known. */
export function useLosses(country: string, since: string | null): EventsReply | "failed" | null {
  const from = useData<EventsReply>(since === null ? null : `/v1/events?country=${encodeURIComponent(country)}&from=${since.slice(0, 10)}&limit=20`);
  return from.state === "ready" ? from.data : from.state === "error" ? "failed" : null;
}

export function Losses({ country, reply }: { country: string; reply: EventsReply | "failed" | null }) {
  const found = reply === null || reply === "failed" ? [] : losses(reply.events);
  const here = encodeURIComponent(country);
  return (
    <section aria-labelledby="losses">
      <h2 id="losses">{t("country.losses")}</h2>
      {reply === null && <p role="status">{t("loading")}</p>}
      {reply === "failed" && <p class="notice" role="alert">{t("events.failed")}</p>}
      {reply !== null && reply !== "failed" && found.length === 0 && <p class="empty">{t("country.no_losses")}</p>}
      {found.length > 0 && (
        <ol class="losses">
          {found.map(({ event }) => (
            <li key={event.event_id}>
              <a href={`/events/${encodeURIComponent(event.event_id)}`}>{t("country.loss", { what: word("class", event.disruption_class), day: day(event.start) })}</a>{" "}
              <span class="note">{word("event_state", event.state)}</span>
            </li>
          ))}
        </ol>
      )}
      <p><a href={`/countries/${here}/calendar`}>{t("country.calendar")}</a> · <a href={`/events?country=${here}`}>{t("country.all_events")}</a></p>
    </section>
  );
}
