// What waits for an analyst? Signed in by a token that stays in this tab, they see the queue and
// act; whatever they do becomes a revision with its reason.
import { useLocation } from "preact-iso";
import { useEffect, useState } from "preact/hooks";
import { isProblem } from "../api/load";
import type { EventReply, Revision, ReviewReply } from "../api/events";
import { ActionForm } from "../events/ActionForm";
import { ask, fits, keepToken, keptToken, refusal } from "../events/analyst";
import { StateTag } from "../events/State";
import { lossOf, sureness, why } from "../events/story";
import { span } from "../events/when";
import { address, title, useCountries, useNames } from "../events/words";
import { t } from "../messages/text";
import { Facts } from "../shell/Facts";
import { Page } from "../shell/Page";
import { Empty } from "../shell/States";

export default function Review() {
  const [token, setToken] = useState<string | null>(keptToken);
  const [fault, setFault] = useState<string | null>(null);
  const leave = (why: string | null) => {
    keepToken(null);
    setToken(null);
    setFault(why);
  };
  return (
    <Page title={t("review.title")} crumbs={[{ href: "/events", text: t("nav.events") }]} lead={<p>{t("review.lead")}</p>}>
      {token === null ? (
        <SignIn
          fault={fault}
          onToken={(given) => {
            keepToken(given);
            setFault(null);
            setToken(given);
          }}
        />
      ) : (
        <Queue token={token} onLeave={leave} />
      )}
    </Page>
  );
}

function SignIn({ fault, onToken }: { fault: string | null; onToken: (token: string) => void }) {
  const [wrong, setWrong] = useState<string | null>(null);
  return (
    <form
      class="action-form" aria-label={t("review.sign_in")} method="post" noValidate
      onSubmit={(event) => {
        event.preventDefault();
        const given = String(new FormData(event.currentTarget).get("token") ?? "").trim();
        if (fits(given)) onToken(given);
        else setWrong(t("review.token_wrong"));
      }}
    >
      {/* `post`: even a form that a broken script let go would put no token into an address. */}
      <label><span>{t("review.token")}</span><input type="password" name="token" autocomplete="off" spellcheck={false} required /></label>
      <p class="note">{t("review.token_note")}</p>
      <p><button type="submit">{t("review.sign_in")}</button></p>
      {(wrong ?? fault) !== null && <p class="notice" role="alert">{wrong ?? fault}</p>}
    </form>
  );
}

function Queue({ token, onLeave }: { token: string; onLeave: (why: string | null) => void }) {
  const { query } = useLocation();
  const atlas = useCountries();
  const names = useNames(atlas);
  const wanted = query["event"] ?? "";
  const [reply, setReply] = useState<ReviewReply | null>(null);
  const [fault, setFault] = useState<string | null>(null);
  const [again, setAgain] = useState(0);
  useEffect(() => {
    let left = false;
    const load = async () => {
      const queue = await ask<ReviewReply>("/v1/review", token);
      // One that was asked for by name comes first, whether it waits or not.
      if (wanted === "" || queue.events.some(({ event_id }) => event_id === wanted)) return queue;
      const { event } = await ask<EventReply>(`/v1/events/${encodeURIComponent(wanted)}`, token);
      return { ...queue, events: [event, ...queue.events] };
    };
    load().then(
      (found) => !left && (setReply(found), setFault(null)),
      (error: unknown) => {
        if (left) return;
        if (isProblem(error) && (error.status === 401 || error.status === 403)) onLeave(refusal(error));
        else setFault(refusal(error));
      },
    );
    return () => {
      left = true;
    };
  }, [token, wanted, again]);
  return (
    <>
      <p class="signed-in">
        {reply !== null && <>{t("review.signed_in", { name: reply.analyst })} </>}
        <button type="button" onClick={() => onLeave(null)}>{t("review.sign_out")}</button>
      </p>
      {fault !== null && <p class="notice" role="alert">{fault} <button type="button" onClick={() => setAgain(again + 1)}>{t("error.retry")}</button></p>}
      {reply === null && fault === null && <p role="status">{t("loading")}</p>}
      {reply !== null && (
        <section aria-labelledby="queue">
          <h2 id="queue">{t("review.queue", { count: reply.events.length })}</h2>
          {reply.events.length === 0 ? <Empty>{t("review.empty")}</Empty> : (
            <ul class="steps">
              {reply.events.map((event) => <Waiting key={event.event_id} first={event} token={token} names={names} open={event.event_id === wanted} />)}
            </ul>
          )}
        </section>
      )}
    </>
  );
}

function Waiting({ first, token, names, open }: { first: Revision; token: string; names: ReturnType<typeof useNames>; open: boolean }) {
  // What an action made of it; the queue itself stays as it was read, so that nothing moves.
  const [event, setEvent] = useState(first);
  return (
    <li class="step-card">
      <h3><a href={address(event.event_id)}>{title(event, names)}</a> <StateTag state={event.state} /></h3>
      <Facts
        facts={[
          [t("review.when"), span(event.start, event.end)],
          [t("column.loss"), lossOf(event.drop_fraction)],
          [t("column.confidence"), `${sureness(event.confidence)}, ${t("estimate.grade", { grade: event.evidence_grade })}`],
          [t("revisions.title"), t("revisions.number", { index: event.revision })],
        ]}
      />
      <p>{why(event).sentence}</p>
      <details open={open}>
        <summary>{t("review.act_on", { title: title(event, names) })}</summary>
        <ActionForm event={event} token={token} names={names} onDone={setEvent} />
      </details>
    </li>
  );
}
