// Which words stand on the page? Every visible sentence has a key; a language is one file.
// `{name}` stands for a parameter; `key_one`, `key_other` ... (the categories of
// Intl.PluralRules) are chosen by the parameter `count`.
import { formatParam } from "../format/number";
import english from "./en.json";

export type Params = Record<string, string | number>;
type Words = Record<string, string>;
type Whole = keyof typeof english;
/** A key of this app's own file; plural forms go by their stem. */
export type Key = Whole | (Whole extends infer K ? (K extends `${infer Stem}_other` ? Stem : never) : never);

/** Sentences about evidence come with the method that makes them. */
const ofMethod = import.meta.glob<Words>("../../../collector/src/score/messages/*.json", {
  eager: true,
  import: "default",
});
/** English is there always, and in the first file. */
const ofPages = import.meta.glob<Words>(["./*.json", "!./en.json"], { import: "default" });

const RIGHT_TO_LEFT = new Set(["ar", "arc", "dv", "fa", "he", "ku", "ps", "sd", "ug", "ur", "yi"]);

function methodWords(language: string): Words {
  const found = Object.entries(ofMethod).find(([path]) => path.endsWith(`/${language}.json`));
  return found?.[1] ?? {};
}

let language = "en";
let words: Words = { ...methodWords("en"), ...english };
let plural = new Intl.PluralRules(language);

/** Languages that this build speaks. */
export const languages: readonly string[] = ["en", ...Object.keys(ofPages).map((path) => path.replace(/^\.\/|\.json$/g, ""))].sort();

export const currentLanguage = (): string => language;
export const direction = (code: string = language): "ltr" | "rtl" =>
  RIGHT_TO_LEFT.has(code.split("-")[0] ?? "") ? "rtl" : "ltr";

/** Loads a language over English, which fills what is not translated yet. */
export async function speak(code: string): Promise<void> {
  const load = ofPages[`./${code}.json`];
  if (load === undefined && code !== "en") return;
  const own = (await load?.()) ?? {};
  words = { ...methodWords("en"), ...english, ...methodWords(code), ...own };
  language = code;
  plural = new Intl.PluralRules(code);
}

/** The language that the reader chose, or else the browser's first that is spoken here. */
export function preferred(chosen: string | null, browser: readonly string[]): string {
  const wishes = chosen === null ? browser : [chosen, ...browser];
  const plain = wishes.flatMap((wish) => [wish, wish.split("-")[0] ?? wish]);
  return plain.find((wish) => languages.includes(wish)) ?? "en";
}

/** How numbers and days are written: as in the reader's own region, where it speaks the language. */
export function regional(code: string, browser: readonly string[]): string {
  const own = browser.find((wish) => wish.startsWith(`${code}-`) && wish !== "en-US");
  return own ?? (code === "en" ? "en-GB" : code);
}

export function has(key: string): boolean {
  return key in words || `${key}_other` in words;
}

function fill(sentence: string, params: Params): string {
  return sentence.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = params[name];
    return value === undefined ? whole : formatParam(name, value, language);
  });
}

/** The sentence of a key that may come from a reply; one that nobody wrote is named. */
export function say(key: string, params: Params = {}): string {
  const { count } = params;
  const form = typeof count === "number" ? `${key}_${plural.select(count)}` : key;
  const sentence = words[form] ?? words[`${key}_other`] ?? words[key];
  return sentence === undefined ? fill(words["text.unknown"] ?? "{key}", { key }) : fill(sentence, params);
}

/** The sentence of a key of this app. */
export function t(key: Key, params: Params = {}): string {
  return say(key, params);
}

/** A word for a value from a closed list of the API, or the value itself where it is new. */
export function word(prefix: string, value: string): string {
  const key = `${prefix}.${value}`;
  return has(key) ? say(key) : value;
}
