((tokens) => {
  const found = new Map();
  const isPx = (value) => /^-?[\d.]+px$/.test(value);
  const isSpace = (value) => isPx(value) && tokens.spaces.includes(Math.abs(parseFloat(value)));
  const isClear = (value) => value === "rgba(0, 0, 0, 0)" || value === "transparent";
  const isColour = (value) => isClear(value) || tokens.colours.includes(value);
  const sides = ["top", "right", "bottom", "left"];
  const corners = ["top-left", "top-right", "bottom-left", "bottom-right"];

  function name(node) {
    const own = (one) => one.tagName.toLowerCase() + (one.id ? `#${one.id}` : "") + [...one.classList].map((part) => `.${part}`).join("");
    return node.parentElement ? `${own(node.parentElement)} > ${own(node)}` : own(node);
  }

  function check(node, property, value, isGood) {
    if (isGood) return;
    const isExcepted = tokens.exceptions.some(([selector, own, known]) =>
      value === known && (property === own || property.endsWith("-radius") && own === "border-radius") && node.matches(selector));
    const key = `${name(node)} { ${property}: ${value} }`;
    if (!isExcepted) found.set(key, true);
  }

  const hasText = (node) => [...node.childNodes].some((one) => one.nodeType === 3 && one.textContent.trim()) ||
    node.matches("input, select, textarea, button");

  function look(node) {
    const style = getComputedStyle(node);
    if (node.ownerSVGElement) {
      for (const property of ["fill", "stroke"]) {
        const value = style.getPropertyValue(property);
        const isDrawn = node.matches(property === "fill" ? "rect, path, circle, polygon" : "rect, path, line, circle, polyline") && value !== "none";
        check(node, property, value, !isDrawn || isColour(value) || value.startsWith("url("));
      }
      return;
    }
    if (hasText(node)) {
      check(node, "font-size", style.fontSize, tokens.sizes.includes(style.fontSize));
      check(node, "font-weight", style.fontWeight, tokens.weights.includes(style.fontWeight));
      check(node, "line-height", style.lineHeight, style.lineHeight === "20px");
      check(node, "color", style.color, isColour(style.color));
    }
    check(node, "background-color", style.backgroundColor, isColour(style.backgroundColor));
    const computed = node.computedStyleMap();
    for (const side of sides) {
      for (const kind of ["padding", "margin"]) {
        const property = `${kind}-${side}`;
        const value = computed.get(property).toString();
        check(node, property, value, value === "auto" || isSpace(value));
      }
      if (parseFloat(style.getPropertyValue(`border-${side}-width`)) > 0) {
        const value = style.getPropertyValue(`border-${side}-color`);
        check(node, `border-${side}-color`, value, isColour(value));
      }
    }
    if (/flex|grid/.test(style.display)) {
      for (const property of ["row-gap", "column-gap"]) {
        const value = style.getPropertyValue(property);
        check(node, property, value, value === "normal" || isSpace(value));
      }
    }
    for (const corner of corners) {
      const property = `border-${corner}-radius`;
      const value = style.getPropertyValue(property);
      check(node, property, value, tokens.radii.includes(value));
    }
  }

  document.querySelectorAll("body, body *").forEach((node) => {
    if (node.checkVisibility({ visibilityProperty: true }) && node.getClientRects().length && !node.matches("option, script")) look(node);
  });
  return [...found.keys()];
})
