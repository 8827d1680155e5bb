// Boards of a few sessions, made to be published: one for each set of problems.

const leaderboard = JSON.parse(byId("leaderboard").textContent);
const MOST_COMPARED_WITH_ALL = 20; // as in evaluation/scores.py

function leaderColumns(rows) {
  const sessions = new Set(rows.map(({ session }) => session));
  const figures = rankingColumns(rows);
  const part = (row) => (row.judged + row.not_run < row.total ? "nothing" : null);
  return [
    ...placeColumns(rows),
    ...figures.filter(({ kind }) => kind === "rate"),
    ...(sessions.size > 1 ? [{ heading: "Session", kind: "words", key: (row) => row.session,
      cell: (row) => element("td", { class: "words session", title: row.session }, row.session) }] : []),
    ...figures.filter(({ kind }) => kind !== "rate"),
    { heading: "Judged", title: "Answers with a verdict, of all tasks", key: (row) => row.judged,
      cell: (row) => element("td", { class: part(row) }, `${number(row.judged)}/${number(row.total)}`) },
  ];
}

function datasetSection({ name, hash, problems, rows }) {
  const title = `${name || "Problems"}, ${number(problems)} ${problems === 1 ? "problem" : "problems"}`;
  const table = element("table", {}, element("caption", {}, title), element("thead"), element("tbody"));
  const charts = element("div", { class: "charts" });
  const node = element("section", { class: "board" },
    element("h2", {}, title),
    element("p", { class: "hint" }, hash ? `The same problems have the same hash: ${hash}.` : "Which problems these were is not known: they are compared with no other session's."),
    rows.length > MOST_COMPARED_WITH_ALL ? element("p", { class: "hint" }, `Of more than ${MOST_COMPARED_WITH_ALL} rows, each is compared with the best alone.`) : null,
    element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": title }, table), charts);
  rankedTable(table, rows, leaderColumns);
  byId("datasets").append(node); // a chart is drawn as large as its place
  if (!rows.some((row) => row.rates.length)) return; // nothing to draw before an evaluation
  const named = rows.map((row) => ({ ...row, label: rows.filter(({ label }) => label === row.label).length > 1 ? `${row.label} (${row.session})` : row.label }));
  addPassCost(charts, named, (row) => colour(named.indexOf(row), named.length));
}

const { sessions: sessionCount, written, datasets } = leaderboard;
byId("subtitle").textContent = `${number(sessionCount)} ${sessionCount === 1 ? "session" : "sessions"} · written ${moment(written)}`;
byId("rule").textContent = `${RANK_RULE} A model with verdicts on less than 95 % of its tasks has no rank.`;
themed();
datasets.forEach(datasetSection);
byId("about").append(byId("licences"));
byId("licences").hidden = false;
document.documentElement.dataset.readyMilliseconds = String(Math.round(performance.now()));
