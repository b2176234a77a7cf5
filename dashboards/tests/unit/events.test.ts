// Is an event told as it was said: nothing certain that is not, nobody accused by signals, nothing
// quiet that nobody watched?
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { CAUSES, CLASSES, CONTEXTS, STATES, type CalendarReply, type EventReply, type Evidence, type EventsReply, type LiveReply, type Revision, type ShutdownCoverageReply } from "../../src/api/events";
import { deedOf } from "../../src/events/ActionForm";
import { fits, lines } from "../../src/events/analyst";
import { rows, series } from "../../src/events/Axis";
import { citation } from "../../src/events/Cite";
import { cap, changes, inside, isWeb, LIMITS, lossOf, newest, odds, outside, sureness, why } from "../../src/events/story";
import { between, long, span } from "../../src/events/when";
import { countryOf, place, title } from "../../src/events/words";
import { cellOf, shade } from "../../src/events/YearChart";
import english from "../../src/messages/en.json";
import { asked, pathOf } from "../../src/pages/Events";
import { dayOf, shifted, sight } from "../../src/pages/ShutdownCoverage";
import { losses } from "../../src/shell/Losses";
// @ts-expect-error fixtures are plain modules
import { answerEvents, EVENTS } from "../fixtures/events.mjs";

const get = <T>(path: string, query = ""): T => answerEvents(path, new URLSearchParams(query))[1] as T;
const of = (name: string): Revision => (EVENTS as Record<string, { event: Revision }>)[name]!.event;
const whole = (name: string) => get<EventReply>(`/v1/events/${of(name).event_id}`);
const names = (code: string) => ({ XB: "Borsia", XE: "Estmark", XF: "Ferrana" })[code] ?? code;
const core = readFileSync(join(import.meta.dirname, "../../../collector/src/detect/event.rs"), "utf8");

/** A closed list as the collector writes it: variants and their words. */
function variants(name: string): [string, string][] {
  const body = new RegExp(`^    ${name} \\{([^}]*)\\}`, "m").exec(core)?.[1] ?? "";
  return [...body.matchAll(/(\w+) = "([^"]+)"/g)].map(([, variant, word]) => [variant ?? "", word ?? ""]);
}
const listed = (name: string) => variants(name).map(([, word]) => word);

describe("closed lists of the collector", () => {
  const known = english as Record<string, string>;
  test.each([
    ["Class", "class"], ["State", "event_state"], ["State", "event_state_about"], ["Reason", "revision_reason"], ["Cause", "cause"], ["CauseStatus", "cause_status"],
    ["Context", "context"], ["GeoScope", "geo_scope"], ["Known", "known"], ["Grade", "evidence_grade"], ["Cap", "cap"], ["Verdict", "said"], ["Verdict", "inside"],
  ])("%s has words as %s", (list, prefix) => {
    const words = listed(list);
    expect(words.length).toBeGreaterThan(2);
    for (const word of words) expect(known[`${prefix}.${word}`], word).toBeDefined();
  });

  test("what forms offer is what the collector takes", () => {
    expect([...CLASSES]).toEqual(listed("Class"));
    expect([...CAUSES]).toEqual(listed("Cause"));
    expect([...CONTEXTS]).toEqual(listed("Context"));
    expect(["candidate", ...STATES]).toEqual(listed("State"));
  });

  test("bounds are those of the collector", () => {
    const names = Object.fromEntries(variants("Cap"));
    const limits = [...core.matchAll(/Self::(\w+) => (0\.\d+),/g)].map(([, variant, limit]) => [names[variant!], Number(limit)]);
    expect(limits.length).toBe(5);
    expect(LIMITS).toEqual(Object.fromEntries(limits));
    expect(cap("one_network")).toBe("At most 60%: only one network was lost, and that alone may be its own fault.");
    expect(cap("never_heard_of")).toContain("never_heard_of");
  });
});

describe("why", () => {
  const base = of("national");
  test("signals alone name no actor, whatever a reply brings", () => {
    for (const cause of ["government", "exam", "military", "cyber"]) {
      for (const cause_status of ["unknown", "inferred"]) {
        const told = why({ ...base, cause, cause_status });
        expect(told, `${cause} ${cause_status}`).toEqual({ sentence: "Why it happened is not known.", sourced: false });
      }
    }
    expect(why(of("isolation")).sentence).toBe("Why it happened is not known.");
  });
  test("a claim without a source is none", () => {
    expect(why({ ...base, cause_status: "documented", source_urls: [] }).sentence).toBe("Why it happened is not known.");
    expect(why({ ...base, cause: "power", cause_status: "reported", source_urls: [] }).sentence).toBe("Why it happened is not known.");
  });
  test("a document is named as such, an inference as its own", () => {
    expect(why(base)).toEqual({ sentence: "A document names an order of the government. The sources are named below.", sourced: true });
    expect(why(of("power")).sentence).toBe("By the signals it looks like a power cut. No document says so.");
  });
  test("only addresses of the web become links", () => {
    expect(["https://a.example/", "http://a.example"].every(isWeb)).toBe(true);
    expect(["javascript:alert(1)", "data:text/html,x", "ftp://a.example", "a.example", ""].some(isWeb)).toBe(false);
  });
});

describe("evidence", () => {
  test("what sites saw from inside stands in one sentence, with its error", () => {
    const [first] = whole("national").evidence;
    expect(inside(first!, names)).toBe("AS64498 in Borsia, 3 sites: powered and running, gateway up, nothing beyond the border, 20 Nov 2026, 12:50 to 21 Nov 2026, 03:02 UTC, ±9 s.");
  });
  test("fewer than three sites are never counted, and words that are new stay themselves", () => {
    const one: Evidence = { ...whole("national").evidence[0]!, sites: null, verdict: "of_tomorrow", error_s: 0, to: null };
    expect(inside(one, names)).toBe("AS64498 in Borsia, fewer than 3 sites: of_tomorrow, since 20 Nov 2026, 12:50 UTC.");
  });
  test("what others saw is labelled as theirs", () => {
    const ioda = whole("national").evidence.find(({ signal }) => signal === "import:ioda")!;
    expect(outside(ioda, names)).toBe("IODA (imported): down, Borsia, 20 Nov 2026, 12:55 to 21 Nov 2026, 03:10 UTC: 312, where 4,180 was expected.");
  });
  test("of what is told again of more sites, the last stands", () => {
    const all = whole("national").evidence;
    const told = newest(all).filter(({ location, signal }) => location === "country/XB" && signal === "epoch_log");
    expect(told.map(({ sites }) => sites)).toEqual([7]);
    expect(newest(all).length).toBe(all.length - 1);
  });
  test("one axis has a row for each place's sites and for each thing that was said of it", () => {
    const { timeline, evidence } = whole("national");
    expect(series(timeline).map(([location]) => location)).toEqual(["country/XB"]);
    expect(rows(evidence).length).toBe(5);
    expect(rows([...evidence, evidence[0]!]).length, "the same said twice is one row").toBe(5);
  });
});

describe("revisions", () => {
  const { revisions } = whole("national");
  test("the first says all, each later one what it changed and nothing else", () => {
    expect(changes(undefined, revisions[0]!, names)).toEqual(["First said: Borsia, Nothing gets through, suspected."]);
    expect(changes(revisions[2], revisions[3]!, names)).toEqual(["State: ending (before: confirmed)"]);
    expect(changes(revisions[0], revisions[0]!, names)).toEqual(["Nothing of what is shown here."]);
  });
  test("late evidence narrows the times, to the second", () => {
    const told = changes(revisions[4], revisions[5]!, names);
    expect(told).toContain("Start certainly: 20 Nov 2026, 12:50:01 to 12:50:19 UTC (before: 20 Nov 2026, 12:49:00 to 12:52:00 UTC)");
    expect(told).toContain("Confidence: 99% (before: 95%)");
  });
  test("a cause comes with its sources and its note", () => {
    const told = changes(revisions[5], revisions[6]!, names).join("\n");
    expect(told).toContain("A document names an order of the government");
    expect(told).toContain("Source named: https://gazette.example/orders/12");
    expect(told).toContain("Noted: Order 12");
  });
  test("reclassified is said as such", () => {
    const { revisions: steps } = whole("power");
    expect(changes(steps[1], steps[2]!, names)).toContain("Kind: Power cut (before: Nothing gets through)");
  });
});

describe("words", () => {
  test("places", () => {
    expect(["world", "country/XB", "country/XB/asn/64498", "asn/64498", "country/XE/access/mobile", "region/XB-07", "elsewhere"].map((l) => place(l, names))).toEqual([
      "the world", "Borsia", "AS64498 in Borsia", "AS64498", "Estmark, mobile networks", "Region XB-07", "elsewhere",
    ]);
    expect([countryOf("country/XB/asn/1"), countryOf("region/XB-07"), countryOf("world")]).toEqual(["XB", "XB", undefined]);
  });
  test("titles say what is not certain, or was wrong", () => {
    expect(title(of("national"), names)).toBe("Borsia: Nothing gets through");
    expect(title(of("mobile"), names)).toBe("Estmark: Mobile networks lost (suspected)");
    expect(title(of("fault"), (code) => code)).toBe("XC: Fault of the collector (retracted)");
  });
  test("durations and spans", () => {
    expect([9, 75, 600, 3725, 51_150, 90_000, 172_800].map(long)).toEqual(["9 s", "1 min 15 s", "10 min", "1 h 2 min", "14 h 12 min", "1 day 1 h", "2 days"]);
    expect(span("2026-11-20T12:50:00Z", "2026-11-20T15:00:00Z")).toBe("20 Nov 2026, 12:50 to 15:00 UTC");
    expect(span("no time", "2026-11-20T15:00:00Z")).toContain("no time");
    expect(between("2026-11-20T12:50:00Z", "2026-11-20T12:49:00Z")).toBe(0);
  });
  test("a share of one or two sites is not told", () => {
    expect([lossOf(1), lossOf(0.05), lossOf(null)]).toEqual(["100%", "5%", "fewer than 3"]);
  });
  test("nothing is certain, and odds are odds", () => {
    expect([1, 0.996, 0.99, 0.5, 0.001, 0].map(sureness)).toEqual(["more than 99%", "more than 99%", "99%", "50%", "less than 1%", "less than 1%"]);
    expect([1, 0.96, 0.5, 0.1, 0].map(odds)).toEqual(["hardly anything else", "24 to 1 for it", "1 to 1 for it", "1 in 10", "less than 1 in 200"]);
  });
  test("a citation names the revision that was read", () => {
    const text = citation(of("national"), names, "https://faultline.example", "2026-11-25T00:00:00Z");
    expect(text).toContain("revision 7 as of 2026-11-23");
    expect(text).toContain(`https://faultline.example/events/${of("national").event_id}#revision-7`);
  });
});

describe("what would have been seen", () => {
  test("below three sites nothing, whatever number slipped through", () => {
    expect(sight({ eligible_sites: null, min_detectable_share: 0.2 })).toBeNull();
    expect(sight({ eligible_sites: 2, min_detectable_share: 0.2 })).toBeNull();
    expect(sight({ eligible_sites: 9, min_detectable_share: null })).toBeNull();
  });
  test("the smaller the loss that shows, the darker", () => {
    expect([0.15, 0.2, 0.3, 0.6, 0.95, 1].map((min_detectable_share) => sight({ eligible_sites: 9, min_detectable_share }))).toEqual([4, 4, 3, 2, 1, 0]);
  });
  test("days", () => {
    expect(dayOf("2026-11-22", 0)).toBe("2026-11-22");
    expect(dayOf("yesterday", Date.UTC(2026, 10, 25))).toBe("2026-11-24");
    expect(dayOf("2026-13-45", Date.UTC(2026, 10, 25))).toBe("2026-11-24");
    expect(shifted("2026-03-01", -1)).toBe("2026-02-28");
  });
  test("a calendar's day without a loss is quiet only where somebody watched", () => {
    const day = { day: "2026-11-24", worst_state: null, worst_class: null, lost_minutes: 0, event_ids: [], eligible_sites: 9, min_detectable_share: 0.3, deaf_minutes: 0 };
    expect(shade(day)).toEqual({ kind: "step", step: 0 });
    expect(shade({ ...day, eligible_sites: null })).toEqual({ kind: "not_covered" });
    expect(shade({ ...day, eligible_sites: 2 })).toEqual({ kind: "not_covered" });
    expect([1, 60, 61, 1080, 1440, 2000].map((lost_minutes) => shade({ ...day, lost_minutes }))).toEqual([1, 1, 2, 3, 4, 4].map((step) => ({ kind: "step", step })));
    expect(shade({ ...day, eligible_sites: null, lost_minutes: 700 }), "a loss that was seen stays").toEqual({ kind: "step", step: 3 });
  });
  test("weeks begin on Monday", () => {
    expect(cellOf("2026-11-01")).toEqual({ month: 10, column: 6, row: 0 });
    expect(cellOf("2026-11-02")).toEqual({ month: 10, column: 0, row: 1 });
    expect(cellOf("2026-02-28")).toEqual({ month: 1, column: 5, row: 4 });
  });
});

describe("questions", () => {
  test("an address per filter, and nothing that nobody asked", () => {
    expect(asked({ country: "XB", state: "", lang: "fr", class: "power" })).toEqual({ country: "XB", class: "power" });
    expect(pathOf({ country: "X&B", from: "2026-11-01" })).toBe("/v1/events?country=X%26B&from=2026-11-01&limit=50");
  });
  test("a country's timeline carries what was confirmed, oldest first", () => {
    const found = losses(get<EventsReply>("/v1/events", "country=XB").events);
    expect(found.map(({ number, event }) => [number, event.state])).toEqual([[1, "ended"]]);
  });
});

describe("analysts", () => {
  const form = (fields: Record<string, string>) => {
    const data = new FormData();
    for (const [name, value] of Object.entries(fields)) data.set(name, value);
    return data;
  };
  test("every deed asks for its reason, and a cause for its sources", () => {
    expect(deedOf("retract", form({ reason: "  " }))).toMatch(/Say why/);
    expect(deedOf("annotate", form({ reason: "r" }))).toMatch(/Write the note/);
    expect(deedOf("document", form({ reason: "r", cause: "government", sources: " \n" }))).toMatch(/at least one source/);
    expect(deedOf("document", form({ reason: "r", cause: "government", sources: "https://a.example\njavascript:x" }))).toMatch(/javascript:x/);
  });
  test("what is sent is what the collector reads", () => {
    expect(deedOf("retract", form({ reason: "ours" }))).toEqual({ deed: "retract", reason: "ours" });
    expect(deedOf("reclassify", form({ reason: "r", class: "power" }))).toEqual({ deed: "reclassify", class: "power", reason: "r" });
    expect(deedOf("document", form({ reason: "r", cause: "power", status: "reported", sources: " https://a.example/1 \n", gov_ack: "unknown", ordered_by: "" }))).toEqual({
      deed: "document", cause: "power", status: "reported", context: [], ordered_by: null, gov_ack: "unknown", legal_basis: null, area_name: null, sources: ["https://a.example/1"], reason: "r",
    });
  });
  test("a token that no header takes is not sent", () => {
    expect(fits("abc-123")).toBe(true);
    expect([" ", "", "a b", "a\nb", "é", "x".repeat(600)].some(fits)).toBe(false);
    expect(lines(" a \r\n\n b")).toEqual(["a", "b"]);
  });
});

describe("the fixtures", () => {
  test("are consistent: revisions end in the event, and nothing is said of fewer than three sites", () => {
    for (const name of Object.keys(EVENTS as object)) {
      const { event, revisions, evidence, groups } = whole(name);
      expect(revisions.at(-1), name).toEqual(event);
      expect(revisions.map(({ revision }) => revision)).toEqual(revisions.map((_, at) => at + 1));
      expect(event.start_lower <= event.start && event.start <= event.start_upper, name).toBe(true);
      expect(event.alternatives.reduce((sum, { probability }) => sum + probability, 0)).toBeCloseTo(1);
      for (const { sites } of [...evidence, ...groups]) expect(sites === null || sites >= 3).toBe(true);
    }
    const live = get<LiveReply>("/v1/live");
    expect(live.countries.filter(({ state }) => state === "not_covered").every(({ observed, eligible_sites }) => observed === null && eligible_sites === 0)).toBe(true);
    expect(get<ShutdownCoverageReply>("/v1/coverage/shutdowns").rows.length).toBeGreaterThan(5);
    expect(get<CalendarReply>("/v1/countries/XB/calendar", "year=2026").days.filter(({ lost_minutes }) => lost_minutes > 0).length).toBe(2);
  });
});
