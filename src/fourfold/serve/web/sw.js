// Keeps the page, the networks and the engine for when the server is gone. Nothing of the service itself is kept.
"use strict";
const KEPT = "fourfold";
const LATER = /webgpu|asyncify/; // large, and fetched where it is wanted

async function refresh() {
  const answer = await fetch("assets.json", { cache: "no-cache" });
  if (!answer.ok) return;
  const wanted = await answer.clone().json();
  const cache = await caches.open(KEPT);
  const before = await cache.match("assets.json");
  const known = before ? await before.json() : {};
  const changed = Object.keys(wanted).filter((name) => wanted[name] !== known[name] && !LATER.test(name));
  await cache.addAll(changed.map((name) => new Request("/" + name, { cache: "no-cache" })));
  await Promise.all(Object.keys(known).filter((name) => wanted[name] !== known[name] && LATER.test(name)).map((name) => cache.delete("/" + name)));
  await cache.put("assets.json", answer);
}

self.addEventListener("install", (event) => event.waitUntil(refresh().then(() => self.skipWaiting())));
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (url.origin !== location.origin || event.request.method !== "GET") return;
  if (url.pathname === "/v1/health") {
    event.respondWith(fetch(event.request).catch(() => Response.json({ status: "gone" })));
  } else if (!url.pathname.startsWith("/v1/") && !url.search) {
    if (event.request.mode === "navigate") event.waitUntil(refresh().catch(() => {}));
    event.respondWith(kept(event.request));
  }
});

async function kept(request) {
  const cache = await caches.open(KEPT);
  const found = await cache.match(request.mode === "navigate" ? "/index.html" : request);
  if (found) return found;
  const answer = await fetch(request);
  if (answer.ok && LATER.test(request.url)) await cache.put(request, answer.clone());
  return answer;
}
