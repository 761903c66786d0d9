"use strict";
const compare = document.querySelector(".compare");
const divider = compare.querySelector("[role=slider]");
const sides = { before: document.getElementById("before"), after: document.getElementById("after") };
let split = 50;

function show(value) {
  split = Math.min(100, Math.max(0, value));
  const left = Math.round(split);
  compare.style.setProperty("--split", split + "%");
  divider.setAttribute("aria-valuenow", left);
  divider.setAttribute(
    "aria-valuetext", left + " % " + name("before") + ", " + (100 - left) + " % " + name("after"));
}

function name(side) {
  return sides[side].selectedOptions[0].textContent;
}

function follow(event) {
  const box = compare.getBoundingClientRect();
  show((100 * (event.clientX - box.left)) / box.width);
}

compare.addEventListener("pointerdown", (event) => {
  if (event.button !== 0) return;
  compare.setPointerCapture(event.pointerId);
  divider.focus({ preventScroll: true });
  follow(event);
});
compare.addEventListener("pointermove", (event) => {
  if (compare.hasPointerCapture(event.pointerId)) follow(event);
});

divider.addEventListener("keydown", (event) => {
  const step = event.shiftKey ? 10 : 1;
  const to = {
    ArrowLeft: split - step, ArrowDown: split - step, ArrowRight: split + step,
    ArrowUp: split + step, PageDown: split - 10, PageUp: split + 10, Home: 0, End: 100,
  }[event.key];
  if (to === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  show(to);
});

function put(side) {
  const from = document.getElementById("picture-" + sides[side].value);
  const to = compare.querySelector("." + side);
  to.src = from.src;
  to.classList.toggle("pixels", from.classList.contains("pixels"));
  show(split);
}

const copy = document.getElementById("copy");
copy.addEventListener("click", async () => {
  const text = document.getElementById("command");
  try {
    await navigator.clipboard.writeText(text.textContent);
    copy.textContent = "Copied";
  } catch {
    // a page opened from a file may have no clipboard: the older way, by the selection
    getSelection().selectAllChildren(text);
    copy.textContent = document.execCommand("copy") ? "Copied" : "Selected";
  }
});

for (const side of Object.keys(sides)) {
  sides[side].addEventListener("change", () => put(side));
  put(side);
}
