// What is left of the app when the network is gone? The page and the files that were loaded
// once. Data is kept by the app itself (src/api/kept.ts), which says so on the page.
const SHELL = "faultline-shell";
/** Files of older builds leave when there are more than this. */
const MOST = 150;

self.addEventListener("install", (event) => {
  self.skipWaiting();
  event.waitUntil(caches.open(SHELL).then((cache) => cache.add("/")));
});

self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

/** What the page had loaded before this worker stood beside it; from the browser's own cache. */
self.addEventListener("message", (event) => {
  const files = event.data?.files;
  if (Array.isArray(files)) event.waitUntil(keep(files.filter((file) => new URL(file).origin === self.location.origin)));
});

async function keep(files) {
  const cache = await caches.open(SHELL);
  for (const file of files) if ((await cache.match(file)) === undefined) await cache.add(file);
  const held = (await cache.keys()).filter(({ url }) => url.includes("/assets/"));
  await Promise.all(held.slice(0, Math.max(0, held.length - MOST)).map((request) => cache.delete(request)));
}

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin) return;
  if (request.mode === "navigate" && !url.pathname.startsWith("/v1/")) event.respondWith(page(request));
  else if (url.pathname.startsWith("/assets/")) event.respondWith(file(request));
});

async function page(request) {
  const cache = await caches.open(SHELL);
  try {
    const reply = await fetch(request);
    if (reply.ok) await cache.put("/", reply.clone());
    return reply;
  } catch {
    return (await cache.match("/")) ?? Response.error();
  }
}

async function file(request) {
  const cache = await caches.open(SHELL);
  const held = await cache.match(request);
  if (held !== undefined) return held;
  const reply = await fetch(request);
  if (reply.ok) await cache.put(request, reply.clone());
  return reply;
}
