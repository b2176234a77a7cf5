// Which measurements answer a question? The list behind every number, by the address's query.
import { useLocation } from "preact-iso";
import { useEffect, useState } from "preact/hooks";
import { isProblem, readJson, useData, type Problem } from "../api/load";
import type { VerdictRow, VerdictsReply } from "../api/types";
import { say, t, word } from "../messages/text";
import { Downloads } from "../shell/Downloads";
import { Page } from "../shell/Page";
import { Empty, Show } from "../shell/States";
import { VerdictTable } from "../shell/VerdictTable";

const FILTERS = ["country", "asn", "target", "experiment", "indicator", "outcome", "mechanism", "since", "until"];

export default function Verdicts() {
  const { query } = useLocation();
  const kept = FILTERS.flatMap((name) => {
    const value = query[name];
    return value === undefined || value === "" ? [] : [[name, value] as const];
  });
  const path = `/v1/verdicts?${new URLSearchParams(kept.map(([name, value]) => [name, value])).toString()}`;
  const from = useData<VerdictsReply>(path);
  return (
    <Show from={from}>
      {(data) => (
        <Page title={t("verdicts.title")} crumbs={[{ href: "/", text: t("nav.world") }]} lead={<p>{t("evidence.note")}</p>}>
          <ul class="tags filters" aria-label={t("verdicts.filters")}>
            {kept.length === 0 && <li class="tag">{t("verdicts.no_filter")}</li>}
            {kept.map(([name, value]) => (
              <li key={name} class="tag">
                {say(`filter.${name}`)}: {name === "outcome" || name === "mechanism" || name === "experiment" ? word(name, value) : value}
              </li>
            ))}
          </ul>
          {data.verdicts.length === 0 && data.next === null ? <Empty>{t("evidence.empty")}</Empty> : <Rows key={path} path={path} first={data} />}
          <Downloads path={path} tables={["verdicts"]} />
        </Page>
      )}
    </Show>
  );
}

function Rows({ path, first }: { path: string; first: VerdictsReply }) {
  const [more, setMore] = useState<VerdictRow[]>([]);
  const [next, setNext] = useState(first.next);
  const [problem, setProblem] = useState<Problem | null>(null);
  useEffect(() => {
    setMore([]);
    setNext(first.next);
  }, [first]);
  const load = () => {
    if (next === null) return;
    setProblem(null);
    readJson<VerdictsReply>(`${path}&after=${encodeURIComponent(next)}`).then(
      (data) => {
        setMore((old) => [...old, ...data.verdicts]);
        setNext(data.next);
      },
      (error: unknown) => setProblem(isProblem(error) ? error : { status: 0, message: null }),
    );
  };
  return (
    <>
      <VerdictTable caption={t("verdicts.title")} rows={[...first.verdicts, ...more]} />
      {problem !== null && <p class="notice" role="alert">{problem.message ?? t("evidence.failed")}</p>}
      {next !== null && <button type="button" class="more" onClick={load}>{t("verdicts.more")}</button>}
    </>
  );
}
