// What is measured?
import { useMemo, useState } from "preact/hooks";
import { useData } from "../api/load";
import type { TargetsReply } from "../api/types";
import { count } from "../format/number";
import { t, word } from "../messages/text";
import { counted, target } from "../shell/columns";
import { Downloads } from "../shell/Downloads";
import { Page } from "../shell/Page";
import { Empty, Show } from "../shell/States";
import { Table, type Column } from "../shell/Table";

type Row = TargetsReply["targets"][number];
const COLUMNS: Column<Row>[] = [
  target<Row>(),
  { key: "category", head: t("column.category"), cell: (r) => (r.category === null ? t("table.none") : word("category", r.category)), raw: (r) => r.category },
  counted<Row>("countries", t("column.countries"), (r) => r.countries),
  counted<Row>("measurements", t("column.measurements"), (r) => r.measurements),
];

export default function Targets() {
  const from = useData<TargetsReply>("/v1/targets");
  return (
    <Show from={from}>
      {(data) => (
        <Page title={t("targets.title")} lead={<p>{t("targets.lead")}</p>}>
          {data.targets.length === 0 ? <Empty>{t("targets.empty")}</Empty> : <List rows={data.targets} />}
          <Downloads path="/v1/targets" tables={["targets"]} />
        </Page>
      )}
    </Show>
  );
}

function List({ rows }: { rows: Row[] }) {
  const [wanted, setWanted] = useState("");
  const found = useMemo(() => {
    const part = wanted.trim().toLowerCase();
    return rows.filter((r) => r.target.toLowerCase().includes(part));
  }, [rows, wanted]);
  return (
    <>
      <p class="filter">
        <label>
          {t("targets.filter")} <input type="search" value={wanted} onInput={(e) => setWanted(e.currentTarget.value)} />
        </label>{" "}
        <span role="status">{t("targets.found", { count: found.length, whole: count(rows.length) })}</span>
      </p>
      <Table caption={t("targets.title")} columns={COLUMNS} rows={found} first={100} />
    </>
  );
}
