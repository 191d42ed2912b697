// A search as it runs: the curves of the best candidates, and every candidate in the order of trying.

import { colour, config, layout } from "./charts.js";
import { fill, words } from "./words.js";

const SERIES = ["#0072B2", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000"];
const DASHES = ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot"];

function draw() {
  const told = document.getElementById("search-drawn");
  if (!told) return;
  const { curves, tried, unit } = JSON.parse(told.textContent);
  const node = document.getElementById("search-curves");
  const error = fill(words.rmsecv, { unit });
  const traces = curves.map((one, i) => ({
    x: one.rmsecv.map((_, k) => k + 1), y: one.rmsecv, mode: "lines", name: one.name,
    line: { color: SERIES[i], width: i ? 1.2 : 2.5, dash: DASHES[i] },
    error_y: i ? undefined : { type: "data", array: one.se, color: SERIES[0], thickness: 1, width: 3 },
    hovertemplate: `${one.name}. ${one.steps}<br>%{x}: %{y:.4g}<extra></extra>`,
  }));
  if (curves.length) {
    const { rmsecv, components } = curves[0];
    traces.push({
      x: [components], y: [rmsecv[components - 1]], mode: "markers+text", text: [fill(words.chosen, { n: components })], textposition: "bottom right",
      marker: { size: 12, symbol: "circle-open", color: colour.strong, line: { width: 2 } }, hoverinfo: "skip", showlegend: false,
    });
  }
  const top = Math.max(...curves.map((one) => one.rmsecv[0]), 0);
  Plotly.react(node, traces, layout({
    margin: { l: 60, r: 16, t: 28, b: 44 }, uirevision: null, showlegend: curves.length > 1,
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0, title: { text: words.rank, side: "left" } },
    xaxis: { title: { text: words.components }, dtick: 1, range: [0.5, 0.5 + Math.max(5, ...curves.map((one) => one.rmsecv.length))] }, yaxis: { title: { text: error }, range: top ? [0, 1.1 * top] : undefined },
  }), config);
  node.dataset.curves = String(curves.length);
  let low = Infinity;
  const best = tried.map(([, value]) => { low = Math.min(low, value); return low; });
  Plotly.react(document.getElementById("search-tried"), [
    { x: tried.map((one) => one[0] + 1), y: tried.map((one) => one[1]), mode: "markers", marker: { size: 5, color: "#8e959b" }, hovertemplate: `${words.candidate} %{x}: %{y:.4g}<extra></extra>` },
    { x: tried.map((one) => one[0] + 1), y: best, mode: "lines", line: { shape: "hv", color: SERIES[0], width: 2 }, hovertemplate: `${words.best_so_far}: %{y:.4g}<extra></extra>` },
  ], layout({
    margin: { l: 60, r: 16, t: 8, b: 44 }, uirevision: null,
    xaxis: { title: { text: words.done } }, yaxis: { title: { text: error } },
  }), config);
}

draw();
document.addEventListener("htmx:afterSwap", (event) => { if (event.target.id === "search-now") draw(); });
