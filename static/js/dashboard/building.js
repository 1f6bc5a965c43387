// Elements, tables and numbers as people read them. Text is always text: nothing of the server's is markup.

export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) node.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

// Columns: { title, of: row => text or node, number, words }.
export function table(caption, columns, rows, empty = "Nothing.") {
  if (!rows.length) return element("p", { class: "dash-quiet" }, empty);
  const kind = (column) => (column.number ? "dash-number" : column.words ? "dash-words" : null);
  const head = columns.map((column) => element("th", { scope: "col", class: kind(column) }, column.title));
  const line = (row) => columns.map((column, place) =>
    element(place ? "td" : "th", { class: kind(column), scope: place ? null : "row" }, column.of(row) ?? "–"));
  return element("div", { class: "dash-scroll", tabindex: "0", role: "region", "aria-label": caption },
    element("table", {}, element("caption", { class: "sr-only" }, caption), element("thead", {}, element("tr", {}, head)),
      element("tbody", {}, rows.map((row) => element("tr", {}, line(row))))));
}

export function asTable(caption, columns, rows) {
  return element("details", {}, element("summary", {}, "The same as a table"), table(caption, columns, rows));
}

export function tile(value, label, bad = false, address = null) {
  return element(address ? "a" : "div", { class: `dash-tile${bad ? " dash-bad" : ""}`, href: address },
    element("b", {}, value), element("span", {}, label));
}

// Where one looks closer, or puts it right: addresses that the page was given, by name.
const PLACES = JSON.parse(document.getElementById("places")?.textContent || "{}");

export function place(name, filters = {}) {
  const query = new URLSearchParams(filters).toString();
  return PLACES[name] && (query ? `${PLACES[name]}?${query}` : PLACES[name]);
}

export function badge(text, kind) {
  return element("span", { class: `dash-badge dash-${kind}` }, text);
}

// Where it `fills`, over 90 is a trouble; what goes on its way to 100 is none.
export function meter(percent, label, fills = true) {
  const share = Math.max(0, Math.min(100, percent ?? 0));
  const bar = element("i");
  bar.style.width = `${share}%`;
  return element("span", { class: `dash-meter${fills && share > 90 ? " dash-full" : ""}`, role: "meter", "aria-label": label,
    "aria-valuemin": "0", "aria-valuemax": "100", "aria-valuenow": String(Math.round(share)) }, bar);
}

export function link(address, text) {
  return address ? element("a", { href: address }, text) : text;
}

export function notes(texts) {
  return (texts || []).map((text) => element("p", { class: "dash-note", role: "status" }, text));
}

export function number(value) {
  return value === null || value === undefined ? "–" : Number(value).toLocaleString("en");
}

export function bytes(value) {
  if (value === null || value === undefined) return "–";
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let size = Math.abs(value);
  let place = 0;
  while (size >= 1000 && place < units.length - 1) { size /= 1000; place += 1; }
  const digits = place && size < 100 ? 1 : 0;
  return `${value < 0 ? "−" : ""}${size.toFixed(digits)} ${units[place]}`;
}

export function span(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 10) return `${Number(seconds).toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${(seconds / 3600).toFixed(1)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

export function percent(share) {
  return `${(share * 100).toFixed(share && share < 0.1 ? 1 : 0)} %`;
}

export function when(text) {
  return text ? `${stamp(text).slice(0, 16).replace("T", " ")} UTC` : "never";
}

// The hour of a day. Everything in the console is told by one clock, that of the logs.
export function hour(text) {
  return stamp(text).slice(11, 16);
}

function stamp(text) {
  return new Date(text).toISOString();
}
