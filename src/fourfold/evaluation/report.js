
"use strict";
for (const figure of document.querySelectorAll(".compare")) {
  const stage = figure.querySelector(".stage");
  const cut = figure.querySelector("input");
  if (!cut) continue;
  const [before] = figure.querySelectorAll("span");
  const show = () => {
    figure.style.setProperty("--cut", cut.value + "%");
    cut.setAttribute("aria-valuetext", before.textContent + " " + cut.value + " %");
  };
  const drag = (event) => {
    const box = stage.getBoundingClientRect();
    cut.value = Math.round(100 * (event.clientX - box.left) / box.width);
    show();
  };
  cut.addEventListener("input", show);
  stage.addEventListener("pointerdown", (event) => {
    if (!event.isPrimary || event.button !== 0) return;
    stage.setPointerCapture(event.pointerId);
    drag(event);
  });
  stage.addEventListener("pointermove", (event) => {
    if (stage.hasPointerCapture(event.pointerId)) drag(event);
  });
  stage.addEventListener("dragstart", (event) => event.preventDefault());
  figure.classList.add("live");
  show();
}
