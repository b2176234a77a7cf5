// What stands around every page? The way to its content, the banner over simulated data, the
// navigation, and the disclaimer.
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { useLocation } from "preact-iso";
import { currentLanguage, languages, t, type Key } from "../messages/text";
import type { Around } from "./context";

const PLACES: { href: string; key: Key }[] = [
  { href: "/", key: "nav.world" },
  { href: "/live", key: "nav.live" },
  { href: "/events", key: "nav.events" },
  { href: "/coverage", key: "nav.coverage" },
  { href: "/waves", key: "nav.waves" },
  { href: "/targets", key: "nav.targets" },
  { href: "/method", key: "nav.method" },
];

const THEMES = ["auto", "light", "dark"] as const;
type Theme = (typeof THEMES)[number];

function keptTheme(): Theme {
  const kept = stored("theme");
  return THEMES.find((theme) => theme === kept) ?? "auto";
}

/** Storage may be refused; then choices last as long as the page. */
export function stored(name: string): string | null {
  try {
    return localStorage.getItem(`faultline.${name}`);
  } catch {
    return null;
  }
}
export function store(name: string, value: string): void {
  try {
    localStorage.setItem(`faultline.${name}`, value);
  } catch {
    // Nothing is lost but the memory of it.
  }
}

function name(code: string): string {
  return new Intl.DisplayNames([code], { type: "language" }).of(code) ?? code;
}

export function Shell({ around, children }: { around: Around; children: ComponentChildren }) {
  const { path } = useLocation();
  const [theme, setTheme] = useState<Theme>(keptTheme);
  useEffect(() => {
    document.documentElement.dataset["theme"] = theme;
    store("theme", theme);
  }, [theme]);
  return (
    <>
      <a class="skip" href="#content">{t("nav.skip")}</a>
      {around.simulated && (
        <div class="simulated" role="note">
          <strong>{t("simulated.title")}</strong> {t("simulated.banner")}
        </div>
      )}
      <header class="top">
        <a class="brand" href="/">
          <svg viewBox="0 0 32 32" aria-hidden="true"><path d="M3 11h9l3 5-3 5 3 5" /><path d="M29 11h-9l3 5-3 5 3 5" /></svg>
          {t("name")}
        </a>
        <nav aria-label={t("nav.main")}>
          <ul>
            {PLACES.map(({ href, key }) => (
              <li key={href}>
                <a href={href} aria-current={path === href ? "page" : undefined}>{t(key)}</a>
              </li>
            ))}
          </ul>
        </nav>
        <div class="choices">
          <label>
            <span>{t("theme.label")}</span>
            <select value={theme} onChange={(e) => setTheme(e.currentTarget.value as Theme)}>
              {THEMES.map((choice) => <option key={choice} value={choice}>{t(`theme.${choice}`)}</option>)}
            </select>
          </label>
          {languages.length > 1 && (
            <label>
              <span>{t("language.label")}</span>
              <select
                value={currentLanguage()}
                onChange={(e) => {
                  store("language", e.currentTarget.value);
                  location.reload();
                }}
              >
                {languages.map((code) => <option key={code} value={code} lang={code}>{name(code)}</option>)}
              </select>
            </label>
          )}
        </div>
      </header>
      <main id="content" tabIndex={-1}>{children}</main>
      <footer class="bottom">
        <p class="disclaimer">{t("disclaimer")}</p>
        <p>
          {around.version !== null && <>{t("footer.version", { version: around.version })} · </>}
          <a href="/method">{t("footer.method")}</a> · <a href="/v1/openapi.json">{t("footer.api")}</a> · {t("footer.map")}
        </p>
      </footer>
    </>
  );
}
