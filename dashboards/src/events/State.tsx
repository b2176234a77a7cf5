// How far has an event come? A word, with a mark of its own shape: never a colour alone.
import { t, word } from "../messages/text";

const MARKS: Record<string, string> = {
  quiet: "·", suspected: "◇", confirmed: "◆", ending: "◈", ended: "●", final: "●", lapsed: "○", retracted: "✕", merged: "↣", not_covered: "▨",
};

export function StateTag({ state }: { state: string }) {
  return (
    <span class={`tag state-tag state-${state}`}>
      <span aria-hidden="true">{MARKS[state] ?? "?"} </span>
      {word("event_state", state)}
    </span>
  );
}

/** What the state says and what it does not. */
export function about(state: string): string {
  return word("event_state_about", state);
}

/** Severity from 0 to 5, as a number and in words. */
export function Severity({ level }: { level: number }) {
  return <>{t("severity", { level: String(level), words: word("severity_about", String(level)) })}</>;
}
