// Are numbers rounded to what is known, and is "not known" never written as a number?
import { describe, expect, test } from "vitest";
import type { Estimate } from "../../src/api/types";
import { csv } from "../../src/format/csv";
import { certainty, reading, step } from "../../src/format/estimate";
import { bytes, digits, ends, formatParam, milliseconds, score, share } from "../../src/format/number";
import { day, daysSince, instant, local, zoneOf } from "../../src/format/time";
import { dump, endpoint, flags, rtype } from "../../src/format/wire";

const none: Estimate = {
  state: "insufficient", reasons: ["floor.networks"], point: null, interval: null, method_interval: null, bounds: null, contested: null, grade: null,
};

describe("scores", () => {
  test("the interval decides how many digits mean something", () => {
    expect([0.6, 0.3, 0.1, 0.02, 0.0004].map(digits)).toEqual([1, 1, 2, 2, 3]);
    expect(score(0.7213, [0.4, 0.9])).toBe("0.7");
    expect(score(0.7213, [0.7, 0.74])).toBe("0.72");
    expect(ends([0.6042, 0.7991])).toEqual(["0.60", "0.80"]);
    expect(score(-0, [0, 0])).toBe("0.00");
  });

  test("insufficient is never a number, also where one slipped through", () => {
    expect(reading(none)).toEqual({ kind: "insufficient", reasons: ["floor.networks"] });
    expect(reading({ ...none, point: 0 })).toMatchObject({ kind: "insufficient" });
    expect(reading({ ...none, state: "published" })).toMatchObject({ kind: "insufficient" });
    expect(reading(undefined)).toMatchObject({ kind: "insufficient" });
  });

  test("divided is a range and never a number", () => {
    const divided: Estimate = { ...none, state: "divided", reasons: ["divided"], interval: [0.1, 0.6], contested: [0.12, 0.44] };
    expect(reading(divided)).toEqual({ kind: "divided", range: [0.12, 0.44] });
    expect(reading({ ...divided, point: 0.2 })).toMatchObject({ kind: "divided" });
    expect(reading({ ...divided, contested: null })).toMatchObject({ kind: "insufficient" });
  });

  test("zero is a value", () => {
    const zero: Estimate = { ...none, state: "published", point: 0, interval: [0, 0.34] };
    expect(reading(zero)).toMatchObject({ kind: "published", point: 0, step: 0, certainty: "barely" });
  });

  test("steps and certainty have their ends where the legend says", () => {
    expect([0, 0.0999, 0.1, 0.25, 0.5, 0.75, 1].map(step)).toEqual([0, 0, 1, 2, 3, 4, 4]);
    expect(certainty([0.2, 0.35])).toBe("well");
    expect(certainty([0.2, 0.36])).toBe("roughly");
    expect(certainty([0, 0.31])).toBe("barely");
    expect(certainty(null)).toBe("barely");
  });
});

describe("other numbers", () => {
  test("shares, sizes and durations carry their unit", () => {
    expect(share(0.125)).toBe("13%");
    expect(share(0.0123)).toBe("1.2%");
    expect(bytes(4312)).toBe("4.3 kB");
    expect(milliseconds(3100)).toBe("3.1 ms");
  });

  test("parameters of sentences: names stay as they are, shares become per cent", () => {
    expect(formatParam("asn", 64498, "en")).toBe("64498");
    expect([1, 0.5, 0.012, 0].map((share) => formatParam("share", share, "en"))).toEqual(["100%", "50%", "1.2%", "0%"]);
    expect(formatParam("measurements", 64498, "en")).toBe("64,498");
    expect(formatParam("share", 0.99, "en")).toBe("99%");
    expect(formatParam("percent", 12.5, "en")).toBe("12.5");
  });
});

describe("times", () => {
  test("UTC on the page, whatever the reader's zone", () => {
    expect(instant("2026-11-24T23:59:00Z")).toMatch(/24.*23:59 UTC|23:59 UTC/);
    expect(instant("nonsense")).toBe("nonsense");
    expect(day("2026-11-24")).toContain("24");
  });

  test("a country's own time where it has one zone only", () => {
    expect(zoneOf("XA")).toBeUndefined();
    expect(zoneOf("not a country")).toBeUndefined();
    expect(local("2026-11-24T23:30:00Z", "Asia/Kathmandu")).toContain("05:15");
  });

  test("age in whole days, never negative", () => {
    const now = Date.parse("2026-11-28T12:00:00Z");
    expect(daysSince("2026-11-24", now)).toBe(4);
    expect(daysSince("2027-01-01", now)).toBe(0);
  });
});

describe("files", () => {
  test("every line says whether it is simulated; nothing runs in a spreadsheet", () => {
    const text = csv(["a", "b"], [["x,y", 1], ['say "no"', null], ["=1+1", -2]], true);
    expect(text.split("\r\n")).toEqual(["a,b,simulated", '"x,y",1,true', '"say ""no""",,true', "'=1+1,-2,true", ""]);
  });
});

describe("the wire", () => {
  test("known numbers have names, others stay numbers", () => {
    expect([rtype(28), rtype(999)]).toEqual(["AAAA", "TYPE999"]);
    expect(flags(0x8180)).toBe("QR RD RA");
    expect(endpoint("2001:db8::1", 443)).toBe("[2001:db8::1]:443");
  });

  test("bytes as lines of sixteen", () => {
    expect(dump("48690a00")).toMatch(/^0000 {2}48 69 0a 00 +Hi\.\.$/);
  });
});
