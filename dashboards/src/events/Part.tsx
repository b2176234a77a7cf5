// What does a part of a page show while it has no data? The page around it stays, so that a
// question that was wrong can be asked anew.
import type { ComponentChildren } from "preact";
import type { Loaded, Problem } from "../api/load";
import { t } from "../messages/text";

function sentence({ status, message }: Problem): string {
  if (status === 0) return t("error.unreachable");
  if (status >= 500) return t("error.inside");
  return message ?? t("error.other", { status });
}

export function Part<T>({ from, children }: { from: Loaded<T>; children: (data: T) => ComponentChildren }) {
  if (from.state === "loading") {
    return <div class="state loading" role="status"><span class="visually-hidden">{t("loading")}</span><div class="bone tall" /></div>;
  }
  const again = <button type="button" onClick={from.retry}>{t("error.retry")}</button>;
  if (from.state === "error") return <p class="notice" role="alert">{t("events.failed")} {sentence(from.problem)} {again}</p>;
  return (
    <>
      {from.kept !== null && <p class="notice stale" role="status">{t("stale.kept")} {sentence(from.kept)} {again}</p>}
      {children(from.data)}
    </>
  );
}
