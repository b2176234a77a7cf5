// What does a table look like as a file? RFC 4180, with a column that says whether the numbers
// come from a simulated world, since files outlive the page they were taken from.

export type Cell = string | number | boolean | null | undefined;

function quote(cell: Cell): string {
  if (cell === null || cell === undefined) return "";
  let text = String(cell);
  // A spreadsheet must not run what somebody measured put into a title.
  if (typeof cell === "string" && /^[=+\-@\t\r]/.test(text)) text = `'${text}`;
  return /[",\r\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
}

export function csv(heads: string[], rows: Cell[][], simulated: boolean): string {
  const lines = [[...heads, "simulated"], ...rows.map((row) => [...row, simulated])];
  return lines.map((line) => line.map(quote).join(",")).join("\r\n") + "\r\n";
}
