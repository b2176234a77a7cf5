// What do pages show where something is missing: data, the collector, the network, a direction
// of writing? Against the fixtures, whose replies can be bent; most hold before a collector too.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { addresses, base, close, found, go, known, open, settled, skip, withPage } from "./browser.mjs";

describe("states", { skip }, () => {
  let it;
  let all;
  before(async () => {
    await open();
    it = await found();
    all = addresses(it);
  });
  after(close);

  test("a collector that fails is said so, and what was read before is kept and marked", async () => {
    await withPage({ allow: [/Failed to load resource|ERR_FAILED/] }, async (page) => {
      await page.route("**/v1/world", (route) => route.abort());
      await page.goto(`${base}/`);
      await page.locator(".trouble").waitFor();
      await page.unroute("**/v1/world");
      await page.locator(".trouble button").click();
      await settled(page);
      await page.locator(`a[href="${all.country}"]`).first().click();
      await page.waitForURL(`**${all.country}`);
      await settled(page);
      await page.route("**/v1/world", (route) => route.fulfill({ status: 500, body: '{"code":"internal","message":"no","retry":true}' }));
      await page.locator('.crumbs a[href="/"]').click();
      await page.locator(".stale").waitFor();
      assert.equal(await page.locator('section[aria-labelledby="countries"] tbody tr').count(), it.world.countries.length);
    });
  });

  test("what was loaded once is there without a network, and says that it was kept", async () => {
    const offline = [/ERR_INTERNET_DISCONNECTED|Failed to load resource/];
    await withPage({ serviceWorkers: "allow", allow: offline }, async (page) => {
      for (const path of ["/", all.country, all.measurement, "/"]) {
        await go(page, path);
        await page.evaluate(() => navigator.serviceWorker.ready.then(() => true));
      }
      await page.waitForFunction(async () => (await (await caches.open("faultline-data")).keys()).length >= 3);
      await page.waitForFunction(async () => (await (await caches.open("faultline-shell")).keys()).length > 10);
      await page.context().setOffline(true);
      await page.goto(base + all.country);
      await settled(page);
      assert.equal(await page.locator("h1").innerText(), it.world.countries.find(({ country }) => country === it.country).name);
      assert.ok(await page.locator(".stale").first().isVisible());
      assert.equal(await page.locator(".simulated").count(), it.world.simulated ? 1 : 0);
      await page.goto(base + all.measurement);
      await page.locator(".trouble").waitFor();
    });
  });

  test("without data a page says what is missing", async () => {
    await withPage({}, async (page) => {
      await page.route("**/v1/world", (route) => route.fulfill({ json: { ...it.world, countries: [], changes: [] } }));
      await go(page, "/");
      assert.match(await page.locator("main .empty").first().innerText(), /no scores yet/);
    });
  });

  test("real data is drawn on the real map, simulated data never", { skip: !known && "the collector has one kind of data" }, async () => {
    const [first] = it.world.countries;
    const none = Object.fromEntries(Object.entries(it.insufficient.dimensions).map(([key, value]) => [key, { ...value, state: "insufficient", point: null, interval: null }]));
    const world = { ...it.world, changes: [], countries: [{ ...first, country: "NZ", name: "New Zealand", dimensions: none }] };
    for (const simulated of [false, true]) {
      await withPage({}, async (page) => {
        await page.route("**/v1/*", (route) => {
          const path = new URL(route.request().url()).pathname;
          if (path === "/v1/world") return route.fulfill({ json: { ...world, simulated } });
          if (path === "/v1/atlas") return route.fulfill({ json: { simulated, kind: "earth", countries: [{ code: "NZ", name: "New Zealand" }] } });
          return route.fulfill({ json: { simulated, version: "0" } });
        });
        await go(page, "/");
        const shapes = await page.locator("#world-d1 .land").count();
        assert.ok(simulated ? shapes === 1 : shapes > 150, `${shapes} shapes`);
        assert.equal(await page.locator(".simulated").count(), simulated ? 1 : 0);
      });
    }
  });

  test("colours follow the reader's choice, and paper gets no buttons", async () => {
    await withPage({}, async (page) => {
      await go(page, all.country);
      const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      const light = await ground();
      await page.locator(".choices select").first().selectOption("dark");
      assert.notEqual(await ground(), light);
      await page.reload();
      await settled(page);
      assert.notEqual(await ground(), light, "the choice is kept");
      await page.emulateMedia({ media: "print" });
      assert.equal(await page.locator(".chart-files").first().isVisible(), false);
      assert.ok(await page.locator("footer .disclaimer").isVisible());
    });
  });
});
