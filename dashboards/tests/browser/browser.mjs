// How do the tests drive a browser? Debian's Chromium with an empty profile of its own, that
// may speak to one server only; whatever else happens on a page fails the test.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";
import { serve } from "../fixtures/server.mjs";

const EXECUTABLE = process.env["CHROMIUM"] ?? "/usr/bin/chromium";

/** Why the tests cannot run, or false. */
export const skip = existsSync(EXECUTABLE) ? false : `no chromium (${EXECUTABLE}); on Debian: apt-get install chromium`;

let browser;
let fixtures;
/** Where the pages are: a collector (FAULTLINE_BASE), or the fixtures. */
export let base = process.env["FAULTLINE_BASE"]?.replace(/\/$/, "");
/** Whether the pages stand before the fixtures, whose content is known. */
export const known = base === undefined;

export async function open() {
  if (base === undefined) ({ server: fixtures, base } = await serve());
  browser = await chromium.launch({
    executablePath: EXECUTABLE,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
}

export async function close() {
  await browser?.close();
  fixtures?.close();
}

/** Runs `test` with a page; fails on requests to elsewhere, errors and refusals of the policy. */
export async function withPage(options, test) {
  // Only pages can be kept from the network; a worker beside them would go around the test.
  const { allow = [], beside = [], serviceWorkers = "block", ...context } = options;
  const profile = await browser.newContext({ viewport: { width: 1280, height: 800 }, colorScheme: "light", serviceWorkers, ...context });
  const faults = [];
  const page = await profile.newPage();
  const { host } = new URL(base);
  page.on("request", (request) => {
    const url = new URL(request.url());
    const ours = url.protocol === "blob:" ? url.pathname.includes(host) : url.host === host || beside.includes(url.host);
    if (!ours) faults.push(`a request left the host: ${request.url()}`);
  });
  page.on("pageerror", (error) => faults.push(`an error: ${error.stack ?? error}`));
  page.on("console", (message) => {
    const text = message.text();
    if (message.type() === "error" && !allow.some((pattern) => pattern.test(text))) faults.push(`on the console: ${text}`);
  });
  try {
    await test(page);
    assert.deepEqual(faults, []);
  } finally {
    await profile.close();
  }
}

/** Opens an address and waits until data and charts stand. */
export async function go(page, path) {
  await page.goto(base + path);
  await settled(page);
}

export async function settled(page) {
  await page.waitForSelector("h1");
  await page.waitForFunction(() => {
    const places = [...document.querySelectorAll(".plot-place")];
    const loading = document.querySelector(".state.loading, .map-stand-in.bone, [role=status]:not(:empty).loading");
    return loading === null && places.every((place) => place.querySelector("svg") !== null);
  });
  await page.waitForLoadState("networkidle");
}

export async function api(path) {
  const reply = await fetch(base + path);
  assert.equal(reply.status, 200, path);
  return reply.json();
}

/** A country with a published number, one without, and a measurement behind the first. */
export async function found() {
  const world = await api("/v1/world");
  const dimensions = ({ dimensions }) => Object.values(dimensions);
  const published = world.countries.filter((c) => dimensions(c).some(({ state }) => state === "published"));
  const insufficient = world.countries.filter((c) => dimensions(c).some(({ state }) => state === "insufficient"));
  for (const { country } of published) {
    const { indicators } = await api(`/v1/countries/${country}`);
    for (const { id } of indicators.filter(({ deviations }) => deviations > 0)) {
      const { evidence, indicator } = await api(`/v1/countries/${country}/indicators/${id}`);
      const { verdicts } = await api(evidence);
      if (verdicts.length === 0) continue;
      const { events } = await api("/v1/events?limit=1");
      const { waves } = await api("/v1/waves");
      return { world, country, indicator, verdict: verdicts[0], insufficient: insufficient[0], event: events[0], wave: waves[0] };
    }
  }
  return assert.fail("no country has an indicator with deviations and public measurements");
}

/** One address of every page; of an event or a wave only where there was one. */
export function addresses({ country, indicator, verdict, event, wave }) {
  return {
    world: "/",
    country: `/countries/${country}`,
    indicator: `/countries/${country}/indicators/${indicator.id}`,
    network: `/networks/${verdict.asn}`,
    waves: "/waves",
    ...(wave === undefined ? {} : { wave: `/waves/${wave.id}` }),
    targets: "/targets",
    target: `/targets/${encodeURIComponent(verdict.target)}`,
    verdicts: `/verdicts?country=${country}&indicator=${indicator.id}`,
    measurement: `/measurements/${verdict.measurement}`,
    coverage: "/coverage",
    method: "/method",
    live: "/live",
    events: `/events?country=${country}`,
    ...(event === undefined ? {} : { event: `/events/${event.event_id}` }),
    sight: "/coverage/shutdowns",
    calendar: `/countries/${country}/calendar`,
    review: "/review",
  };
}
