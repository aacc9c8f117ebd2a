// What a visitor keeps for use without a network: the model and its classes, in this browser's own cache.

const CACHE = "terrastill-kept";
const address = () => new URL("data.json", folder()).href;

// The folder of the offline page: that of this page, or one below the app's address.
function folder() {
  const here = new URL("./", document.baseURI);
  return here.pathname.endsWith("/offline/") ? here : new URL("offline/", document.baseURI);
}

// Keep the model, and let the service worker fetch what the page needs; gives the address of that page.
export async function keep(data) {
  if (!navigator.serviceWorker) throw new Error("this browser keeps pages only from https or this machine");
  const base = new URL(data.runtime, document.baseURI).href;
  const kept = { ...data, runtime: base, server: [] };
  const cache = await caches.open(CACHE);
  await cache.put(address(), new Response(JSON.stringify(kept), { headers: { "Content-Type": "application/json" } }));
  const script = new URL("service-worker.js", folder()).href;
  const registration = await navigator.serviceWorker.register(script, { scope: folder().href });
  await active(registration);
  return folder().href;
}

export async function keptData() {
  const found = await (await caches.open(CACHE)).match(address());
  return found ? found.json() : null;
}

function active(registration) {
  const worker = registration.installing ?? registration.waiting;
  if (!worker) return registration;
  return new Promise((resolve, reject) => {
    worker.addEventListener("statechange", () => {
      if (worker.state === "activated") resolve(registration);
      if (worker.state === "redundant") reject(new Error("not all files could be fetched"));
    });
  });
}
