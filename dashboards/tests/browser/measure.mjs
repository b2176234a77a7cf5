// How soon is a page readable on a slow phone? `cargo x browse measure`, or FAULTLINE_BASE for
// another collector. Chromium slows its own processor to a quarter and its line to what slow 4G
// is; every sample begins with an empty cache. The floor is the collector's smallest reply.
import { addresses, base, close, found, open, skip, withPage } from "./browser.mjs";

const SAMPLES = 7;
const WIDTH = { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
/** Lighthouse's slow 4G: 150 ms there and back, 1.6 Mbit/s down, 750 kbit/s up. */
const LINE = { offline: false, latency: 150, downloadThroughput: 1.6e6 / 8, uploadThroughput: 750e3 / 8 };
const SLOWER = 4;

/** Notes in the page when text stands, and when every chart on the first screen is drawn. */
function watch() {
  globalThis.seen = {};
  const screenful = (node) => node.getBoundingClientRect().top < innerHeight;
  const note = () => {
    const { seen } = globalThis;
    // A frame later it is on the screen.
    const at = (name) => requestAnimationFrame(() => setTimeout(() => (seen[name] ??= performance.now())));
    const waiting = document.querySelector("main .bone, main .loading, .state.loading") !== null;
    if (seen.text === undefined && document.querySelector("main h1") !== null && !waiting) at("text");
    const places = [...document.querySelectorAll(".plot-place, .map-stand-in")].filter(screenful);
    const drawn = places.every((place) => place.querySelector("svg") !== null);
    if (seen.drawn === undefined && seen.text !== undefined && drawn) at("drawn");
    if (seen.drawn === undefined) setTimeout(note, 10);
  };
  note();
}

async function sample(path) {
  let result;
  await withPage({ ...WIDTH, allow: [/./] }, async (page) => {
    const session = await page.context().newCDPSession(page);
    let wire = 0;
    session.on("Network.loadingFinished", ({ encodedDataLength }) => (wire += encodedDataLength));
    await session.send("Network.enable");
    await session.send("Network.emulateNetworkConditions", LINE);
    await session.send("Emulation.setCPUThrottlingRate", { rate: SLOWER });
    if (path === null) {
      await page.goto(`${base}/v1/health`);
      const end = await page.evaluate(() => performance.getEntriesByType("navigation")[0].responseEnd);
      result = { painted: end, text: end, drawn: end, wire };
      return;
    }
    await page.addInitScript(watch);
    await page.goto(base + path);
    await page.waitForFunction(() => globalThis.seen?.drawn !== undefined);
    const { text, drawn } = await page.evaluate(() => globalThis.seen);
    const painted = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0);
    const inTime = wire;
    await page.waitForLoadState("networkidle");
    result = { painted, text, drawn, wire, inTime };
  });
  return result;
}

if (skip) {
  console.log(`skipped: ${skip}`);
} else {
  await open();
  try {
    const all = addresses(await found());
    const pages = { "smallest reply (floor)": null, country: all.country, world: all.world, indicator: all.indicator, measurement: all.measurement };
    console.log("| page | first paint ms | text stands ms | most | first screen drawn ms | kB |");
    console.log("|---|---|---|---|---|---|");
    for (const [name, path] of Object.entries(pages)) {
      const samples = [];
      for (let at = 0; at < SAMPLES; at++) samples.push(await sample(path));
      const of = (key) => samples.map((one) => one[key]).sort((a, b) => a - b);
      const middle = (key) => Math.round(of(key)[Math.floor(SAMPLES / 2)]);
      const most = Math.round(of("text")[SAMPLES - 1]);
      const kilobytes = (of("wire")[SAMPLES - 1] / 1000).toFixed(0);
      console.log(`| ${name} | ${middle("painted")} | ${middle("text")} | ${most} | ${middle("drawn")} | ${kilobytes} |`);
    }
  } finally {
    await close();
  }
}
