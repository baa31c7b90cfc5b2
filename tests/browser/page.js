// What the tests ask of a page: things by their role and name, as people find them.
(() => {
  const roles = {
    button: "button, summary, [role=button], input[type=submit]",
    link: "a[href]",
    field: "input:not([type=hidden]), textarea, select",
    heading: "h1, h2, h3",
    row: "tbody tr",
  };
  const plain = (text) => (text || "").replace(/[\s\u202f]+/g, " ").trim();
  const isSeen = (node) => node.checkVisibility({ visibilityProperty: true }) && node.getClientRects().length > 0;

  function nameOf(node) {
    const label = node.getAttribute("aria-label");
    if (label) return plain(label);
    if (node.labels?.length) return plain([...node.labels].map((one) => one.textContent).join(" "));
    if (node.tagName === "INPUT" && node.type === "submit") return plain(node.value);
    return plain(node.textContent) || plain(node.title);
  }

  const all = (role) => [...document.querySelectorAll(roles[role])].filter(isSeen);

  // The first of a role with exactly this name, else the first whose name has it.
  function find(role, name) {
    const found = all(role).map((node) => [node, nameOf(node)]);
    const one = found.find(([, own]) => own === name) || found.find(([, own]) => own.includes(name));
    return one?.[0];
  }

  function until(test) {
    const kinds = ["load", "focusin", "toggle", "input", "change"];
    return new Promise((resolve, reject) => {
      const look = () => {
        const value = test();
        if (!value) return;
        stop();
        resolve(value instanceof Node ? true : value);
      };
      const observer = new MutationObserver(look);
      const late = setTimeout(() => { stop(); reject(new Error("waited in vain")); }, 15000);
      const stop = () => {
        observer.disconnect();
        clearTimeout(late);
        kinds.forEach((kind) => removeEventListener(kind, look, true));
      };
      observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
      kinds.forEach((kind) => addEventListener(kind, look, true));
      look();
    });
  }

  // The middle of a thing, once nothing lies above it.
  function point(role, name) {
    const node = find(role, name);
    if (!node || node.disabled) return null;
    node.scrollIntoView({ block: "center", inline: "nearest", behavior: "instant" });
    const box = node.getClientRects()[0];
    const at = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
    const top = document.elementFromPoint(at.x, at.y);
    return top && (node.contains(top) || top.contains(node)) ? at : null;
  }

  const text = () => plain(document.body?.innerText);
  window.__px = { all, find, isSeen, nameOf, plain, point, text, until };
})();
