// Elements made from text alone, figures in words, tables from rows: what every page is made of.

const byId = (id) => document.getElementById(id);

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

function percent(part, whole) {
  return whole ? `${((100 * part) / whole).toFixed(1)} %` : "–";
}

function number(value) {
  return value.toLocaleString("en-US");
}

function seconds(value) {
  if (value === null || value === undefined) return "–";
  return value < 100 ? `${value.toFixed(1)} s` : `${Math.round(value)} s`;
}

/** Processor time, which is mostly short. */
function worked(value) {
  return value < 0.1 ? `${Math.max(1, Math.round(1000 * value))} ms` : `${value.toFixed(2)} s`;
}

/** US dollars to the cent; below one, two digits that say something. */
function money(value) {
  if (value === null || value === undefined) return "unknown";
  if (value === 0) return "$0";
  const digits = value < 1 ? Math.min(9, Math.max(2, 1 - Math.floor(Math.log10(value)))) : 2;
  return `$${value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits })}`;
}

function moment(value) {
  return value ? new Date(value * 1000).toLocaleString() : "–";
}

/** What names a long text in full where it is cut short. */
function titleOf(text) {
  return text.length > 16 ? text : null;
}

function heading(text, attributes = {}) {
  return element("th", { scope: "col", title: titleOf(text), ...attributes }, text);
}

/** A table's head and body from rows of cells; the first cell of a row is its header. */
function fillTable(table, headings, rows) {
  table.tHead.replaceChildren(element("tr", {}, ...headings.map((one) => (one instanceof Node ? one : heading(one)))));
  table.tBodies[0].replaceChildren(
    ...rows.map(([first, ...cells]) =>
      element(
        "tr",
        {},
        element("th", { scope: "row", title: titleOf(first) }, first),
        ...cells.map((cell) => (cell instanceof Node ? cell : element("td", {}, String(cell)))),
      ),
    ),
  );
}

function facts(pairs) {
  const known = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return element("dl", { class: "facts" }, ...known.flatMap(([name, value]) => [
    element("dt", {}, name),
    element("dd", {}, String(value)),
  ]));
}

function fold(title, isOpen, ...content) {
  return element("details", { open: isOpen }, element("summary", {}, title), ...content);
}
