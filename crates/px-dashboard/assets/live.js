// One stream of hints, closed while hidden. A hint has the page asked for again, at most once a second; what
// differs is put in its place, and new rows wait behind a button.
const link = document.body.dataset.live;
const byId = (id) => document.getElementById(id);
const [state, text, lost, lostText, go, say] = ["live", "live-text", "lost", "lost-text", "lost-go", "say"].map(byId);
const MAX_LIVE = 5;
let channel = null, source = null, last = "", since = null, timer = 0, dirty = false, spoke = 0, asked = 0;

const clock = () => new Date().toISOString().slice(11, 16) + " UTC";

function show(isLive, words) {
  state.hidden = false;
  state.classList.toggle("off", !isLive);
  text.textContent = words;
}

function lose(words, canGo = false) {
  show(false, "not live");
  lost.hidden = false;
  lostText.textContent = words;
  go.hidden = !canGo;
}

function announce(words) {
  if (Date.now() - spoke < 10000) return;
  spoke = Date.now();
  say.textContent = words;
}

// A page in the history has no channel, or the browser would not keep it.
function meet() {
  if (channel || !("BroadcastChannel" in window)) return;
  channel = new BroadcastChannel("px-live");
  channel.addEventListener("message", (message) => {
    if (message.data === "who" && source) channel.postMessage("here");
  });
}

// Other pages that are live: each answers who asks.
function others() {
  meet();
  if (!channel) return Promise.resolve(0);
  const own = channel;
  return new Promise((resolve) => {
    let count = 0;
    const hear = (message) => { if (message.data === "here") count += 1; };
    own.addEventListener("message", hear);
    own.postMessage("who");
    setTimeout(() => { own.removeEventListener("message", hear); resolve(count); }, 150);
  });
}

async function open() {
  const turn = ++asked;
  if (source || document.hidden) return;
  const count = await others();
  if (turn !== asked || source || document.hidden) return;
  if (count >= MAX_LIVE) {
    return lose("Five other pages of px are live; this one is not.", true);
  }
  start();
}

function start() {
  const url = new URL(link, location.href);
  if (last) url.searchParams.set("lastEventId", last);
  source = new EventSource(url);
  source.onopen = () => {
    since = clock();
    lost.hidden = true;
    show(true, "live");
    refresh(); // What happened since the page was made.
  };
  source.onerror = () => {
    lose(since ? `Live since ${since}; the stream is lost, trying again.` : "The stream of news is lost; trying again.");
    if (source.readyState === EventSource.CLOSED) { close(); setTimeout(open, 5000); }
  };
  source.addEventListener("changed", (event) => { last = event.lastEventId || last; refresh(); });
  source.addEventListener("over", () => { close(); location.reload(); });
}

function close() {
  asked += 1;
  source?.close();
  source = null;
}

function refresh() {
  if (timer) { dirty = true; return; }
  timer = setTimeout(() => { timer = 0; if (dirty) { dirty = false; refresh(); } }, 1000);
  load();
}

const idOf = (row) => row.dataset.row || row.querySelector("td.pick input")?.value;
const isBusy = (node) => node.contains(document.activeElement) || node.querySelector("details.menu[open], dialog[open]");

async function load() {
  let page;
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" }, redirect: "error" });
    if (!answer.ok) return;
    page = new DOMParser().parseFromString(await answer.text(), "text/html");
  } catch { return; }
  document.title = page.title;
  const icon = page.getElementById("icon");
  if (icon) byId("icon").setAttribute("href", icon.getAttribute("href"));
  let changed = 0, fresh = 0;
  for (const node of page.querySelectorAll("[data-part]")) {
    const old = byId(node.id);
    if (old && !isBusy(old) && old.innerHTML !== node.innerHTML) { put(old, node); changed += 1; }
  }
  const known = new Map([...document.querySelectorAll("tbody tr")].filter(idOf).map((row) => [idOf(row), row]));
  for (const row of [...page.querySelectorAll("tbody tr")].filter(idOf)) {
    const old = known.get(idOf(row));
    if (!old) { fresh += 1; continue; }
    const box = old.querySelector("input[type=checkbox]");
    const isChosen = box?.checked;
    if (old.isConnected && !isBusy(old) && old.innerHTML !== row.innerHTML) {
      const moved = old.querySelector(".s")?.textContent !== row.querySelector(".s")?.textContent;
      old.innerHTML = row.innerHTML;
      if (isChosen) old.querySelector("input[type=checkbox]").checked = true;
      if (moved) { old.classList.remove("changed"); void old.offsetWidth; old.classList.add("changed"); changed += 1; }
    }
  }
  const more = byId("new");
  if (more && fresh) {
    more.hidden = false;
    byId("new-go").textContent = `Show ${fresh} new`;
  }
  if (fresh) announce(`${fresh} new`);
  else if (changed) announce("The page has changed");
  document.dispatchEvent(new Event("px:changed"));
}

// Folds stay as the reader left them.
function put(old, node) {
  const folds = [...old.querySelectorAll("details")].map((fold) => fold.open);
  old.innerHTML = node.innerHTML;
  const now = old.querySelectorAll("details");
  if (now.length === folds.length) now.forEach((fold, at) => { fold.open = folds[at]; });
}

byId("new-go")?.addEventListener("click", () => location.reload());
go.addEventListener("click", () => { lost.hidden = true; start(); });
document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
addEventListener("pagehide", () => { close(); channel?.close(); channel = null; });
addEventListener("pageshow", () => { if (!document.hidden) open(); });
