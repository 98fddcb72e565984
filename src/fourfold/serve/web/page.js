// The page: photos in, one after the other to where the work is done, and a place to ask.
import { isKept } from "./device.js";
import { Photo } from "./photo.js";
import * as server from "./server.js";
import { known, language, say, speak } from "./words.js";

const at = (id) => document.getElementById(id);
const AT_ONCE = { server: 2, device: 1 };
const photos = [];
let there = false; // whether the service answers
let installed = false; // whether the part that works on the device came with the page
let alone = false; // whether the device can do without the service

function chosen(name) {
  return document.querySelector(`[name=${name}]:checked`).value;
}

function settings() {
  const pages = at("pages").validity.valid && at("pages").value ? at("pages").value : undefined;
  return { task: chosen("task"), style: chosen("style"), strength: Number(at("strength").value) / 100, pages };
}

// Where a photo is worked on; the device can only make it larger, and finds only its first page.
function place({ task, pages }) {
  const wanted = task === "upscale" && !pages ? chosen("where") : "server";
  return wanted === "auto" ? (there || !alone ? "server" : "device") : wanted;
}

function showCounts() {
  const lying = photos.filter((one) => one.state !== "removed");
  const count = (state) => lying.filter((one) => one.state === state).length;
  const failed = count("failed");
  const parts = [say(there ? "here_server" : alone ? "here_gone" : installed ? "here_unkept" : "here_nothing")];
  if (lying.length > 1) parts.push(say("count", { done: count("done"), total: lying.length }));
  if (failed && lying.length > 1) parts.push(say("count_failed", { failed }));
  at("state").textContent = parts.join(" ");
  return parts.slice(1).join(" ");
}

// Begin as many of the photos that wait as may be done at once.
async function go() {
  there = await server.isThere();
  alone = await isKept();
  let working = photos.filter((one) => one.state === "working").length;
  for (const one of photos.filter((photo) => photo.state === "waiting")) {
    const where = place(one.settings);
    if (working >= AT_ONCE[where]) break;
    working += 1;
    one.run(where);
  }
  showCounts();
}

function changed(photo) {
  const counted = showCounts();
  if (["done", "failed"].includes(photo.state)) at("said").textContent = `${photo.file.name}: ${photo.note.textContent} ${counted}`;
  if (photo.state !== "working") go();
}

function add(event) {
  for (const file of event.target.files) {
    const photo = new Photo(file, settings(), changed);
    photos.push(photo);
    at("photos").append(photo.element);
  }
  event.target.value = "";
  at("photos").lastElementChild?.scrollIntoView({ block: "nearest", behavior: "smooth" });
  go();
}

async function ask() {
  const brief = at("brief").value.trim();
  if (!brief) return at("brief").focus();
  at("ask").disabled = true;
  at("answer-note").textContent = say("asking");
  try {
    shown(await answered(brief));
    at("answer-note").textContent = "";
  } catch (error) {
    at("answer-note").textContent = error.kind === "parameter" ? error.message : say(`error_${error.kind}`);
  } finally {
    at("ask").disabled = false;
  }
}

// An answer is shown as its own page is, with that page's styles, which reach nothing else.
function shown(answer) {
  const root = at("answer").shadowRoot ?? at("answer").attachShadow({ mode: "open" });
  const styles = ["report.css", "answer.css"].map((href) => Object.assign(document.createElement("link"), { rel: "stylesheet", href }));
  root.replaceChildren(...styles, answer);
  at("answer").hidden = false;
}

// A question alone becomes the brief that it is the question of. Whether several lines are a brief, the service knows best.
async function answered(text) {
  if (text.includes("\n")) {
    try {
      return await server.answered(text);
    } catch (error) {
      if (error.kind !== "parameter") throw error;
    }
  }
  return server.answered(`A user has asked the following question:\n"${text.replaceAll('"', "'").replace(/\s+/g, " ")}"\n`);
}

function strength() {
  at("strength-value").value = `${at("strength").value} %`;
  at("styles").disabled = chosen("task") !== "upscale";
  at("strength").disabled = !at("styles").disabled && chosen("style") === "faithful";
}

function spoken(wanted) {
  speak(wanted);
  at("language").value = language;
  showCounts();
}

for (const id of ["files", "camera"]) at(id).addEventListener("change", add);
at("ask").addEventListener("click", ask);
at("strength").addEventListener("input", strength);
for (const one of document.querySelectorAll("[name=style], [name=task]")) one.addEventListener("change", strength);
for (const one of document.querySelectorAll("[name=where]")) one.addEventListener("change", go);
at("language").addEventListener("change", (event) => {
  localStorage.setItem("language", event.target.value);
  spoken(event.target.value);
});

spoken(localStorage.getItem("language") ?? known(navigator.languages));
strength();
if ("serviceWorker" in navigator) navigator.serviceWorker.register("sw.js").catch(() => {});
const assets = await (await fetch("assets.json")).json();
installed = Object.keys(assets).some((name) => name.startsWith("vendor/"));
for (const one of document.querySelectorAll("[value=device]")) one.disabled = !installed;
await go();
document.documentElement.dataset.ready = "yes";
