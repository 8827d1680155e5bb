// The list of problems: searched, sorted, paged, and walked by arrow keys.

const ROWS_A_PAGE = 100;
const MOST_LEVEL_NAMES = 4; // the names of more models stand upright: ten fit side by side
const ORDER = "pvoqwntserxf-"; // from solved to not done, for sorting by a model
const LEADING = [
  ["Task", (row) => problems.task_id[row]],
  ["Category", (row) => categories[problems.category[row]]],
  ["Level", (row) => problems.complexity[row] ?? 0],
  ["Problem", (row) => problems.title[row]],
  ["Valid in", (row) => solvedBy(row)],
  ...(isEvaluated ? [["Passed in", (row) => passedBy(row)]] : []),
];
const state = { column: null, isDescending: false, page: 0, rows: [] };
const searchable = problems.task_id.map((id, row) =>
  `${id} ${problems.name[row]} ${problems.title[row]} ${categories[problems.category[row]]}`.toLowerCase(),
);
const compareText = new Intl.Collator("en", { numeric: true }).compare;

function solvedBy(row) {
  return models.reduce((count, model) => count + (model.verdicts[row] === "v"), 0);
}

/** How many models have an answer that passes. */
function passedBy(row) {
  return models.reduce((count, model) => count + (passes(model, row)[0] > 0), 0);
}

function sortKey(row, column) {
  if (column < LEADING.length) return LEADING[column][1](row);
  const model = models[column - LEADING.length];
  return ORDER.indexOf(shownLetter(model, row)) * 1e6 + (model.cell_seconds[row] ?? 0);
}

function isShown(row, words, category, kind) {
  if (category !== "" && problems.category[row] !== Number(category)) return false;
  if (!words.every((word) => searchable[row].includes(word))) return false;
  if (kind === "all") return true;
  const letters = models.map((model) => model.verdicts[row]);
  if (kind === "trouble") return letters.some((letter) => letter !== "v" && letter !== "-");
  if (kind === "differ") return new Set(letters).size > 1;
  if (["separate", "unpassed", "wrong"].includes(kind)) return isTold(kind, models.map((model) => passes(model, row)));
  if (kind === "none") return !letters.includes("v");
  return letters.includes(kind);
}

/** Whether the models' [passed, judged] make a problem one of a kind. */
function isTold(kind, counts) {
  const judged = counts.filter(([, count]) => count > 0);
  const isSolved = judged.some(([passed]) => passed > 0);
  if (kind === "unpassed") return judged.length > 0 && !isSolved;
  if (kind === "wrong") return judged.some(([passed, count]) => passed < count);
  return isSolved && judged.some(([passed]) => passed === 0);
}

function sortRows() {
  if (state.column === null) return;
  const keys = new Map(state.rows.map((row) => [row, sortKey(row, state.column)]));
  const direction = state.isDescending ? -1 : 1;
  const isText = typeof keys.values().next().value === "string";
  state.rows.sort((one, other) => {
    const [a, b] = [keys.get(one), keys.get(other)];
    return direction * (isText ? compareText(a, b) : a - b);
  });
}

function applyFilters() {
  const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const [category, kind] = [byId("category").value, byId("show").value];
  state.rows = problems.task_id.map((_, row) => row).filter((row) => isShown(row, words, category, kind));
  state.page = 0;
  sortRows();
  drawTable();
}

function showCategory(category) {
  byId("category").value = String(category);
  applyFilters();
  byId("problems").scrollIntoView();
  byId("problems").focus({ preventScroll: true });
}

function sortBy(column) {
  state.isDescending = state.column === column && !state.isDescending;
  state.column = column;
  state.page = 0;
  sortRows();
  drawTable();
  byId("table").tHead.querySelectorAll("button")[column].focus();
}

function drawTable() {
  const first = state.page * ROWS_A_PAGE;
  const page = state.rows.slice(first, first + ROWS_A_PAGE);
  byId("table").tHead.replaceChildren(headRow());
  byId("table").tBodies[0].replaceChildren(...page.map(bodyRow));
  byId("table").setAttribute("aria-rowcount", state.rows.length + 1);
  byId("found").textContent = `${number(state.rows.length)} of ${number(problems.task_id.length)} problems`;
  const start = byId("table").tBodies[0].querySelector("button");
  if (start) start.tabIndex = 0;
  drawPages(first, page.length);
}

function headRow() {
  const titles = [...LEADING.map(([title]) => title), ...models.map((model) => model.label)];
  return element("tr", {}, ...titles.map((title, column) => {
    const sorted = state.column !== column ? "none" : state.isDescending ? "descending" : "ascending";
    const button = element("button", { type: "button", title: titleOf(title) }, title);
    button.addEventListener("click", () => sortBy(column));
    return element("th", { scope: "col", "aria-sort": sorted, class: headClass(column) }, button);
  }));
}

function headClass(column) {
  if (column < 2 || column === 3) return "words";
  return column >= LEADING.length && models.length > MOST_LEVEL_NAMES ? "upright" : null;
}

function bodyRow(row) {
  const plain = (text, kind) => element("td", { class: `plain ${kind}` }, String(text));
  return element(
    "tr",
    {},
    element("th", { scope: "row" }, cellButton(row, 0, problems.task_id[row])),
    plain(categories[problems.category[row]], "words"),
    plain(problems.complexity[row] ?? "–", ""),
    element("td", { class: "plain words title", title: problems.title[row] }, problems.title[row]),
    plain(`${solvedBy(row)}/${models.length}`, ""),
    ...(isEvaluated ? [plain(`${passedBy(row)}/${models.length}`, "")] : []),
    ...models.map((model, place) => verdictCell(row, place, model)),
  );
}

function verdictCell(row, place, model) {
  if (overview.samples > 1) return samplesCell(row, place, model);
  const { sign, word, kind } = VERDICTS[shownLetter(model, row)];
  const time = model.cell_seconds[row];
  const shown = time === null ? sign : `${sign} ${time < 100 ? time.toFixed(1) : Math.round(time)}`;
  const label = `${model.label}: ${word}${time === null ? "" : `, ${seconds(time)}`}`;
  return element("td", { class: kind }, cellButton(row, place, shown, label));
}

/** How many of a model's samples passed, or are valid; the sign and the colour are those of the first. */
function samplesCell(row, place, model) {
  const { sign, word, kind } = VERDICTS[shownLetter(model, row)];
  const [good, counted] = isEvaluated ? passes(model, row) : model.samples[row];
  const label = `${model.label}: ${good} of ${counted} samples ${isEvaluated ? "passed" : "valid"}; the first: ${word}`;
  return element("td", { class: kind }, cellButton(row, place, `${sign} ${good}/${counted}`, label));
}

function cellButton(row, place, text, label) {
  return element(
    "button",
    { type: "button", tabindex: "-1", "data-row": row, "data-model": place, "aria-label": label, title: label },
    text,
  );
}

function drawPages(first, shown) {
  const last = Math.max(0, Math.ceil(state.rows.length / ROWS_A_PAGE) - 1);
  const turn = (text, page, isOff) => {
    const button = element("button", { type: "button", disabled: isOff }, text);
    button.addEventListener("click", () => {
      state.page = page;
      drawTable();
      byId("problems").scrollIntoView();
      byId("problems").focus({ preventScroll: true });
    });
    return button;
  };
  byId("pages").hidden = last === 0;
  byId("pages").replaceChildren(
    turn("← Earlier", state.page - 1, state.page === 0),
    element("span", {}, `${shown ? first + 1 : 0}–${first + shown} of ${number(state.rows.length)}`),
    turn("Later →", state.page + 1, state.page === last),
  );
}

const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

/** Arrow keys move between the buttons of the body; Tab leaves the table at once. */
function walk(event) {
  const from = event.target.closest("tbody button");
  const step = STEPS[event.key];
  if (!from || !step) return;
  const rows = [...byId("table").tBodies[0].rows];
  const buttonsOf = (row) => (row ? [...row.querySelectorAll("button")] : []);
  const own = from.closest("tr");
  const across = buttonsOf(own).indexOf(from);
  const to = buttonsOf(rows[rows.indexOf(own) + step[0]])[across + step[1]];
  event.preventDefault();
  if (to) focusCell(to);
}

function focusCell(button) {
  for (const other of byId("table").tBodies[0].querySelectorAll('button[tabindex="0"]')) other.tabIndex = -1;
  button.tabIndex = 0;
  button.focus();
}

function setUpTable() {
  const options = categories.map((name, place) => element("option", { value: place }, name));
  byId("category").replaceChildren(element("option", { value: "" }, "all categories"), ...options);
  const shown = Object.entries(VERDICTS).filter(([letter]) => !(isEvaluated && letter === "v")).map(([, verdict]) => verdict);
  byId("legend").textContent = shown.map(({ sign, word }) => `${sign} ${word}`).join("   ")
    + (overview.samples === 1 ? " – with the seconds of the answer"
      : ` – of the first of ${overview.samples} samples, with how many of them ${isEvaluated ? "passed" : "are valid"}`);
  for (const kind of isEvaluated ? ["differ", "none"] : ["separate", "wrong", "unpassed"]) {
    byId("show").querySelector(`[value=${kind}]`).remove();
  }
  byId("table").classList.toggle("few", models.length <= MOST_LEVEL_NAMES);
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("search").addEventListener("input", applyFilters);
  byId("filters").addEventListener("change", applyFilters);
  byId("table").addEventListener("keydown", walk);
  byId("table").addEventListener("click", (event) => {
    // All of a row opens it; a click between the buttons is one on the task's own.
    const button = event.target.closest("tbody button")
      ?? event.target.closest("td")?.querySelector("button")
      ?? event.target.closest("tbody tr")?.querySelector("button");
    if (!button || String(getSelection())) return; // words that are marked are to be copied
    focusCell(button);
    openProblem(Number(button.dataset.row), Number(button.dataset.model));
  });
  applyFilters();
}
