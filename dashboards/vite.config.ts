// How is the app built? Hashed names for immutable caching; few files, because on a slow line
// each costs a round trip; a list of those that each page needs, so that a browser is told of
// them before any script runs; and beside each file its brotli and gzip form, so that the
// collector never compresses while somebody waits.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

const COMPRESSIBLE = /\.(html|js|css|json|svg|txt|webmanifest)$/;
/** Below this, headers outweigh what is saved. */
const SMALL = 1024;

function precompress(): Plugin {
  let out = "dist";
  return {
    name: "precompress",
    apply: "build",
    configResolved(config) {
      out = join(config.root, config.build.outDir);
    },
    closeBundle() {
      for (const entry of readdirSync(out, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile() || !COMPRESSIBLE.test(entry.name)) continue;
        const path = join(entry.parentPath, entry.name);
        const bytes = readFileSync(path);
        if (bytes.length < SMALL) continue;
        const params = { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
        writeFileSync(`${path}.br`, brotliCompressSync(bytes, { params }));
        writeFileSync(`${path}.gz`, gzipSync(bytes, { level: 9 }));
      }
    },
  };
}

/** What the entry reaches before the language is known; everything else may hold sentences. */
const INITIAL = /\/(shell\/(Shell|Page|context)|format\/(number|time))\.tsx?$/;
/** What pages share, in one file; not what draws charts, which is large and comes later. */
const SHARED = /\/src\/((chart|shell|format)\/|map\/Patterns|api\/types)/;
const APART = /\/chart\/(marks|Steps)\.tsx?$/;
/** What pages of events share, in one file that others do not load; without what only some need. */
const EVENTS = /\/src\/(events\/(?!useMap|ActionForm|analyst)|api\/events)/;
/** What the entry cannot do without, in one file beside it: more than six at once wait. */
const FIRST = /rolldown[/-]runtime|preload-helper|\/(messages\/[a-z]+\.(json|ts)|api\/(load|kept))|\/node_modules\/preact(-iso)?\//;
const first = (id: string): boolean => FIRST.test(id) || INITIAL.test(id);
const shared = (id: string): boolean => SHARED.test(id) && !APART.test(id) && !INITIAL.test(id);

/** `preload.txt`: a line for each page, its name and the files that it needs beside the entry's. */
function preload(): Plugin {
  return {
    name: "preload",
    apply: "build",
    generateBundle(_, bundle) {
      const needs = (file: string, found = new Set<string>()): Set<string> => {
        const chunk = bundle[file];
        if (chunk?.type !== "chunk" || found.has(file)) return found;
        found.add(file);
        chunk.imports.forEach((next) => needs(next, found));
        return found;
      };
      const chunks = Object.values(bundle).filter((part) => part.type === "chunk");
      const entry = chunks.find((chunk) => chunk.isEntry);
      if (entry === undefined) return this.error("there is no entry");
      const first = needs(entry.fileName);
      if (chunks.some((chunk) => first.has(chunk.fileName) && chunk.moduleIds.some(shared))) {
        this.error("the entry needs what pages share: sentences there would be English in every language");
      }
      const lines = chunks.flatMap(({ facadeModuleId, fileName }) => {
        const page = /\/src\/pages\/(\w+)\.tsx$/.exec(facadeModuleId ?? "")?.[1];
        if (page === undefined) return [];
        const files = [...needs(fileName)].filter((file) => !first.has(file));
        return [`${[page, ...files].join(" ")}\n`];
      });
      this.emitFile({ type: "asset", fileName: "preload.txt", source: lines.sort().join("") });
    },
  };
}

export default defineConfig({
  plugins: [preload(), precompress()],
  build: {
    target: "es2022",
    cssTarget: ["chrome105", "firefox110", "safari16"], // light-dark() is written out for them
    assetsInlineLimit: 0, // the content security policy knows no data: addresses
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rolldownOptions: { output: { codeSplitting: { groups: [{ name: "first", test: first, includeDependenciesRecursively: false }, { name: "shared", test: shared, includeDependenciesRecursively: false }, { name: "events", test: EVENTS, includeDependenciesRecursively: false }] } } },
  },
  server: { proxy: { "/v1": process.env["FAULTLINE_API"] ?? "http://127.0.0.1:8080" } },
  test: { include: ["tests/unit/**/*.test.{ts,tsx}"], environment: "node" },
} as Parameters<typeof defineConfig>[0]);
