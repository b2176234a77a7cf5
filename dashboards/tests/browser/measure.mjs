// How soon is a page readable on a slow phone? `cargo x browse measure`, or FAULTLINE_BASE for
// another collector. Chromium slows its own processor to a quarter and its line to what slow 4G
// is; every sample begins with an empty cache. The floor is a page without scripts that is as
// large on the wire as the page was when its text stood, taken right after it, so that a busy
// machine slows both: nothing that has as much to say can stand earlier.
import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { addresses, base, close, found, open, skip, withPage } from "./browser.mjs";

const SAMPLES = Number(process.env["SAMPLES"] ?? 7);
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
    const at = (name) =>
      requestAnimationFrame(() =>
        setTimeout(() => {
          seen[name] ??= performance.now();
          if (name !== "text") return;
          seen.requests = performance.getEntriesByType("resource").length + 1;
          globalThis.stood?.();
        }),
      );
    const waiting = document.querySelector("main .bone, main .loading, .state.loading") !== null;
    if (seen.text === undefined && document.querySelector("main h1") !== null && !waiting) {
      // What had to be made for it, which no load of the machine changes.
      seen.elements ??= document.getElementsByTagName("*").length;
      at("text");
    }
    const places = [...document.querySelectorAll(".plot-place, .map-stand-in")].filter(screenful);
    const drawn = places.every((place) => place.querySelector("svg") !== null);
    if (seen.drawn === undefined && seen.text !== undefined && drawn) at("drawn");
    if (seen.drawn === undefined) setTimeout(note, 10);
  };
  note();
}

/** Pages with a heading and so many octets that cannot be compressed. */
const empty = createServer((request, response) => {
  const octets = Number(new URL(request.url, "http://floor").searchParams.get("octets"));
  const filling = randomBytes(Math.ceil(octets / 2)).toString("hex");
  response.writeHead(200, { "content-type": "text/html" });
  response.end(`<!doctype html><title>floor</title><link rel="icon" href="data:,"><!--${filling}--><main><h1>Floor</h1></main>`);
});

async function sample(origin, path) {
  let result;
  await withPage({ ...WIDTH, allow: [/./], beside: [new URL(origin).host] }, async (page) => {
    const session = await page.context().newCDPSession(page);
    let wire = 0;
    session.on("Network.loadingFinished", ({ encodedDataLength }) => (wire += encodedDataLength));
    await session.send("Network.enable");
    await session.send("Network.emulateNetworkConditions", LINE);
    await session.send("Emulation.setCPUThrottlingRate", { rate: SLOWER });
    let inTime = 0;
    await page.exposeFunction("stood", () => (inTime = wire));
    await page.addInitScript(watch);
    await page.goto(origin + path);
    await page.waitForFunction(() => globalThis.seen?.drawn !== undefined);
    const { text, drawn, requests, elements } = await page.evaluate(() => globalThis.seen);
    const painted = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0);
    await page.waitForLoadState("networkidle");
    result = { painted, text, drawn, wire, inTime, requests, elements };
  });
  return result;
}

if (skip) {
  console.log(`skipped: ${skip}`);
} else {
  await open();
  try {
    const all = addresses(await found());
    await new Promise((resolve) => empty.listen(0, "127.0.0.1", resolve));
    const floor = `http://127.0.0.1:${empty.address().port}`;
    const pages = { country: all.country, world: all.world, indicator: all.indicator, measurement: all.measurement };
    console.log("| page | first paint ms | text stands ms | most | floor ms | ratio | first screen drawn ms | kB by then | kB in all | requests by then | elements |");
    console.log("|---|---|---|---|---|---|---|---|---|---|---|");
    for (const [name, path] of Object.entries(pages)) {
      const samples = [];
      for (let at = 0; at < SAMPLES; at++) {
        const one = await sample(base, path);
        const least = await sample(floor, `/?octets=${one.inTime}`);
        samples.push({ ...one, floor: least.text, ratio: one.text / least.text });
      }
      const of = (key) => samples.map((one) => one[key]).sort((a, b) => a - b);
      const middle = (key) => Math.round(of(key)[Math.floor(SAMPLES / 2)]);
      const most = Math.round(of("text")[SAMPLES - 1]);
      const kilobytes = (key) => (of(key)[SAMPLES - 1] / 1000).toFixed(0);
      const ratio = of("ratio")[Math.floor(SAMPLES / 2)].toFixed(2);
      const times = [middle("painted"), middle("text"), most, middle("floor"), ratio, middle("drawn")];
      console.log(`| ${[name, ...times, kilobytes("inTime"), kilobytes("wire"), middle("requests"), middle("elements")].join(" | ")} |`);
    }
  } finally {
    empty.close();
    await close();
  }
}
