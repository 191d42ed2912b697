// What a model says of the spectra that arrive, as the page is told of it every few seconds.

import { colour, config, font, influenceChart, layout, lines, table } from "./charts.js";
import { words } from "./words.js";

const values = document.getElementById("live-values"), behind = document.getElementById("live-table");
const details = document.getElementById("live-details");
let influence = null, shown = "";

const told = () => document.getElementById("live-drawn").textContent;
const rowsOf = (live) => live.sample.map((sample, i) => ({
  no: live.count - live.sample.length + i + 1, sample, value: live.value[i], t2: live.t2[i], q: live.q[i], usable: live.usable[i],
}));
const edge = (y) => ({ type: "line", xref: "paper", x0: 0, x1: 1, y0: y, y1: y, layer: "below", line: lines.extreme });

function drawValues(live, rows) {
  const [low, high] = live.range, room = 0.25 * (high - low);
  const clamp = (value) => (value === null ? low - room : Math.min(high + room, Math.max(low - room, value)));
  const say = (row) => `${row.sample}: ${row.value === null ? "×" : `${row.value.toPrecision(4)} ${live.unit}`}${row.usable ? "" : `<br>${live.words.outside}`}`;
  const used = rows.filter((row) => row.usable), unused = rows.filter((row) => !row.usable);
  const marks = (some, marker, more) => ({ x: some.map((row) => row.no), y: some.map((row) => clamp(row.value)), text: some.map(say), hoverinfo: "text", mode: "markers", marker, ...more });
  Plotly.react(values, [
    marks(unused, { symbol: "x-thin", size: 9, color: colour.line, line: { width: 1.6, color: colour.line } }),
    marks(used, { size: 6, color: colour.blue }, { mode: "lines+markers", line: { width: 0.6, color: "#b4babf" } }),
    marks(rows.slice(-1), { size: 12, symbol: "circle-open", color: colour.strong, line: { width: 2 } }),
  ], layout({
    margin: { l: 56, r: 16, t: 22, b: 44 },
    xaxis: { title: { text: live.words.order }, range: rows.length ? [rows[0].no - 1, rows.at(-1).no + 1] : [0, 11] },
    yaxis: { title: { text: live.words.value }, range: [low - 1.1 * room, high + 1.1 * room] },
    shapes: [edge(low), edge(high)],
    annotations: [{ xref: "paper", x: 1, xanchor: "right", y: high, yanchor: "bottom", showarrow: false, text: live.words.calibrated, font: { ...font, size: 11, color: colour.muted } }],
  }), config);
}

function draw() {
  const text = told();
  if (text === shown) return;
  shown = text;
  const live = JSON.parse(text), rows = rowsOf(live);
  drawValues(live, rows);
  influence ??= influenceChart(document.getElementById("live-influence"), live.model);
  influence(rows);
  if (details.open) list(live, rows);
  values.dataset.drawn = String(rows.length);
}

function list(live, rows) {
  const heads = [live.words.order, live.words.sample, live.words.value, words.t2_axis, words.q_axis, ""];
  const cells = (row) => [row.no, row.sample, row.value ?? "×", row.t2?.toPrecision(3) ?? "×", row.q?.toPrecision(3) ?? "×", row.usable ? live.words.inside : live.words.outside];
  behind.replaceChildren(table(heads, rows.toReversed().map(cells)));
}

draw();
details.addEventListener("toggle", () => {
  const live = JSON.parse(told());
  if (details.open) list(live, rowsOf(live));
});
document.addEventListener("htmx:afterSwap", (event) => { if (event.target.id === "deployment-now") draw(); });
