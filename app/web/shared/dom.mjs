// Elements and small parts of the page.

export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

export const button = (label, act, attributes = {}) =>
  element("button", { type: "button", onclick: act, ...attributes }, label);

export const group = (label, ...buttons) =>
  element("div", { class: "group", role: "group", "aria-label": label }, ...buttons);

export function choice(label, options, chosen, act) {
  const isChosen = (value) => String(value) === String(chosen);
  const choices = options.map(([value, text]) => element("option", { value, selected: isChosen(value) }, text));
  return element("select", { "aria-label": label, onchange: (event) => act(event.target.value) }, ...choices);
}

// One row for each of `rows`: a heading (with a help text) and its cells.
export function table(caption, heads, rows) {
  const head = (text) => element("th", { scope: "col" }, text);
  const line = ([name, help, cells]) =>
    element("tr", {}, element("th", { scope: "row", title: help || null }, name),
      ...cells.map((cell) => element("td", {}, cell)));
  return element("table", {},
    element("caption", {}, caption),
    element("thead", {}, element("tr", {}, element("td", {}), ...heads.map(head))),
    element("tbody", {}, ...rows.map(line)));
}

export function save(name, blob) {
  const url = URL.createObjectURL(blob);
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

export const savePicture = (name, canvas) => canvas.toBlob((blob) => save(name, blob), "image/png");
