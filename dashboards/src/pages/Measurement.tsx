// What did one probe see, and why was it judged so? Human first, layer by layer; the control
// beside it; raw below.
import { useCountryName, useData } from "../api/load";
import { LAYERS, type Layer, type MeasurementReply, type Observation, type Reason } from "../api/types";
import { Steps } from "../chart/Steps";
import { instant } from "../format/time";
import { has, say, t, word } from "../messages/text";
import { Downloads } from "../shell/Downloads";
import { Facts } from "../shell/Facts";
import { Later } from "../shell/Later";
import { Page, to } from "../shell/Page";
import { Show } from "../shell/States";
import { Time } from "../shell/Value";
import { Step } from "./observation";

export default function Measurement({ id }: { id: string }) {
  const path = `/v1/measurements/${encodeURIComponent(id)}`;
  const from = useData<MeasurementReply>(path);
  return <Show from={from}>{(data) => <Body data={data} path={path} />}</Show>;
}

export function sentenceOf(reason: Reason): string {
  const key = `rule.${reason.rule}`;
  return has(key) ? say(key) : (reason.sentence ?? reason.rule);
}

function Body({ data, path }: { data: MeasurementReply; path: string }) {
  const place = useCountryName(data.country);
  const reasons = data.reasons ?? [];
  const control = data.control?.observations ?? null;
  return (
    <Page
      title={t("measurement.title", { target: data.target })}
      crumbs={[
        { href: "/", text: t("nav.world") },
        { href: to.country(data.country), text: place },
        { href: to.network(data.asn), text: t("asn", { asn: data.asn }) },
      ]}
      lead={
        <p>
          {t("measurement.lead", {
            time: instant(data.started),
            asn: data.asn,
            country: place,
            experiment: word("experiment", data.experiment),
          })}
        </p>
      }
    >
      <section aria-labelledby="verdict" class={`verdict outcome-${data.outcome}`}>
        <h2 id="verdict">{t("measurement.verdict")}</h2>
        <p class="verdict-words">
          <strong>{word("outcome", data.outcome)}</strong>
          {data.mechanism !== null && <> · {word("mechanism", data.mechanism)} <code>{data.mechanism}</code></>}
        </p>
        <p>{say(`outcome_about.${data.outcome}`)}</p>
        <h3>{t("measurement.why")}</h3>
        {reasons.length === 0 ? (
          <p class="empty">{t("measurement.no_reasons")}</p>
        ) : (
          <ul class="reasons">
            {reasons.map((reason, at) => (
              <li key={at}>
                {sentenceOf(reason)} <code class="rule">{reason.rule}</code>
                <Anchors reason={reason} control={control} />
              </li>
            ))}
          </ul>
        )}
        <Facts
          facts={[
            [t("column.target"), <a class="address" href={to.target(data.target)}>{data.target}</a>],
            [t("measurement.started"), <Time at={data.started} country={data.country} />],
            [t("measurement.source"), word("origin", data.source)],
            [t("measurement.scored"), t(data.scored ? "yes" : "no")],
            [t("made.rules"), String(data.rules)],
          ]}
        />
      </section>
      <Later>
        {data.observations.length === 0 ? (
          <p class="empty">{t("measurement.no_observations")}</p>
        ) : (
          <>
            {timed(data.observations) && <Steps name={`measurement-${data.id.slice(0, 8)}-steps`} observations={data.observations} />}
            {control === null && (
              <p class="notice">{t(data.control === null ? "measurement.without_control" : "measurement.no_control")}</p>
            )}
            {LAYERS.map((layer) => (
              <LayerSection key={layer} layer={layer} own={data.observations} control={control} reasons={reasons} />
            ))}
          </>
        )}
        {data.classic !== undefined && (
          <section aria-labelledby="classic">
            <h2 id="classic">{t("measurement.classic")}</h2>
            <pre class="raw" tabIndex={0} dir="ltr">{JSON.stringify(data.classic, null, 2)}</pre>
          </section>
        )}
        <section aria-labelledby="raw">
          <h2 id="raw">{t("measurement.raw")}</h2>
          <details>
            <summary>{t("measurement.raw_open")}</summary>
            <pre class="raw" tabIndex={0} dir="ltr">{JSON.stringify(data, null, 2)}</pre>
          </details>
        </section>
        <Downloads path={path} tables={[]} />
        <p class="note">{t("measurement.address")} <code class="digest">{data.id}</code></p>
      </Later>
    </Page>
  );
}

/** Some of those who are imported from keep no times. */
function timed(observations: Observation[]): boolean {
  return observations.some(({ ended }) => ended > 0);
}

function Anchors({ reason, control }: { reason: Reason; control: Observation[] | null }) {
  const links = [
    ...reason.observations.map((index) => ({ href: `#observation-${index}`, text: t("step.number", { index }) })),
    ...(control === null ? [] : reason.control.map((index) => ({ href: `#control-${index}`, text: t("step.control", { index }) }))),
  ];
  if (links.length === 0) return null;
  return (
    <span class="anchors">
      {" "}
      {links.map(({ href, text }) => <a key={href} href={href}>{text}</a>)}
    </span>
  );
}

interface LayerProps {
  layer: Layer;
  own: Observation[];
  control: Observation[] | null;
  reasons: Reason[];
}

function LayerSection({ layer, own, control, reasons }: LayerProps) {
  const of = (all: Observation[]) => all.filter(({ step }) => step.kind === layer);
  const [mine, theirs] = [of(own), control === null ? [] : of(control)];
  if (mine.length === 0 && theirs.length === 0) return null;
  const resting = (index: number, side: "observations" | "control") =>
    reasons.filter((reason) => reason[side].includes(index)).map(({ rule }) => rule);
  return (
    <section aria-labelledby={`layer-${layer}`}>
      <h2 id={`layer-${layer}`}>{t(`layer.${layer}`)}</h2>
      <p class="note">{t(`layer.${layer}.about`)}</p>
      <div class={control === null ? "" : "beside"}>
        <div>
          {control !== null && <h3>{t("measurement.probe")}</h3>}
          {mine.length === 0 ? (
            <p class="empty">{t("measurement.not_tried")}</p>
          ) : (
            <ol class="steps">
              {mine.map((o) => (
                <Step key={o.index} observation={o} prefix="observation" reasons={resting(o.index, "observations")} />
              ))}
            </ol>
          )}
        </div>
        {control !== null && (
          <div>
            <h3>{t("measurement.control")}</h3>
            {theirs.length === 0 ? (
              <p class="empty">{t("measurement.not_tried")}</p>
            ) : (
              <ol class="steps">
                {theirs.map((o) => (
                  <Step key={o.index} observation={o} prefix="control" reasons={resting(o.index, "control")} />
                ))}
              </ol>
            )}
          </div>
        )}
      </div>
    </section>
  );
}

