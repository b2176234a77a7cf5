// Where is the table behind the page?
import { t } from "../messages/text";

export function Downloads({ path }: { path: string }) {
  const asCsv = `${path}${path.includes("?") ? "&" : "?"}format=csv`;
  return (
    <section class="downloads" aria-labelledby="downloads">
      <h2 id="downloads">{t("downloads.title")}</h2>
      <p>{t("downloads.lead")}</p>
      <ul>
        <li><a href={asCsv} download="">{t("downloads.csv")}</a></li>
        <li><a href={path} download="">{t("downloads.json")}</a></li>
        <li><button type="button" class="link" onClick={() => window.print()}>{t("downloads.print")}</button></li>
      </ul>
    </section>
  );
}
