// One photo on the page: what becomes of it is seen here, from the choice to the result.
import * as device from "./device.js";
import * as server from "./server.js";
import { say } from "./words.js";

function made(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

// A text that follows the language.
function worded(tag, word, properties = {}) {
  const element = made(tag, { textContent: say(word), ...properties });
  element.dataset.word = word;
  return element;
}

function button(word, press, className = "") {
  const element = worded("button", word, { type: "button", className });
  element.addEventListener("click", press);
  return element;
}

// The word for why it failed: above all, that there is neither the service nor what the device needs to do without it.
async function cause(error, where) {
  if (error.kind === "picture" && error.message.includes("expected a page from 1 to")) return "page";
  const kind = error.kind ?? (where === "device" ? "device" : "unexpected");
  return ["device", "gone"].includes(kind) && !(await device.isKept()) && !(await server.isThere()) ? "nowhere" : kind;
}

export class Photo {
  constructor(file, settings, changed) {
    Object.assign(this, { file, settings, changed, state: "waiting", stop: new AbortController() });
    this.title = made("h2", { textContent: file.name });
    this.bar = made("progress", { ariaLabel: file.name });
    this.note = made("p", { className: "note" });
    this.shown = made("div", { className: "shown" });
    this.buttons = made("div", { className: "buttons" }, button("cancel", () => this.cancel()));
    this.element = made("article", { ariaLabel: file.name }, this.title, this.shown, this.bar, this.note, this.buttons);
    this.tell("waiting");
  }

  tell(word, fields) {
    this.note.textContent = say(word, fields);
  }

  set(state) {
    this.state = state;
    this.element.className = state;
    this.changed(this);
  }

  // where: "server" or "device".
  async run(where) {
    this.set("working");
    try {
      const way = where === "server" ? server : device;
      this.tell(where === "server" ? "uploading" : "working");
      const result = await way.restore(this.file, this.settings, (...event) => this.coming(...event), this.stop.signal);
      await this.finish({ ...result, where });
    } catch (error) {
      if (error.name === "AbortError") this.remove();
      else this.fail(await cause(error, where), error.message);
    }
  }

  // What is reported on the way: by the service events, on the device how far it is and the canvas.
  coming(kind, data, canvas) {
    if (kind === "rows") return this.row(data);
    if (kind === "state") return data.state === "running" && this.tell(data.attempt > 1 ? "again" : "working");
    const { done, total } = kind === "progress" ? data : { done: kind, total: data };
    Object.assign(this.bar, { max: total, value: done });
    this.tell("tiles", { done, total });
    if (canvas) this.preview(canvas);
  }

  preview(canvas) {
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", say("preview"));
    if (canvas.parentElement?.parentElement !== this.shown) this.shown.replaceChildren(made("div", { className: "coming" }, canvas));
  }

  async row({ top, height, of, file }) {
    if (!file) return;
    const strip = made("img", { src: file });
    if (await strip.decode().then(() => false, () => true)) return;
    if (!this.strips || top === 0) {
      this.strips = made("canvas", { width: strip.width, height: Math.ceil((of * strip.height) / height) });
      this.preview(this.strips);
    }
    this.strips.getContext("2d").drawImage(strip, 0, Math.round((top * this.strips.height) / of));
  }

  async finish({ blob, name, seconds, where, engine, style, report, job }) {
    this.result = new File([blob], name, { type: blob.type });
    const [before, after] = [this.file, this.result].map((one) => URL.createObjectURL(one));
    const pictures = await Promise.all([picture(before, "before"), picture(after, "after")]);
    if (pictures[1].width) {
      this.shown.replaceChildren(comparison(pictures));
      this.title.after(made("p", { className: "sizes", textContent: sizes(pictures) }));
    } else {
      this.shown.replaceChildren(...(this.strips ? [made("div", { className: "coming" }, this.strips)] : []), worded("p", "no_preview"));
    }
    const lines = [say(where === "server" ? "on_server" : "on_device", { seconds: seconds.toFixed(1), engine })];
    const upscaled = this.settings.task === "upscale";
    lines.push(say(upscaled ? `chosen_${style}` : report.changed ? "deblurred" : "unchanged"));
    if (report && upscaled) lines.push(report.consistency_psnr === null ? say("kept_exact") : say("kept", { decibel: report.consistency_psnr.toFixed(1) }));
    this.note.textContent = lines.join(" ");
    this.note.dataset.where = where;
    this.bar.remove();
    const save = worded("a", "save", { className: "button strong", href: after, download: name });
    this.buttons.replaceChildren(save);
    if (navigator.canShare?.({ files: [this.result] })) this.buttons.append(button("share", () => navigator.share({ files: [this.result] }).catch(() => {})));
    if (job && upscaled) this.buttons.append(button("why", (event) => this.explain(job, event.currentTarget)));
    this.buttons.append(button("remove", () => this.remove()));
    this.set("done");
  }

  async explain(job, pressed) {
    pressed.disabled = true;
    pressed.textContent = say("why_wait");
    try {
      const address = await server.explained(job, say("why_question"));
      const open = worded("a", "why_open", { className: "button", href: address, target: "_blank", rel: "noopener" });
      pressed.replaceWith(open);
      open.focus();
    } catch (error) {
      pressed.disabled = false;
      pressed.textContent = say("why");
      this.note.textContent = say(`error_${error.kind}`);
    }
  }

  fail(kind, detail) {
    this.bar.remove();
    this.note.textContent = say(`error_${kind}`);
    this.note.title = detail ?? "";
    this.buttons.replaceChildren(button("retry", () => this.again(), "strong"), button("remove", () => this.remove()));
    this.set("failed");
  }

  again() {
    this.stop = new AbortController();
    this.bar.removeAttribute("value");
    this.shown.after(this.bar);
    this.buttons.replaceChildren(button("cancel", () => this.cancel()));
    this.tell("waiting");
    this.set("waiting");
  }

  cancel() {
    if (this.state === "waiting") this.remove();
    else this.stop.abort();
  }

  remove() {
    this.element.remove();
    this.set("removed");
  }
}

function sizes(pictures) {
  const [from, to] = pictures.map((one) => (one.width ? `${one.width}×${one.height}` : "…"));
  return say("size", { from, to });
}

// A picture with its size in the element; without one if it cannot be shown here.
async function picture(address, side) {
  const image = made("img", { src: address, alt: say(side) });
  const { width, height } = await image.decode().then(() => ({ width: image.naturalWidth, height: image.naturalHeight }), () => ({}));
  return { image, side, width, height };
}

// The same figure as the reports hold, with the same slider.
function comparison(pictures) {
  const id = `cut${Math.random().toString(36).slice(2)}`;
  const shown = pictures.filter((one) => one.width);
  const sides = shown.map(({ image, side }) => made("div", { className: side }, image, worded("span", side)));
  const figure = made("figure", { className: "compare" }, made("div", { className: "stage" }, ...sides));
  if (shown.length === 2) {
    const input = made("input", { id, type: "range", min: 0, max: 100, value: 50 });
    figure.append(made("figcaption", {}, worded("label", "slide", { htmlFor: id }), input));
    window.slider(figure);
  }
  return figure;
}
