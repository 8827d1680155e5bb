// Sessions that are running: bars, rates, money, and what came in last.

const cards = new Map(); // session -> its card

function drawRuns() {
  const running = [...known.values()].filter((entry) => entry.live);
  for (const session of cards.keys()) if (!running.some((entry) => entry.session === session)) cards.delete(session);
  const nodes = running.map((entry) => {
    const card = cards.get(entry.session) ?? cards.set(entry.session, newCard(entry)).get(entry.session);
    card.show(entry);
    return card.node;
  });
  replaceIfOthers(byId("runs"), nodes);
  byId("running").hidden = nodes.length === 0;
}

function newCard(entry) {
  const line = element("p", { class: "hint" });
  const bars = element("div", { class: "bars" });
  const [answers, failures] = [element("div"), element("div")];
  const lists = element("div", { class: "sides" },
    element("section", {}, element("h4", {}, "Last answers"), answers),
    element("section", {}, element("h4", {}, "Last failures"), failures));
  const node = element("article", { class: "run", "data-session": entry.session }, element("h3", {}, reportLink(entry)), line, bars, lists);
  const models = new Map();
  const show = ({ models: rows, live }) => {
    line.textContent = runWords(rows, live).join(" · ");
    replaceIfOthers(bars, rows.map((row) => {
      const bar = models.get(row.label) ?? models.set(row.label, newBar(row.label)).get(row.label);
      bar.show(row, live.answers_per_minute[row.label] ?? 0);
      return bar.node;
    }));
    showLast(answers, live.answers, answerNode);
    showLast(failures, live.failures, failureNode);
  };
  return { node, show };
}

function runWords(rows, live) {
  const total = (key) => rows.reduce((sum, row) => sum + row[key], 0);
  const unpriced = total("unpriced");
  return [
    `${number(total("answered"))} of ${number(total("total"))} answered`,
    `${number(total("failed"))} failed`,
    `${number(Object.values(live.answers_per_minute).reduce((sum, rate) => sum + rate, 0))} answers in the last minute`,
    `${number(live.in_flight)} in flight`,
    moneyWords(costOf(total("cost_usd"), unpriced, total("answered")), live),
    ...(live.ends ? [`done about ${clockTime(live.ends)}`] : []),
  ];
}

function moneyWords(cost, { spent_usd: spent, most_usd: most }) {
  const said = spent > 0 ? [`${cost} for answers`, `at most ${money(spent)} spent`] : [cost];
  return [...said, ...(most === null ? [] : [`cap ${money(most)}`])].join(", ");
}

function clockTime(value) {
  const time = new Date(value * 1000);
  return day(value) === day(Date.now() / 1000) ? time.toLocaleTimeString() : time.toLocaleString();
}

function newBar(label) {
  const bar = element("span", { class: "bar", role: "progressbar", "aria-label": label, "aria-valuemin": "0" });
  const words = element("span", { class: "words" });
  const node = element("div", { class: "lane", "data-model": label }, element("span", { class: "lane-name", title: label }, label), bar, words);
  const show = (row, perMinute) => {
    const part = (count) => `${row.total ? Math.min(100, (100 * count) / row.total) : 0}%`;
    bar.style.setProperty("--rate", part(row.answered));
    bar.style.setProperty("--failed", part(row.answered + row.failed));
    bar.setAttribute("aria-valuemax", row.total);
    bar.setAttribute("aria-valuenow", row.answered + row.failed);
    const tested = row.judged + row.not_run ? `, ${number(row.passed)} of ${number(row.judged)} passed` : "";
    const failed = row.failed ? `, failed ${number(row.failed)}` : "";
    const valid = row.answered + row.failed ? `, valid ${row.valid_percent.toFixed(1)} %` : "";
    const said = `${number(row.answered)}/${number(row.total)}${failed}${valid}${tested}, ${number(perMinute)}/min, `
      + costOf(row.cost_usd, row.unpriced, row.answered);
    say(words, said);
  };
  return { node, show };
}

/** New ones on top; those that are still among the last keep their element, opened or not. */
function showLast(into, items, nodeOf) {
  const kept = new Map([...into.children].map((node) => [node.dataset.key, node]));
  const nodes = items.map((item) => {
    const key = JSON.stringify([item.model, item.task, item.finished]);
    const node = kept.get(key) ?? nodeOf(item);
    node.dataset.key = key;
    return node;
  });
  replaceIfOthers(into, nodes.length ? nodes : [element("p", { class: "none", "data-key": "" }, "none")]);
}

function answerNode({ model, task, seconds: taken, cost_usd: cost, verdict, text }) {
  const said = [model, task, seconds(taken), cost === null ? "" : money(cost)].filter(Boolean).join(" · ");
  const mark = element("span", { class: verdict === "valid" ? "v" : "n" }, verdict);
  return element("details", { class: "last" }, element("summary", {}, mark, ` ${said}`), element("pre", { class: "text" }, text));
}

function failureNode({ model, task, error, message }) {
  return element("details", { class: "last" }, element("summary", {}, element("span", { class: "f" }, error), ` ${model} · ${task}`),
    element("pre", { class: "text" }, message));
}
