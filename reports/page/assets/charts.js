// The charts: each is drawn by Chart.js, named for screen readers, and there as a table too.

const drawn = [];
// The same in every report, whichever of them occur.
const FIXED_COLOURS = {
  complete: "hsl(150 45% 42%)", "truncated (length)": "hsl(38 85% 50%)", refusal: "hsl(275 40% 55%)",
  filtered: "hsl(25 45% 40%)", other: "hsl(215 12% 55%)", "not read": "hsl(195 60% 42%)",
  "call failed": "hsl(3 65% 52%)",
};

function colour(place, count) {
  const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
  const hue = Math.round((210 + (360 / Math.max(count, 1)) * place) % 360);
  // Neighbouring hues also differ in lightness, for readers who see few hues.
  const lightness = (isDark ? 58 : 40) + (place % 2 ? 12 : 0);
  return `hsl(${hue} 65% ${lightness}%)`;
}

function themed() {
  const style = getComputedStyle(document.documentElement);
  Chart.defaults.color = style.getPropertyValue("--ink").trim();
  Chart.defaults.borderColor = style.getPropertyValue("--grid").trim();
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  Chart.defaults.animation = false;
  Chart.defaults.maintainAspectRatio = false;
  Chart.defaults.plugins.legend.labels.boxWidth = 12;
}

/** A label short enough for a legend; the tables have it whole. */
function short(label) {
  const most = innerWidth < 600 ? 18 : 32;
  return label.length > most ? `${label.slice(0, most - 1)}…` : label;
}

function axis(title, more = {}) {
  return { title: { display: true, text: title }, ...more };
}

/** A figure with its chart and, behind a fold, the same figures as a table. */
function addChart({ title, hint, label, config, headings, rows, isEmpty }) {
  const caption = element("figcaption", {}, title, element("small", {}, hint));
  if (isEmpty) {
    byId("charts").append(element("figure", {}, caption, element("p", { class: "none" }, "none")));
    return;
  }
  const canvas = element("canvas", { role: "img", "aria-label": label });
  const table = element("table", {}, element("caption", {}, title), element("thead"), element("tbody"));
  const fold = element("details", {}, element("summary", {}, "The figures as a table"),
    element("div", { class: "scroll" }, table));
  fold.addEventListener("toggle", () => fillTable(table, headings, rows()), { once: true });
  byId("charts").append(
    element("figure", {}, caption, element("div", { class: "canvas" }, canvas), fold),
  );
  drawn.push({ canvas, config, chart: new Chart(canvas, config()) });
}

function redraw() {
  themed();
  for (const entry of drawn) {
    entry.chart.destroy();
    entry.chart = new Chart(entry.canvas, entry.config());
  }
}

/** What a logarithmic axis says at a tick: 1, 2, 5, 10, 20, 50 ... and nothing between. */
function oneTwoFive(value) {
  return ["1", "2", "5"].includes(value.toExponential()[0]) && value.toExponential()[1] === "e" ? String(value) : "";
}

function stackedBars(labels, series, title, isHorizontal) {
  const across = isHorizontal ? "x" : "y";
  const along = isHorizontal ? "y" : "x";
  return {
    type: "bar",
    data: {
      labels,
      datasets: series.map(([name, values], place) => ({
        label: short(name),
        data: values,
        backgroundColor: FIXED_COLOURS[name] ?? colour(place, series.length),
      })),
    },
    options: {
      indexAxis: isHorizontal ? "y" : "x",
      scales: {
        [along]: { stacked: true, grid: { display: false }, ticks: isHorizontal ? {} : { maxTicksLimit: 9, maxRotation: 0 } },
        [across]: axis(title, { stacked: true, beginAtZero: true, ticks: { precision: 0 } }),
      },
    },
  };
}

function addFinishReasons() {
  const reasons = ["stop", "length", "refusal", "filtered", "other"].filter((reason) =>
    models.some((model) => model.finish_reasons[reason]),
  );
  const names = { stop: "complete", length: "truncated (length)", refusal: "refusal", filtered: "filtered", other: "other" };
  const series = reasons.map((reason) => [names[reason], models.map((model) => model.finish_reasons[reason])]);
  if (models.some((model) => model.unread)) series.push(["not read", models.map((model) => model.unread)]);
  if (models.some((model) => model.failed)) series.push(["call failed", models.map((model) => model.failed)]);
  addChart({
    title: "Finish reasons",
    hint: "Why each answer ended, replies that could not be read, and calls that failed.",
    label: "Stacked bars: finish reasons of every model",
    config: () => stackedBars(models.map((model) => short(model.label)), series, "answers", true),
    headings: ["Model", ...series.map(([name]) => name)],
    rows: () => models.map((model, place) => [model.label, ...series.map(([, values]) => values[place])]),
    isEmpty: series.length === 0,
  });
}

function addLatencies() {
  const shares = Array.from({ length: 41 }, (_, place) => place * 2.5);
  const timed = models.filter((model) => model.seconds.length);
  addChart({
    title: "Latency",
    hint: "Share of answers that came within a time: the last attempt alone, without waiting.",
    label: "Lines: share of each model's answers that came within a number of seconds",
    config: () => ({
      type: "line",
      data: {
        datasets: timed.map((model, place) => ({
          label: short(model.label),
          data: model.seconds.map((x, step) => ({ x: Math.max(x, 0.001), y: shares[step] })),
          borderColor: colour(place, timed.length),
          backgroundColor: colour(place, timed.length),
          borderDash: [[], [6, 3], [2, 2]][place % 3],
          borderWidth: 2,
          pointRadius: 0,
          pointHitRadius: 8,
        })),
      },
      options: {
        parsing: false,
        interaction: { mode: "nearest", intersect: false },
        plugins: { legend: { labels: { usePointStyle: true, pointStyle: "line", pointStyleWidth: 32 } } },
        scales: {
          x: axis("seconds", { type: "logarithmic", ticks: { maxRotation: 0, callback: oneTwoFive } }),
          y: axis("% of answers", { min: 0, max: 100 }),
        },
      },
    }),
    headings: ["Model", "Fastest", "25 %", "Median", "75 %", "95 %", "Slowest"],
    rows: () => timed.map((model) => {
      const [fastest, quarter, threeQuarters, slowest] = [0, 10, 30, 40].map((step) => model.seconds[step]);
      const shown = [fastest, quarter, model.median_seconds, threeQuarters, model.p95_seconds, slowest];
      return [model.label, ...shown.map(seconds)];
    }),
    isEmpty: timed.length === 0,
  });
}

function stretchLabels() {
  const starts = overview.starts.filter((start) => start !== null);
  const spansDays = starts.length && starts[starts.length - 1] - starts[0] > 72000;
  return overview.starts.map((start) => {
    if (start === null) return "…";
    const at = new Date(start * 1000);
    return spansDays ? at.toLocaleString([], { dateStyle: "short", timeStyle: "short" }) : at.toLocaleTimeString([], overview.width_seconds < 60 ? {} : { timeStyle: "short" });
  });
}

function stretchName() {
  const width = overview.width_seconds;
  if (width < 60) return `${width} s`;
  return width < 3600 ? `${width / 60} min` : `${width / 3600} h`;
}

function addOverTime(title, hint, series, unit) {
  const labels = stretchLabels();
  addChart({
    title,
    hint,
    label: `Stacked bars over time: ${unit} per ${stretchName()}, by ${series.map(([name]) => name).join(", ") || "nothing"}`,
    config: () => stackedBars(labels, series, `${unit} per ${stretchName()}`, false),
    headings: ["From", ...series.map(([name]) => name)],
    rows: () => labels.map((label, place) => [label, ...series.map(([, values]) => values[place])]),
    isEmpty: !series.some(([, values]) => values.some(Boolean)),
  });
}

function drawCharts() {
  themed();
  addFinishReasons();
  addLatencies();
  addOverTime("Rate over time", "Answers as they came in; “…” is a pause.",
    models.map((model) => [model.label, model.answers_over_time]), "answers");
  addOverTime("Errors over time", "Attempts that failed, by kind.", Object.entries(overview.errors), "failed attempts");
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
}
