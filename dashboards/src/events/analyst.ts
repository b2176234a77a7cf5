// How does an analyst speak to the collector? With a token that lives in this tab alone, sent in
// a header, never in an address; and with refusals in words.
import { isProblem, type Problem } from "../api/load";
import type { Deed, Revision } from "../api/events";
import { t } from "../messages/text";

const KEY = "faultline.analyst";

export function keptToken(): string | null {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null; // storage refused: the token lasts as long as the page
  }
}

export function keepToken(token: string | null): void {
  try {
    if (token === null) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, token);
  } catch {
    // See above.
  }
}

/** Whether a token can stand in a header: what cannot is not sent. */
export const fits = (token: string): boolean => /^[\x21-\x7e]{1,512}$/.test(token);

/** Asks as the analyst. Throws a [`Problem`]. */
export async function ask<T>(path: string, token: string, body?: unknown): Promise<T> {
  let reply: Response;
  try {
    reply = await fetch(path, {
      method: body === undefined ? "GET" : "POST",
      headers: { "x-analyst-token": token, ...(body === undefined ? {} : { "content-type": "application/json" }) },
      cache: "no-store",
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  } catch {
    throw { status: 0, message: null } satisfies Problem;
  }
  const told: unknown = await reply.json().catch(() => null);
  if (!reply.ok || told === null || typeof told !== "object") {
    const said = told !== null && typeof told === "object" && "message" in told ? told.message : null;
    throw { status: reply.ok ? 502 : reply.status, message: typeof said === "string" ? said : null } satisfies Problem;
  }
  return told as T;
}

export async function act(id: string, token: string, deed: Deed): Promise<Revision> {
  const reply = await ask<Revision | { event: Revision }>(`/v1/events/${encodeURIComponent(id)}/actions`, token, deed);
  return "event" in reply ? reply.event : reply;
}

/** What went wrong, and what to do about it. */
export function refusal(error: unknown): string {
  if (!isProblem(error)) return t("review.broken");
  const { status, message } = error;
  if (status === 0) return t("error.unreachable");
  if (status === 401 || status === 403) return t("review.no_entry");
  if (status === 404) return message ?? t("review.no_event");
  if (status >= 500) return t("review.failed");
  return message ?? t("error.other", { status });
}

/** One address a line; empty lines are nothing. */
export const lines = (text: string): string[] => text.split(/\r?\n/).map((line) => line.trim()).filter((line) => line !== "");
