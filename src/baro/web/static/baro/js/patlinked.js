// The plots of a model, of a validation and of two models. What is chosen in one plot is marked in every other one.

import { colour, config, font, layout } from "./charts.js";
import { fill, words } from "./words.js";

const data = JSON.parse(document.getElementById("pat-data").textContent);
const plots = new Map();
document.querySelectorAll("[data-chart]").forEach((node) => plots.set(node.dataset.chart, node));
const RED = "#b3261e", ORANGE = "#D55E00";
const count = data.sample?.length ?? 0;
const error = data.predicted?.map((value, i) => value - data.reference[i]);
const outside = data.t2?.map((value, i) => value > 1 || data.q[i] > 1);

const framed = (more) => layout({ margin: { l: 56, r: 20, t: 8, b: 50 }, dragmode: "select", selectdirection: "any", ...more });
const line = (x0, y0, x1, y1, style, refs = {}) => ({ type: "line", x0, y0, x1, y1, line: style, layer: "below", ...refs });
const level = (y, style) => line(0, y, 1, y, style, { xref: "paper" });
const upright = (x, style) => line(x, 0, x, 1, style, { yref: "paper" });
const solid = { color: colour.strong, width: 1.2 }, dashed = { color: colour.muted, width: 1.2, dash: "dash" };
const dotted = { color: colour.muted, width: 1.4, dash: "dot" };
const short = (value) => Number(value.toPrecision(4)).toString();

// One point a sample, in the order of the samples, so that a number of a point is a number of a sample.
function points(x, y, more = {}) {
  return {
    x, y, mode: "markers", type: count > 3000 ? "scattergl" : "scatter",
    marker: {
      size: 7, color: outside.map((out) => (out ? RED : colour.blue)),
      symbol: outside.map((out) => (out ? "x-thin-open" : "circle")), line: { width: 1, color: colour.paper },
    },
    selected: { marker: { opacity: 1, size: 10 } }, unselected: { marker: { opacity: 0.18 } },
    text: data.sample.map((name, i) => `${name} · ${data.batch[i]}<br>${words.reference}: ${short(data.reference[i])}<br>${words.predicted}: ${short(data.predicted[i])}`),
    hoverinfo: "text", ...more,
  };
}
const hollow = (x, y) => ({
  x, y, mode: "markers", hoverinfo: "skip", marker: { size: 6, color: "rgba(0,0,0,0)", line: { width: 1, color: colour.line } },
});

function ends(...columns) {
  const all = columns.flat().filter((value) => value !== null);
  const low = Math.min(...all), high = Math.max(...all), room = 0.05 * (high - low || 1);
  return [low - room, high + room];
}
const note = (text) => ({
  xref: "paper", yref: "paper", x: 0.02, y: 0.98, xanchor: "left", yanchor: "top", align: "left", showarrow: false,
  text, font: { ...font, size: 11 }, bgcolor: "rgba(255,255,255,0.85)",
});

const draw = {
  predicted(node) {
    const range = ends(data.reference, data.predicted, data.fitted ?? []);
    const f = data.figures, spread = f.rmsep ?? f.rmsecv;
    const shapes = [line(range[0], range[0], range[1], range[1], solid)];
    for (const side of spread ? [-2, 2] : []) shapes.push(line(range[0], range[0] + side * spread, range[1], range[1] + side * spread, dotted));
    if (f.slope !== undefined && f.slope !== null && f.intercept !== undefined) {
      shapes.push(line(range[0], f.intercept + f.slope * range[0], range[1], f.intercept + f.slope * range[1], { ...dashed, color: colour.blue }));
    }
    const names = { n: "n", latent_variables: "LV", rmsec: "RMSEC", rmsecv: "RMSECV", rmsep: "RMSEP", bias: "bias", sep: "SEP", slope: "slope", r2: "R²" };
    const told = Object.entries(names).filter(([key]) => f[key] !== undefined && f[key] !== null).map(([key, name]) => `${name} ${short(f[key])}`);
    const key = data.kind === "test" ? `● ${words.test}` : `○ ${words.fitted}　● ${words.left_out}`;
    const traces = [points(data.reference, data.predicted)];
    if (data.fitted) traces.push(hollow(data.reference, data.fitted));
    plot(node, traces, {
      shapes, annotations: [note([key, ...told].join("<br>"))],
      xaxis: { title: { text: words.reference }, range }, yaxis: { title: { text: words.predicted }, range, scaleanchor: "x" },
    });
  },
  residuals(node) {
    const shapes = [level(0, solid)];
    if (data.figures.bias) shapes.push(level(data.figures.bias, { ...dashed, color: colour.blue }));
    plot(node, [points(data.reference, error)], { shapes, xaxis: { title: { text: words.reference } }, yaxis: { title: { text: words.error } } });
  },
  batches(node) {
    plot(node, [points(data.batch, error)], {
      shapes: [level(0, solid)], xaxis: { type: "category", title: { text: words.batch }, nticks: 20 }, yaxis: { title: { text: words.error } },
    });
  },
  influence(node) {
    const shapes = [upright(1, dotted), level(1, dotted)];
    if (data.extreme) shapes.push(upright(data.extreme[0], dashed), level(data.extreme[1], dashed));
    const top = (values) => [0, 1.08 * Math.max(1.1, ...values)];
    plot(node, [points(data.t2, data.q)], {
      shapes, xaxis: { title: { text: words.t2 }, range: top(data.t2) }, yaxis: { title: { text: words.q }, range: top(data.q) },
    });
  },
  scores(node) {
    const a = Number(document.getElementById("pm-x").value) - 1, b = Number(document.getElementById("pm-y").value) - 1;
    const shapes = [level(0, { color: colour.line, width: 1 }), upright(0, { color: colour.line, width: 1 })];
    const radii = [];
    (data.ellipses ?? []).forEach((radius, i) => {
      radii.push([radius[a], radius[b]]);
      shapes.push({ type: "circle", x0: -radius[a], x1: radius[a], y0: -radius[b], y1: radius[b], line: i ? dotted : dashed, layer: "below" });
    });
    const widest = radii.at(-1) ?? [0, 0];
    const name = (n) => fill(words.score, { n: n + 1, share: `${data.shares[n].toFixed(1)} %` });
    plot(node, [points(data.scores[a], data.scores[b])], {
      shapes, xaxis: { title: { text: name(a) }, range: ends(data.scores[a], [-widest[0], widest[0]]) },
      yaxis: { title: { text: name(b) }, range: ends(data.scores[b], [-widest[1], widest[1]]) },
    });
  },
  axis(node) {
    const chosen = document.getElementById("pm-curve").value;
    const y = data[chosen] ?? data.loadings[Number(chosen) - 1];
    const title = chosen === "vip" ? "VIP" : words[chosen] ?? fill(words.loading, { n: chosen });
    plot(node, [{ x: data.axis, y, mode: "lines", line: { width: 1.4, color: colour.blue } }], {
      dragmode: "zoom", shapes: [level(chosen === "vip" ? 1 : 0, dashed)],
      xaxis: spectral(data), yaxis: { title: { text: title } },
    });
  },
  spectra(node) {
    const { axis, values, rows } = data.spectra;
    const strung = (list) => ({ x: list.flatMap(() => [...axis, null]), y: list.flatMap((i) => [...values[i], null]) });
    const picked = rows.map((row, i) => [row, i]).filter(([row]) => chosen.has(row)).map(([, i]) => i);
    plot(node, [
      { ...strung(rows.map((_, i) => i)), mode: "lines", hoverinfo: "skip", line: { width: 0.7, color: colour.line }, opacity: picked.length ? 0.35 : 0.8 },
      { ...strung(picked), mode: "lines", hoverinfo: "skip", line: { width: 1.6, color: ORANGE } },
    ], { dragmode: "zoom", xaxis: spectral(data, ends(axis, [])), yaxis: { title: { text: words.signal } } });
  },
  rmsecv(node) {
    const { values, chosen: taken } = data.rmsecv;
    plot(node, [{ x: values.map((_, i) => i + 1), y: values, mode: "lines+markers", line: { width: 1, color: colour.line }, marker: { size: 7, color: colour.blue } }], {
      dragmode: "zoom", shapes: taken ? [upright(taken, dashed)] : [],
      annotations: taken ? [{ x: taken, xref: "x", yref: "paper", y: 1, text: fill(words.chosen, { n: taken }), showarrow: false, xanchor: "left", yanchor: "top" }] : [],
      xaxis: { title: { text: words.components }, dtick: 1 }, yaxis: { title: { text: words.rmsecv }, rangemode: "tozero" },
    });
  },
  errors(node) {
    const range = ends(data.errors[0], data.errors[1]);
    plot(node, [plain(data.errors[0], data.errors[1], colour.blue)], {
      shapes: [line(range[0], range[0], range[1], range[1], solid), level(0, dotted), upright(0, dotted)],
      xaxis: { title: { text: `${words.residual} ${data.names[0]}` }, range }, yaxis: { title: { text: `${words.residual} ${data.names[1]}` }, range, scaleanchor: "x" },
    });
  },
  both(node) {
    plot(node, data.errors.map((y, i) => plain(data.reference, y, i ? ORANGE : colour.blue, { name: data.names[i], marker: { size: 7, symbol: i ? "diamond-open" : "circle", color: i ? ORANGE : colour.blue } })), {
      showlegend: true, legend: { orientation: "h", y: 1.12 }, shapes: [level(0, solid)],
      xaxis: { title: { text: words.reference } }, yaxis: { title: { text: words.error } },
    });
  },
  coefficients(node) {
    const traces = data.curves.map((one, i) => {
      const most = Math.max(...one.coefficients.map(Math.abs)) || 1;
      return { x: one.axis, y: one.coefficients.map((v) => v / most), name: data.names[i], mode: "lines", line: { width: 1.4, color: i ? ORANGE : colour.blue, dash: i ? "dash" : "solid" } };
    });
    plot(node, traces, { dragmode: "zoom", showlegend: true, legend: { orientation: "h", y: 1.12 }, shapes: [level(0, solid)], xaxis: spectral(data.curves[0]), yaxis: { title: { text: words.coefficients } } });
  },
};

function plain(x, y, tone, more = {}) {
  return { x, y, mode: "markers", marker: { size: 7, color: tone }, text: data.sample, hovertemplate: "%{text}<br>%{x:.4~g} · %{y:.4~g}<extra></extra>", ...more };
}
// wavenumbers of absorption fall from left to right, as chemists read them
function spectral(one, range) {
  const down = one.axis_kind === "wavenumber";
  const span = range ?? [Math.min(...one.axis), Math.max(...one.axis)];
  return { title: { text: fill(words[one.axis_kind], { unit: one.axis_unit }) }, range: down ? [...span].reverse() : span };
}

// --- what is chosen
const LINKED = ["predicted", "residuals", "batches", "influence", "scores"];
let chosen = new Set();

function plot(node, traces, more) {
  if (LINKED.includes(node.dataset.chart)) traces[0].selectedpoints = chosen.size ? [...chosen] : null;
  Plotly.react(node, traces, framed(more), config);
}

function choose(numbers) {
  chosen = new Set(numbers);
  for (const key of LINKED) {
    const node = plots.get(key);
    if (node?.data) Plotly.restyle(node, { selectedpoints: [chosen.size ? [...chosen] : null] }, [0]);
  }
  if (plots.has("spectra")) draw.spectra(plots.get("spectra"));
  document.querySelectorAll("#pat-table [data-row]").forEach((row) => row.setAttribute("aria-selected", chosen.has(Number(row.dataset.row))));
  const told = document.getElementById("pm-chosen");
  if (told) told.textContent = chosen.size ? fill(words.chosen, { n: chosen.size }) : "";
}

function table(id, heads, columns) {
  const node = document.getElementById(id);
  if (!node || !columns.length) return;
  const cell = (value) => (typeof value === "number" ? short(value) : value ?? "");
  const head = node.createTHead().insertRow();
  heads.forEach((text) => { const th = document.createElement("th"); th.scope = "col"; th.textContent = text; head.append(th); });
  const body = node.createTBody();
  columns[0].forEach((_, i) => {
    const row = body.insertRow();
    row.dataset.row = i;
    columns.forEach((column) => { const td = row.insertCell(); td.textContent = cell(column[i]); if (typeof column[i] === "number") td.className = "num"; });
  });
}

function start() {
  for (const [key, node] of plots) draw[key](node);
  for (const key of LINKED) {
    const node = plots.get(key);
    if (!node || data.kind === "compare") continue;
    const numbers = (event) => (event?.points ?? []).filter((point) => point.curveNumber === 0).map((point) => point.pointNumber ?? point.pointIndex);
    node.on("plotly_selected", (event) => { if (event) choose(numbers(event)); });
    node.on("plotly_click", (event) => choose(numbers(event)));
    node.on("plotly_deselect", () => choose([]));
  }
  document.getElementById("pm-clear")?.addEventListener("click", () => choose([]));
  for (const id of ["pm-x", "pm-y"]) document.getElementById(id)?.addEventListener("change", () => draw.scores(plots.get("scores")));
  document.getElementById("pm-curve")?.addEventListener("change", () => draw.axis(plots.get("axis")));
  if (data.kind === "compare") table("pat-table", [words.sample, words.reference, ...data.names], [data.sample, data.reference, ...data.errors]);
  else if (data.sample) {
    const heads = [words.sample, words.batch, words.reference, words.predicted, words.t2, words.q];
    const columns = [data.sample, data.batch, data.reference, data.predicted, data.t2, data.q];
    if (data.scores) data.scores.slice(0, 2).forEach((column, n) => { heads.push(fill(words.score, { n: n + 1, share: `${data.shares[n].toFixed(1)} %` })); columns.push(column); });
    table("pat-table", heads, columns);
  }
  if (data.axis) table("pat-curves", [fill(words[data.axis_kind], { unit: data.axis_unit }), words.coefficients, "VIP", ...data.loadings.map((_, n) => fill(words.loading, { n: n + 1 }))], [data.axis, data.coefficients, data.vip, ...data.loadings]);
  document.querySelectorAll("#pat-table [data-row]").forEach((row) => row.addEventListener("click", () => choose([Number(row.dataset.row)])));
  document.body.dataset.drawn = "yes";
}
if (Object.keys(data).length) start();
