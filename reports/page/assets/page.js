// What the page is made of: its data, unpacked, and elements, made from text alone.

const byId = (id) => document.getElementById(id);
const overview = JSON.parse(byId("overview").textContent);
const { models, problems, categories } = overview;

// The letters are those of verdict_letters.py; each verdict has a sign too, so that colour is not needed.
const VERDICTS = {
  v: { sign: "✓", word: "valid" },
  n: { sign: "≠", word: "expected name missing" },
  s: { sign: "✗", word: "syntax error" },
  e: { sign: "∅", word: "no code found" },
  x: { sign: "⧗", word: "reply not read" },
  t: { sign: "✂", word: "truncated" },
  r: { sign: "⊘", word: "refused" },
  f: { sign: "!", word: "call failed" },
  "-": { sign: "·", word: "not done" },
};

// The letters are those of judged.py: what became of an answer's tests.
const isEvaluated = overview.evaluation.command === "";

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

function verdictClass(letter) {
  return letter === "-" ? "u" : letter;
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

function money(value) {
  if (value === 0) return "$0";
  return `$${value.toFixed(value < 1 ? 4 : 2)}`;
}

function moment(value) {
  return value ? new Date(value * 1000).toLocaleString() : "–";
}

/** The texts of one problem, null where the page does not hold them. */
async function unpackedBody(place) {
  const block = byId(`body-${place}`);
  if (!block) return null;
  const bytes = Uint8Array.from(atob(block.textContent), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
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

function fillHeader() {
  byId("title").textContent = overview.session_id;
  const parts = [
    overview.status,
    `started ${moment(overview.started)}`,
    `${number(overview.total_problems)} problems × ${models.length} ${models.length === 1 ? "model" : "models"}`
      + (overview.samples > 1 ? ` × ${overview.samples} samples` : ""),
    ...(overview.prompt === "1" ? [] : [`prompt ${overview.prompt}`]),
    `page written ${moment(overview.written)}`,
    ...(overview.reading ? [overview.reading] : []),
  ];
  byId("subtitle").textContent = parts.join(" · ");
  const { text, command, is_unsafe } = overview.evaluation;
  byId("evaluation").replaceChildren(text, ...(command ? [" ", element("code", {}, command)] : []));
  byId("evaluation").classList.toggle("unsafe", is_unsafe);
  byId("notes").replaceChildren(...overview.notes.map((note) => element("p", {}, note)));
  byId("notes").hidden = overview.notes.length === 0;
  byId("settings").append(facts(Object.entries(overview.parameters).map(([name, value]) =>
    [name, typeof value === "string" ? value : JSON.stringify(value)])));
  const licences = byId("licences");
  byId("about").append(licences);
  licences.hidden = false;
}

function sum(key) {
  return models.reduce((total, model) => total + model[key], 0);
}

function fillOverview() {
  const attempted = sum("answered") + sum("failed");
  const tiles = [
    ["Answered", number(sum("answered"))],
    ["Valid", number(sum("valid"))],
    ["Valid rate", percent(sum("valid"), attempted)],
    ...(isEvaluated ? [["Passed", number(models.reduce((total, model) => total + model.tests.passed, 0))]] : []),
    ["Failed", number(sum("failed"))],
    ["Not done", number(sum("undone"))],
    ["Truncated", number(sum("truncated"))],
    ["Refused", number(sum("refused"))],
    ...(sum("unread") ? [["Not read", number(sum("unread"))]] : []),
    ["Tokens in", number(sum("input_tokens"))],
    ["Tokens out", number(sum("output_tokens"))],
    [sum("unpriced") ? "Cost, where known" : "Cost", costOf(sum("cost_usd"), sum("unpriced"), sum("answered"))],
  ];
  byId("tiles").replaceChildren(
    ...tiles.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))),
  );
  const headings = ["Model", "Answered", "Valid", "Valid rate", ...(isEvaluated ? ["Passed"] : []), "Failed", "Not done", "Truncated", "Refused",
    "No code", "Retries", "Median", "p95", "Tokens in", "Tokens out", "Cost", "Per valid"];
  fillTable(byId("models"), headings, models.map(overviewRow));
}

function costOf(usd, unpriced, answered) {
  if (unpriced && unpriced === answered) return "unknown";
  return unpriced ? `${money(usd)} + ?` : money(usd);
}

function overviewRow(model) {
  const isPriced = model.answered > 0 && model.unpriced === 0;
  return [
    model.label,
    number(model.answered),
    number(model.valid),
    percent(model.valid, model.answered + model.failed),
    ...(isEvaluated ? [passedCell(model.tests)] : []),
    number(model.failed),
    number(model.undone),
    number(model.truncated),
    number(model.refused),
    number(model.empty),
    number(model.retries),
    seconds(model.median_seconds),
    seconds(model.p95_seconds),
    number(model.input_tokens),
    number(model.output_tokens),
    costOf(model.cost_usd, model.unpriced, model.answered),
    isPriced && model.valid ? money(model.cost_usd / model.valid) : "–",
  ];
}

/** How many of the judged answers passed their tests; what could not be run is in the title. */
function passedCell({ passed, judged, not_run }) {
  const said = `${passed} of ${judged} judged answers passed, ${not_run} could not be run`;
  return element("td", { title: said }, judged ? `${number(passed)} (${percent(passed, judged)})` : "–");
}

/** The heat map is a table: its cells are read aloud, chosen by key, and coloured by rate. */
function fillHeat() {
  const rows = models.map((model, place) => [
    model.label,
    ...model.categories.map((counts, category) => heatCell(place, category, counts)),
  ]);
  const upright = categories.map((category) => heading(category, { class: "upright" }));
  fillTable(byId("heat"), ["Model", ...upright], rows);
}

function heatCell(place, category, [valid, attempted]) {
  if (!attempted) return element("td", { class: "nothing" }, "–");
  const rate = valid / attempted;
  const text = `${Math.round(100 * rate)}%`;
  const label = `${models[place].label}, ${categories[category]}: ${valid} of ${attempted} valid, ${text}`;
  const button = element("button", { type: "button", title: label, "aria-label": label }, text);
  // From red over yellow to green; light enough for dark text in both colour schemes.
  const hue = Math.round(5 + 135 * rate ** 1.7); // most rates are high: they get most of the colours
  button.style.setProperty("--heat", `hsl(${hue} 62% ${Math.round(74 - 6 * rate)}%)`);
  button.addEventListener("click", () => showCategory(category));
  return element("td", {}, button);
}
