// Where does the app begin?
import { render } from "preact";
import { standBeside } from "./api/kept";
import { askEarly } from "./api/load";
import { App } from "./App";
import { setLocale } from "./format/number";
import { setTimeLocale } from "./format/time";
import { direction, preferred, regional, speak } from "./messages/text";
import { stored } from "./shell/Shell";
import "./style/base.css";
import "./style/parts.css";
import "./style/print.css";

async function start(): Promise<void> {
  askEarly(location.pathname);
  const asked = new URLSearchParams(location.search).get("lang") ?? stored("language");
  const language = preferred(asked, navigator.languages);
  if (language !== "en") await speak(language);
  const written = regional(language, navigator.languages);
  setLocale(written);
  setTimeLocale(written);
  document.documentElement.lang = language;
  document.documentElement.dir = direction(language);
  const app = document.getElementById("app");
  if (app !== null) render(<App />, app);
  // Without it the pages work all the same, while there is a network.
  window.addEventListener("load", () => void standBeside().catch(() => undefined));
  if (document.readyState === "complete") void standBeside().catch(() => undefined);
}

void start();
