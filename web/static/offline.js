// The service worker: keeps the last overview of whoever is logged in, and shows it when the link is down. Nothing else
// is kept, nothing is sent later. `Ndiyan-Login` names the session without telling it; another session, a log-out or a
// refused cookie drops what was kept.
"use strict";
const PREFIX = "ndiyan-";
const OVERVIEW = /^\/(fr|en)\/$/;
const CLOSED = '<p class="notice bad offline" role="status" hidden>';
const WEEK_MS = 7 * 86400e3; // an older view helps nobody, and tells of people long after their browser's session
const OPENED = '<p class="notice bad offline" role="status">';

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(forget(null).then(() => self.clients.claim()))); // a new version

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const address = new URL(request.url);
  if (address.origin !== location.origin) return;
  if (request.method === "GET" && address.pathname.startsWith("/static/")) return event.respondWith(staticFile(request));
  // A form that cannot be sent is the browser's to tell: the overview in its place would look like "done".
  const isPage = request.method === "GET" && (request.mode === "navigate" || OVERVIEW.test(address.pathname));
  if (isPage) event.respondWith(page(event, request, address));
});

async function page(event, request, { pathname: path, search }) {
  try {
    const answer = await fetch(request);
    const login = answer.headers.get("ndiyan-login");
    if (login === "-" || answer.status === 401) event.waitUntil(forget(null));
    else if (login && answer.ok && OVERVIEW.test(path) && !search) event.waitUntil(keep(login, path, answer.clone()));
    return answer;
  } catch (error) {
    const kept = request.mode === "navigate" ? await find(path) : null;
    if (!kept) throw error;
    if (Date.now() - Date.parse(kept.headers.get("date")) > WEEK_MS) {
      await forget(null);
      throw error;
    }
    const text = (await kept.text()).replace(CLOSED, OPENED);
    return new Response(text, { headers: kept.headers });
  }
}

async function keep(login, path, answer) {
  await forget(login);
  const cache = await caches.open(PREFIX + login);
  const text = await answer.clone().text();
  await cache.put(path, answer);
  await Promise.all([...text.matchAll(/(?:href|src)="(\/static\/[^"]+)"/g)].map(async ([, address]) => {
    if (!(await cache.match(address))) await cache.add(address); // the browser has just read it: no traffic
  }));
}

async function forget(login) {
  for (const name of await caches.keys()) {
    if (name.startsWith(PREFIX) && name !== PREFIX + login) await caches.delete(name);
  }
}

// Of whoever was last logged in here: any page that cannot be had is answered by the overview in its language.
async function find(path) {
  const language = path.startsWith("/en") ? "/en/" : "/fr/";
  return (await caches.match(language)) ?? (await caches.match("/fr/")) ?? (await caches.match("/en/"));
}

async function staticFile(request) {
  try {
    return await fetch(request);
  } catch (error) {
    const kept = await caches.match(request.url);
    if (kept) return kept;
    throw error;
  }
}
