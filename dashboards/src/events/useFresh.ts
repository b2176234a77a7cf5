// How does a page stay fresh without disturbing whoever reads it? It asks again now and then
// while it is looked at, keeps what it shows when that fails, and knows how old it is by a clock
// that nobody sets.
import { useEffect, useRef, useState } from "preact/hooks";
import { useData, type Loaded } from "../api/load";

export interface Fresh<T> {
  from: Loaded<T>;
  /** Seconds since the last good reply; null before the first. */
  age: number | null;
}

/** Seconds between two looks at the clock: an age in the tens of seconds is near enough. */
const TICK = 10;

export function useFresh<T>(path: string, every: number): Fresh<T> {
  const from = useData<T>(path);
  const data = from.state === "ready" ? from.data : null;
  const retry = from.state === "loading" ? null : from.retry;
  const came = useRef<{ data: T; at: number } | null>(null);
  // A failed try leaves the data that was there, and its age.
  if (data !== null && came.current?.data !== data) came.current = { data, at: performance.now() };
  const [, setTick] = useState(0);
  useEffect(() => {
    const ticking = setInterval(() => setTick((n) => n + 1), TICK * 1000);
    return () => clearInterval(ticking);
  }, []);
  useEffect(() => {
    if (retry === null) return;
    const seen = () => document.visibilityState === "visible" && retry();
    const asking = setInterval(seen, every * 1000);
    document.addEventListener("visibilitychange", seen);
    return () => {
      clearInterval(asking);
      document.removeEventListener("visibilitychange", seen);
    };
  }, [retry, every]);
  return { from, age: came.current === null ? null : (performance.now() - came.current.at) / 1000 };
}
