// What belongs to every picture? A title, what it is to be read like, its table, and its files.
import type { ComponentChildren } from "preact";
import { useRef, useState } from "preact/hooks";
import { csv, type Cell } from "../format/csv";
import { t } from "../messages/text";
import { useSource } from "../shell/context";
import { Table, type Column } from "../shell/Table";
import { picture, savePng, saveText } from "./save";

interface Props<Row> {
  /** Name of files, without what follows the dot. */
  name: string;
  title: string;
  note?: ComponentChildren;
  columns: Column<Row>[];
  rows: Row[];
  /** Whether the table already stands on the page beside the picture. */
  tabled?: boolean;
  /** Heading level of the title. */
  level?: 2 | 3;
  children: ComponentChildren;
}

export function Figure<Row>({ name, title, note, columns, rows, tabled, level = 2, children }: Props<Row>) {
  const area = useRef<HTMLDivElement>(null);
  const [failed, setFailed] = useState(false);
  const source = useSource();
  const Heading = `h${level}` as "h2" | "h3";
  const drawing = () => area.current?.querySelector<SVGSVGElement>("svg[role=img]") ?? null;
  const caption = () => ({ title, lines: source.lines() });
  const saveSvg = () => {
    const svg = drawing();
    if (svg !== null) saveText(picture(svg, caption()).text, "image/svg+xml", `${name}.svg`);
  };
  const saveBitmap = () => {
    const svg = drawing();
    if (svg !== null) savePng(svg, caption(), `${name}.png`).catch(() => setFailed(true));
  };
  const saveTable = () => {
    const cells = rows.map((row): Cell[] => columns.map((column) => column.raw(row)));
    const heads = columns.map((column) => column.key);
    saveText(csv(heads, cells, source.simulated), "text/csv", `${name}.csv`);
  };
  return (
    <figure class="chart" id={name}>
      <figcaption>
        <Heading class="chart-title">{title}</Heading>
        {note !== undefined && <div class="note">{note}</div>}
      </figcaption>
      <div ref={area} class="chart-area" dir="ltr">
        {children}
      </div>
      <div class="chart-files">
        <span class="files-label">{t("figure.save")}</span>
        <button type="button" onClick={saveTable} aria-label={t("figure.save_as", { title, format: "CSV" })}>CSV</button>
        <button type="button" onClick={saveSvg} aria-label={t("figure.save_as", { title, format: "SVG" })}>SVG</button>
        <button type="button" onClick={saveBitmap} aria-label={t("figure.save_as", { title, format: "PNG" })}>PNG</button>
        {failed && <span role="alert">{t("figure.failed")}</span>}
      </div>
      {tabled !== true && (
        <details class="chart-table">
          <summary>{t("figure.table", { title })}</summary>
          <Table caption={title} columns={columns} rows={rows} />
        </details>
      )}
    </figure>
  );
}
