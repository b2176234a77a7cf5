// Does every page fit its screen and its readers? In both colours, both directions of writing,
// and by axe's rules.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, describe, test } from "node:test";
import { addresses, close, found, go, open, skip, withPage } from "./browser.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

describe("layout", { skip }, () => {
  let all;
  before(async () => {
    await open();
    all = addresses(await found());
  });
  after(close);

  test("nothing is wider than the screen: phone and desk, both directions, light and dark", async () => {
    for (const width of [360, 1280]) {
      await withPage({ viewport: { width, height: 740 } }, async (page) => {
        for (const [name, path] of Object.entries(all)) {
          await go(page, path);
          for (const colorScheme of ["light", "dark"]) {
            await page.emulateMedia({ colorScheme });
            for (const dir of ["ltr", "rtl"]) {
              await page.evaluate((dir) => (document.documentElement.dir = dir), dir);
              const wide = await page.evaluate(() => document.documentElement.scrollWidth);
              assert.ok(wide <= width, `${name}, ${dir}, ${colorScheme}: ${wide} pixels wide`);
            }
          }
        }
      });
    }
  });

  test("axe finds nothing serious on any page, light or dark", async () => {
    await withPage({}, async (page) => {
      for (const [name, path] of Object.entries(all)) {
        await page.emulateMedia({ colorScheme: "light" });
        await go(page, path);
        await page.evaluate(() => document.querySelectorAll("details").forEach((details) => (details.open = true)));
        // Given to the debugger, not the page: the policy lets no page run such a thing.
        await page.evaluate(axe);
        await clean(page, name, {});
        // Darkness changes colours and nothing else.
        await page.emulateMedia({ colorScheme: "dark" });
        await clean(page, `${name}, dark`, { runOnly: ["color-contrast"] });
      }
    });
  });
});

async function clean(page, name, rules) {
  const { violations } = await page.evaluate((rules) => globalThis.axe.run(document, rules), rules);
  const grave = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  assert.deepEqual(grave.map(({ id, nodes }) => `${name}: ${id}: ${nodes[0]?.html} ${nodes[0]?.failureSummary}`), []);
}
