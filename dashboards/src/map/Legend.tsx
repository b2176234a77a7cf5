// How is a map read?
import { useId } from "preact/hooks";
import { STEPS } from "../format/estimate";
import { t, type Key } from "../messages/text";
import { Patterns } from "./Patterns";

const ENDS = [0, ...STEPS, 1];

function Swatch({ step, texture }: { step?: number; texture?: "hatch" | "divided" | "roughly" | "barely" }) {
  const id = useId().replace(/\W/g, "");
  return (
    <svg class="swatch" viewBox="0 0 36 18" aria-hidden="true">
      <Patterns id={id} />
      {step !== undefined && <rect class={`step step-${step}`} width="36" height="18" />}
      {texture !== undefined && <rect width="36" height="18" fill={`url(#${id}-${texture})`} />}
      <rect class="coast" x="0.5" y="0.5" width="35" height="17" />
    </svg>
  );
}

export function Legend({ unmeasured }: { unmeasured: boolean }) {
  return (
    <div class="legend">
      <h2 class="quiet-heading">{t("legend.title")}</h2>
      <ul>
        {ENDS.slice(0, -1).map((from, step) => (
          <li key={from}>
            <Swatch step={step} />
            {t("legend.step", { from: String(from), to: String(ENDS[step + 1]) })}
          </li>
        ))}
      </ul>
      <ul>
        {(["roughly", "barely"] as const).map((texture) => (
          <li key={texture}>
            <Swatch step={2} texture={texture} />
            {t(`legend.${texture}` satisfies Key)}
          </li>
        ))}
        <li>
          <Swatch texture="hatch" />
          {t("legend.insufficient")}
        </li>
        <li>
          <Swatch texture="divided" />
          {t("legend.divided")}
        </li>
        {unmeasured && <li><Swatch />{t("legend.unmeasured")}</li>}
      </ul>
      <p class="note">{t("legend.direction")}</p>
    </div>
  );
}
