// Answers for the offline page from this browser's cache. The server writes FILES and VERSION above.

const CACHE = `terrastill-page-${VERSION}`;
const OWN = new URL("./", self.location).href;

self.addEventListener("install", (event) => {
  self.skipWaiting();
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(FILES.map((name) => new URL(name, OWN).href))));
});

self.addEventListener("activate", (event) => {
  const old = (name) => name.startsWith("terrastill-page-") && name !== CACHE;
  event.waitUntil(caches.keys()
    .then((names) => Promise.all(names.filter(old).map((name) => caches.delete(name))))
    .then(() => self.clients.claim()));
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET" || new URL(request.url).origin !== self.location.origin) return;
  event.respondWith(caches.open(CACHE).then(async (cache) => {
    const found = await cache.match(request, { ignoreSearch: request.mode === "navigate" });
    return found ?? fetch(request);
  }));
});
