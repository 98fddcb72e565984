
"use strict";
// Makes a figure of two pictures comparable: a line to drag or to move by keys, two fingers or a double tap to look closer.
function slider(figure) {
  const stage = figure.querySelector(".stage");
  const cut = figure.querySelector("input");
  if (!cut) return;
  const [before] = figure.querySelectorAll("span");
  const pictures = figure.querySelectorAll("img");
  const fingers = new Map();
  let zoom = 1, x = 0, y = 0, dragging = "", pressed = { x: 0, y: 0 }, tap = { x: 0, y: 0, time: -1e9 };
  const show = () => {
    figure.style.setProperty("--cut", cut.value + "%");
    cut.setAttribute("aria-valuetext", before.textContent + " " + cut.value + " %");
  };
  const look = (wanted, nextX, nextY) => {
    const box = stage.getBoundingClientRect();
    zoom = Math.min(8, Math.max(1, wanted));
    x = Math.min(0, Math.max(box.width * (1 - zoom), nextX));
    y = Math.min(0, Math.max(box.height * (1 - zoom), nextY));
    for (const one of pictures) one.style.transform = zoom === 1 ? "" : `translate(${x}px,${y}px) scale(${zoom})`;
    figure.classList.toggle("close", zoom > 1);
  };
  const around = (wanted, px, py) => look(wanted, px - ((px - x) * wanted) / zoom, py - ((py - y) * wanted) / zoom);
  const place = (event) => {
    const box = stage.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  const drag = (at) => {
    cut.value = Math.round((100 * at.x) / stage.getBoundingClientRect().width);
    show();
  };
  const far = (one, two) => Math.hypot(one.x - two.x, one.y - two.y);
  const spread = () => {
    const [one, two] = [...fingers.values()];
    return { x: (one.x + two.x) / 2, y: (one.y + two.y) / 2, far: Math.max(1, far(one, two)) };
  };
  cut.addEventListener("input", show);
  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    const at = place(event);
    fingers.set(event.pointerId, at);
    stage.setPointerCapture(event.pointerId);
    if (fingers.size > 1) {
      dragging = "";
      return;
    }
    const again = event.timeStamp - tap.time < 300 && far(at, tap) < 30;
    pressed = at;
    const line = (cut.value / 100) * stage.getBoundingClientRect().width;
    dragging = zoom === 1 || Math.abs(at.x - line) < 32 ? "cut" : "picture";
    if (again) around(zoom > 1 ? 1 : 4, at.x, at.y);
    else if (dragging === "cut") drag(at);
  });
  stage.addEventListener("pointermove", (event) => {
    const last = fingers.get(event.pointerId);
    if (!last) return;
    const at = place(event);
    const from = fingers.size === 2 && spread();
    fingers.set(event.pointerId, at);
    if (from) {
      const to = spread();
      const wanted = Math.min(8, Math.max(1, (zoom * to.far) / from.far));
      look(wanted, to.x - ((from.x - x) * wanted) / zoom, to.y - ((from.y - y) * wanted) / zoom);
    } else if (dragging === "cut") drag(at);
    else if (dragging === "picture") look(zoom, x + at.x - last.x, y + at.y - last.y);
  });
  for (const kind of ["pointerup", "pointercancel"]) {
    stage.addEventListener(kind, (event) => {
      const last = fingers.get(event.pointerId);
      fingers.delete(event.pointerId);
      dragging = "";
      if (last && far(last, pressed) < 10) tap = { ...last, time: event.timeStamp };
    });
  }
  stage.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    const at = place(event);
    around(Math.min(8, Math.max(1, zoom * Math.exp(-event.deltaY / 200))), at.x, at.y);
  }, { passive: false });
  stage.addEventListener("dragstart", (event) => event.preventDefault());
  figure.classList.add("live");
  show();
}
document.querySelectorAll(".compare").forEach(slider);
