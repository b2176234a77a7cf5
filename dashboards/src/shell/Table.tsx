// How does a table stay readable on a phone? It scrolls in its own box, which a keyboard
// reaches; numbers stand in columns; no cell makes the page wider.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { t } from "../messages/text";
import type { Cell } from "../format/csv";

export interface Column<Row> {
  /** Name in files. */
  key: string;
  head: string;
  /** What the page shows. */
  cell: (row: Row) => ComponentChildren;
  /** What files hold, unrounded. */
  raw: (row: Row) => Cell;
  numeric?: boolean;
  /** Names the row for screen readers. */
  heads?: boolean;
}

interface Props<Row> {
  caption: string;
  /** Shown above the table; hidden from sight, not from readers, where a heading says it. */
  captionShown?: boolean;
  columns: Column<Row>[];
  rows: Row[];
  /** Rows before "show all". */
  first?: number;
  /** What a row is known by where rows change places while somebody reads. */
  keyOf?: (row: Row) => string;
}

export function Table<Row>({ caption, captionShown, columns, rows, first = 50, keyOf }: Props<Row>) {
  const [all, setAll] = useState(false);
  if (rows.length === 0) return <p class="empty">{t("table.empty")}</p>;
  const shown = all ? rows : rows.slice(0, first);
  return (
    <>
      <div class="table-box" role="region" aria-label={caption} tabIndex={0}>
        <table>
          <caption class={captionShown === true ? "" : "visually-hidden"}>{caption}</caption>
          <thead>
            <tr>
              {columns.map(({ key, head, numeric }) => (
                <th key={key} scope="col" class={numeric === true ? "numeric" : ""}>{head}</th>
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.map((row, at) => (
              <tr key={keyOf?.(row) ?? at}>
                {columns.map(({ key, cell, numeric, heads }) =>
                  heads === true ? (
                    <th key={key} scope="row">{cell(row)}</th>
                  ) : (
                    <td key={key} class={numeric === true ? "numeric" : ""}>{cell(row)}</td>
                  ),
                )}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {rows.length > shown.length && (
        <button type="button" class="more" onClick={() => setAll(true)}>
          {t("table.all", { count: rows.length })}
        </button>
      )}
    </>
  );
}
