// The charts of one session: why answers ended, how long they took, when they came.

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
  addFinishReasons();
  addLatencies();
  addOverTime("Rate over time", "Answers as they came in; “…” is a pause.",
    models.map((model) => [model.label, model.answers_over_time]), "answers");
  addOverTime("Errors over time", "Attempts that failed, by kind.", Object.entries(overview.errors), "failed attempts");
}
