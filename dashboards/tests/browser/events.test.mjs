// Do the pages of events say what is known, how old it is, and where nobody looked; and does an
// analyst's token stay where it belongs? Against the fixtures, whose replies can be bent.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, describe, test } from "node:test";
import { EVENTS, TOKEN } from "../fixtures/events.mjs";
import { api, base, close, go, known, open, settled, skip, withPage } from "./browser.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const address = (name) => `/events/${EVENTS[name].event.event_id}`;
const PAGES = {
  national: address("national"), isolation: address("isolation"), mobile: address("mobile"), fault: address("fault"), before: address("before"), power: address("power"),
  filtered: "/events?state=lapsed", none: "/events?country=XA", day: "/coverage/shutdowns?day=2026-11-22", empty: "/coverage/shutdowns?day=2027-01-01",
  uncovered: "/countries/XA/calendar?year=2026", quiet: "/countries/XF/calendar?year=2025",
};

describe("events", { skip: skip || (!known && "only the fixtures have these events") }, () => {
  before(open);
  after(close);

  test("every kind of event fits phone and desk, both directions, and axe", async () => {
    await withPage({ viewport: { width: 360, height: 740 } }, async (page) => {
      for (const [name, path] of Object.entries(PAGES)) {
        await go(page, path);
        await page.evaluate(() => document.querySelectorAll("details").forEach((details) => (details.open = true)));
        for (const dir of ["rtl", "ltr"]) {
          await page.evaluate((dir) => (document.documentElement.dir = dir), dir);
          const wide = await page.evaluate(() => document.documentElement.scrollWidth);
          assert.ok(wide <= 360, `${name}, ${dir}: ${wide} pixels wide`);
        }
        await page.evaluate(axe);
        await page.emulateMedia({ colorScheme: "light" });
        await clean(page, name);
        // Darkness changes colours and nothing else.
        await page.emulateMedia({ colorScheme: "dark" });
        await clean(page, `${name}, dark`, { runOnly: ["color-contrast"] });
      }
    });
  });

  test("the world's state is told in words, and what is not covered is hatched and never quiet", async () => {
    await withPage({}, async (page) => {
      await go(page, "/live");
      const { countries } = await api("/v1/live");
      for (const { country, state, event_id } of countries) {
        const shape = page.locator(`#live [data-country="${country}"]`);
        assert.equal(await shape.locator('path[fill$="-hatch)"]').count(), state === "not_covered" ? 1 : 0, country);
        const row = page.locator('section[aria-labelledby="countries"] tr').filter({ has: page.locator(`a[href="/countries/${country}"]`) });
        assert.equal(await row.locator(".state-tag").count(), 1);
        if (event_id !== null) assert.equal(await row.locator(`a[href="/events/${event_id}"]`).count(), 1);
        if (state === "not_covered") assert.doesNotMatch(await row.innerText(), /nothing seen/);
      }
      const now = page.locator('section[aria-labelledby="now"]');
      assert.equal(await now.locator("li").count(), 2);
      assert.match(await now.locator("li").first().innerText(), /Ferrana: Cut off from abroad[^]*confirmed/, "what is certain comes first");
      assert.match(await page.locator("main").innerText(), /every 1 min[^]*suspected after 4 min and confirmed after 12 min/);
      assert.match(await page.locator('section[aria-labelledby="countries"] tr').filter({ hasText: "Estmark" }).innerText(), /suspected\s+in part/, "a part is not the whole");
      assert.match(await page.locator(".age").innerText(), /As of 25 Nov 2026, 09:00 UTC/);
    });
  });

  test("a deaf collector says so, and that silence means nothing", async () => {
    await withPage({}, async (page) => {
      const live = await api("/v1/live");
      await page.route("**/v1/live", (route) => route.fulfill({ json: { ...live, deaf: true, countries: live.countries.map((row) => ({ ...row, state: "not_covered", event_id: null })) } }));
      await page.route("**/v1/events?*", (route) => route.fulfill({ json: { events: [], next: null } }));
      await go(page, "/live");
      assert.match(await page.getByRole("alert").innerText(), /deaf/);
      assert.match(await page.locator('section[aria-labelledby="now"]').innerText(), /Nothing can be said/);
    });
  });

  test("it asks again every minute, quietly, says its age, and keeps what it had when that fails", async () => {
    await withPage({ allow: [/Failed to load resource/] }, async (page) => {
      await page.clock.install({ time: new Date("2026-11-25T09:00:20Z") });
      const live = await api("/v1/live");
      let asked = 0;
      await page.route("**/v1/live", (route) => {
        asked += 1;
        if (asked === 3) return route.abort();
        const countries = asked === 1 ? live.countries : live.countries.map((row) => (row.country === "XC" ? { ...row, state: "suspected", observed: 4 } : row));
        return route.fulfill({ json: { ...live, countries } });
      });
      await page.goto(`${base}/live`);
      await page.locator("#live svg .land").first().waitFor();
      const link = page.locator('section[aria-labelledby="countries"] a[href="/countries/XB"]');
      await link.focus();
      // Until here the page's time went on with the machine's, which may be busy.
      await page.clock.pauseAt(new Date((await page.evaluate(() => Date.now())) + 500));
      await page.clock.runFor(41_000);
      await page.locator(".age-own").filter({ hasText: /[345]0 s ago/ }).waitFor();
      await page.clock.runFor(30_000);
      await page.locator('section[aria-labelledby="now"] li').nth(2).waitFor();
      assert.equal(await page.evaluate(() => document.activeElement?.getAttribute("href")), "/countries/XB", "the reader's place is kept");
      assert.equal(await page.getByRole("alert").count(), 0);
      await page.clock.runFor(61_000);
      await page.locator(".stale").waitFor();
      assert.equal(await page.locator('section[aria-labelledby="now"] li').count(), 3, "what was there stays");
      await page.clock.runFor(61_000);
      await page.locator(".stale").waitFor({ state: "detached" });
      assert.equal(asked, 4);
    });
  });

  test("a list has an address for each question, by keyboard, and pages to its end", async () => {
    await withPage({}, async (page) => {
      await go(page, "/events");
      const list = page.locator('section[aria-labelledby="list"] tbody tr');
      assert.equal(await list.count(), 50);
      await page.getByRole("button", { name: "Show more" }).press("Enter");
      await page.waitForFunction(() => document.querySelectorAll('section[aria-labelledby="list"] tbody tr').length === 56);
      assert.equal(await page.getByRole("button", { name: "Show more" }).count(), 0);
      await page.locator("select[name=country]").selectOption("XB");
      await page.locator("select[name=state]").selectOption("ended");
      await page.locator("input[name=from]").fill("2026-11-01");
      await page.locator("input[name=from]").press("Enter");
      await page.waitForURL("**/events?country=XB&state=ended&from=2026-11-01");
      await settled(page);
      assert.equal(await list.count(), 1);
      assert.equal(await page.locator("select[name=country]").inputValue(), "XB", "the form shows the question");
      await page.goBack();
      await settled(page);
      assert.equal(await page.locator("select[name=country]").inputValue(), "");
      await go(page, "/events?country=XA");
      assert.match(await page.locator("main .empty").innerText(), /counts only where somebody looked/);
    });
  });

  test("a question that the collector refuses is told in its words, and can be asked anew", async () => {
    await withPage({ allow: [/Failed to load resource/] }, async (page) => {
      await page.route("**/v1/events?*", (route) => route.fulfill({ status: 400, json: { code: "filter", message: "XYZ is no country: two letters are", retry: false } }));
      await page.goto(`${base}/events?country=XYZ`);
      assert.match(await page.getByRole("alert").innerText(), /XYZ is no country/);
      assert.equal(await page.locator("h1").count(), 1);
      assert.ok(await page.getByRole("button", { name: "Show", exact: true }).isVisible());
    });
  });

  test("an event: from inside, with its error, revisions with their reasons, the cause by its document", async () => {
    await withPage({}, async (page) => {
      await go(page, address("national"));
      const inside = page.locator('section[aria-labelledby="inside"]');
      assert.match(await inside.innerText(), /AS64498 in Borsia, 3 sites: powered and running, gateway up, nothing beyond the border, .*12:50 to .*03:02 UTC, ±9 s/);
      const revisions = page.locator(".revisions > li");
      assert.equal(await revisions.count(), 7);
      assert.match(await revisions.first().innerText(), /Revision 7[^]*An analyst acted[^]*Reason given by R. Viewer: The gazette printed the order\.[^]*Source named/);
      assert.match(await revisions.nth(1).innerText(), /told afterwards[^]*Confidence: 99% \(before: 95%\)/);
      assert.match(await page.locator('section[aria-labelledby="cause"]').innerText(), /A document names an order of the government/);
      assert.equal(await page.locator('section[aria-labelledby="cause"] a[href^="https://gazette.example/"]').count(), 1);
      assert.match(await page.locator(".cite-text").innerText(), /^SIMULATED DATA.*revision 7 as of 2026-11-23.*#revision-7/);
      assert.equal(await page.locator(`section[aria-labelledby="incident"] a[href="${address("before")}"]`).count(), 1);
      assert.match(await page.locator("main").innerText(), /Suspected 4 min after the start\. Confirmed 11 min after the start\. Probes report every 1 min\./);
      const chart = page.locator(`figure.chart svg[role=img]`);
      assert.match((await chart.getAttribute("aria-label")) ?? "", /5 rows of evidence/);
      await page.goto(`${base}${address("national")}#revision-6`);
      await settled(page);
      const [file] = await Promise.all([page.waitForEvent("download"), page.locator('section[aria-labelledby="revisions"]').getByRole("button", { name: "CSV" }).click()]);
      const lines = readFileSync(await file.path(), "utf8").trim().split("\r\n");
      assert.equal(lines.length, 8);
      assert.match(lines[0], /^event_id,revision,as_of,revision_reason,state,.*,simulated$/);
    });
  });

  test("signals accuse nobody, though a reply infers it; caps and odds stand in words", async () => {
    await withPage({}, async (page) => {
      await go(page, address("isolation"));
      const cause = await page.locator('section[aria-labelledby="cause"]').innerText();
      assert.match(cause, /Why it happened is not known/);
      assert.doesNotMatch(await page.locator("main").innerText(), /government(?!.*by a document)/i);
      const sure = await page.locator('section[aria-labelledby="sure"]').innerText();
      assert.match(sure, /80%[^]*At most 80%: nobody outside[^]*At most 95%: no site has told/);
      assert.doesNotMatch(sure, /100%/, "nothing is certain");
      assert.match(await page.locator('section[aria-labelledby="alternatives"]').innerText(), /Cable fault\s+8%\s+1 in 13/);
      assert.match(await page.locator('section[aria-labelledby="inside"]').innerText(), /Nobody inside can be heard yet/);
    });
  });

  test("a source that is no address of the web is text, and a retraction is said first", async () => {
    await withPage({}, async (page) => {
      const reply = await api(`/v1/events/${EVENTS.national.event.event_id}`);
      const bent = { ...reply, event: { ...reply.event, source_urls: ["javascript:alert(1)", "https://a.example/<b>"] } };
      await page.route(`**/v1/events/${EVENTS.national.event.event_id}`, (route) => route.fulfill({ json: bent }));
      await go(page, address("national"));
      assert.equal(await page.locator('a[href^="javascript"]').count(), 0);
      assert.equal(await page.locator('section[aria-labelledby="cause"] li a').count(), 1);
      await go(page, address("fault"));
      assert.match(await page.locator("h1").innerText(), /\(retracted\)$/);
      assert.match(await page.locator(".notice").first().innerText(), /retracted/);
    });
  });

  test("coverage by day: below three sites hatched, a deaf time named, days by links", async () => {
    await withPage({}, async (page) => {
      await go(page, "/coverage/shutdowns?day=2026-11-22");
      for (const country of ["XA", "XD"]) {
        assert.equal(await page.locator(`[data-country="${country}"] path[fill$="-hatch)"]`).count(), 1, country);
      }
      for (const country of ["XB", "XC", "XE", "XF"]) {
        assert.equal(await page.locator(`[data-country="${country}"] .step`).count(), 1, country);
      }
      assert.match(await page.locator(".notice").innerText(), /deaf for up to 9 min/);
      await page.getByRole("link", { name: "Day after" }).press("Enter");
      await page.waitForURL("**/coverage/shutdowns?day=2026-11-23");
      await settled(page);
      assert.equal(await page.locator(".notice").count(), 0);
    });
  });

  test("a country's calendar is reached from its page, tells covered days from others, and is a table", async () => {
    await withPage({}, async (page) => {
      await go(page, "/countries/XB");
      assert.equal(await page.locator(`.losses a[href="${address("national")}"]`).count(), 1);
      await page.getByRole("link", { name: "Calendar of this country" }).click();
      await page.waitForURL("**/countries/XB/calendar");
      await settled(page);
      const cells = page.locator("figure.chart svg rect[fill]");
      assert.equal(await page.locator('figure.chart g rect[fill="url(#year-hatch)"]').count(), 59, "January and February were not covered");
      assert.ok((await cells.count()) >= 329);
      const lost = page.locator('section[aria-labelledby="lost"] tbody tr');
      assert.match(await lost.first().innerText(), /21 Nov 2026\s+3 h 3 min\s+ended/);
      await page.locator("figure.chart details summary").press("Enter");
      await page.getByRole("button", { name: /Show all 329 rows/ }).press("Enter");
      assert.equal(await page.locator("figure.chart tbody tr").count(), 329);
    });
  });

  test("the dataset and the feed are one click away, with licence and moment", async () => {
    await withPage({}, async (page) => {
      for (const path of ["/live", "/events"]) {
        await go(page, path);
        const section = page.locator('section[aria-labelledby="open-data"]');
        assert.match(await section.innerText(), /CC BY 4\.0[^]*as_of|CC BY 4\.0[^]*as of/);
        for (const link of await section.locator("a").evaluateAll((nodes) => nodes.map((node) => node.getAttribute("href")))) {
          assert.equal((await fetch(base + link)).status, 200, link);
        }
      }
      assert.equal(await page.locator('head link[type="application/atom+xml"]').getAttribute("href"), "/v1/events.atom");
    });
  });

  test("an analyst signs in, acts with a reason, and leaves; the token is in no address and no store that lasts", async () => {
    await withPage({ allow: [/Failed to load resource/] }, async (page) => {
      const seen = [];
      page.on("request", (request) => seen.push([request.url(), request.headers()["x-analyst-token"]]));
      await go(page, `/review?event=${EVENTS.national.event.event_id}`);
      const field = page.getByLabel("Token");
      await field.fill("somebody-else");
      await field.press("Enter");
      await page.getByRole("alert").filter({ hasText: "not one of this collector's analysts" }).waitFor();
      await field.fill(TOKEN);
      await field.press("Enter");
      await page.getByText("Signed in as R. Viewer.").waitFor();
      assert.equal(await page.locator(".steps > li").count(), 4, "the one that was asked for, and three that wait");
      await page.evaluate(axe);
      await clean(page, "the queue");
      const first = page.locator(".steps > li").first();
      const send = first.getByRole("button", { name: "Make the revision" });
      await first.getByLabel("Note, for all readers").fill("The exchange says the same.");
      await send.press("Enter");
      await first.getByRole("alert").filter({ hasText: "Say why" }).waitFor();
      await first.getByLabel(/^Reason/).fill("Told by its operator.");
      await send.press("Enter");
      await first.getByText("Revision 8 was made.").waitFor();
      assert.match(await first.getByRole("status").innerText(), /Noted: The exchange says the same\./);
      await first.getByLabel("What to do").selectOption("restore");
      await first.getByLabel(/^Reason/).fill("It did happen.");
      await send.press("Enter");
      await first.getByRole("alert").filter({ hasText: "only what was retracted can be restored" }).waitFor();
      await first.getByLabel("What to do").selectOption("document");
      await first.getByLabel("Sources, one address a line").fill("https://gazette.example/orders/13");
      await first.getByLabel(/^Reason/).fill("Order 13 replaces it.");
      await send.press("Enter");
      await first.getByText("Source named: https://gazette.example/orders/13").waitFor();
      const stores = await page.evaluate(() => [JSON.stringify({ ...localStorage }), JSON.stringify({ ...sessionStorage }), location.href]);
      assert.ok(!stores[0].includes(TOKEN) && stores[1].includes(TOKEN) && !stores[2].includes(TOKEN));
      await page.getByRole("button", { name: "Sign out" }).press("Enter");
      await page.getByLabel("Token").waitFor();
      assert.ok(!(await page.evaluate(() => JSON.stringify({ ...sessionStorage }))).includes(TOKEN));
      assert.ok(seen.every(([url]) => !url.includes(TOKEN) && !url.includes("somebody-else")));
      const carried = seen.filter(([, token]) => token !== undefined).map(([url]) => new URL(url).pathname);
      assert.ok(carried.every((path) => path === "/v1/review" || path.startsWith("/v1/events/")), `${carried}`);
    });
  });

  test("a collector that fails while an analyst acts says that nothing was changed", async () => {
    await withPage({ allow: [/Failed to load resource/] }, async (page) => {
      await page.route("**/actions", (route) => route.fulfill({ status: 503, json: { code: "unavailable", message: "busy", retry: true } }));
      await go(page, "/review");
      await page.getByLabel("Token").fill(TOKEN);
      await page.getByRole("button", { name: "Sign in" }).click();
      const first = page.locator(".steps > li").first();
      await first.locator("summary").click();
      await first.getByLabel("What to do").selectOption("review");
      await first.getByLabel(/^Reason/).fill("Looked at.");
      await first.getByRole("button", { name: "Make the revision" }).click();
      await first.getByRole("alert").filter({ hasText: "Nothing was changed" }).waitFor();
      assert.equal(await first.getByLabel(/^Reason/).inputValue(), "Looked at.", "what was typed stays");
    });
  });
});

async function clean(page, name, rules = {}) {
  const { violations } = await page.evaluate((rules) => globalThis.axe.run(document, rules), rules);
  const grave = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  assert.deepEqual(grave.map(({ id, nodes }) => `${name}: ${id}: ${nodes[0]?.html} ${nodes[0]?.failureSummary}`), []);
}
