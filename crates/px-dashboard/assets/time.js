// The zone of times: `u` and the link of the frame turn between UTC and the browser's own.
const link = document.getElementById("zone");
async function turn() {
  const page = await fetch(link.href).then((answer) => answer.text());
  const form = new DOMParser().parseFromString(page, "text/html").querySelector("main form[method=post]");
  if (!form) { location.href = link.href; return; }
  const fields = new URLSearchParams(new FormData(form));
  fields.set("zone", link.textContent.trim() === "UTC" ? String(-new Date().getTimezoneOffset()) : "utc");
  const url = new URL(form.getAttribute("action"), link.href);
  await fetch(url, { method: "POST", body: fields, redirect: "manual" });
  location.reload();
}
addEventListener("keydown", (event) => {
  const isField = event.target.closest?.("input, textarea, select, dialog");
  if (event.key !== "u" || isField || event.ctrlKey || event.metaKey || event.altKey || document.body.dataset.keys !== "on") return;
  event.preventDefault();
  turn();
});

// Fetched before asked for.
const seen = new Set();
addEventListener("pointerover", (event) => {
  const to = event.target.closest?.(".places a");
  if (!to || to.getAttribute("aria-current") || seen.has(to.href) || seen.size > 8) return;
  seen.add(to.href);
  document.head.append(Object.assign(document.createElement("link"), { rel: "prefetch", href: to.href }));
});
