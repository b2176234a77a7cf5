// What may be said of an event in sentences? What was seen from inside, why it may have happened
// and who says so, what bounds the confidence, and what one revision changed.
import type { Acted, Evidence, Revision } from "../api/events";
import { count, share } from "../format/number";
import { instant } from "../format/time";
import { has, say, t, word } from "../messages/text";
import { long, span } from "./when";
import { place, type Names } from "./words";

/** What a piece of evidence says: a ledger's verdict, or the kind of event that others name. */
export function saidWord(verdict: string): string {
  return has(`said.${verdict}`) ? say(`said.${verdict}`) : word("class", verdict);
}

/** "3 sites in AS64498: powered and running, ..., 12:50 to 03:02 UTC, ± 9 s." */
export function inside(of: Evidence, names: Names): string {
  const key = `inside.${of.verdict}`;
  const params = {
    who: of.sites === null ? t("sites.few") : t("sites", { count: of.sites }),
    place: place(of.location, names),
    what: has(key) ? say(key) : saidWord(of.verdict),
    when: span(of.from, of.to),
  };
  if (of.error_s === 0) return t("inside.sentence_exact", params);
  return t("inside.sentence", { ...params, error: long(of.error_s) });
}

/** What somebody outside saw, labelled as theirs; a measured value beside what they had expected. */
export function outside(of: Evidence, names: Names): string {
  const params = { signal: word("signal", of.signal), said: saidWord(of.verdict), place: place(of.location, names), when: span(of.from, of.to) };
  if (of.value === null || of.baseline === null) return t("outside.sentence", params);
  return t("outside.sentence_value", { ...params, value: of.value, baseline: of.baseline });
}

/**
 * What was told last of each kind, place and word: as more sites come back, the same is said again
 * of more of them. The earlier tellings stay in the table.
 */
export function newest(evidence: readonly Evidence[]): Evidence[] {
  const last = new Map<string, Evidence>();
  for (const one of [...evidence].sort((a, b) => a.received_at.localeCompare(b.received_at))) {
    // Those outside name several times of their own; each is a thing of its own.
    last.set([one.signal, one.location, one.verdict, fromInside(one) ? "" : one.from].join(" "), one);
  }
  return [...last.values()].sort((a, b) => a.from.localeCompare(b.from));
}

/** A share of sites; null is one or two sites, of which none is told. */
export const lossOf = (share_: number | null): string => (share_ === null ? t("table.few") : share(share_));

/** Whether sites themselves say it, from their own ledgers. */
export const fromInside = ({ signal }: Evidence): boolean => signal === "epoch_log";

/** Causes that name somebody's will: a document says them, or nobody does. */
const ACCUSING: readonly string[] = ["government", "exam", "military", "cyber"];

export interface Why {
  sentence: string;
  /** Whether a source stands behind it. */
  sourced: boolean;
}

/** Why it happened, and who says so. Signals alone never accuse, whatever a reply brings. */
export function why(of: Revision): Why {
  const sourced = (of.cause_status === "reported" || of.cause_status === "documented") && of.source_urls.length > 0;
  const cause = word("cause", of.cause);
  if (of.cause === "unknown") return { sentence: t("why.unknown"), sourced };
  if (sourced) return { sentence: t(of.cause_status === "documented" ? "why.documented" : "why.reported", { cause }), sourced };
  if (of.cause_status !== "inferred" || ACCUSING.includes(of.cause)) return { sentence: t("why.unknown"), sourced: false };
  return { sentence: t("why.inferred", { cause }), sourced: false };
}

/** Only the web's own addresses become links: a source is typed by people. */
export function isWeb(url: string): boolean {
  try {
    return ["http:", "https:"].includes(new URL(url).protocol);
  } catch {
    return false;
  }
}

/** The highest confidence under each cap, as in `Cap::limit`. */
export const LIMITS: Record<string, number> = {
  one_network: 0.6, few_sites: 0.5, no_outside_signal: 0.8, no_late_evidence: 0.95, clocks: 0.7,
};

export function cap(name: string): string {
  const limit = LIMITS[name];
  const reason = word("cap", name);
  return limit === undefined ? t("cap_without", { reason }) : t("cap_with", { reason, share: limit });
}

/** What one revision says otherwise than the one before; what is new in the first is all of it. */
export function changes(before: Revision | undefined, after: Revision, names: Names): string[] {
  if (before === undefined) {
    return [t("change.first", { state: word("event_state", after.state), what: word("class", after.disruption_class), place: place(after.location, names) })];
  }
  const out: string[] = [];
  const moved = (name: string, from: string, to: string) => {
    if (from !== to) out.push(t("change.moved", { name, from, to }));
  };
  const sites = (n: number | null) => (n === null ? t("table.few") : count(n));
  const moment = (at: string | null) => (at === null ? t("change.open") : instant(at));
  const interval = (low: string | null, high: string | null) => (low === null || high === null ? t("change.open") : span(low, high));
  const list = (all: readonly (string | number)[]) => (all.length === 0 ? t("table.none") : all.join(", "));
  moved(t("change.state"), word("event_state", before.state), word("event_state", after.state));
  moved(t("change.class"), word("class", before.disruption_class), word("class", after.disruption_class));
  moved(t("change.start"), moment(before.start), moment(after.start));
  moved(t("change.start_interval"), interval(before.start_lower, before.start_upper), interval(after.start_lower, after.start_upper));
  moved(t("change.end"), moment(before.end), moment(after.end));
  moved(t("change.end_interval"), interval(before.end_lower, before.end_upper), interval(after.end_lower, after.end_upper));
  moved(t("change.place"), place(before.location, names), place(after.location, names));
  moved(t("change.area"), before.area_name ?? t("table.none"), after.area_name ?? t("table.none"));
  moved(t("change.drop"), lossOf(before.drop_fraction), lossOf(after.drop_fraction));
  moved(t("change.affected"), sites(before.affected_sites), sites(after.affected_sites));
  moved(t("change.networks"), list(before.asns), list(after.asns));
  moved(t("change.severity"), String(before.severity_level), String(after.severity_level));
  moved(t("change.confidence"), sureness(before.confidence), sureness(after.confidence));
  moved(t("change.caps"), list(before.confidence_caps.map((c) => word("cap", c))), list(after.confidence_caps.map((c) => word("cap", c))));
  moved(t("change.grade"), before.evidence_grade, after.evidence_grade);
  moved(t("change.retro"), sites(before.retro_evidence_sites), sites(after.retro_evidence_sites));
  if (why(before).sentence !== why(after).sentence) out.push(t("change.cause", { sentence: why(after).sentence }));
  for (const url of after.source_urls) if (!before.source_urls.includes(url)) out.push(t("change.source", { url }));
  for (const note of after.notes.slice(before.notes.length)) out.push(t("change.note", { note }));
  if (before.merged_into !== after.merged_into && after.merged_into !== null) out.push(t("change.merged", { id: after.merged_into }));
  return out.length === 0 ? [t("change.nothing")] : out;
}

/** How sure something is: never "100 %", which nobody can be. */
export function sureness(probability: number): string {
  if (probability >= 0.995) return t("sure.most");
  return probability < 0.005 ? t("sure.least") : share(probability);
}

/** The deeds that a revision carries: those since the one before. */
export function behind(before: Revision | undefined, after: Revision, actions: readonly Acted[]): Acted[] {
  if (after.revision_reason !== "analyst") return [];
  return actions.filter(({ at }) => at <= after.as_of && (before === undefined || at > before.as_of));
}

/** Odds as people bet them: of the first against the second. */
export function odds(probability: number): string {
  if (probability >= 0.995) return t("odds.nearly");
  if (probability <= 0.005) return t("odds.hardly");
  return probability >= 0.5
    ? t("odds.for", { one: Math.round(probability / (1 - probability)) })
    : t("odds.in", { one: Math.round(1 / probability) });
}
