// What is the event, how sure is that, what else could it be, and why did it happen?
import type { Revision } from "../api/events";
import { count } from "../format/number";
import { t, word } from "../messages/text";
import { Facts } from "../shell/Facts";
import { to } from "../shell/Page";
import { Time } from "../shell/Value";
import { Severity } from "./State";
import { cap, isWeb, lossOf, odds, sureness, why } from "./story";
import { between, long, span } from "./when";

export function Essentials({ event }: { event: Revision }) {
  const country = event.countries[0];
  const zone = country === undefined ? {} : { country };
  const sites = (n: number | null) => (n === null ? t("table.few") : count(n));
  return (
    <Facts
      facts={[
        [t("event.start"), <><Time at={event.start} {...zone} /> <span class="interval">{t("event.between", { span: span(event.start_lower, event.start_upper) })}</span></>],
        [t("event.end"), event.end === null ? t("event.goes_on") : (
          <>
            <Time at={event.end} {...zone} />{" "}
            {event.end_lower !== null && event.end_upper !== null && <span class="interval">{t("event.between", { span: span(event.end_lower, event.end_upper) })}</span>}
          </>
        )],
        ...(event.end === null ? [] : [[t("column.duration"), long(between(event.start, event.end))] as [string, string]]),
        [t("event.loss"), t("event.loss_of", { loss: lossOf(event.drop_fraction), affected: sites(event.affected_sites), whole: sites(event.eligible_sites), networks: event.eligible_asns })],
        [t("event.severity"), <Severity level={event.severity_level} />],
        [t("event.area"), t("event.area_value", { value: Math.round(event.area_pct_min) })],
        [t("event.user_hours"), event.user_hours === null ? t("coverage.share_unknown") : count(event.user_hours)],
        [t("event.scope"), word("geo_scope", event.geo_scope)],
        [t("event.networks"), <NetworkLinks asns={event.asns} />],
        [t("event.access"), event.access_types.length === 0 ? t("coverage.share_unknown") : event.access_types.map((kind) => word("access", kind)).join(", ")],
      ]}
    />
  );
}

function NetworkLinks({ asns }: { asns: number[] }) {
  if (asns.length === 0) return <>{t("table.none")}</>;
  return <>{asns.map((asn, at) => <span key={asn}>{at > 0 && ", "}<a href={to.network(asn)}>{t("asn", { asn })}</a></span>)}</>;
}

export function Sureness({ event }: { event: Revision }) {
  return (
    <section aria-labelledby="sure">
      <h2 id="sure">{t("sure.title")}</h2>
      <p class="big"><strong>{sureness(event.confidence)}</strong> <span class="grade">{t("estimate.grade", { grade: event.evidence_grade })}</span></p>
      <p>{t("sure.belief", { belief: sureness(event.belief) })} {word("evidence_grade", event.evidence_grade)}</p>
      {event.confidence_caps.length > 0 && (
        <>
          <h3>{t("sure.caps")}</h3>
          <ul class="texts">{event.confidence_caps.map((name) => <li key={name}>{cap(name)}</li>)}</ul>
        </>
      )}
      <h3>{t("sure.signals")}</h3>
      <ul class="texts">{event.signals.map((name) => <li key={name}>{word("signal", name)}</li>)}</ul>
    </section>
  );
}

export function Alternatives({ event }: { event: Revision }) {
  const all = [...event.alternatives].sort((a, b) => b.probability - a.probability);
  return (
    <section aria-labelledby="alternatives">
      <h2 id="alternatives">{t("alternatives.title")}</h2>
      <p class="note">{t("alternatives.note")}</p>
      {all.length === 0 ? <p class="empty">{t("alternatives.none")}</p> : (
        <ul class="odds">
          {all.map((one) => (
            <li key={one.class}>
              <span>{word("class", one.class)}</span>
              <svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
                <rect class="bar-ground" y="3" width="100" height="2" />
                <rect class="bar-point" y="1" width={Math.max(0.6, one.probability * 100)} height="6" />
              </svg>
              <span class="numeric">{sureness(one.probability)}</span>
              <span class="note">{odds(one.probability)}</span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

export function Cause({ event }: { event: Revision }) {
  const { sentence, sourced } = why(event);
  const sources = event.source_urls;
  return (
    <section aria-labelledby="cause">
      <h2 id="cause">{t("why.title")}</h2>
      <p>{sentence}</p>
      {!sourced && <p class="note">{t("why.never")}</p>}
      {sourced && (
        <Facts
          facts={[
            [t("why.status"), word("cause_status", event.cause_status)],
            ...(event.ordered_by === null ? [] : [[t("why.ordered_by"), event.ordered_by] as [string, string]]),
            [t("why.gov_ack"), word("known", event.gov_ack)],
            ...(event.legal_basis === null ? [] : [[t("why.legal_basis"), event.legal_basis] as [string, string]]),
          ]}
        />
      )}
      {event.context.length > 0 && <p>{t("why.context", { list: event.context.map((one) => word("context", one)).join(", ") })}</p>}
      {sources.length > 0 && (
        <>
          <h3>{t("why.sources")}</h3>
          <ul class="texts">
            {sources.map((url) => <li key={url}>{isWeb(url) ? <a href={url} rel="noreferrer noopener external">{url}</a> : url}</li>)}
          </ul>
        </>
      )}
      {event.notes.length > 0 && (
        <>
          <h3>{t("event.notes")}</h3>
          <ul class="texts">{event.notes.map((note, at) => <li key={at}>{note}</li>)}</ul>
        </>
      )}
    </section>
  );
}

export function NotCovered({ event }: { event: Revision }) {
  const day = event.start.slice(0, 10);
  const sentences = [
    event.coverage === null ? t("not_seen.users_unknown") : t("not_seen.users", { share: event.coverage }),
    t("not_seen.networks", { count: event.eligible_asns }),
    t("not_seen.sms", { answer: word("known", event.sms_affected) }),
    t("not_seen.voice", { answer: word("known", event.voice_affected) }),
    t(event.admin1_codes.length === 0 ? "not_seen.regions_unknown" : "not_seen.regions", { list: event.admin1_codes.join(", ") }),
    event.full_or_service === "service"
      ? t("not_seen.services", { list: event.services.length === 0 ? t("coverage.share_unknown") : event.services.join(", ") })
      : t("not_seen.full"),
  ];
  return (
    <section aria-labelledby="not-covered">
      <h2 id="not-covered">{t("account.not_covered")}</h2>
      <ul class="texts">{sentences.map((sentence) => <li key={sentence}>{sentence}</li>)}</ul>
      <p><a href={`/coverage/shutdowns?day=${day}`}>{t("not_seen.map")}</a></p>
    </section>
  );
}
