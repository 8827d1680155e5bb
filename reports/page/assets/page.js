// The page's data, and its figures from the top down: ranks, counts, categories.

const overview = JSON.parse(byId("overview").textContent);
const { models, problems, categories } = overview;

const isEvaluated = overview.evaluation.command === "";

// The letters are those of verdict_letters.py and, of tests, judged.py. Each has a sign, so that
// colour is not needed; kind: its colour.
const VERDICTS = {
  ...(isEvaluated ? {
    p: { sign: "✓", word: "passed", kind: "v" },
    w: { sign: "✗", word: "tests failed", kind: "n" },
    q: { sign: "?", word: "tests not run", kind: "t" },
    o: { sign: "○", word: "valid, not judged", kind: "u" },
  } : {}),
  v: { sign: "✓", word: "valid", kind: "v" },
  n: { sign: "≠", word: "expected name missing", kind: "n" },
  s: { sign: "§", word: "syntax error", kind: "s" },
  e: { sign: "∅", word: "no code found", kind: "e" },
  x: { sign: "⧗", word: "reply not read", kind: "x" },
  t: { sign: "✂", word: "truncated", kind: "t" },
  r: { sign: "⊘", word: "refused", kind: "r" },
  f: { sign: "!", word: "call failed", kind: "f" },
  "-": { sign: "·", word: "not done", kind: "u" },
};

/** What a first answer is shown as: its tests' letter or, where that says less, why it cannot pass. */
function shownLetter(model, row) {
  const letter = model.verdicts[row];
  const tests = isEvaluated ? model.tests.letters[row] : "-";
  if (tests === "-") return isEvaluated && letter === "v" ? "o" : letter;
  return tests === "w" && letter !== "v" ? letter : tests;
}

/** [passed, judged] of a model's answers to a problem. */
function passes(model, row) {
  if (overview.samples > 1) return model.tests.samples[row];
  const letter = model.tests.letters[row];
  return [Number(letter === "p"), Number(letter === "p" || letter === "w")];
}

/** The texts of one problem, null where the page does not hold them. */
async function unpackedBody(place) {
  const block = byId(`body-${place}`);
  if (!block) return null;
  const bytes = Uint8Array.from(atob(block.textContent), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
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
  byId("evaluation").classList.toggle("wanting", command !== "");
  byId("notes").replaceChildren(...overview.notes.map((note) => element("p", {}, note)));
  byId("notes").hidden = overview.notes.length === 0;
  byId("settings").append(facts(Object.entries(overview.parameters).map(([name, value]) =>
    [name, typeof value === "string" ? value : JSON.stringify(value)])));
  const licences = byId("licences");
  byId("about").append(licences);
  licences.hidden = false;
}

/** Ranks and their chart, where an evaluation says who is right. */
function fillRanking() {
  byId("right").hidden = !isEvaluated;
  if (!isEvaluated) return;
  byId("rank-rule").textContent = RANK_RULE;
  rankedTable(byId("ranking"), overview.ranking);
  const place = new Map(models.map((model, number) => [model.label, number]));
  addPassCost(byId("pass-cost"), overview.ranking, (row) => colour(place.get(row.key), models.length));
}

function sum(key) {
  return models.reduce((total, model) => total + model[key], 0);
}

function fillOverview() {
  const attempted = sum("answered") + sum("failed");
  const tiles = [
    ["Answered", number(sum("answered"))],
    ["Valid", number(sum("valid"))],
    isEvaluated ? ["Passed", number(models.reduce((total, model) => total + model.tests.passed, 0))]
      : ["Valid rate", percent(sum("valid"), attempted)],
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
  // What stands in the ranked table stands there alone.
  const headings = ["Model", "Answered", "Valid", ...(isEvaluated ? ["Passed"] : ["Valid rate"]), "Failed", "Not done", "Truncated", "Refused",
    "No code", "Retries", ...(isEvaluated ? [] : ["Median", "p95"]), "Tokens in", "Tokens out", "Cost", "Per valid"];
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
    isEvaluated ? passedCell(model.tests) : percent(model.valid, model.answered + model.failed),
    number(model.failed),
    number(model.undone),
    number(model.truncated),
    number(model.refused),
    number(model.empty),
    number(model.retries),
    ...(isEvaluated ? [] : [seconds(model.median_seconds), seconds(model.p95_seconds)]),
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

const HEAT = {
  passed: { counts: (model) => model.tests.categories, word: "passed",
    hint: "Share of judged answers whose tests all pass." },
  valid: { counts: (model) => model.categories, word: "valid",
    hint: "Share of attempted tasks whose code parses and defines the expected name." },
};

/** The heat map is a table: its cells are read aloud, chosen by key, and coloured by rate. */
function fillHeat(kind) {
  const { counts, word, hint } = HEAT[kind];
  const rows = models.map((model, place) => [
    model.label,
    ...counts(model).map((pair, category) => heatCell(place, category, pair, word)),
  ]);
  const upright = categories.map((category) => heading(category, { class: "upright" }));
  byId("heat-hint").textContent = `${hint} A cell chooses its category in the list of problems.`;
  fillTable(byId("heat"), ["Model", ...upright], rows);
}

function setUpHeat() {
  byId("heat-kind").hidden = !isEvaluated;
  byId("heat-kind").addEventListener("change", (event) => fillHeat(event.target.value));
  fillHeat(isEvaluated ? "passed" : "valid");
}

function heatCell(place, category, [good, counted], word) {
  if (!counted) return element("td", { class: "nothing" }, "–");
  const rate = good / counted;
  const text = `${Math.round(100 * rate)}%`;
  const label = `${models[place].label}, ${categories[category]}: ${good} of ${counted} ${word}, ${text}`;
  const button = element("button", { type: "button", title: label, "aria-label": label }, text);
  // From red over yellow to green; light enough for dark text in both colour schemes.
  const hue = Math.round(5 + 135 * rate ** 1.7); // most rates are high: they get most of the colours
  button.style.setProperty("--heat", `hsl(${hue} 62% ${Math.round(74 - 6 * rate)}%)`);
  button.addEventListener("click", () => showCategory(category));
  return element("td", {}, button);
}
