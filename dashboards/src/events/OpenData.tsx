// How does one get all of it? A feed to follow, and the data package with one click, saying under
// which licence and as of when.
import { t } from "../messages/text";
import { Time } from "../shell/Value";

interface Props {
  /** Of the newest state that the page knows. */
  asOf: string | null;
  licence?: string | null | undefined;
}

export function OpenData({ asOf, licence }: Props) {
  return (
    <section class="downloads" aria-labelledby="open-data">
      <h2 id="open-data">{t("open.title")}</h2>
      <p>{t("open.lead")}</p>
      <ul>
        <li>
          <a href="/v1/shutdown-events.zip" download="">{t("open.package")}</a>
          <p class="note">
            {licence === null || licence === undefined ? t("open.licence_default") : t("open.licence", { licence })}{" "}
            {asOf === null ? t("open.as_of_now") : <>{t("open.as_of")} <Time at={asOf} />.</>} {t("open.revisions")}
          </p>
        </li>
        <li>
          <a href="/v1/events.atom" type="application/atom+xml">{t("open.feed")}</a>
          <p class="note">{t("open.feed_note")}</p>
        </li>
      </ul>
    </section>
  );
}
