// What being right costs: pass@1 against the cost of a problem, and the models that nobody beats at both.

/** Add the chart of ranked rows; colourOf: row -> its colour, the same wherever the model is drawn. */
function addPassCost(into, rows, colourOf) {
  const judged = rows.filter((row) => row.rates.length && row.cost_per_problem !== null);
  const isFree = (row) => row.cost_per_problem === 0;
  const priced = judged.filter((row) => !isFree(row));
  const wanting = rows.length - judged.length;
  const empty = judged.length ? "No model costs anything: there is nothing to weigh against." : "No model has both a pass rate and a known price.";
  addChart({
    into,
    title: "What being right costs",
    hint: "pass@1 with its 95 % interval against the cost of a problem. The stepped line joins the models that no other beats at both."
      + (wanting && judged.length ? ` Not drawn, for want of a price or a verdict: ${wanting}.` : ""),
    label: passCostWords(judged),
    config: () => passCostConfig(judged, isFree, colourOf),
    headings: ["Model", "pass@1", "95 % interval", "Cost of a problem", "Beaten at both", "Not told apart from"],
    rows: () => rows.map((row) => [
      row.label,
      row.rates.length ? share(row.rates[0].rate) : "–",
      row.rates.length ? `${interval(row.rates[0])} %` : "–",
      money(row.cost_per_problem),
      judged.includes(row) ? (row.is_on_front ? "no" : "yes") : "–",
      levelNames(row, rows) || "–",
    ]),
    isEmpty: priced.length === 0,
    empty,
  });
}

function passCostWords(judged) {
  const points = judged.map((row) => `${row.label}: ${share(row.rates[0].rate)} at ${money(row.cost_per_problem)}`);
  return `Scatter of pass@1 against the cost of a problem. ${points.join("; ")}`;
}

function passCostConfig(judged, isFree, colourOf) {
  const costs = judged.filter((row) => !isFree(row)).map((row) => row.cost_per_problem);
  const [least, most] = [Math.min(...costs), Math.max(...costs)];
  const room = Math.max(1.3, (most / least) ** 0.2); // beside the outermost points, for their names
  const free = least / 4; // a logarithmic axis has no nought: what is free stands at its left end
  const hasFree = judged.some(isFree);
  const at = (row) => (isFree(row) ? free : row.cost_per_problem);
  const front = judged.filter((row) => row.is_on_front).sort((one, other) => at(one) - at(other));
  const point = (row) => {
    const { rate, low, high } = row.rates[0];
    return { x: at(row), y: 100 * rate, low: 100 * low, high: 100 * high, name: short(row.label) };
  };
  const ink = getComputedStyle(document.documentElement).getPropertyValue("--soft").trim();
  const all = judged.map(point);
  return {
    type: "scatter",
    data: {
      datasets: [
        ...judged.map((row, place) => ({ label: row.label, data: [all[place]], borderColor: colourOf(row),
          backgroundColor: colourOf(row), pointRadius: 5, pointHoverRadius: 7 })),
        { label: "not beaten at both", type: "line", stepped: true, data: front.map((row) => ({ x: at(row), y: 100 * row.rates[0].rate })),
          borderColor: ink, borderWidth: 1.5, borderDash: [5, 4], pointRadius: 0, pointHitRadius: 0 },
      ],
    },
    options: {
      parsing: false,
      layout: { padding: { top: ROOM_ABOVE } },
      plugins: {
        legend: { display: false },
        tooltip: { callbacks: { label: ({ raw, dataset }) => `${dataset.label}: ${raw.y.toFixed(1)} % (${Math.round(raw.low)}–${Math.round(raw.high)}), ${raw.x === free ? "$0" : money(raw.x)}` } },
      },
      scales: {
        x: axis("US dollars a problem", { type: "logarithmic", min: hasFree ? free / 1.5 : least / room, max: most * room,
          ticks: { maxRotation: 0, autoSkipPadding: 12, callback: (value) => (hasFree && value === free ? "$0" : dollars(value)) },
          afterBuildTicks: (scale) => {
            const ticks = costTicks(hasFree ? least / room : scale.min, scale.max);
            scale.ticks = [...(hasFree ? [free] : []), ...ticks].map((value) => ({ value }));
          } }),
        y: axis("pass@1, %", { min: Math.max(0, 10 * Math.floor(Math.min(...all.map(({ low }) => low)) / 10)),
          max: Math.min(100, 10 * Math.ceil(Math.max(...all.map(({ high }) => high)) / 10)) }),
      },
    },
    plugins: [WHISKERS, NAMES],
  };
}

/** Where the axis has ticks: at 1, 2, 5, 10 ... or, where few of these lie between, at even distances. */
function costTicks(from, to) {
  if (to / from < 10) {
    const steps = [0, 0.25, 0.5, 0.75, 1].map((part) => Number((from * (to / from) ** part).toPrecision(2)));
    return [...new Set(steps)].filter((value) => value >= from && value <= to);
  }
  const powers = Array.from({ length: 25 }, (_, place) => 10 ** (place - 12));
  return powers.flatMap((power) => [power, 2 * power, 5 * power]).filter((value) => value >= from && value <= to);
}

function dollars(value) {
  return `$${Number(value.toPrecision(2)).toLocaleString("en-US", { maximumSignificantDigits: 2 })}`;
}
