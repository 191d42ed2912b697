// The look of every chart, and the three charts of a lot. Styles of lines are the house's own:
// specification solid, target long-dash-dot, model limits dashed (95 %) and dotted (99 %).

import { fill, words } from "./words.js";

const css = getComputedStyle(document.documentElement);
const token = (name) => css.getPropertyValue(name).trim();
export const colour = {
  paper: token("--grey-0"), band: token("--grey-200"), grid: token("--grey-100"), line: token("--grey-500"),
  muted: token("--grey-600"), text: token("--grey-800"), strong: token("--grey-900"), accent: token("--accent"),
  blue: "#0072B2", green: "#009E73",
};
export const font = { family: getComputedStyle(document.body).fontFamily, size: 12, color: colour.text };
export const config = { displayModeBar: false, responsive: true, doubleClick: "reset", showTips: false };

export function layout(more) {
  const axis = {
    gridcolor: colour.grid, zeroline: false, linecolor: colour.line, showline: true, ticks: "outside",
    tickcolor: colour.line, title: { standoff: 8 }, automargin: true, fixedrange: false,
  };
  return {
    font, paper_bgcolor: colour.paper, plot_bgcolor: colour.paper, showlegend: false, hovermode: "closest",
    margin: { l: 56, r: 96, t: 8, b: 44 }, uirevision: "keep",
    hoverlabel: { font: { ...font, color: colour.strong }, bgcolor: colour.paper, bordercolor: colour.line },
    ...more,
    xaxis: { ...axis, ...more.xaxis }, yaxis: { ...axis, ...more.yaxis },
  };
}

const level = (y, line) => ({
  type: "line", xref: "paper", x0: 0, x1: 1, yref: "y", y0: y, y1: y, layer: "above", line,
});
const upright = (x, line) => ({ type: "line", yref: "paper", y0: 0, y1: 1, xref: "x", x0: x, x1: x, layer: "above", line });
const endLabel = (y, text, yanchor = "middle") => ({
  xref: "paper", x: 1.005, xanchor: "left", yref: "y", y, yanchor, text, showarrow: false, align: "left",
  font: { ...font, size: 12, color: colour.strong },
});
export const lines = {
  spec: { color: colour.strong, width: 2, dash: "solid" },
  target: { color: colour.accent, width: 1.5, dash: "longdashdot" },
  extreme: { color: colour.muted, width: 1.5, dash: "dash" },
  outlier: { color: colour.muted, width: 1.5, dash: "dot" },
};

/** A range that only grows, in whole steps, so that the axis does not jump. */
export class Range {
  constructor(low, high, step) { Object.assign(this, { low, high, step }); }
  hold(values) {
    for (const v of values) {
      if (v === null || !Number.isFinite(v)) continue;
      while (v < this.low) this.low -= this.step;
      while (v > this.high) this.high += this.step;
    }
    return [this.low, this.high];
  }
}

// The calibration's spread around its mean decides the first range; outliers may widen it, to a limit.
export function spectraChart(node, model) {
  const spread = Math.max(...model.high) - Math.min(...model.low);
  const range = new Range(Math.min(...model.low) - 0.05 * spread, Math.max(...model.high) + 0.05 * spread, spread / 8);
  const base = [
    { x: model.axis, y: model.low, mode: "lines", line: { width: 0.5, color: colour.line }, hoverinfo: "skip" },
    {
      x: model.axis, y: model.high, mode: "lines", fill: "tonexty", fillcolor: "rgba(180,186,191,0.45)",
      line: { width: 0.5, color: colour.line }, hoverinfo: "skip",
    },
  ];
  return (spectra) => {
    const n = spectra.length;
    const traces = spectra.map((spectrum, i) => {
      const newest = i === n - 1;
      return {
        x: model.axis, y: spectrum.y, mode: "lines", name: spectrum.sample,
        opacity: newest ? 1 : 0.12 + 0.5 * ((i + 1) / n),
        line: {
          width: newest ? 2.5 : 1.2, color: spectrum.usable ? colour.blue : colour.muted,
          dash: spectrum.usable ? "solid" : "dash",
        },
        hovertemplate: `${spectrum.sample}<br>%{x} nm: %{y:.3f}<extra></extra>`,
      };
    });
    const annotations = [{
      xref: "paper", x: 0.01, xanchor: "left", yref: "paper", y: 0.98, yanchor: "top", showarrow: false,
      text: `▨ ${words.calibration_range}`, font: { ...font, color: colour.muted },
      bgcolor: "rgba(255,255,255,0.85)",
    }];
    if (n) {
      const newest = spectra[n - 1];
      annotations.push({
        ...endLabel(newest.y[newest.y.length - 1], `${newest.sample}`),
        font: { ...font, color: newest.usable ? colour.blue : colour.muted },
      });
    }
    return Plotly.react(node, [...base, ...traces], layout({
      margin: { l: 56, r: 56, t: 8, b: 44 },
      xaxis: { title: { text: words.wavelength }, range: [model.axis[0], model.axis.at(-1)] },
      yaxis: { title: { text: words.absorbance }, range: range.hold(spectra.flatMap((s) => [Math.min(...s.y), Math.max(...s.y)])) },
      annotations,
    }), config);
  };
}

export function assayChart(node, lot, decimals = 1) {
  const range = new Range(85, 115, 5);
  return (rows, mean) => {
    const used = rows.filter((r) => r.usable);
    const unused = rows.filter((r) => !r.usable);
    const [low, high] = range.hold(used.map((r) => r.value));
    // a value that is not used must not stretch the scale of those that are
    const clamp = (v) => (v === null ? low : Math.min(high, Math.max(low, v)));
    const say = (r) => `${words.tablet} ${r.no} (${r.sample}): ${r.value === null ? "×" : r.value.toFixed(decimals) + " %"}`;
    const last = rows.length ? rows[rows.length - 1].no : 0;
    const latest = used.length ? used[used.length - 1] : null;
    const shapes = [level(100, lines.target)];
    const annotations = [endLabel(100, `${words.target} 100`)];
    for (const [limit, name] of [[lot.high, words.usl], [lot.low, words.lsl]]) {
      if (limit === null) continue;
      shapes.push(level(limit, lines.spec));
      annotations.push(endLabel(limit, `${name} ${limit.toFixed(decimals)}`));
    }
    if (mean !== null && mean !== undefined) {
      shapes.push(level(mean, { color: colour.green, width: 2.5, dash: "solid" }));
      // the label steps aside when a line of the house stands where it wants to be
      const near = [100, lot.low, lot.high].find((y) => y !== null && Math.abs(mean - y) < (high - low) * 0.07);
      const aside = near === undefined ? 0 : (mean >= near ? 1 : -1) * (high - low) * 0.075;
      annotations.push({
        ...endLabel((near ?? mean) + aside, `${words.mean} ${mean.toFixed(decimals)}`),
        font: { ...font, color: "#00694d" },
      });
    }
    return Plotly.react(node, [
      {
        x: unused.map((r) => r.no), y: unused.map((r) => clamp(r.value)), mode: "markers",
        marker: { symbol: "x-thin", size: 9, color: colour.line, line: { width: 1.6, color: colour.line } },
        text: unused.map((r) => `${say(r)}<br>${words.not_used}`), hoverinfo: "text",
      },
      {
        x: used.map((r) => r.no), y: used.map((r) => r.value), mode: "lines+markers", connectgaps: false,
        line: { width: 0.6, color: "#b4babf" },
        marker: { size: 6, color: colour.blue }, text: used.map(say), hoverinfo: "text",
      },
      {
        x: latest ? [latest.no] : [], y: latest ? [latest.value] : [], mode: "markers",
        marker: { size: 11, color: colour.blue, line: { width: 2, color: colour.strong } },
        text: latest ? [say(latest)] : [], hoverinfo: "text",
      },
    ], layout({
      margin: { l: 56, r: 130, t: 8, b: 44 },
      xaxis: { title: { text: words.tablet_axis }, range: [0, Math.max(lot.planned || 0, last, 10) + 1] },
      yaxis: { title: { text: words.assay_axis }, range: [low, high] },
      shapes, annotations,
    }), config);
  };
}

export function influenceChart(node, model) {
  let far = false;
  let top = 2;
  return (rows) => {
    const known = rows.filter((r) => r.t2 !== null && r.q !== null);
    const largest = Math.max(0, ...known.map((r) => Math.max(r.t2, r.q)));
    far ||= largest > 1.6;
    while (far && 10 ** top < largest * 1.2) top += 1;
    const kind = far ? "log" : "linear";
    const range = far ? [-2, top] : [0, 1.7];
    // on a logarithmic axis a line's and a label's place is the exponent, but a shape's is the value
    const spot = (v) => (far ? Math.log10(v) : v);
    // how much of the plot lies below the limit
    const split = (spot(model.q_extreme) - range[0]) / (range[1] - range[0]);
    const latest = known.slice(-1);
    const inside = known.filter((r) => r.usable);
    const outside = known.filter((r) => !r.usable);
    const hover = (r) => `${r.sample}<br>T² ${r.t2.toPrecision(3)} · Q ${r.q.toPrecision(3)}${r.usable ? "" : `<br>${words.not_used}`}`;
    const corner = (x, y, text, xanchor, yanchor) => ({
      x, y, xref: "paper", yref: "paper", text, xanchor, yanchor, showarrow: false, font: { ...font, size: 11, color: colour.muted },
      bgcolor: "rgba(255,255,255,0.8)",
    });
    return Plotly.react(node, [
      {
        x: model.t2, y: model.q, mode: "markers", hoverinfo: "skip",
        marker: { symbol: "circle-open", size: 5, color: "#8e959b" },
      },
      {
        x: inside.map((r) => r.t2), y: inside.map((r) => r.q), mode: "markers",
        marker: { size: 6, color: colour.blue, opacity: 0.65 }, text: inside.map(hover), hoverinfo: "text",
      },
      {
        x: outside.map((r) => r.t2), y: outside.map((r) => r.q), mode: "markers",
        marker: { symbol: "x-thin", size: 8, line: { width: 1.6, color: colour.muted } },
        text: outside.map(hover), hoverinfo: "text",
      },
      {
        x: latest.map((r) => r.t2), y: latest.map((r) => r.q), mode: "markers",
        marker: { size: 12, symbol: "diamond", color: colour.strong, line: { width: 1, color: colour.paper } },
        text: latest.map(hover), hoverinfo: "text",
      },
    ], layout({
      margin: { l: 52, r: 40, t: 22, b: 44 },
      xaxis: { title: { text: words.t2_axis }, type: kind, range, dtick: far ? 1 : undefined },
      yaxis: { title: { text: words.q_axis }, type: kind, range, dtick: far ? 1 : undefined },
      shapes: [
        upright(model.t2_extreme, lines.extreme), upright(1, lines.outlier),
        { ...level(model.q_extreme, lines.extreme) }, level(1, lines.outlier),
      ],
      annotations: [
        corner(0.01, 0.8 * split, words.normal, "left", "middle"),
        corner(0.99, 0.8 * split, words.extreme, "right", "middle"),
        corner(0.01, 0.98, words.outside, "left", "top"),
        corner(0.99, 0.98, words.both, "right", "top"),
        { ...corner(spot(model.t2_extreme), 1.0, "95 %", "right", "bottom"), xref: "x" },
        { ...corner(spot(1), 1.0, "99 %", "left", "bottom"), xref: "x" },
        { ...corner(1.01, spot(model.q_extreme), "95 %", "left", "top"), yref: "y" },
        { ...corner(1.01, spot(1), "99 %", "left", "bottom"), yref: "y" },
      ],
    }), config);
  };
}

export function histogram(node, rows, lot, mean) {
  const values = rows.filter((r) => r.usable).map((r) => r.value);
  const shapes = [upright(100, lines.target)];
  const top = (x, text, xanchor) => ({
    x, xref: "x", y: 1.0, yref: "paper", yanchor: "bottom", xanchor, text, showarrow: false, font,
  });
  const annotations = [top(100, `${words.target} 100`, "center")];
  for (const [limit, name] of [[lot.low, words.lsl], [lot.high, words.usl]]) {
    if (limit === null) continue;
    shapes.push(upright(limit, lines.spec));
    annotations.push(top(limit, `${name} ${limit.toFixed(1)}`, limit < 100 ? "right" : "left"));
  }
  if (mean !== null && mean !== undefined) {
    shapes.push(upright(mean, { color: colour.green, width: 2.5 }));
    annotations.push({ ...top(mean, `${words.mean} ${mean.toFixed(1)}`, "center"), yshift: 16, font: { ...font, color: "#00694d" } });
  }
  const range = new Range(85, 115, 5).hold(values);
  return Plotly.react(node, [{
    type: "histogram", x: values, xbins: { start: Math.floor(range[0]), end: range[1], size: 1 },
    marker: { color: "#9db8c9", line: { width: 1, color: colour.blue } }, hovertemplate: "%{x} %: %{y}<extra></extra>",
  }], layout({
    margin: { l: 56, r: 24, t: 44, b: 44 }, bargap: 0.04,
    xaxis: { title: { text: words.assay_axis }, range }, yaxis: { title: { text: words.count_axis } },
    shapes, annotations,
  }), config);
}

/** A table as an element, built only when somebody opens it. */
export function table(heads, rows) {
  const node = document.createElement("table");
  node.className = "dense list";
  const line = (cells, tag) => {
    const tr = document.createElement("tr");
    for (const text of cells) {
      const cell = document.createElement(tag);
      if (tag === "th") cell.scope = "col";
      cell.textContent = text;
      if (tag === "td") cell.className = "num";
      tr.append(cell);
    }
    return tr;
  };
  const head = document.createElement("thead");
  head.append(line(heads, "th"));
  const body = document.createElement("tbody");
  body.append(...rows.map((row) => line(row, "td")));
  node.append(head, body);
  return node;
}

export const toRows = (columns) => columns.key.map((key, i) => ({
  key, no: columns.no[i], sample: columns.sample[i], value: columns.value[i], t2: columns.t2[i], q: columns.q[i],
  usable: columns.usable[i],
}));

export const modelLine = (model, language) => fill(words.model_line, {
  code: model.code, version: model.version, status: model.status[language], digest: model.digest.slice(0, 12),
  n: model.n, low: model.range[0], high: model.range[1], unit: model.unit,
});
