// Do charts, maps and accounts say what the data says, and nothing more?
import { geoArea } from "d3-geo";
import { afterEach, describe, expect, test, vi } from "vitest";
import { isProblem, onSimulated, readJson } from "../../src/api/load";
import type { MeasurementReply, Observation, TimelineDay } from "../../src/api/types";
import { perDay } from "../../src/chart/Days";
import { wrap } from "../../src/chart/save";
import { divided, points, shows } from "../../src/chart/Timeline";
import { kindOf } from "../../src/map/atlas";
import { lands } from "../../src/map/earth";
import { HEIGHT, islands, WIDTH } from "../../src/map/islands";
import { floors } from "../../src/pages/Method";
import { told } from "../../src/pages/observation";
import { pageOf } from "../../src/shell/Evidence";
// @ts-expect-error fixtures are plain modules
import { answer } from "../fixtures/world.mjs";

const CODES = ["XA", "XB", "XC", "XD", "XE", "XF"];

describe("the simulated atlas", () => {
  test("is the same on every visit, whatever the order", () => {
    expect(islands([...CODES].reverse())).toEqual(islands(CODES));
    expect(islands([])).toEqual([]);
  });

  test("has one island for each code, inside the frame", () => {
    for (const codes of [["XA"], CODES, Array.from({ length: 40 }, (_, at) => `Q${at}`)]) {
      const drawn = islands(codes);
      expect(drawn.map(({ code }) => code).sort()).toEqual([...codes].sort());
      for (const { code, geometry } of drawn) {
        const corners = geometry.coordinates.flat(2);
        expect(corners.length, code).toBeGreaterThan(8);
        const inside = corners.every(([x = -1, y = -1]) => x > 0 && x < WIDTH && y > 0 && y < HEIGHT);
        expect(inside, code).toBe(true);
      }
    }
  });

  test("is what simulated data gets, whatever an atlas says of itself", () => {
    expect(kindOf({ simulated: true, kind: "earth" })).toBe("simulated");
    expect(kindOf({ simulated: false, kind: "earth" })).toBe("earth");
  });
});

test("the Earth's lands have ISO's two letters", async () => {
  const all = await lands();
  const codes = new Set(all.map(({ code }) => code));
  for (const code of ["FR", "BR", "KE", "IN", "NZ"]) expect(codes.has(code), code).toBe(true);
  // Natural Earth draws a few lands that ISO gives no code.
  expect(all.filter(({ code }) => code === null).length).toBeLessThan(5);
  expect(all.every(({ shape }) => geoArea(shape) < 2 * Math.PI)).toBe(true);
});

describe("charts", () => {
  const day = (shown: Partial<TimelineDay>): TimelineDay => ({
    day: "2026-11-24",
    ...{ d1: null, d2t: null, d3: null, d1_contested: null, d2t_contested: null, d3_contested: null },
    ...shown,
  });

  test("a divided day is its contested range, and neither a gap nor a point", () => {
    const timeline = [day({ d3_contested: [0.2, 0.7] }), day({})];
    expect(divided(timeline)).toEqual([
      { dimension: "d3", from: new Date("2026-11-23T12:00:00Z"), to: new Date("2026-11-24T12:00:00Z"), low: 0.2, high: 0.7 },
    ]);
    expect(points(timeline).every(({ point }) => Number.isNaN(point))).toBe(true);
    expect(shows(timeline)).toBe(true);
    expect(shows([day({})])).toBe(false);
  });

  test("a day that was not published is a gap, never 0", () => {
    const [d1, , d3] = points([day({ d1: [0.5, 0.4, 0.6] })]);
    expect(d1).toMatchObject({ point: 0.5, low: 0.4, high: 0.6 });
    expect(d3?.point).toBeNaN();
  });

  test("what is ours and what was imported make one bar a day", () => {
    const days = [
      { day: "2026-11-24", whole: 3, part: 1 },
      { day: "2026-11-23", whole: 5, part: null },
      { day: "2026-11-24", whole: 4, part: 2 },
    ];
    expect(perDay(days)).toEqual([{ day: "2026-11-23", whole: 5, part: null }, { day: "2026-11-24", whole: 7, part: 3 }]);
  });

  test("captions of pictures break at words", () => {
    expect(wrap("one two three four", 9)).toEqual(["one two", "three", "four"]);
  });
});

describe("accounts", () => {
  test("each kind of step is told in a sentence without gaps", () => {
    const ids = ["U1", "U2"].flatMap((id) => answer("/v1/verdicts", new URLSearchParams({ indicator: id })).verdicts as { measurement: string }[]);
    const all = ids.flatMap(({ measurement }) => (answer(`/v1/measurements/${measurement}`, new URLSearchParams()) as MeasurementReply).observations);
    expect(new Set(all.map(({ step }) => step.kind)).size).toBe(4);
    for (const observation of all) {
      const sentence = told(observation);
      expect(sentence).not.toMatch(/[{}]|undefined|null|no words/);
      expect(sentence.endsWith(".")).toBe(true);
    }
  });

  test("an alert that has no name keeps its number", () => {
    const step: Observation = {
      index: 0, started: 0, ended: 1, failure: "tls.alert.40",
      step: { kind: "handshake", ip: "192.0.2.1", port: 443, server_name: null, role: "target", stage: "hello_sent", version: null, cipher: null, alpn: null, chain: [], certificate: null, first_bytes: null },
    };
    expect(told(step)).toContain("TLS alert 40");
  });

  test("floors are listed whole, groups too", () => {
    expect(floors({ networks: 3, weight: 0.6, country: { probes: 5 } })).toEqual([
      ["Networks of a country", "3"], ["Weight of available indicators", "60%"], ["country.probes", "5"],
    ]);
  });

  test("evidence opens with the same question", () => {
    expect(pageOf("/v1/verdicts?country=XB&indicator=U1")).toBe("/verdicts?country=XB&indicator=U1");
    expect(pageOf("/v1/verdicts")).toBe("/verdicts");
  });
});

describe("reading the API", () => {
  afterEach(() => vi.unstubAllGlobals());
  const reply = (status: number, body: string) => vi.stubGlobal("fetch", () => Promise.resolve(new Response(body, { status })));

  test("a refusal keeps the collector's sentence", async () => {
    reply(404, JSON.stringify({ code: "not_found", message: "no such country", retry: false }));
    await expect(readJson("/v1/countries/QQ")).rejects.toEqual({ status: 404, message: "no such country" });
  });

  test("what is no JSON is no data", async () => {
    reply(200, "<html>");
    await expect(readJson("/v1/world")).rejects.toSatisfy(isProblem);
    vi.stubGlobal("fetch", () => Promise.reject(new TypeError("offline")));
    await expect(readJson("/v1/world")).rejects.toEqual({ status: 0, message: null });
  });

  test("simulated data says so to the page around it", async () => {
    const heard: boolean[] = [];
    const forget = onSimulated((simulated) => heard.push(simulated));
    reply(200, '{"simulated":true}');
    await readJson("/v1/health");
    forget();
    onSimulated((simulated) => heard.push(simulated))();
    expect(heard, "also one that listens later").toEqual([true, true]);
  });
});
