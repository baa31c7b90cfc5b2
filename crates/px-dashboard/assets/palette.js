// Ctrl-K: links and acts by a few letters.
const find = document.querySelector("form.find");
const set = (node, of) => Object.entries(of).forEach(([name, value]) => node.setAttribute(name, value));
let dialog, input, list, all, shown = [], at = 0;

function make() {
  [dialog, input, list] = ["dialog", "input", "ul"].map((tag) => document.createElement(tag));
  set(dialog, { "aria-label": "Find a page or an act" });
  const hint = "Page, act, id or identifier";
  set(input, { "aria-label": hint, placeholder: hint, role: "combobox", "aria-controls": "palette-list", "aria-expanded": true });
  set(list, { id: "palette-list", role: "listbox" });
  dialog.append(input, list);
  document.body.append(dialog);
  input.addEventListener("input", () => { at = 0; draw(); });
  input.addEventListener("keydown", keys);
  dialog.addEventListener("click", (event) => {
    const item = event.target.closest("li");
    if (item) act(shown[[...list.children].indexOf(item)]);
    else if (event.target === dialog) dialog.close();
  });
}

function gather() {
  const words = (node) => (node.getAttribute("aria-label") || node.textContent).replace(/\s+/g, " ").trim();
  const nodes = document.querySelectorAll(".places a, .tabs a, .head .acts button:enabled, .head .sheet button:enabled, tbody td a");
  return [...nodes].slice(0, 300).map((node) => ({ words: words(node), node })).filter((one) => one.words);
}

function draw() {
  const text = input.value.toLowerCase();
  shown = all.filter((one) => one.words.toLowerCase().includes(text)).slice(0, 12);
  if (text) shown.push({ words: `Find “${input.value}”`, node: null });
  at = Math.max(0, Math.min(at, shown.length - 1));
  list.replaceChildren(...shown.map((one, place) => {
    const item = document.createElement("li");
    set(item, { id: `palette-${place}`, role: "option", "aria-selected": place === at });
    item.textContent = one.words;
    return item;
  }));
  input.setAttribute("aria-activedescendant", shown.length ? `palette-${at}` : "");
  list.children[at]?.scrollIntoView({ block: "nearest" });
}

function keys(event) {
  if (event.key === "ArrowDown") at += 1;
  else if (event.key === "ArrowUp") at = Math.max(0, at - 1);
  else if (event.key === "Enter" && shown[at]) { event.preventDefault(); act(shown[at]); return; }
  else return;
  event.preventDefault();
  draw();
}

function act(one) {
  if (!one) return;
  dialog.close();
  if (!one.node) {
    find.elements.q.value = input.value;
    find.requestSubmit();
  } else if (one.node.closest("details.menu:not([open])")) {
    one.node.closest("details.menu").open = true;
    one.node.focus();
  } else if (one.node.matches("a")) one.node.click();
  else one.node.focus();
}

addEventListener("keydown", (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.altKey || event.key.toLowerCase() !== "k") return;
  event.preventDefault();
  if (!dialog) make();
  if (dialog.open) return;
  all = gather();
  input.value = "";
  at = 0;
  draw();
  dialog.showModal();
});
