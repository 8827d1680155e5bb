// The board: every session's models, ranked among those that were asked the same problems.

const board = JSON.parse(byId("board").textContent);
const known = new Map();
const sections = new Map(); // dataset -> its section, kept so that sorting and reading go on
const MOST_ROWS = 100; // drawn at first
const RANKED_SHARE = 0.95; // of a model's tasks that must have a verdict; entry.py has the same
const RULE = "Rank: one more than the number of other models whose 95 % interval lies wholly above this "
  + "one's. It counts only sessions of the same problems, and models with a verdict on 95 % of their tasks. "
  + "report.html compares the models of one session more finely, problem by problem.";

function take({ sessions, listed, note }) {
  for (const entry of sessions) known.set(entry.session, entry);
  if (listed) {
    const kept = new Set(listed);
    for (const session of known.keys()) if (!kept.has(session)) known.delete(session);
  }
  byId("notes").replaceChildren(...(note ? [element("p", {}, note)] : []));
  byId("notes").hidden = !note;
}

/** One model of one session, in the shape of reports/ranking.py. */
function rowOf(entry, model) {
  const attempted = model.answered + model.failed;
  const isPriced = model.answered > 0 && model.unpriced === 0;
  const perProblem = isPriced ? model.cost_usd / model.answered : null;
  return {
    ...model,
    key: `${entry.session}/${model.label}`,
    entry,
    attempted,
    valid: (model.valid_percent / 100) * attempted,
    rates: model.rate === null ? [] : [{ k: 1, rate: model.rate, low: model.low, high: model.high }],
    cost_per_problem: perProblem,
    cost_per_solved: perProblem !== null && model.rate ? perProblem / model.rate : null,
    median_seconds: null,
    p95_seconds: null,
    level_with: [],
    rank: null,
  };
}

/** Give each row its rank, and return them in that order; those without one come last. */
function ranked(rows) {
  const counted = rows.filter((row) => row.rates.length && row.judged + row.not_run >= RANKED_SHARE * row.total);
  const surest = new Map(); // model -> the highest lower end of its sessions
  for (const { label, low } of counted) surest.set(label, Math.max(low, surest.get(label) ?? 0));
  const lows = [...surest.values()].sort((one, other) => other - one);
  for (const row of counted) {
    let above = lows.findIndex((low) => low <= row.high);
    if (above < 0) above = lows.length;
    row.rank = 1 + above - (surest.get(row.label) > row.high ? 1 : 0);
  }
  const rate = (row) => row.rates[0]?.rate ?? -1;
  return rows.sort((one, other) => (one.rank ?? Infinity) - (other.rank ?? Infinity) || rate(other) - rate(one)
    || (other.entry.started ?? 0) - (one.entry.started ?? 0));
}

function day(value) {
  if (!value) return "–";
  const made = new Date(value * 1000);
  const two = (part) => String(part).padStart(2, "0");
  return `${made.getFullYear()}-${two(made.getMonth() + 1)}-${two(made.getDate())}`;
}

function reportLink(entry) {
  if (!entry.has_report) return entry.session;
  return element("a", { href: `/report/${encodeURIComponent(entry.session)}` }, entry.session);
}

function boardColumns(rows) {
  const cell = (text, more = {}) => element("td", more, text);
  const isPart = (row) => row.judged + row.not_run < row.total;
  const figures = rankingColumns(rows).filter(({ heading, key }) => !heading.startsWith("Tokens") && rows.some((row) => key(row) !== null));
  return [
    ...placeColumns(rows),
    ...figures.filter(({ kind }) => kind === "rate"),
    { heading: "Session", kind: "words", cell: (row) => element("td", { class: "words session", title: row.entry.session }, reportLink(row.entry)), key: (row) => row.entry.session },
    ...figures.filter(({ kind }) => kind !== "rate"),
    { heading: "Judged", title: "Answers with a verdict, of all tasks", cell: (row) => cell(`${number(row.judged)}/${number(row.total)}`, { class: isPart(row) ? "nothing" : null }), key: (row) => row.judged },
    { heading: "Answered", title: "Answers, of all tasks", cell: (row) => cell(`${number(row.answered)}/${number(row.total)}`), key: (row) => row.answered },
    { heading: "Failed", cell: (row) => cell(number(row.failed), { class: row.failed ? "f" : null }), key: (row) => row.failed },
    { heading: "Cost", title: "Of all answers", cell: (row) => cell(costOf(row.cost_usd, row.unpriced, row.answered)), key: (row) => row.cost_usd },
    { heading: "State", kind: "words", cell: (row) => cell(row.entry.status, { class: "words" }), key: (row) => row.entry.status },
    { heading: "Started", cell: (row) => cell(day(row.entry.started)), key: (row) => row.entry.started },
  ];
}

function costOf(usd, unpriced, answered) {
  if (unpriced && unpriced === answered) return "unknown";
  return unpriced ? `${money(usd)} + ?` : money(usd);
}

/** Sessions without a hash of their problems can be compared with none: each stands alone. */
function datasetOf(entry) {
  return entry.dataset ?? `session ${entry.session}`;
}

function datasetName(entry) {
  const problems = `${number(entry.problems)} ${entry.problems === 1 ? "problem" : "problems"}`;
  return entry.dataset ? `${entry.dataset_name || "dataset"}, ${problems} (${entry.dataset.slice(0, 8)})`
    : `${entry.session}, ${problems} (not known whether they are another session's)`;
}

function isShown(row, words) {
  const text = `${row.label} ${row.entry.session}`.toLowerCase();
  const started = day(row.entry.started);
  const [from, to] = [byId("from").value, byId("to").value];
  return words.every((word) => text.includes(word)) && (!from || started >= from) && (!to || started <= to);
}

/** Ranks are given before anything is filtered out: they do not change with what is looked at. */
function drawBoards() {
  const groups = new Map();
  for (const entry of known.values()) {
    if (entry.status === "broken") continue;
    const group = groups.get(datasetOf(entry)) ?? groups.set(datasetOf(entry), { first: entry, rows: [] }).get(datasetOf(entry));
    group.rows.push(...entry.models.map((model) => rowOf(entry, model)));
  }
  drawDatasets(groups);
  const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const chosen = byId("dataset").value;
  const largest = [...groups].sort(([, one], [, other]) => other.rows.length - one.rows.length);
  const drawnNow = largest.filter(([dataset]) => !chosen || dataset === chosen).map(([dataset, { first, rows }]) => {
    const shown = ranked(rows).filter((row) => isShown(row, words));
    return { dataset, first, shown };
  }).filter(({ shown }) => shown.length);
  for (const dataset of sections.keys()) if (!groups.has(dataset)) sections.delete(dataset);
  const nodes = drawnNow.map(({ dataset, first, shown }) => {
    const section = sections.get(dataset) ?? sections.set(dataset, newSection(first)).get(dataset);
    section.show(first, shown);
    return section.node;
  });
  replaceIfOthers(byId("boards"), nodes);
  const count = drawnNow.reduce((sum, { shown }) => sum + shown.length, 0);
  say(byId("found"), `${number(count)} ${count === 1 ? "row" : "rows"} on ${number(nodes.length)} ${nodes.length === 1 ? "board" : "boards"}`);
  drawBroken();
}

/** What stays where it is keeps its focus and its place. */
function replaceIfOthers(into, nodes) {
  const now = [...into.children];
  if (now.length !== nodes.length || now.some((node, place) => node !== nodes[place])) into.replaceChildren(...nodes);
}

function newSection(first) {
  const title = element("h3");
  const table = element("table", {}, element("caption", {}, datasetName(first)), element("thead"), element("tbody"));
  const scroll = element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": datasetName(first) }, table);
  const more = element("button", { type: "button" });
  const node = element("section", { class: "board" }, title, scroll, more);
  let most = MOST_ROWS;
  let update = null;
  let last = [];
  const show = (entry, rows, isWanted = false) => {
    say(title, datasetName(entry));
    if (update && !isWanted && isAsDrawn(rows, last)) return;
    last = rows;
    if (update) update(rows, most);
    else update = rankedTable(table, rows, boardColumns, most);
    more.hidden = rows.length <= most;
    more.textContent = `Show all ${number(rows.length)} rows`;
  };
  more.addEventListener("click", () => {
    most = Infinity;
    show(first, last, true);
    scroll.focus();
  });
  return { node, show };
}

/** An entry is another object as soon as anything in it changed. */
function isAsDrawn(rows, last) {
  return rows.length === last.length && rows.every(({ entry, label, rank }, place) =>
    entry === last[place].entry && label === last[place].label && rank === last[place].rank);
}

/** What is said again is read aloud again. */
function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function drawDatasets(groups) {
  const select = byId("dataset");
  const options = [["", "all, each on a board of its own"], ...[...groups].map(([dataset, { first }]) => [dataset, datasetName(first)])];
  const wanted = JSON.stringify(options);
  if (select.dataset.options === wanted) return;
  const chosen = select.value;
  select.replaceChildren(...options.map(([value, text]) => element("option", { value }, text)));
  select.dataset.options = wanted;
  select.value = groups.has(chosen) ? chosen : "";
}

function drawBroken() {
  const broken = [...known.values()].filter((entry) => entry.status === "broken");
  const list = element("ul", {}, ...broken.map((entry) => element("li", {}, element("b", {}, entry.session), ` ${entry.trouble}`)));
  byId("broken").replaceChildren(...(broken.length ? [element("h3", {}, "Cannot be read"), list] : []));
}

function drawHeader(state) {
  const running = [...known.values()].filter((entry) => entry.live).length;
  const count = `${number(known.size)} ${known.size === 1 ? "session" : "sessions"}`;
  say(byId("subtitle"), [count, `${running} running`, state].filter(Boolean).join(" · "));
}
