// Where did blocking begin or end? One line an event, the latest first.
import { useData } from "../api/load";
import type { WaveRow, WavesReply } from "../api/waves";
import { count, share } from "../format/number";
import { day } from "../format/time";
import { t, word } from "../messages/text";
import { counted } from "../shell/columns";
import { Downloads } from "../shell/Downloads";
import { Page, to } from "../shell/Page";
import { Empty, Show } from "../shell/States";
import { Table, type Column } from "../shell/Table";

/** From when until when, as far as it is known. */
export function When({ wave }: { wave: WaveRow }) {
  const start = wave.standing ? t("wave.before", { day: day(wave.start) }) : day(wave.start);
  return <>{t(wave.end === null ? "wave.since" : "wave.until", { start, end: wave.end === null ? "" : day(wave.end) })}</>;
}

/** What was seen, without a count where it is not public. */
export function Seen({ wave }: { wave: WaveRow }) {
  const { probes, probes_blocked: blocked } = wave;
  const part = share(wave.share, probes ?? undefined);
  if (probes === null || blocked === null) return <>{t("wave.share_imported", { share: part })}</>;
  return <>{t("wave.share", { share: part, blocked: count(blocked), probes: count(probes) })}</>;
}

export const COLUMNS: Column<WaveRow>[] = [
  { key: "start", head: t("column.when"), heads: true, raw: (r) => r.start, cell: (r) => <a href={to.wave(r.id)}><When wave={r} /></a> },
  { key: "country", head: t("column.country"), raw: (r) => r.country, cell: (r) => <a href={to.country(r.country)}>{r.name}</a> },
  { key: "state", head: t("column.state"), raw: (r) => r.state, cell: (r) => word("wave_state", r.state) },
  { key: "share", head: t("column.blocked"), raw: (r) => r.share, cell: (r) => <Seen wave={r} /> },
  counted<WaveRow>("targets", t("column.targets"), (r) => r.targets),
  counted<WaveRow>("networks", t("column.networks"), (r) => r.networks),
  { key: "categories", head: t("column.category"), raw: (r) => r.categories.join(" "), cell: (r) => r.categories.map((c) => word("category", c)).join(", ") || t("table.none") },
  { key: "direction", head: t("column.direction"), raw: (r) => r.direction, cell: (r) => word("direction", r.direction) },
];

export default function Waves() {
  const from = useData<WavesReply>("/v1/waves");
  return (
    <Show from={from}>
      {(data) => (
        <Page title={t("waves.title")} lead={<p>{t("waves.lead")}</p>}>
          {data.waves.length === 0 ? <Empty>{t("waves.empty")}</Empty> : <Table caption={t("waves.title")} columns={COLUMNS} rows={data.waves} />}
          <p class="note">{t("waves.note")}</p>
          <Downloads path="/v1/waves" tables={["waves"]} />
        </Page>
      )}
    </Show>
  );
}
