// Do the pages hold what they promise in a real browser? Against the fixtures, or against any
// collector that FAULTLINE_BASE names.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { addresses, base, close, found, go, open, settled, skip, withPage } from "./browser.mjs";

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
      for (const path of [all.world, all.country, all.indicator, all.measurement, all.live, all.event, all.sight, all.calendar].filter((path) => path !== undefined)) {
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

  test("what a page is told to fetch early is what it needs, and is fetched once", async () => {
    for (const [name, path] of Object.entries(all)) {
      await withPage({}, async (page) => {
        const asked = new Map();
        page.on("request", (request) => asked.set(request.url(), (asked.get(request.url()) ?? 0) + 1));
        const [reply] = await Promise.all([page.waitForResponse(base + path), go(page, path)]);
        const links = (reply.headers()["link"] ?? "").split(", ").map((link) => /^<([^>]+)>/.exec(link)?.[1]);
        assert.ok(links.length >= 2, `${name} is told of ${links}`);
        for (const link of links) assert.equal(asked.get(base + link), 1, `${name}: ${link}`);
      });
    }
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
});
