// What happened in one wave? Who saw it, where it is done, and targets by networks over time, each
// cell a click from its measurements.
import { useData } from "../api/load";
import type { MatrixReply, WaveReply } from "../api/waves";
import { count, share } from "../format/number";
import { day, instant } from "../format/time";
import { t, word } from "../messages/text";
import { network, target } from "../shell/columns";
import { Downloads } from "../shell/Downloads";
import { Evidence } from "../shell/Evidence";
import { Matrix } from "../shell/Matrix";
import { Page, to } from "../shell/Page";
import { Show } from "../shell/States";
import { Table, type Column } from "../shell/Table";
import { Seen, When } from "./Waves";

interface Line {
  share: number;
  probes: number | null;
  probes_blocked: number | null;
}

const probes = (n: number | null) => (n === null ? t("table.few") : count(n));
function seen<Row extends Line>(): Column<Row>[] {
  return [
    { key: "share", head: t("column.blocked"), numeric: true, raw: (r) => r.share, cell: (r) => share(r.share, r.probes ?? undefined) },
    { key: "probes_blocked", head: t("column.probes_blocked"), numeric: true, raw: (r) => r.probes_blocked, cell: (r) => probes(r.probes_blocked) },
    { key: "probes", head: t("column.probes"), numeric: true, raw: (r) => r.probes, cell: (r) => probes(r.probes) },
  ];
}

const DAY = 86_400_000;

/** The days around a wave, a week more on each side, at most a year. */
export function around(wave: Pick<WaveReply, "start" | "end" | "last">): { from: string; until: string } {
  const iso = (at: number) => new Date(at).toISOString().slice(0, 10);
  const last = Date.parse(wave.last);
  const end = Math.min(last, wave.end === null ? last : Date.parse(wave.end) + 7 * DAY);
  const start = Math.max(Date.parse(wave.start) - 7 * DAY, end - 364 * DAY);
  return { from: iso(Math.min(start, end)), until: iso(end) };
}

export default function Wave({ id }: { id: string }) {
  const path = `/v1/waves/${encodeURIComponent(id)}`;
  const from = useData<WaveReply>(path);
  return <Show from={from}>{(data) => <Body data={data} path={path} />}</Show>;
}

function Body({ data, path }: { data: WaveReply; path: string }) {
  const { from, until } = around(data);
  const matrix = useData<MatrixReply>(`/v1/countries/${data.country}/matrix?from=${from}&until=${until}`);
  const hidden = data.hidden.networks + data.hidden.targets;
  return (
    <Page
      title={t("wave.title", { country: data.name, day: day(data.start) })}
      crumbs={[{ href: "/waves", text: t("waves.title") }, { href: to.country(data.country), text: data.name }]}
      lead={
        <>
          <p><strong>{word("wave_state", data.state)}.</strong> <When wave={data} />. <Seen wave={data} /></p>
          <p>{t(`direction.${data.direction}.words`)}</p>
          {data.standing && <p>{t("wave.standing")}</p>}
        </>
      }
    >
      <section aria-labelledby="facts">
        <h2 id="facts">{t("wave.facts")}</h2>
        <dl class="facts">
          <div><dt>{t("wave.first_seen")}</dt><dd>{instant(data.start)}</dd></div>
          <div><dt>{t("wave.not_before")}</dt><dd>{data.not_before === null ? t("wave.unknown") : instant(data.not_before)}</dd></div>
          <div><dt>{t("wave.raised")}</dt><dd>{instant(data.raised)}</dd></div>
          <div><dt>{t("wave.last_seen")}</dt><dd>{data.end === null ? t("wave.goes_on") : instant(data.end)}</dd></div>
          <div><dt>{t("column.targets")}</dt><dd>{count(data.targets)}</dd></div>
          <div><dt>{t("column.networks")}</dt><dd>{count(data.networks)}</dd></div>
          <div><dt>{t("wave.alarms")}</dt><dd>{count(data.alarms)}</dd></div>
        </dl>
      </section>
      <section aria-labelledby="matrix">
        <h2 id="matrix">{t("matrix.title")}</h2>
        {matrix.state === "ready" ? (
          <Matrix data={matrix.data} only={new Set(data.target_lines.map((line) => line.target))} />
        ) : (
          <p role="status">{t(matrix.state === "loading" ? "loading" : "matrix.failed")}</p>
        )}
      </section>
      <section aria-labelledby="how">
        <h2 id="how">{t("wave.how")}</h2>
        <ul class="tags">
          {data.mechanism_lines.map((line) => (
            <li key={line.mechanism} class="tag">{word("mechanism", line.mechanism)} {line.probes !== null && <span class="count">{count(line.probes)}</span>}</li>
          ))}
        </ul>
      </section>
      <section aria-labelledby="networks">
        <h2 id="networks">{t("column.networks")}</h2>
        <Table caption={t("column.networks")} columns={[network<WaveReply["network_lines"][number]>(), ...seen<WaveReply["network_lines"][number]>()]} rows={data.network_lines} />
      </section>
      <section aria-labelledby="targets">
        <h2 id="targets">{t("column.targets")}</h2>
        <Table caption={t("column.targets")} columns={[target<WaveReply["target_lines"][number]>(), ...seen<WaveReply["target_lines"][number]>()]} rows={data.target_lines} />
        {hidden > 0 && <p class="note">{t("wave.hidden", { networks: data.hidden.networks, targets: data.hidden.targets })}</p>}
      </section>
      <section aria-labelledby="days">
        <h2 id="days">{t("wave.days")}</h2>
        <Table caption={t("wave.days")} columns={[{ key: "day", head: t("column.day"), heads: true, raw: (r) => r.day, cell: (r) => day(r.day) }, ...seen<WaveReply["days"][number]>()]} rows={data.days} />
      </section>
      <Evidence path={data.evidence} title={t("evidence.title")} />
      <Downloads path={path} tables={["target_lines", "network_lines", "days", "cells"]} />
    </Page>
  );
}
