// Which target is blocked in which network, and when? A table that a keyboard and a screen reader
// can walk: rows are targets, columns networks, a cell says the share of probes as a number, as a
// shade and, by day, as a strip; it leads to the measurements. A slider goes through the days.
import { useMemo, useState } from "preact/hooks";
import type { MatrixCell, MatrixReply } from "../api/waves";
import { share } from "../format/number";
import { day } from "../format/time";
import { t, word } from "../messages/text";
import { to } from "./Page";

const DAY = 86_400_000;
const plus = (from: string, days: number) => new Date(Date.parse(from) + days * DAY).toISOString().slice(0, 10);

/** A shade of five; none where nobody could tell. */
export function shade(value: number | null): string {
  if (value === null) return "unknown";
  return `share-${value === 0 ? 0 : Math.min(4, 1 + Math.floor(value * 4 - 1e-9))}`;
}

/** The share on a step; of the whole time, the last word of each probe. */
export function at(cell: MatrixCell | undefined, step: number | null): number | null {
  if (cell === undefined) return null;
  if (step === null) return cell.share;
  return cell.steps.find(([offset]) => offset === step)?.[1] ?? null;
}

/** Where the measurements of a cell are listed. */
export function evidence(data: MatrixReply, cell: MatrixCell, step: number | null): string {
  const since = step === null ? data.window.from : plus(data.window.from, step);
  const until = step === null ? data.window.to : plus(data.window.from, step + data.step_days - 1);
  const query = new URLSearchParams({ country: data.country, asn: String(cell.asn), target: cell.target, since, until });
  return `/verdicts?${query.toString()}`;
}

function Strip({ cell, last, width }: { cell: MatrixCell; last: number; width: number }) {
  return (
    <svg class="strip" viewBox={`0 0 ${last + width} 4`} preserveAspectRatio="none" aria-hidden="true">
      {cell.steps.map(([offset, value]) => <rect key={offset} class={shade(value)} x={offset} y="0" width={width} height="4" />)}
    </svg>
  );
}

export function Matrix({ data, only }: { data: MatrixReply; only?: ReadonlySet<string> }) {
  const steps = useMemo(() => [...new Set(data.cells.flatMap((cell) => cell.steps.map(([offset]) => offset)))].sort((a, b) => a - b), [data]);
  const [place, setPlace] = useState(steps.length);
  const step = steps[place] ?? null;
  const cells = useMemo(() => new Map(data.cells.map((cell) => [`${cell.asn} ${cell.target}`, cell])), [data]);
  const rows = data.targets.filter(({ target }) => only === undefined || only.size === 0 || only.has(target));
  const networks = data.networks.filter(({ asn }) => rows.some(({ target }) => cells.has(`${asn} ${target}`)));
  if (rows.length === 0 || networks.length === 0) return <p class="empty">{t("matrix.empty")}</p>;
  const when = step === null ? t("matrix.whole") : data.step_days === 1 ? day(plus(data.window.from, step)) : t("matrix.week", { day: day(plus(data.window.from, step)) });
  return (
    <div class="matrix">
      <p class="note">{t("matrix.note")}</p>
      <p class="filter">
        <label>
          {t("matrix.day")}{" "}
          <input type="range" min={0} max={steps.length} step={1} value={place} aria-valuetext={when} onInput={(e) => setPlace(Number(e.currentTarget.value))} />
        </label>{" "}
        <output>{when}</output>
      </p>
      <ul class="key">
        {[0, 0.25, 0.5, 0.75, 1].map((value) => <li key={value}><span class={`patch ${shade(value)}`} />{share(value)}</li>)}
        <li><span class="patch unknown" />{t("matrix.nobody")}</li>
      </ul>
      <div class="table-box" role="region" aria-label={t("matrix.title")} tabIndex={0}>
        <table>
          <caption class="visually-hidden">{`${t("matrix.title")}: ${when}`}</caption>
          <thead>
            <tr>
              <th scope="col">{t("column.target")}</th>
              {networks.map(({ asn, name }) => (
                <th key={asn} scope="col"><a href={to.network(asn)}>{name === null ? t("asn", { asn }) : t("asn_named", { asn, name })}</a></th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map(({ target }) => (
              <tr key={target}>
                <th scope="row"><a class="address" href={to.target(target)}>{target}</a></th>
                {networks.map(({ asn }) => {
                  const cell = cells.get(`${asn} ${target}`);
                  const value = at(cell, step);
                  if (cell === undefined) return <td key={asn} class="unknown"><span class="visually-hidden">{t("matrix.nobody")}</span></td>;
                  const how = cell.mechanism === null || value === null || value === 0 ? "" : `, ${word("mechanism", cell.mechanism)}`;
                  const said = value === null ? t("matrix.nobody") : share(value, cell.probes ?? undefined);
                  return (
                    <td key={asn}>
                      <a class="cell" href={evidence(data, cell, step)} title={`${said}${how}`}>
                        <span class={`patch ${shade(value)}`} />{said}
                      </a>
                      <Strip cell={cell} last={steps[steps.length - 1] ?? 0} width={data.step_days} />
                    </td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </div>
  );
}
