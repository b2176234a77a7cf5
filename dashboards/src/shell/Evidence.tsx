// What opens a number down to its observations? The first verdicts behind it, and a link to all.
import { useData } from "../api/load";
import type { VerdictsReply } from "../api/types";
import { t } from "../messages/text";
import { VerdictTable } from "./VerdictTable";

/** The same query on the page that lists all of them. */
export function pageOf(evidence: string): string {
  const query = evidence.split("?")[1];
  return query === undefined ? "/verdicts" : `/verdicts?${query}`;
}

function limited(evidence: string): string {
  return `${evidence}${evidence.includes("?") ? "&" : "?"}limit=20`;
}

export function Evidence({ path, title }: { path: string; title: string }) {
  const from = useData<VerdictsReply>(limited(path));
  return (
    <section aria-labelledby="evidence">
      <h2 id="evidence">{title}</h2>
      <p class="note">{t("evidence.note")}</p>
      {from.state === "loading" && <p role="status">{t("loading")}</p>}
      {from.state === "error" && (
        <p class="notice" role="alert">
          {from.problem.status === 403 || from.problem.status === 404 ? t("evidence.closed") : t("evidence.failed")}{" "}
          <button type="button" onClick={from.retry}>{t("error.retry")}</button>
        </p>
      )}
      {from.state === "ready" && from.data.verdicts.length === 0 && from.data.next === null && <p class="empty">{t("evidence.empty")}</p>}
      {from.state === "ready" && (from.data.verdicts.length > 0 || from.data.next !== null) && (
        <>
          {from.data.verdicts.length > 0 && <VerdictTable caption={title} rows={from.data.verdicts} />}
          <p><a href={pageOf(path)}>{t("evidence.all")}</a></p>
        </>
      )}
    </section>
  );
}
