// Which measurements answer a question? The list behind every number, by the address's query.
import { useLocation } from "preact-iso";
import { useData } from "../api/load";
import type { VerdictsReply } from "../api/types";
import { say, t, word } from "../messages/text";
import { Downloads } from "../shell/Downloads";
import { Page } from "../shell/Page";
import { Empty, Show } from "../shell/States";
import { useMore } from "../shell/useMore";
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
  const { rows: all, next, problem, load } = useMore(path, first, (reply) => reply.verdicts);
  return (
    <>
      <VerdictTable caption={t("verdicts.title")} rows={all} />
      {problem !== null && <p class="notice" role="alert">{problem.message ?? t("evidence.failed")}</p>}
      {next !== null && <button type="button" class="more" onClick={load}>{t("verdicts.more")}</button>}
    </>
  );
}
