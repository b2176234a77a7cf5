// How does a page get its numbers? One hook, whose states every page shows in the same way:
// loading, an error that says what to do, data, and data that could not be made fresh.
import { useCallback, useEffect, useState } from "preact/hooks";
import { keep, recall } from "./kept";
import type { AtlasReply, Simulated } from "./types";

export interface Problem {
  /** HTTP status; 0 where nothing answered. */
  status: number;
  /** The collector's own sentence, where it gave one. */
  message: string | null;
}

export type Loaded<T> =
  | { state: "loading" }
  | { state: "error"; problem: Problem; retry: () => void }
  | { state: "ready"; data: T; kept: Problem | null; retry: () => void };

/** What was read in this visit; shown at once when a page is opened again. */
const read = new Map<string, unknown>();

type Listener = (simulated: boolean) => void;
const listeners = new Set<Listener>();

let told: boolean | null = null;

/** Calls back whenever a reply says whether its data is simulated, and at once if one did. */
export function onSimulated(listener: Listener): () => void {
  listeners.add(listener);
  if (told !== null) listener(told);
  return () => listeners.delete(listener);
}

/** Reads one address of the API. Throws a [`Problem`]. */
export async function readJson<T>(path: string, signal?: AbortSignal): Promise<T> {
  let reply: Response;
  try {
    // Without headers of its own, so that it is what the page's `Link` header had asked for.
    reply = await fetch(path, { signal: signal ?? null });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw { status: 0, message: null } satisfies Problem;
  }
  const body: unknown = await reply.json().catch(() => null);
  if (!reply.ok || body === null || typeof body !== "object") {
    const said = body !== null && typeof body === "object" && "message" in body ? body.message : null;
    throw {
      status: reply.ok ? 0 : reply.status,
      message: typeof said === "string" ? said : null,
    } satisfies Problem;
  }
  tell(body);
  return body as T;
}

function tell(body: unknown): void {
  const { simulated } = body as Partial<Simulated>;
  if (typeof simulated !== "boolean") return;
  told = simulated;
  listeners.forEach((listener) => listener(simulated));
}

/** Requests that began before the page that wants them was loaded. */
const early = new Map<string, Promise<unknown>>();

/** Asks for a page's data while its code is still on the way. */
export function askEarly(place: string): void {
  const country = /^\/countries\/([A-Za-z]{2})\/?$/.exec(place)?.[1];
  const paths = place === "/" ? ["/v1/world", "/v1/atlas"] : country === undefined ? [] : [`/v1/countries/${country.toUpperCase()}`];
  for (const path of paths) {
    const asked = readJson(path);
    asked.catch(() => undefined); // told to whoever takes it
    early.set(path, asked);
  }
}

function take<T>(path: string, signal: AbortSignal): Promise<T> {
  const asked = early.get(path) as Promise<T> | undefined;
  early.delete(path);
  return asked ?? readJson<T>(path, signal);
}

export function isProblem(error: unknown): error is Problem {
  return typeof error === "object" && error !== null && "status" in error && "message" in error;
}

/** Data of one address; `null` asks for nothing yet. */
export function useData<T>(path: string | null): Loaded<T> {
  const [again, setAgain] = useState(0);
  const retry = useCallback(() => setAgain((n) => n + 1), []);
  const [held, setHeld] = useState<{ path: string | null; problem: Problem | null }>({
    path: null,
    problem: null,
  });
  useEffect(() => {
    if (path === null) return;
    const abort = new AbortController();
    take<T>(path, abort.signal).then(
      (data) => {
        read.set(path, data);
        void keep(path, data);
        setHeld({ path, problem: null });
      },
      async (error: unknown) => {
        if (abort.signal.aborted) return;
        const problem = isProblem(error) ? error : { status: 0, message: null };
        // What an earlier visit kept is better than nothing, and is marked on the page.
        const kept = problem.status === 0 && !read.has(path) ? await recall<T>(path) : null;
        if (kept !== null) {
          read.set(path, kept);
          tell(kept);
        }
        if (!abort.signal.aborted) setHeld({ path, problem });
      },
    );
    return () => abort.abort();
  }, [path, again]);
  const problem = held.path === path ? held.problem : null;
  const data = path === null ? undefined : (read.get(path) as T | undefined);
  if (data !== undefined) return { state: "ready", data, kept: problem, retry };
  if (problem !== null) return { state: "error", problem, retry };
  return { state: "loading" };
}

/** The name of a country, as soon as it is known; until then its code. */
export function useCountryName(code: string): string {
  const atlas = useData<AtlasReply>("/v1/atlas");
  if (atlas.state !== "ready") return code;
  return atlas.data.countries.find((country) => country.code === code)?.name ?? code;
}
