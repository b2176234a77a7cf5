// Do the pages hold what they promise in a real browser? Against the fixtures, or against any
// collector that FAULTLINE_BASE names.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, describe, test } from "node:test";
import { addresses, api, base, close, found, go, known, open, settled, skip, withPage } from "./browser.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const BUDGET = 300_000;

describe("pages", { skip }, () => {
  let it;
  let all;
  before(async () => {
    await open();
    it = await found();
    all = addresses(it);
  });
  after(close);

  test("from the map to the bytes: country, indicator, measurement, observation", async () => {
    await withPage({}, async (page) => {
      await go(page, "/");
      await page.locator(`[data-country="${it.country}"]`).first().click();
      await page.waitForURL(`**${all.country}`);
      await settled(page);
      await page.locator(`a[href="${all.indicator}"]`).first().click();
      await page.waitForURL(`**${all.indicator}`);
      await settled(page);
      await page.locator('section[aria-labelledby="evidence"] a[href^="/measurements/"]').first().click();
      await page.waitForURL("**/measurements/*");
      await settled(page);
      await page.locator('.reasons a[href^="#observation-"]').first().click();
      const target = page.locator(".step-card:target");
      assert.equal(await target.count(), 1, "a reason leads to its observation");
      await target.locator("summary").click();
      assert.ok(await target.locator("dl").isVisible());
      await page.locator('section[aria-labelledby="raw"] summary').click();
      const raw = JSON.parse(await page.locator('section[aria-labelledby="raw"] pre').innerText());
      assert.ok(raw.observations.length > 0 && page.url().includes(raw.id));
    });
  });

  test("the same way by keyboard alone", async () => {
    await withPage({}, async (page) => {
      await go(page, "/");
      const focused = () => page.evaluate(() => {
        const node = document.activeElement;
        const style = node === null ? null : getComputedStyle(node);
        return { href: node?.getAttribute("href") ?? null, shown: style !== null && style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2, heading: node?.nodeName === "H1" };
      });
      const press = async (wanted) => {
        for (let presses = 0; presses < 400; presses++) {
          await page.keyboard.press("Tab");
          const now = await focused();
          if (wanted(now.href)) {
            assert.ok(now.shown, `the focus on ${now.href} is visible`);
            await page.keyboard.press("Enter");
            return;
          }
        }
        assert.fail("not reached by keyboard");
      };
      await page.keyboard.press("Tab");
      assert.equal((await focused()).href, "#content", "the first stop skips to the content");
      await page.keyboard.press("Enter");
      for (const [wanted, url] of [
        [(href) => href === all.country, all.country],
        [(href) => href === all.indicator, all.indicator],
        [(href) => href?.startsWith("/measurements/") === true, "/measurements/*"],
      ]) {
        await press(wanted);
        await page.waitForURL(`**${url}`);
        await settled(page);
        await page.waitForFunction(() => document.activeElement?.nodeName === "H1");
      }
    });
  });

  test("a phone of 360 pixels, light and dark: nothing is wider than the screen", async () => {
    for (const colorScheme of ["light", "dark"]) {
      await withPage({ viewport: { width: 360, height: 740 }, colorScheme }, async (page) => {
        for (const [name, path] of Object.entries(all)) {
          await go(page, path);
          const wide = await page.evaluate(() => document.documentElement.scrollWidth);
          assert.ok(wide <= 360, `${name} is ${wide} pixels wide`);
        }
      });
    }
  });

  test("written from right to left nothing overflows either", async () => {
    for (const width of [360, 1280]) {
      await withPage({ viewport: { width, height: 740 } }, async (page) => {
        for (const [name, path] of Object.entries(all)) {
          await go(page, path);
          await page.evaluate(() => (document.documentElement.dir = "rtl"));
          const wide = await page.evaluate(() => document.documentElement.scrollWidth);
          assert.ok(wide <= width, `${name} is ${wide} pixels wide`);
        }
      });
    }
  });

  test("axe finds nothing serious on any page, light or dark", async () => {
    for (const colorScheme of ["light", "dark"]) {
      await withPage({ colorScheme }, async (page) => {
        for (const [name, path] of Object.entries(all)) {
          await go(page, path);
          await page.evaluate(() => document.querySelectorAll("details").forEach((details) => (details.open = true)));
          // Given to the debugger, not the page: the policy lets no page run such a thing.
          await page.evaluate(axe);
          const { violations } = await page.evaluate(() => globalThis.axe.run());
          const grave = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
          assert.deepEqual(grave.map(({ id, nodes }) => `${name}: ${id}: ${nodes[0]?.html} ${nodes[0]?.failureSummary}`), []);
        }
      });
    }
  });

  test("disclaimer and banner stand on every page, also where there is none", async () => {
    await withPage({ allow: [/404/] }, async (page) => {
      for (const path of [...Object.values(all), "/countries/QQ", "/no/such/page"]) {
        await go(page, path);
        assert.match(await page.locator("footer .disclaimer").innerText(), /PNIF has not defined or endorsed/);
        assert.equal(await page.locator(".simulated").count(), it.world.simulated ? 1 : 0, path);
        assert.equal(await page.locator("h1").count(), 1, path);
      }
    });
  });

  test("page and API agree; insufficient is hatched and divided chequered, never a number", async () => {
    await withPage({}, async (page) => {
      await go(page, "/");
      const rows = page.locator('section[aria-labelledby="countries"] tbody tr');
      assert.equal(await rows.count(), it.world.countries.length);
      for (const { country, name, dimensions } of it.world.countries) {
        const row = rows.filter({ has: page.locator(`a[href="/countries/${country}"]`) });
        for (const [at, dimension] of ["d1", "d2t", "d3"].entries()) {
          const { state, point } = dimensions[dimension];
          const cell = row.locator("td").nth(at);
          const shape = page.locator(`#world-${dimension} [data-country="${country}"]`);
          if (state === "published") {
            assert.equal(await cell.locator(".value").getAttribute("title"), String(point), `${name} ${dimension}`);
            assert.equal(await shape.locator('path[fill$="-hatch)"]').count(), 0);
          } else if (state === "divided") {
            assert.equal(await cell.locator(".divided").count(), 1, `${name} ${dimension}`);
            assert.equal(await cell.locator(".point").count(), 0);
            assert.equal(await shape.locator('path[fill$="-divided)"]').count(), await shape.count());
            assert.equal(await shape.locator(".step").count(), 0);
          } else {
            assert.equal(await cell.locator(".insufficient").count(), 1, `${name} ${dimension}`);
            assert.equal(await cell.locator(".point").count(), 0);
            assert.equal(await shape.locator('path[fill$="-hatch)"]').count(), await shape.count());
            assert.equal(await shape.locator(".step").count(), 0);
          }
        }
      }
    });
  });

  test("every chart leaves as CSV, SVG and PNG that say whether they are simulated", async () => {
    await withPage({ acceptDownloads: true }, async (page) => {
      for (const path of [all.world, all.country, all.indicator, all.measurement]) {
        await go(page, path);
        for (const chart of await page.locator("figure.chart").all()) {
          for (const format of ["CSV", "SVG", "PNG"]) {
            const [file] = await Promise.all([page.waitForEvent("download"), chart.getByRole("button", { name: format }).click()]);
            const bytes = readFileSync(await file.path());
            assert.ok(file.suggestedFilename().endsWith(format.toLowerCase()));
            if (format === "PNG") assert.equal(bytes.subarray(1, 4).toString(), "PNG");
            if (format === "CSV") assert.match(bytes.toString(), new RegExp(`simulated\\r\\n[^]*,${it.world.simulated}\\r\\n`));
            if (format === "SVG") {
              const text = bytes.toString();
              assert.match(text, /PNIF has not/);
              const inner = await page.evaluate((svg) => {
                const drawn = new DOMParser().parseFromString(svg, "image/svg+xml").querySelector("svg svg");
                return { height: Number(drawn?.getAttribute("height")), shapes: drawn?.querySelectorAll("path, rect, line, text").length };
              }, text);
              assert.ok(inner.height > 60 && inner.shapes > 5, `the picture holds the chart: ${JSON.stringify(inner)}`);
              assert.ok(!text.includes("var(--") && !text.includes("<style"), "a picture needs no style sheet");
              assert.equal(text.includes("SIMULATED"), it.world.simulated);
            }
          }
        }
      }
      const links = await page.locator(".downloads a").evaluateAll((nodes) => nodes.map((node) => node.getAttribute("href")));
      for (const link of links) assert.equal((await fetch(base + link)).status, 200, link);
    });
  });

  test("the first view of a country is at most 300 kB on the wire", async () => {
    await withPage({}, async (page) => {
      const session = await page.context().newCDPSession(page);
      await session.send("Network.enable");
      let wire = 0;
      session.on("Network.loadingFinished", ({ encodedDataLength }) => (wire += encodedDataLength));
      await go(page, all.country);
      console.log(`# first view of ${all.country}: ${(wire / 1000).toFixed(1)} kB`);
      assert.ok(wire > 10_000 && wire <= BUDGET, `${wire} bytes`);
    });
  });

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
