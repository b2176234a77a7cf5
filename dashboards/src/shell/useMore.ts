// How does a list go on? What the first reply held, and what was asked for after it, a page at a
// time; a new first reply begins anew.
import { useEffect, useState } from "preact/hooks";
import { isProblem, readJson, type Problem } from "../api/load";

interface Paged {
  next: string | null;
}

export interface More<Row> {
  rows: Row[];
  next: string | null;
  problem: Problem | null;
  load: () => void;
}

export function useMore<Reply extends Paged, Row>(path: string, first: Reply, rows: (reply: Reply) => Row[]): More<Row> {
  const [more, setMore] = useState<Row[]>([]);
  const [next, setNext] = useState(first.next);
  const [problem, setProblem] = useState<Problem | null>(null);
  useEffect(() => {
    setMore([]);
    setNext(first.next);
  }, [first]);
  const load = () => {
    if (next === null) return;
    setProblem(null);
    readJson<Reply>(`${path}&after=${encodeURIComponent(next)}`).then(
      (data) => {
        setMore((old) => [...old, ...rows(data)]);
        setNext(data.next);
      },
      (error: unknown) => setProblem(isProblem(error) ? error : { status: 0, message: null }),
    );
  };
  return { rows: [...rows(first), ...more], next, problem, load };
}
