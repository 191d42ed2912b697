// A calibration on its way to another instrument: standards among the calibration, methods side by side, standards left
// out before and after.

import { colour, config, layout } from "./charts.js";
import { fill, words } from "./words.js";

const data = JSON.parse(document.getElementById("pat-data").textContent);
const ORANGE = "#D55E00";
const legend = { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 };
const framed = (more) => layout({ margin: { l: 60, r: 20, t: 28, b: 48 }, showlegend: true, legend, uirevision: null, ...more });
const unit = (text) => fill(text, { unit: data.unit });

function box(x, y) {
  const ends = (values) => [Math.min(...values), Math.max(...values)];
  const [[x0, x1], [y0, y1]] = [ends(x), ends(y)];
  return { type: "rect", x0, x1, y0, y1, layer: "below", line: { color: colour.blue, width: 1.2, dash: "dash" }, fillcolor: "rgba(0,114,178,0.06)" };
}
const dots = (x, y, name, text, marker) => ({ x, y, name, text, mode: "markers", hovertemplate: "%{text}<br>%{x:.4~g} · %{y:.4~g}<extra></extra>", marker });

const draw = {
  span(node) {
    const a = Number(document.getElementById("t-x").value) - 1, b = Number(document.getElementById("t-y").value) - 1;
    const { calibration, standards, missing } = data;
    const traces = [];
    if (calibration.sample.length) {
      traces.push(dots(calibration.scores[a], calibration.scores[b], words.calibration, calibration.sample, { size: 6, color: colour.line, opacity: 0.7 }));
    }
    traces.push(dots(standards.scores[a], standards.scores[b], words.standards, standards.sample, { size: 9, color: colour.blue, line: { width: 1, color: colour.paper } }));
    if (missing.length) {
      const of = (column) => missing.map((i) => column[i]);
      traces.push(dots(of(calibration.scores[a]), of(calibration.scores[b]), words.missing, of(calibration.sample), { size: 11, symbol: "diamond-open", color: ORANGE, line: { width: 2, color: ORANGE } }));
    }
    Plotly.react(node, traces, framed({
      shapes: [box(standards.scores[a], standards.scores[b])],
      xaxis: { title: { text: fill(words.score, { n: a + 1 }) } }, yaxis: { title: { text: fill(words.score, { n: b + 1 }) } },
    }), config);
  },
  values(node) {
    const { calibration, standards, range, span } = data;
    const row = (values, y, name, color) => ({
      x: values, y: values.map(() => y), name, mode: "markers", marker: { symbol: "line-ns-open", size: 22, color, line: { width: 1.4, color } },
      hovertemplate: "%{x:.5~g}<extra></extra>",
    });
    const bar = ([x0, x1], y, color) => ({ type: "rect", x0, x1, y0: y - 0.32, y1: y + 0.32, layer: "below", line: { width: 0 }, fillcolor: color });
    Plotly.react(node, [row(calibration.reference, 1, words.calibration, colour.muted), row(standards.values, 0, words.standards, colour.blue)], framed({
      showlegend: false, shapes: [bar(range, 1, "rgba(110,118,125,0.16)"), bar(span, 0, "rgba(0,114,178,0.16)")],
      xaxis: { title: { text: unit(words.value) } },
      yaxis: { tickvals: [1, 0], ticktext: [words.calibration, words.standards], range: [-0.7, 1.7], showgrid: false, fixedrange: true },
    }), config);
  },
  leftout(node) {
    const all = [...data.wanted, ...data.before, ...data.after];
    const low = Math.min(...all), high = Math.max(...all), room = 0.05 * (high - low || 1);
    const range = [low - room, high + room];
    const out = [...data.wanted.keys()].flatMap((i) => [["before", i], ["after", i]]).filter(([when, i]) => !data[`inside_${when}`][i]);
    Plotly.react(node, [
      dots(data.wanted, data.before, words.before, data.sample, { size: 8, symbol: "circle-open", color: ORANGE, line: { width: 1.5, color: ORANGE } }),
      dots(data.wanted, data.after, words.after, data.sample, { size: 8, color: colour.blue }),
      dots(out.map(([, i]) => data.wanted[i]), out.map(([when, i]) => data[when][i]), words.outside, out.map(([, i]) => data.sample[i]), { size: 13, symbol: "x-thin-open", color: colour.strong, line: { width: 1.2, color: colour.strong } }),
    ], framed({
      shapes: [{ type: "line", x0: range[0], y0: range[0], x1: range[1], y1: range[1], layer: "below", line: { color: colour.strong, width: 1.2 } }],
      xaxis: { title: { text: unit(data.by_reference ? words.wanted : words.wanted_model) }, range }, yaxis: { title: { text: unit(words.predicted) }, range },
    }), config);
  },
};

// One row a method, the best on top; what they are held against are two upright lines.
function compare() {
  const told = document.getElementById("compare-data");
  const node = document.getElementById("compare-chart");
  if (!told || !node) return;
  const { rows, before, own, unit: of } = JSON.parse(told.textContent);
  const up = (x, dash) => ({ type: "line", x0: x, x1: x, yref: "paper", y0: 0, y1: 1, layer: "below", line: { color: colour.muted, width: 1.4, dash } });
  const name = (x, text, yanchor) => ({ x, xref: "x", yref: "paper", y: 1, yanchor, xanchor: "left", text, showarrow: false, font: { size: 11, color: colour.muted } });
  node.style.height = `${90 + 38 * rows.length}px`;
  Plotly.react(node, [{
    x: rows.map((one) => one.error), y: rows.map((_, i) => i), mode: "markers", marker: { size: 10, color: colour.blue },
    error_x: { type: "data", symmetric: false, array: rows.map((one) => one.high - one.error), arrayminus: rows.map((one) => one.error - one.low), color: colour.blue, thickness: 1.5, width: 5 },
    text: rows.map((one) => one.name), hovertemplate: "%{text}: %{x:.4~g}<extra></extra>",
  }], layout({
    margin: { l: 60, r: 24, t: 34, b: 44 }, uirevision: null,
    shapes: [up(before[0], "dot"), ...(own ? [up(own[0], "dash")] : [])],
    annotations: [name(before[0], words.before, "bottom"), ...(own ? [name(own[0], words.own, "bottom")] : [])],
    xaxis: { title: { text: fill(words.error, { unit: of }) }, rangemode: "tozero" },
    yaxis: { tickvals: rows.map((_, i) => i), ticktext: rows.map((one) => one.name.replace(/ \(/, "<br>(")), range: [rows.length - 0.4, -0.6], fixedrange: true },
  }), config);
  node.dataset.drawn = String(rows.length);
}

if (Object.keys(data).length) {
  document.querySelectorAll("[data-chart]").forEach((node) => draw[node.dataset.chart](node));
  for (const id of ["t-x", "t-y"]) document.getElementById(id)?.addEventListener("change", () => draw.span(document.querySelector("[data-chart=span]")));
  document.body.dataset.drawn = "yes";
}
document.addEventListener("htmx:afterSwap", (event) => { if (event.target.id === "compare") compare(); });
