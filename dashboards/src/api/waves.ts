// What does the API say of blocking waves? Names as on the wire; `null` is "not published or
// unknown", never 0.
import type { Simulated, Window } from "./types";

export interface WaveRow {
  id: string;
  state: "suspected" | "confirmed" | "ended" | "lapsed";
  country: string;
  name: string;
  imported: boolean;
  /** It is older than the measurements. */
  standing: boolean;
  start: string;
  not_before: string | null;
  raised: string;
  end: string | null;
  end_before: string | null;
  last: string;
  share: number;
  probes_blocked: number | null;
  probes: number | null;
  networks: number;
  targets: number;
  alarms: number;
  categories: string[];
  mechanisms: string[];
  direction: "on_path" | "resolver" | "both" | "unclear";
}

interface Share {
  share: number;
  probes: number | null;
  probes_blocked: number | null;
}

export interface WavesReply extends Simulated {
  waves: WaveRow[];
}

export interface WaveReply extends WaveRow, Simulated {
  network_lines: (Share & { asn: number; name: string | null })[];
  target_lines: (Share & { target: string; category: string | null })[];
  days: (Share & { day: string })[];
  mechanism_lines: { mechanism: string; probes: number | null }[];
  attribution: { direction: WaveRow["direction"]; on_path: number | null; resolver: number | null };
  hidden: { networks: number; targets: number };
  evidence: string;
}

export interface MatrixCell extends Share {
  target: string;
  asn: number;
  imported: boolean;
  mechanism: string | null;
  /** Days after the first, and the share of probes on them. */
  steps: [number, number][];
}

export interface MatrixReply extends Simulated {
  country: string;
  name: string;
  window: Window;
  step_days: number;
  targets: { target: string; category: string | null }[];
  networks: { asn: number; name: string | null }[];
  cells: MatrixCell[];
}
