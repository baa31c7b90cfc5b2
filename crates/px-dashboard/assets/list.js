// Single keys, which can be switched off; copying and menus.
const keysAreOn = () => document.body.dataset.keys === "on";
const idOf = (one) => one?.dataset.row || one?.querySelector("td.pick input")?.value;
const rows = () => [...document.querySelectorAll("tbody tr")].filter(idOf);
let at = -1, isGoing = false;

function inField(node) {
  return node.closest?.("input:not([type=checkbox]), textarea, select, dialog, [contenteditable]");
}

function mark(to) {
  const all = rows();
  if (!all.length) return;
  all[at]?.classList.remove("on");
  at = Math.max(0, Math.min(all.length - 1, to));
  all[at].classList.add("on");
  (all[at].querySelector("a") || all[at]).focus({ preventScroll: true });
  all[at].scrollIntoView({ block: "nearest" });
}

const row = () => rows()[at];
const acts = {
  j: () => mark(at + 1),
  k: () => mark(at - 1),
  x: () => row()?.querySelector("input[type=checkbox]")?.click(),
  c: () => {
    const text = idOf(row()) || document.querySelector(".about [data-copy]")?.dataset.copy;
    if (text) copy(text);
  },
  "/": () => document.getElementById("q")?.focus(),
  "?": () => { location.href = document.getElementById("zone").href; },
  g: () => { isGoing = true; setTimeout(() => { isGoing = false; }, 1000); },
};

addEventListener("keydown", (event) => {
  if (event.key === "Escape") return closeMenus();
  if (!keysAreOn() || event.ctrlKey || event.metaKey || event.altKey || inField(event.target)) return;
  if (isGoing) {
    isGoing = false;
    const place = document.querySelector(`[data-go="${CSS.escape(event.key)}"]`);
    if (place) { event.preventDefault(); place.click(); }
    return;
  }
  const act = acts[event.key];
  if (act) { event.preventDefault(); act(); }
});

// No secure context: an old way.
async function copy(text, button) {
  let isDone = true;
  try { await navigator.clipboard.writeText(text); } catch {
    const area = Object.assign(document.createElement("textarea"), { value: text, className: "vh" });
    const before = document.activeElement;
    document.body.append(area);
    area.select();
    isDone = document.execCommand("copy");
    area.remove();
    before?.focus();
  }
  const said = isDone ? "Copied" : "Not copied";
  document.getElementById("say").textContent = said;
  if (!button) return;
  const words = button.textContent;
  button.textContent = said;
  setTimeout(() => { button.textContent = words; }, 1500);
}

const showCopy = () => document.querySelectorAll("[data-copy][hidden]").forEach((button) => { button.hidden = false; });
showCopy();
document.addEventListener("px:changed", showCopy);

addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copy(button.dataset.copy, button);
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

function closeMenus() {
  const menu = document.querySelector("details.menu[open]");
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
}

document.querySelector(".places [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
