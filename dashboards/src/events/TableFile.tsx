// How does a list without a picture leave the page? As a table with the names of the dataset.
import { csv, type Cell } from "../format/csv";
import { saveText } from "../chart/save";
import { t } from "../messages/text";
import { useSource } from "../shell/context";

/** Lists are joined by semicolons, as in the dataset; what is deeper stays JSON. */
function cell(value: unknown): Cell {
  if (value === null || value === undefined) return null;
  if (Array.isArray(value)) return value.map((one) => (typeof one === "object" ? JSON.stringify(one) : String(one))).join(";");
  if (typeof value === "object") return JSON.stringify(value);
  return value as Cell;
}

export function TableFile<Row extends object>({ name, title, rows }: { name: string; title: string; rows: Row[] }) {
  const { simulated } = useSource();
  const heads = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  if (rows.length === 0) return null;
  const take = () => saveText(csv(heads, rows.map((row) => heads.map((head) => cell((row as Record<string, unknown>)[head]))), simulated), "text/csv", `${name}.csv`);
  return (
    <div class="chart-files">
      <span class="files-label">{t("figure.save")}</span>
      <button type="button" onClick={take} aria-label={t("figure.save_as", { title, format: "CSV" })}>CSV</button>
    </div>
  );
}
