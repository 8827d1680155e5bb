// The charts: each is drawn by Chart.js, named for screen readers, and there as a table too.

const ROOM_ABOVE = 18; // pixels, for names of points at the top
const drawn = [];
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
// The same in every report, whichever of them occur.
const FIXED_COLOURS = new Map(Object.entries({
  complete: "hsl(150 45% 42%)", "truncated (length)": "hsl(38 85% 50%)", refusal: "hsl(275 40% 55%)",
  filtered: "hsl(25 45% 40%)", other: "hsl(215 12% 55%)", "not read": "hsl(195 60% 42%)",
  "call failed": "hsl(3 65% 52%)",
}));

function colour(place, count) {
  const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
  const hue = Math.round((210 + (360 / Math.max(count, 1)) * place) % 360);
  // Neighbouring hues also differ in lightness, for readers who see few hues; yellows and greens
  // are bright by nature, too bright for white paper.
  const isBright = hue > 40 && hue < 190;
  const lightness = (isDark ? 58 : isBright ? 30 : 40) + (place % 2 ? 10 : 0);
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

/** A figure with its chart and, behind a fold, the same figures as a table; empty says why it has none. */
function addChart({ into = byId("charts"), title, hint, label, config, headings, rows, isEmpty, empty = "none" }) {
  const caption = element("figcaption", {}, title, element("small", {}, hint));
  if (isEmpty) {
    into.append(element("figure", {}, caption, element("p", { class: "none" }, empty)));
    return;
  }
  const canvas = element("canvas", { role: "img", "aria-label": label });
  const table = element("table", {}, element("caption", {}, title), element("thead"), element("tbody"));
  const fold = element("details", {}, element("summary", {}, "The figures as a table"),
    element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `${title}, table` }, table));
  fold.addEventListener("toggle", () => fillTable(table, headings, rows()), { once: true });
  into.append(
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
        backgroundColor: FIXED_COLOURS.get(name) ?? colour(place, series.length),
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

/** A vertical whisker with caps at each point that has a low and a high. */
const WHISKERS = {
  id: "whiskers",
  beforeDatasetsDraw({ ctx, scales, data }) {
    ctx.save();
    ctx.lineWidth = 1.5;
    for (const { data: points, borderColor } of data.datasets) {
      ctx.strokeStyle = borderColor;
      for (const { x, low, high } of points.filter((point) => point.low !== undefined)) {
        const [middle, top, bottom] = [scales.x.getPixelForValue(x), scales.y.getPixelForValue(high), scales.y.getPixelForValue(low)];
        ctx.beginPath();
        for (const [fromX, fromY, toX, toY] of [[0, top, 0, bottom], [-5, top, 5, top], [-5, bottom, 5, bottom]]) {
          ctx.moveTo(middle + fromX, fromY);
          ctx.lineTo(middle + toX, toY);
        }
        ctx.stroke();
      }
    }
    ctx.restore();
  },
};

/** Each point's name beside it, where there is room: what no name fits is in the tooltip and the table.
    The upper left of a point is tried first: nothing that is better stands there. */
const NAMES = {
  id: "names",
  afterDatasetsDraw(chart) {
    const { ctx, chartArea, data, scales } = chart;
    const points = data.datasets.flatMap(({ data: found }) => found.filter(({ name }) => name))
      .map(({ name, x, y, low, high }) => ({ name, x: scales.x.getPixelForValue(x),
        ...Object.fromEntries(Object.entries({ y, low, high }).map(([key, value]) => [key, scales.y.getPixelForValue(value)])) }));
    const taken = [...points.flatMap(({ x, y, low, high }) => [[x - 6, y - 6, x + 6, y + 6], [x - 6, high, x + 6, low]]),
      ...data.datasets.filter(({ stepped }) => stepped).flatMap(({ data: corners }) => stepBoxes(corners, scales))];
    ctx.save();
    ctx.font = `12px ${Chart.defaults.font.family}`;
    ctx.textBaseline = "middle";
    ctx.fillStyle = Chart.defaults.color;
    for (const { name, x, y, high } of points) {
      const width = ctx.measureText(name).width;
      const boxes = [[-9 - width, 0], [9, 14], [9, -14], [-9 - width, -14], [-9 - width, 14], [-width / 2, high - y - 12], [9, 28], [-9 - width, 28], [9, 0]]
        .map(([across, down]) => [x + across, y + down - 7, x + across + width, y + down + 7]);
      const free = boxes.find((box) => isInside(box, chartArea) && !taken.some((other) => overlap(box, other)));
      if (!free) continue;
      taken.push(free);
      ctx.fillText(name, free[0], free[1] + 7);
    }
    ctx.restore();
  },
};

/** Where a stepped line runs: across from each corner to below or above the next. */
function stepBoxes(corners, scales) {
  return corners.slice(1).map((corner, place) => {
    const [from, to] = [scales.x.getPixelForValue(corners[place].x), scales.x.getPixelForValue(corner.x)];
    const y = scales.y.getPixelForValue(corners[place].y);
    return [from, y - 1, to, y + 1];
  });
}

/** Whether a box lies in the chart, or a little above it, where the layout leaves room. */
function isInside([left, top, right, bottom], area) {
  return left >= area.left && right <= area.right && top >= area.top - ROOM_ABOVE && bottom <= area.bottom;
}

function overlap(one, other) {
  return one[0] < other[2] && other[0] < one[2] && one[1] < other[3] && other[1] < one[3];
}
