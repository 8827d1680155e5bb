// The ranked table: which model is right, how sure that is, and what it costs.
// Its rows are those of reports/ranking.py.

const RANK_RULE = "A model's rank is one more than the number of models that do significantly better (paired test over the "
  + "same problems, 5 % level after Holm's correction); where the test finds no difference, models share a rank.";

function share(value) {
  return `${(100 * value).toFixed(1)} %`;
}

function interval({ low, high }) {
  return `${Math.round(100 * low)}–${Math.round(100 * high)}`;
}

/** A rate as a bar with its interval as a whisker, and both in figures. */
function rateCell(rate, why) {
  if (!rate) return element("td", { class: "rate nothing", title: why }, "–");
  const { rate: value, low, high } = rate;
  const bar = element("span", { class: "bar", "aria-hidden": "true" }, element("span", { class: "whisker" }));
  const percentages = { "--rate": value, "--low": low, "--high": high };
  for (const [name, part] of Object.entries(percentages)) bar.style.setProperty(name, `${100 * part}%`);
  const said = `95 % interval: ${(100 * low).toFixed(1)} to ${share(high)}`;
  return element("td", { class: "rate", title: said },
    bar, element("span", { class: "figure" }, share(value)), " ",
    element("span", { class: "interval" }, interval(rate)));
}

function rateOf(row, k) {
  return row.rates.find((rate) => rate.k === k) ?? null;
}

/** What is known of a price: nothing, where an answer's price is not. */
function priceCell(value, wanting) {
  const isMissing = value === null;
  return element("td", isMissing ? { class: "nothing", title: wanting } : {}, isMissing ? "–" : money(value));
}

/** 1, 5 and 10, where there are rates of these; the most there is where nobody has so many samples. */
function shownKs(rows) {
  const ks = [...new Set(rows.flatMap((row) => row.rates.map(({ k }) => k)))].sort((one, other) => one - other);
  const usual = ks.filter((k) => k === 1 || k >= 5);
  return usual.length === 1 && ks.length > 1 ? [1, ks[ks.length - 1]] : usual;
}

/** The columns for these rows; a page may put its own before, after or between.
    heading, title: words; cell: row -> td; key: row -> what is sorted by, null for last; kind: a class. */
function rankingColumns(rows) {
  const ks = shownKs(rows);
  const plain = (text, more = {}) => element("td", more, text);
  const hundred = (row) => row.cost_per_problem === null ? null : 100 * row.cost_per_problem;
  const unpriced = "The price of an answer is not known";
  return [
    ...ks.map((k) => ({ heading: `pass@${k}`, kind: "rate", title: `${k === 1 ? "Share of answers" : `Problems that one of ${k} answers solves, of those`} whose tests all pass, with its 95 % interval`,
      cell: (row) => rateCell(rateOf(row, k), row.rates.length ? `Some problems have fewer than ${k} judged answers` : "The evaluation has not finished"), key: (row) => rateOf(row, k)?.rate ?? null })),
    { heading: "Valid", title: "Answers whose code parses and defines the expected name",
      cell: (row) => plain(percent(row.valid, row.attempted)), key: (row) => (row.attempted ? row.valid / row.attempted : null) },
    { heading: "Cost per 100", title: "What one answer to each of 100 problems costs", cell: (row) => priceCell(hundred(row), unpriced), key: hundred },
    { heading: "Cost per solved", title: "What a solved problem costs, answers that fail included",
      cell: (row) => priceCell(row.cost_per_solved, row.cost_per_problem === null ? unpriced : "No answer passed"), key: (row) => row.cost_per_solved },
    { heading: "Median", title: "Half of the answers came within this time", cell: (row) => plain(seconds(row.median_seconds)), key: (row) => row.median_seconds },
    { heading: "p95", title: "95 % of the answers came within this time", cell: (row) => plain(seconds(row.p95_seconds)), key: (row) => row.p95_seconds },
    { heading: "Tokens in", cell: (row) => plain(number(row.input_tokens)), key: (row) => row.input_tokens },
    { heading: "Tokens out", cell: (row) => plain(number(row.output_tokens)), key: (row) => row.output_tokens },
  ];
}

/** The names of those that no test tells from a row. */
function levelNames(row, rows) {
  const level = new Set(row.level_with);
  return rows.filter(({ key }) => level.has(key)).map(({ label }) => label).join(", ");
}

/** The two columns that every ranked table begins with. */
function placeColumns(rows) {
  const level = (row) => (row.level_with.length ? `No test tells it from ${levelNames(row, rows)}` : null);
  return [
    { heading: "Rank", kind: "rank", cell: (row) => element("td", { class: "rank", title: level(row) }, row.rank === null ? "–" : String(row.rank)), key: (row) => row.rank },
    { heading: "Model", kind: "name", cell: (row) => element("th", { scope: "row", class: "name", title: row.label },
      row.href ? element("a", { href: row.href }, row.label) : row.label), key: (row) => row.label },
  ];
}

/** Fill a table with rows in the order given; a click on a heading sorts by it, another turns it round.
    Returns what draws other rows, at most so many, sorted as before. */
function rankedTable(table, rows, columnsOf = (all) => [...placeColumns(all), ...rankingColumns(all)], most = Infinity) {
  const sorted = { heading: null, isDescending: false };
  let columns = [];
  table.classList.add("ranking");
  const draw = () => {
    columns = columnsOf(rows);
    table.classList.toggle("many", columns.filter(({ kind }) => kind === "rate").length > 1);
    const by = columns.find(({ heading }) => heading === sorted.heading);
    const shown = (by ? sortedRows(rows, by.key, sorted.isDescending) : rows).slice(0, most);
    table.tHead.replaceChildren(element("tr", {}, ...columns.map(headingOf)));
    table.tBodies[0].replaceChildren(...shown.map((row, place) => element("tr",
      { class: !by && place && row.rank !== shown[place - 1].rank ? "next-rank" : null },
      ...columns.map((column) => column.cell(row)))));
  };
  const headingOf = ({ heading: text, title, kind }, place) => {
    const button = element("button", { type: "button", title }, text);
    button.addEventListener("click", () => {
      sorted.isDescending = sorted.heading === text && !sorted.isDescending;
      sorted.heading = text;
      draw();
      table.tHead.querySelectorAll("button")[place].focus();
    });
    const way = sorted.heading !== text ? "none" : sorted.isDescending ? "descending" : "ascending";
    return element("th", { scope: "col", class: kind, "aria-sort": way }, button);
  };
  draw();
  return (others, howMany = Infinity) => {
    [rows, most] = [others, howMany];
    const focused = [...table.querySelectorAll("a, button")].indexOf(document.activeElement);
    draw();
    if (focused >= 0) table.querySelectorAll("a, button")[focused]?.focus({ preventScroll: true });
  };
}

/** Rows by a key, whichever way: those without one come last. */
function sortedRows(rows, key, isDescending) {
  const collator = new Intl.Collator("en", { numeric: true });
  const compare = (one, other) => (typeof one === "string" ? collator.compare(one, other) : one - other);
  return [...rows].sort((one, other) => {
    const [a, b] = [key(one), key(other)];
    if (a === null || b === null) return (a === null) - (b === null);
    return isDescending ? compare(b, a) : compare(a, b);
  });
}
