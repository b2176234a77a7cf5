// What does a page show while it has no data, or has none that is fresh? The same four states
// everywhere, each with a way on.
import type { ComponentChildren } from "preact";
import type { Loaded, Problem } from "../api/load";
import type { Window } from "../api/types";
import { day, daysSince } from "../format/time";
import { t } from "../messages/text";

/** Days after which a window's end is old: it moves every day. */
const OLD = 3;

function sentence({ status, message }: Problem): string {
  if (status === 0) return t("error.unreachable");
  if (status === 404) return message ?? t("error.not_found");
  if (status >= 500) return t("error.inside");
  return message ?? t("error.other", { status });
}

export function Trouble({ problem, retry }: { problem: Problem; retry: () => void }) {
  return (
    <div class="state trouble" role="alert">
      <h1 tabIndex={-1}>{t(problem.status === 404 ? "error.title_not_found" : "error.title")}</h1>
      <p>{sentence(problem)}</p>
      <p class="state-ways">
        <button type="button" onClick={retry}>{t("error.retry")}</button> <a href="/">{t("error.home")}</a>
      </p>
    </div>
  );
}

export function Loading() {
  return (
    <div class="state loading" role="status">
      <span class="visually-hidden">{t("loading")}</span>
      <div class="bone wide" />
      <div class="bone" />
      <div class="bone tall" />
    </div>
  );
}

interface Props<T> {
  from: Loaded<T>;
  children: (data: T) => ComponentChildren;
}

/** Draws the data, or the state that stands in for it. */
export function Show<T>({ from, children }: Props<T>) {
  if (from.state === "loading") return <Loading />;
  if (from.state === "error") return <Trouble problem={from.problem} retry={from.retry} />;
  return (
    <>
      {from.kept !== null && (
        <p class="notice stale" role="status">
          {t("stale.kept")} {sentence(from.kept)}{" "}
          <button type="button" onClick={from.retry}>{t("error.retry")}</button>
        </p>
      )}
      {children(from.data)}
    </>
  );
}

/** Real data whose window ended days ago is shown with that fact; a simulated world has its own time. */
export function Freshness({ window, simulated, now }: { window: Window; simulated: boolean; now: number }) {
  const old = daysSince(window.to, now);
  if (simulated || old <= OLD) return null;
  return <p class="notice stale" role="status">{t("stale.window", { day: day(window.to), count: old })}</p>;
}

export function Empty({ children }: { children: ComponentChildren }) {
  return <p class="empty state">{children}</p>;
}
