// What can an analyst do to an event? One deed at a time, each with its reason; what comes of it
// is the next revision.
import { useId, useState } from "preact/hooks";
import { CAUSES, CLASSES, CONTEXTS, type Deed, type Revision } from "../api/events";
import { t, word } from "../messages/text";
import { act, lines, refusal } from "./analyst";
import { changes, isWeb } from "./story";
import type { Names } from "./words";

const DEEDS = ["annotate", "document", "reclassify", "retract", "restore", "review"] as const;
type Name = (typeof DEEDS)[number];

/** The deed that a form describes, or the sentence that says what is missing. */
export function deedOf(name: Name, form: FormData): Deed | string {
  const text = (field: string) => String(form.get(field) ?? "").trim();
  const maybe = (field: string) => (text(field) === "" ? null : text(field));
  const reason = text("reason");
  if (reason === "") return t("review.reason_missing");
  switch (name) {
    case "annotate":
      return text("note") === "" ? t("review.note_missing") : { deed: name, note: text("note"), reason };
    case "reclassify":
      return { deed: name, class: text("class"), reason };
    case "document": {
      const sources = lines(text("sources"));
      if (sources.length === 0) return t("review.source_missing");
      const wrong = sources.find((url) => !isWeb(url));
      if (wrong !== undefined) return t("review.source_wrong", { url: wrong });
      return {
        deed: name, cause: text("cause"), status: text("status"), context: form.getAll("context").map(String),
        ordered_by: maybe("ordered_by"), gov_ack: text("gov_ack"), legal_basis: maybe("legal_basis"), area_name: maybe("area_name"), sources, reason,
      };
    }
    default:
      return { deed: name, reason };
  }
}

interface Props {
  event: Revision;
  token: string;
  names: Names;
  onDone: (next: Revision) => void;
}

export function ActionForm({ event, token, names, onDone }: Props) {
  const [name, setName] = useState<Name>("annotate");
  const [busy, setBusy] = useState(false);
  const [fault, setFault] = useState<string | null>(null);
  const [made, setMade] = useState<{ before: Revision; after: Revision } | null>(null);
  const id = useId();
  const submit = (submitted: SubmitEvent) => {
    submitted.preventDefault();
    const form = submitted.currentTarget as HTMLFormElement;
    const deed = deedOf(name, new FormData(form));
    setMade(null);
    if (typeof deed === "string") return setFault(deed);
    setFault(null);
    setBusy(true);
    act(event.event_id, token, deed).then(
      (after) => {
        setBusy(false);
        setMade({ before: event, after });
        form.reset();
        onDone(after);
      },
      (error: unknown) => {
        setBusy(false);
        setFault(refusal(error));
      },
    );
  };
  return (
    <form class="action-form" onSubmit={submit} aria-label={t("review.act")} noValidate>
      <label>
        <span>{t("review.deed")}</span>
        <select value={name} onChange={(e) => setName(e.currentTarget.value as Name)}>
          {DEEDS.map((deed) => <option key={deed} value={deed}>{t(`deed.${deed}`)}</option>)}
        </select>
      </label>
      <p class="note">{t(`deed_about.${name}`)}</p>
      {name === "annotate" && <label><span>{t("review.note")}</span><textarea name="note" rows={3} maxLength={2000} required /></label>}
      {name === "reclassify" && (
        <label>
          <span>{t("column.class")}</span>
          <select name="class">{CLASSES.map((one) => <option key={one} value={one} selected={one === event.disruption_class}>{word("class", one)}</option>)}</select>
        </label>
      )}
      {name === "document" && <Document id={id} event={event} />}
      <label><span>{t("review.reason")}</span><textarea name="reason" rows={2} maxLength={2000} required /></label>
      <p><button type="submit" disabled={busy}>{t(busy ? "review.sending" : "review.send")}</button></p>
      {fault !== null && <p class="notice" role="alert">{fault}</p>}
      <div role="status">
        {made !== null && (
          <div class="made-revision">
            <p><strong>{t("review.made", { index: made.after.revision })}</strong></p>
            <ul class="texts">{changes(made.before, made.after, names).map((change) => <li key={change}>{change}</li>)}</ul>
          </div>
        )}
      </div>
    </form>
  );
}

function Document({ id, event }: { id: string; event: Revision }) {
  const choice = (name: string, all: readonly string[], of: (one: string) => string, label: string) => (
    <label><span>{label}</span><select name={name}>{all.map((one) => <option key={one} value={one}>{of(one)}</option>)}</select></label>
  );
  const field = (name: string, label: string, value = "") => <label><span>{label}</span><input type="text" name={name} maxLength={400} defaultValue={value} /></label>;
  return (
    <>
      {choice("cause", CAUSES.filter((one) => one !== "unknown"), (one) => word("cause", one), t("why.title"))}
      {choice("status", ["documented", "reported"], (one) => word("cause_status", one), t("why.status"))}
      <label>
        <span>{t("review.sources")}</span>
        <textarea name="sources" rows={3} required aria-describedby={`${id}-sources`} defaultValue={event.source_urls.join("\n")} />
      </label>
      <p class="note" id={`${id}-sources`}>{t("review.sources_note")}</p>
      <fieldset>
        <legend>{t("review.context")}</legend>
        {CONTEXTS.map((one) => <label key={one} class="check"><input type="checkbox" name="context" value={one} checked={event.context.includes(one)} /> {word("context", one)}</label>)}
      </fieldset>
      {field("ordered_by", t("why.ordered_by"), event.ordered_by ?? "")}
      {choice("gov_ack", ["unknown", "yes", "no"], (one) => word("known", one), t("why.gov_ack"))}
      {field("legal_basis", t("why.legal_basis"), event.legal_basis ?? "")}
      {field("area_name", t("change.area"), event.area_name ?? "")}
    </>
  );
}
