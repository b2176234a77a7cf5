// What did a probe see, step by step, in words? The facts beneath, the bytes below them.
import type { ComponentChildren } from "preact";
import type { Observation, Reply, Step } from "../api/types";
import { bytes, milliseconds } from "../format/number";
import { cipher, dump, endpoint, flags, rcode, rtype, tlsVersion } from "../format/wire";
import { t, word } from "../messages/text";

/** One sentence about one step. */
export function told({ step, failure }: Observation): string {
  const said = failure === null ? null : failureWord(failure);
  switch (step.kind) {
    case "lookup": {
      const who = t("told.resolver", { role: word("role", step.role), address: step.resolver ?? step.resolver_name ?? "" });
      const asked = { name: step.name, type: rtype(step.rtype), who: who.trim() };
      const answers = [...new Set(step.replies.flatMap(({ addresses }) => addresses))];
      if (said !== null && answers.length === 0) return t("told.lookup_failed", { ...asked, failure: said });
      if (answers.length === 0) return t("told.lookup_empty", asked);
      const addresses = answers.slice(0, 4).join(", ");
      return step.replies.length > 1
        ? t("told.lookup_many", { ...asked, count: step.replies.length, addresses })
        : t("told.lookup", { ...asked, addresses });
    }
    case "connect": {
      const where = { address: endpoint(step.ip, step.port) };
      return said === null ? t("told.connect", where) : t("told.connect_failed", { ...where, failure: said });
    }
    case "handshake": {
      const about = {
        address: endpoint(step.ip, step.port),
        name: step.server_name ?? t("told.no_name"),
        stage: word("stage", step.stage),
      };
      if (said !== null) return t("told.handshake_failed", { ...about, failure: said });
      if (step.certificate !== null && step.certificate.failure !== null) {
        return t("told.handshake_invalid", { ...about, failure: failureWord(step.certificate.failure) });
      }
      return t(step.certificate === null ? "told.handshake" : "told.handshake_valid", about);
    }
    case "quic": {
      const about = {
        address: endpoint(step.ip, step.port),
        name: step.server_name ?? t("told.no_name"),
        stage: word("stage", step.stage),
        status: step.status ?? "",
      };
      if (said !== null) return t("told.quic_failed", { ...about, failure: said });
      if (step.role === "other_version") return t("told.quic_answered", about);
      if (step.certificate !== null && step.certificate.failure !== null) {
        return t("told.quic_invalid", { ...about, failure: failureWord(step.certificate.failure) });
      }
      return t(step.status === null ? "told.quic" : "told.quic_status", about);
    }
    case "fetch": {
      const about = { url: step.url, status: step.status ?? "", size: bytes(step.body_length), title: step.title ?? "" };
      if (said !== null) return t("told.fetch_failed", { ...about, failure: said });
      return t(step.title === null ? "told.fetch" : "told.fetch_titled", about);
    }
  }
}

export function failureWord(failure: string): string {
  const alert = /^tls\.alert\.(\d+)$/.exec(failure);
  return alert === null ? word("failure", failure) : t("failure_alert", { code: alert[1] ?? "" });
}

type Fact = [string, ComponentChildren];

function facts(step: Step): Fact[] {
  switch (step.kind) {
    case "lookup":
      return [
        [t("fact.name"), <code>{step.name}</code>],
        [t("fact.type"), rtype(step.rtype)],
        [t("fact.resolver"), [word("role", step.role), step.resolver, step.resolver_name].filter(Boolean).join(", ")],
        [t("fact.transport"), word("transport", step.transport)],
        [t("fact.watched"), milliseconds(step.watched)],
        [t("fact.attempt"), String(step.attempt + 1)],
      ];
    case "connect":
      return [
        [t("fact.address"), <code>{endpoint(step.ip, step.port)}</code>],
        [t("fact.source"), word("source", step.source)],
      ];
    case "handshake":
      return [
        [t("fact.address"), <code>{endpoint(step.ip, step.port)}</code>],
        [t("fact.server_name"), step.server_name === null ? t("table.none") : <code>{step.server_name}</code>],
        [t("fact.role"), word("handshake_role", step.role)],
        [t("fact.stage"), word("stage", step.stage)],
        ...(step.version === null ? [] : [[t("fact.version"), tlsVersion(step.version)] as Fact]),
        ...(step.cipher === null ? [] : [[t("fact.cipher"), cipher(step.cipher)] as Fact]),
        ...(step.alpn === null ? [] : [[t("fact.alpn"), step.alpn] as Fact]),
        [t("fact.certificate"), certificate(step)],
        ...(typeof step.hop_limit === "number" ? [[t("fact.hop_limit"), String(step.hop_limit)] as Fact] : []),
      ];
    case "quic":
      return [
        [t("fact.address"), <code>{endpoint(step.ip, step.port)}</code>],
        [t("fact.source"), word("source", step.source)],
        [t("fact.server_name"), step.server_name === null ? t("table.none") : <code>{step.server_name}</code>],
        [t("fact.role"), word("handshake_role", step.role)],
        [t("fact.stage"), word("stage", step.stage)],
        [t("fact.quic_version"), <code>{hexadecimal(step.version)}</code>],
        ...(step.versions.length === 0
          ? []
          : [[t("fact.quic_versions"), <code>{step.versions.map(hexadecimal).join(", ")}</code>] as Fact]),
        [t("fact.datagrams"), `${step.sent}, ${step.received}`],
        ...(step.alpn === null ? [] : [[t("fact.alpn"), step.alpn] as Fact]),
        ...(step.status === null ? [] : [[t("fact.status"), String(step.status)] as Fact]),
      ];
    case "fetch":
      return [
        [t("fact.url"), <code>{step.url}</code>],
        [t("fact.address"), <code>{endpoint(step.ip, step.port)}</code>],
        [t("fact.status"), step.status === null ? t("table.none") : String(step.status)],
        [t("fact.length"), t(step.body_truncated ? "fact.cut" : "fact.whole", { size: bytes(step.body_length) })],
        ...(step.title === null ? [] : [[t("fact.title"), step.title] as Fact]),
        ...(step.location === null ? [] : [[t("fact.location"), <code>{step.location}</code>] as Fact]),
        [t("fact.authenticated"), t(step.authenticated ? "yes" : "no")],
        ...(step.body_sha256 === null ? [] : [[t("fact.sha256"), <code class="digest">{step.body_sha256}</code>] as Fact]),
      ];
  }
}

function hexadecimal(version: number): string {
  return `0x${version.toString(16)}`;
}

function certificate(step: Extract<Step, { kind: "handshake" }>): string {
  if (step.certificate === null) return t("fact.certificate_none");
  return step.certificate.failure === null
    ? t("fact.certificate_valid", { count: step.chain.length })
    : t("fact.certificate_invalid", { failure: failureWord(step.certificate.failure) });
}

function Replies({ replies }: { replies: Reply[] }) {
  return (
    <ol class="replies">
      {replies.map((reply, at) => (
        <li key={at}>
          {t("reply", {
            after: milliseconds(reply.after),
            from: reply.from ?? t("reply.system"),
            rcode: [rcode(reply.rcode), flags(reply.flags)].join(" ").trim(),
          })}{" "}
          {reply.addresses.length > 0 && <code>{reply.addresses.join(", ")}</code>}
          {reply.aliases.length > 0 && <span> {t("reply.aliases", { names: reply.aliases.join(" → ") })}</span>}
          {reply.ttl !== null && <span> {t("reply.ttl", { seconds: reply.ttl })}</span>}
          {reply.failure !== null && <strong> {failureWord(reply.failure)}</strong>}
        </li>
      ))}
    </ol>
  );
}

/** The bytes that an observation kept, each with its name. */
function kept(step: Step): [string, string][] {
  switch (step.kind) {
    case "lookup":
      return step.replies.flatMap((reply, at): [string, string][] =>
        reply.raw === null || reply.raw === "" ? [] : [[t("raw.reply", { index: at + 1 }), reply.raw]],
      );
    case "connect":
      return [];
    case "handshake":
      return [
        ...step.chain.map((der, at): [string, string] => [t("raw.certificate", { index: at + 1 }), der]),
        ...(step.first_bytes === null ? [] : [[t("raw.first_bytes"), step.first_bytes] as [string, string]]),
      ];
    case "quic":
      return step.chain.map((der, at): [string, string] => [t("raw.certificate", { index: at + 1 }), der]);
    case "fetch":
      return step.body === null || step.body === "" ? [] : [[t("raw.body"), step.body]];
  }
}

interface Props {
  observation: Observation;
  /** Before the number in the element's id: the control counts on its own. */
  prefix: "observation" | "control";
  /** Reasons that rest on this step. */
  reasons: string[];
}

export function Step({ observation, prefix, reasons }: Props) {
  const { index, started, ended, step, failure } = observation;
  return (
    <li id={`${prefix}-${index}`} class={failure === null ? "step-card" : "step-card failed"} tabIndex={-1}>
      <p class="step-head">
        <span class="step-number">{t(prefix === "control" ? "step.control" : "step.number", { index })}</span>
        {ended > 0 && (
          <span class="step-when">{t("step.when", { at: milliseconds(started), long: milliseconds(ended - started) })}</span>
        )}
        <span class={failure === null ? "tag outcome-ok" : "tag outcome-anomaly"}>
          {failure === null ? t("step.done") : failureWord(failure)}
        </span>
      </p>
      <p class="told">{told(observation)}</p>
      {reasons.length > 0 && <p class="note">{t("step.supports", { reasons: reasons.join("; ") })}</p>}
      {step.kind === "lookup" && step.replies.length > 0 && <Replies replies={step.replies} />}
      <details>
        <summary>{t("step.details", { index })}</summary>
        <dl class="facts tight">
          {facts(step).map(([name, value]) => (
            <div key={name}><dt>{name}</dt><dd>{value}</dd></div>
          ))}
        </dl>
        {step.kind === "fetch" && step.headers.length > 0 && (
          <pre class="raw" tabIndex={0}>{step.headers.map(({ name, value }) => `${name}: ${value}`).join("\n")}</pre>
        )}
        {kept(step).map(([name, hex]) => (
          <figure key={name} class="bytes">
            <figcaption>{t("raw.size", { name, size: bytes(hex.length / 2) })}</figcaption>
            <pre class="raw" tabIndex={0} dir="ltr">{dump(hex)}</pre>
          </figure>
        ))}
      </details>
    </li>
  );
}
