// Where is the table behind the page?
import { t } from "../messages/text";

interface Props {
  path: string;
  /** Lists of the reply, each a table of its own. */
  tables: readonly ("countries" | "changes" | "indicators" | "networks" | "targets" | "timeline" | "days" | "verdicts" | "history" | "waves" | "target_lines" | "network_lines" | "cells")[];
}

export function Downloads({ path, tables }: Props) {
  const asCsv = (table: string) => `${path}${path.includes("?") ? "&" : "?"}format=csv&table=${table}`;
  return (
    <section class="downloads" aria-labelledby="downloads">
      <h2 id="downloads">{t("downloads.title")}</h2>
      <p>{t("downloads.lead")}</p>
      <ul>
        {tables.map((table) => (
          <li key={table}>
            <a href={asCsv(table)} download="">{t("downloads.csv", { table: t(`downloads.table.${table}`) })}</a>
          </li>
        ))}
        <li><a href={path} download="">{t("downloads.json")}</a></li>
        <li><button type="button" class="link" onClick={() => window.print()}>{t("downloads.print")}</button></li>
      </ul>
    </section>
  );
}
