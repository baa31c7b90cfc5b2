// Saved filters, in this browser alone.
const box = document.getElementById("saved"), key = "px" + location.pathname;
const all = () => { try { return JSON.parse(localStorage[key]); } catch { return {}; } };
const add = (tag, props) => box.append(Object.assign(document.createElement(tag), props));
function keep(name, query) {
  try { localStorage[key] = JSON.stringify({ ...all(), [name]: query }); } catch {}
  draw();
}
function draw() {
  box.replaceChildren();
  for (const [name, query] of Object.entries(all())) {
    add("a", { textContent: name, href: "?" + query });
    add("button", { textContent: "×", ariaLabel: "Forget " + name, onclick: () => keep(name) });
  }
  const query = new URLSearchParams(location.search);
  ["done", "cursor"].forEach((name) => query.delete(name));
  const save = () => { const name = prompt("Its name"); if (name) keep(name, String(query)); };
  if (query.size > query.has("status")) add("button", { textContent: "Save this filter…", onclick: save });
  box.hidden = !box.firstChild;
}
draw();
