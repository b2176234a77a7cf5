// What does the collector's read API say? Names as on the wire; `null` is "not published or
// unknown", never 0.

import type { WaveRow } from "./waves";

export type Dim = "d1" | "d2t" | "d3";
export const DIMENSIONS: readonly Dim[] = ["d1", "d2t", "d3"];

export type Interval = [number, number];
export type Grade = "A" | "B" | "C" | "D";

export interface Text {
  key: string;
  params: Record<string, string | number>;
}

export interface Estimate {
  state: "published" | "divided" | "insufficient";
  reasons: string[];
  point: number | null;
  interval: Interval | null;
  method_interval: Interval | null;
  bounds: Interval | null;
  /** What any tenth of the probes could have made of it; instead of a point where `divided`. */
  contested: Interval | null;
  grade: Grade | null;
}

export interface Coverage {
  networks: number;
  probes: number | null;
  days: number;
  user_share: number | null;
  measurements: number;
}

interface Told {
  explanation: Text[];
  alternatives: Text[];
  not_covered: Text[];
}

export interface IndicatorValue extends Told {
  id: string;
  dimension: Dim;
  tier: "A" | "B" | "C";
  weight: number;
  raw: number | null;
  score: Estimate;
  networks: number;
  networks_deviating: number;
  probes: number | null;
  measurements: number;
  deviations: number;
}

export interface DimensionValue extends Estimate, Told {
  dimension: Dim;
  loo_range: Interval | null;
}

export interface Window {
  from: string;
  to: string;
  days: number;
}

export interface Simulated {
  simulated: boolean;
}

export interface Health extends Simulated {
  status: string;
  version: string;
  time: string;
}

export interface AtlasReply extends Simulated {
  kind: "earth" | "simulated";
  countries: { code: string; name: string }[];
}

export interface WorldCountry {
  country: string;
  name: string;
  dimensions: Record<Dim, DimensionValue>;
  coverage: Coverage;
}

export interface Change {
  country: string;
  dimension: Dim;
  from: number;
  to: number;
  probability: number;
  since: string;
}

export interface WorldReply extends Simulated {
  method: string;
  window: Window;
  countries: WorldCountry[];
  changes: Change[];
}

export interface TargetRow {
  target: string;
  category: string | null;
  measurements: number;
  networks: number;
  outcomes: Record<string, number>;
  mechanisms: Record<string, number>;
}

export type DayPoint = [number, number, number] | null;

/** A day without a point because networks differ has a contested range instead. */
export interface TimelineDay {
  day: string;
  d1: DayPoint;
  d2t: DayPoint;
  d3: DayPoint;
  d1_contested: Interval | null;
  d2t_contested: Interval | null;
  d3_contested: Interval | null;
}

export interface CountryReply extends Simulated {
  country: string;
  name: string;
  method: string;
  code_version: string;
  rules: number | string;
  seed: number | string;
  window: Window;
  vintage: { computed: string; digest: string; references: Record<string, string> };
  dimensions: Record<Dim, DimensionValue>;
  coverage: Coverage;
  indicators: IndicatorValue[];
  networks: {
    asn: number;
    name: string | null;
    probes: number | null;
    imported?: boolean;
    measurements: number;
    indicators: Record<string, { raw: number | null; measurements: number; deviations: number }>;
  }[];
  targets: TargetRow[];
  timeline: TimelineDay[];
}

export interface NetworkRate {
  asn: number;
  name: string | null;
  probes: number | null;
  imported?: boolean;
  measurements: number;
  deviations: number;
  raw: number | null;
}

export interface DayCount {
  day: string;
  measurements: number;
  deviations: number;
}

export interface IndicatorReply extends Simulated {
  country: string;
  name?: string;
  method: string;
  window: Window;
  indicator: IndicatorValue;
  networks: NetworkRate[];
  targets: {
    target: string;
    measurements: number;
    deviations: number;
    networks: number;
    mechanisms: Record<string, number>;
  }[];
  days: DayCount[];
  evidence: string;
}

export interface NetworkIndicator {
  id: string;
  dimension: Dim;
  raw: number | null;
  measurements: number;
  deviations: number;
  probes: number | null;
}

export interface NetworkReply extends Simulated {
  asn: number;
  name: string | null;
  country: string;
  coverage: Coverage;
  indicators: NetworkIndicator[];
  targets: TargetRow[];
  days: DayCount[];
}

export interface TargetsReply extends Simulated {
  targets: { target: string; category: string | null; countries: number; measurements: number }[];
}

export interface TargetReply extends Simulated {
  target: string;
  category: string | null;
  countries: {
    country: string;
    name: string;
    measurements: number;
    networks: number;
    probes: number | null;
    imported?: boolean;
    outcomes: Record<string, number>;
    mechanisms: Record<string, number>;
  }[];
  days: { day: string; measurements: number; anomalies: number }[];
  history: { country: string; day: string; imported: boolean; measurements: number; anomalies: number }[];
  waves: WaveRow[];
}

export interface CoverageReply extends Simulated {
  window: Window;
  countries: {
    country: string;
    name: string;
    coverage: Coverage;
    networks: { asn: number; name: string | null; probes: number | null; imported?: boolean; measurements: number }[];
    days: { day: string; probes: number | null; measurements: number }[];
  }[];
}

export interface MethodReply extends Simulated {
  method: string;
  title: string;
  disclaimer: string;
  floors: Record<string, unknown>;
  indicators: {
    id: string;
    dimension: Dim;
    title: string;
    tier: "A" | "B" | "C";
    weight: number;
    b: number;
    h: number;
    implemented: boolean;
    sources: string[];
    known_false_positives: string[];
  }[];
  text: string;
}

export interface VerdictRow {
  measurement: string;
  started: string;
  country: string;
  asn: number;
  target: string;
  experiment: string;
  outcome: string;
  mechanism: string | null;
  rules: number;
  scored: boolean;
  source: string;
}

export interface VerdictsReply extends Simulated {
  verdicts: VerdictRow[];
  next: string | null;
}

export interface Reply {
  after: number;
  from: string | null;
  rcode: number;
  flags: number;
  addresses: string[];
  aliases: string[];
  ttl: number | null;
  edns: boolean;
  failure: string | null;
  case_echoed: boolean | null;
  raw: string | null;
  hop_limit: number | null;
}

export type Step =
  | {
      kind: "lookup";
      name: string;
      rtype: number;
      role: string;
      transport: string;
      resolver: string | null;
      resolver_name: string | null;
      replies: Reply[];
      watched: number;
      attempt: number;
    }
  | { kind: "connect"; ip: string; port: number; source: string }
  | {
      kind: "handshake";
      ip: string;
      port: number;
      server_name: string | null;
      role: string;
      stage: string;
      version: number | null;
      cipher: number | null;
      alpn: string | null;
      chain: string[];
      certificate: { failure: string | null } | null;
      first_bytes: string | null;
      hop_limit?: number | null;
    }
  | {
      kind: "quic";
      ip: string;
      port: number;
      source: string;
      server_name: string | null;
      role: string;
      stage: string;
      version: number;
      versions: number[];
      sent: number;
      received: number;
      alpn: string | null;
      chain: string[];
      certificate: { failure: string | null } | null;
      close: number | null;
      status: number | null;
      answered: number | null;
    }
  | {
      kind: "fetch";
      url: string;
      ip: string;
      port: number;
      depth: number;
      status: number | null;
      headers: { name: string; value: string }[];
      body_length: number;
      body_truncated: boolean;
      body_sha256: string | null;
      body: string | null;
      title: string | null;
      location: string | null;
      authenticated: boolean;
    };

export type Layer = Step["kind"];
export const LAYERS: readonly Layer[] = ["lookup", "connect", "handshake", "quic", "fetch"];

export interface Observation {
  index: number;
  started: number;
  ended: number;
  step: Step;
  failure: string | null;
}

export interface Reason {
  rule: string;
  sentence?: string;
  observations: number[];
  control: number[];
}

export interface MeasurementReply extends Partial<Simulated> {
  id: string;
  started: string;
  experiment: string;
  target: string;
  country: string;
  asn: number;
  network_known?: boolean;
  scored: boolean;
  source: string;
  outcome: string;
  mechanism: string | null;
  rules: number;
  reasons: Reason[] | null;
  observations: Observation[];
  control?: { observations: Observation[] } | null;
  classic?: Record<string, unknown>;
}
