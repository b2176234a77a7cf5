// Which numbers survive without a network? Those of the world and its live state, of countries, of
// coverage and of the method. Single measurements, networks and targets are not kept: a seized phone should not
// tell which of them its owner looked at.

const DATA = "faultline-data";
const KEPT = /^\/v1\/(world|atlas|coverage|method|health|live|countries\/[A-Za-z]{2})$/;

const store = async (): Promise<Cache | null> => {
  try {
    return await caches.open(DATA);
  } catch {
    return null; // no secure context, or storage refused
  }
};

export async function keep(path: string, data: unknown): Promise<void> {
  if (!KEPT.test(path)) return;
  const cache = await store();
  // A full disk takes nothing from the page.
  await cache?.put(path, new Response(JSON.stringify(data))).catch(() => undefined);
}

export async function recall<T>(path: string): Promise<T | null> {
  if (!KEPT.test(path)) return null;
  const cache = await store();
  const held = await cache?.match(path);
  return held === undefined ? null : ((await held.json()) as T);
}

/** Puts the worker beside the page, and tells it what was loaded before it came. */
export async function standBeside(): Promise<void> {
  if (!("serviceWorker" in navigator)) return;
  await navigator.serviceWorker.register("/sw.js");
  const { active } = await navigator.serviceWorker.ready;
  const loaded = performance.getEntriesByType("resource").map(({ name }) => name);
  active?.postMessage({ files: loaded.filter((name) => new URL(name).pathname.startsWith("/assets/")) });
}
