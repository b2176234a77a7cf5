// Does every sentence exist, once, in a form that a translator can work with?
import { readdirSync, readFileSync, existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import english from "../../src/messages/en.json";
import { direction, has, preferred, say, t } from "../../src/messages/text";

const root = join(import.meta.dirname, "../..");
const method = join(root, "../collector/src/score/messages/en.json");
const code = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
  .filter((name) => /\.tsx?$/.test(name))
  .map((name) => readFileSync(join(root, "src", name), "utf8"))
  .join("\n");

describe("message files", () => {
  test("a key belongs to one file", () => {
    const other = existsSync(method) ? Object.keys(JSON.parse(readFileSync(method, "utf8")) as object) : [];
    expect(other.filter((key) => key in english)).toEqual([]);
  });

  test("no key is left over", () => {
    // Keys are written out, or begin as a template or a prefix of `word`.
    const open = [...code.matchAll(/[`"]([a-z_.]+\.)\$\{/g)].map(([, prefix]) => prefix ?? "");
    const words = [...code.matchAll(/word\("([a-z_]+)"/g), ...code.matchAll(/prefix[=:] ?"([a-z_]+)"/g)].map(([, prefix]) => `${prefix}.`);
    const unused = Object.keys(english).filter((key) => {
      const stem = key.replace(/_(one|other)$/, "");
      const used = code.includes(`"${key}"`) || code.includes(`"${stem}"`);
      return !used && ![...open, ...words, "mechanism.", "outcome.", "experiment.", "rule."].some((prefix) => key.startsWith(prefix));
    });
    expect(unused).toEqual([]);
  });

  test("rules, mechanisms and failures of the core have words", () => {
    const core = (name: string) => readFileSync(join(root, "../embedded/core/src", name), "utf8");
    const labels = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(([, label, sentence]) => [label ?? "", sentence ?? ""] as const);
    const rules = labels(core("verdict/reason.rs"), /^ +\d+ \w+ "([a-z0-9_.]+)" "([^"]+)",/gm);
    const mechanisms = labels(core("verdict/mechanism.rs"), /^ +\d+ \w+ \w+ "([a-z._]+)",/gm);
    const failures = labels(core("failure.rs"), /^ +\w+ = \d+, "([a-z._]+)", "([^"]+)";/gm);
    expect(Math.min(rules.length, mechanisms.length, failures.length)).toBeGreaterThan(20);
    const words = english as Record<string, string>;
    for (const [label, sentence] of rules) expect(words[`rule.${label}`], label).toBe(sentence);
    for (const [label] of mechanisms) expect(words[`mechanism.${label}`], label).toBeDefined();
    for (const [label] of failures) expect(words[`failure.${label}`], label).toBeDefined();
  });

  test("plural forms come in pairs", () => {
    const keys = Object.keys(english);
    const stems = keys.filter((key) => key.endsWith("_one")).map((key) => key.slice(0, -4));
    expect(stems.filter((stem) => !keys.includes(`${stem}_other`))).toEqual([]);
  });
});

describe("sentences", () => {
  test("parameters are filled in and plurals chosen", () => {
    expect(t("table.all", { count: 1 })).toBe("Show 1 row");
    expect(t("table.all", { count: 1200 })).toBe("Show all 1,200 rows");
    expect(t("asn_named", { asn: 64498, name: "Borsia Net" })).toBe("AS64498 Borsia Net");
  });

  test("what nobody wrote is named, not hidden and not thrown", () => {
    expect(has("nobody.wrote")).toBe(false);
    expect(say("nobody.wrote", { a: 1 })).toContain("nobody.wrote");
  });

  test("what a reply brings stays text", () => {
    expect(t("asn_named", { asn: 1, name: "{asn} <b>" })).toBe("AS1 {asn} <b>");
  });
});

describe("languages", () => {
  test("the reader's choice, then the browser's, then English", () => {
    expect(preferred("en", ["fr"])).toBe("en");
    expect(preferred(null, ["xx-YY", "en-GB"])).toBe("en");
    expect(preferred("xx", [])).toBe("en");
  });

  test("direction follows the language", () => {
    expect([direction("ar"), direction("fa-IR"), direction("en")]).toEqual(["rtl", "rtl", "ltr"]);
  });

  test("style sheets know no left and no right", () => {
    for (const name of ["base.css", "parts.css", "print.css"]) {
      const style = readFileSync(join(root, "src/style", name), "utf8");
      expect(style.match(/(margin|padding|border|inset)-(left|right)|text-align: (left|right)|float:|[;{ ](left|right):/g)).toBeNull();
    }
  });
});

test("the lockfile names no registry", () => {
  const lock = readFileSync(join(root, "package-lock.json"), "utf8");
  expect(lock).not.toContain('"resolved"');
});
