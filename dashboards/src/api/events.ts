// What does the collector say of events? Names as in `shutdown-events` v1; times as text in UTC;
// `null` is "unknown" or "fewer than three", never 0.
import type { Simulated } from "./types";

export type State = "candidate" | "suspected" | "confirmed" | "ending" | "ended" | "final" | "lapsed" | "retracted" | "merged";

/** States that a reader can ask for; candidates are not published. */
export const STATES: readonly State[] = ["suspected", "confirmed", "ending", "ended", "final", "lapsed", "retracted", "merged"];
/** Those of events that go on. */
export const OPEN: readonly string[] = ["suspected", "confirmed", "ending"];

export const CLASSES = [
  "total_blackout", "international_isolation", "mobile_only", "fixed_only", "asn_only", "regional",
  "service_block", "throttling", "power", "cable", "collector_fault",
] as const;
export const CAUSES = [
  "government", "exam", "power", "cable", "technical", "weather", "military", "cyber", "maintenance", "unknown",
] as const;
export const CONTEXTS = ["election", "protest", "exam", "coup", "conflict", "religious"] as const;

/** One moment's account of an event. Closed lists may grow: values are text. */
export interface Revision {
  event_id: string;
  revision: number;
  as_of: string;
  revision_reason: string;
  state: string;
  start: string;
  start_lower: string;
  start_upper: string;
  start_date_type: string;
  end: string | null;
  end_lower: string | null;
  end_upper: string | null;
  location: string;
  countries: string[];
  geo_scope: string;
  admin1_codes: string[];
  area_name: string | null;
  asns: number[];
  access_types: string[];
  disruption_class: string;
  alternatives: { class: string; probability: number }[];
  full_or_service: string;
  services: string[];
  sms_affected: string;
  voice_affected: string;
  cause: string;
  cause_status: string;
  context: string[];
  ordered_by: string | null;
  gov_ack: string;
  legal_basis: string | null;
  source_urls: string[];
  notes: string[];
  drop_fraction: number | null;
  affected_sites: number | null;
  eligible_sites: number | null;
  eligible_asns: number;
  coverage: number | null;
  severity_level: number;
  area_pct_min: number;
  user_hours: number | null;
  belief: number;
  confidence: number;
  confidence_caps: string[];
  evidence_grade: string;
  signals: string[];
  retro_evidence_sites: number | null;
  retro_minutes: number | null;
  incident_id: string | null;
  merged_into: string | null;
  related_ids: string[];
  detector_version: string;
}

export interface Evidence {
  event_id: string;
  signal: string;
  location: string;
  verdict: string;
  from: string;
  to: string | null;
  error_s: number;
  sites: number | null;
  value: number | null;
  baseline: number | null;
  /** Only of what others published. */
  llr: number | null;
  received_at: string;
  url: string | null;
}

export interface Bin {
  location: string;
  at: string;
  expected: number;
  observed: number;
  eligible: number;
}

export interface Covered {
  location: string;
  day: string;
  eligible_sites: number | null;
  eligible_asns: number;
  min_detectable_share: number | null;
  deaf_minutes: number;
}

/** How long after a start it was said, seconds; null for what was not said. */
export interface Took {
  interval_s: number;
  suspected_s: number | null;
  confirmed_s: number | null;
}

/** How soon a loss can be told, by how often probes are heard. */
export interface Lag {
  interval_s: number;
  suspected_s: number;
  confirmed_s: number;
}

export interface EventsReply extends Partial<Simulated> {
  events: Revision[];
  next: string | null;
}

export interface Group {
  location: string;
  verdict: string;
  sites: number | null;
}

/** What an analyst did, and why; `by` as the operator publishes it. */
export interface Acted {
  at: string;
  by: string | null;
  deed: string;
  reason: string;
}

export interface EventReply extends Partial<Simulated> {
  event: Revision;
  revisions: Revision[];
  evidence: Evidence[];
  timeline: Bin[];
  groups: Group[];
  /** The others of its incident that are nearest in time. */
  incident: Revision[];
  /** Whether there are more of them. */
  incident_more: boolean;
  actions?: Acted[];
  lag: Took | null;
}

export interface LiveCountry {
  country: string;
  name: string;
  eligible_sites: number | null;
  eligible_asns: number | null;
  observed: number | null;
  expected: number | null;
  state: "quiet" | "suspected" | "confirmed" | "ending" | "not_covered";
  event_id: string | null;
  min_detectable_share: number | null;
}

export interface LiveReply extends Partial<Simulated> {
  /** Null before anything was gone through. */
  as_of: string | null;
  countries: LiveCountry[];
  deaf: boolean;
  lag?: Lag | null;
  /** Of the data package, where the operator chose one. */
  licence?: string | null;
}

export interface ShutdownCoverageReply extends Partial<Simulated> {
  day: string;
  rows: Covered[];
}

export interface CalendarDay {
  day: string;
  worst_state: string | null;
  worst_class: string | null;
  lost_minutes: number;
  event_ids: string[];
  eligible_sites: number | null;
  min_detectable_share: number | null;
  deaf_minutes: number;
}

export interface CalendarReply extends Partial<Simulated> {
  country: string;
  year: number;
  days: CalendarDay[];
}

export interface ReviewReply extends Partial<Simulated> {
  events: Revision[];
  analyst: string;
}

/** What an analyst does, with the reason that is always asked for. */
export type Deed = { reason: string } & (
  | { deed: "annotate"; note: string }
  | {
      deed: "document";
      cause: string;
      status: string;
      context: string[];
      ordered_by: string | null;
      gov_ack: string;
      legal_basis: string | null;
      area_name: string | null;
      sources: string[];
    }
  | { deed: "reclassify"; class: string }
  | { deed: "retract" | "restore" | "review" }
);
