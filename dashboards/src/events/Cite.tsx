// How is this event cited? With the revision that was read, since later ones may say otherwise.
import { useState } from "preact/hooks";
import type { Revision } from "../api/events";
import { day } from "../format/time";
import { t } from "../messages/text";
import { address, title, type Names } from "./words";

export function citation(of: Revision, names: Names, origin: string, today: string): string {
  return t("cite.text", {
    title: title(of, names), id: of.event_id, index: of.revision, as_of: of.as_of.slice(0, 10),
    address: `${origin}${address(of.event_id)}#revision-${of.revision}`, detector: of.detector_version, today: day(today),
  });
}

export function Cite({ event, names, simulated }: { event: Revision; names: Names; simulated: boolean }) {
  const [copied, setCopied] = useState<"no" | "yes" | "failed">("no");
  const text = `${simulated ? `${t("simulated.picture")} ` : ""}${citation(event, names, location.origin, new Date().toISOString())}`;
  const copy = () => {
    // Clipboards are for secure places only; elsewhere the text can be marked by hand.
    const asked = navigator.clipboard?.writeText(text) ?? Promise.reject(new Error("no clipboard"));
    asked.then(() => setCopied("yes"), () => setCopied("failed"));
  };
  return (
    <section class="cite" aria-labelledby="cite">
      <h2 id="cite">{t("cite.title")}</h2>
      <blockquote class="cite-text">{text}</blockquote>
      <p>
        <button type="button" onClick={copy}>{t("cite.copy")}</button>{" "}
        <span role="status">{copied === "yes" ? t("cite.copied") : copied === "failed" ? t("cite.failed") : ""}</span>
      </p>
    </section>
  );
}
