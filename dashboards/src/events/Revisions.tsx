// What was said of the event at which time? Every revision, the newest first, with why it was
// said and what it changed; each has an address of its own.
import type { Acted, Revision } from "../api/events";
import { t, word } from "../messages/text";
import { Time } from "../shell/Value";
import { StateTag } from "./State";
import { behind, changes } from "./story";
import { TableFile } from "./TableFile";
import type { Names } from "./words";

export function Revisions({ revisions, actions, names }: { revisions: Revision[]; actions: Acted[]; names: Names }) {
  const ordered = [...revisions].sort((a, b) => a.revision - b.revision);
  return (
    <section aria-labelledby="revisions">
      <h2 id="revisions">{t("revisions.title")}</h2>
      <p class="note">{t("revisions.note")}</p>
      <ol class="revisions" reversed>
        {ordered.map((_, index) => ordered.length - 1 - index).map((index) => {
          const revision = ordered[index];
          if (revision === undefined) return null;
          return (
            <li key={revision.revision} id={`revision-${revision.revision}`} class="step-card">
              <h3 class="step-head">
                <span class="step-number">{t("revisions.number", { index: revision.revision })}</span>
                <Time at={revision.as_of} />
                <StateTag state={revision.state} />
              </h3>
              <p class="told">{word("revision_reason", revision.revision_reason)}</p>
              {behind(ordered[index - 1], revision, actions).map(({ by, reason }) => <p key={reason} class="told">{by === null ? t("revisions.because_unnamed", { reason }) : t("revisions.because", { by, reason })}</p>)}
              <ul class="texts">
                {changes(ordered[index - 1], revision, names).map((change) => <li key={change}>{change}</li>)}
              </ul>
            </li>
          );
        })}
      </ol>
      <TableFile name={`revisions-${ordered[0]?.event_id ?? ""}`} title={t("revisions.title")} rows={ordered} />
    </section>
  );
}
