// Lots laid over each other: time counts from the start of each lot, or of a phase of it.

import { colour, table } from "./charts.js";
import { dark, DASHES, digits, escape, font, lines, paneRange, SERIES } from "./trendchart.js";
import { ask, byId, chart, chip, Chooser, fine, iso, onZoom, root, send, told, Views } from "./trendpage.js";
import { fill, words } from "./words.js";

const MINUTE = 60000, PANE = 210, SPACE = 26, FOOT = 52, LONGEST = 60 * 24 * 365;
let batches = [], shown = null;

/** What is to be seen: tags, lots, the phase that begins at time zero ("": the lot), and from and to, minutes since it. */
const views = new Views(
  (asked) => ({
    tags: asked.getAll("tag"), lots: asked.getAll("lot"), phase: asked.get("phase") ?? "",
    a: asked.has("a") ? Number(asked.get("a")) : null, b: asked.has("b") ? Number(asked.get("b")) : null,
  }),
  ({ tags, lots, phase, a, b }) => new URLSearchParams([
    ["mode", "lots"], ...tags.map((tag) => ["tag", tag]), ...lots.map((lot) => ["lot", lot]), ...(phase ? [["phase", phase]] : []),
    ...(a === null ? [] : [["a", a], ["b", b]]),
  ]),
  load,
);
const chooser = new Chooser(views);

async function begin() {
  try {
    batches = await send(root.dataset.batches);
    // a lot of the address that is not among the latest
    for (const lot of views.now.lots) {
      if (!batches.some((one) => one.lot_no === lot)) batches.push(...(await send(`${root.dataset.batches}?${new URLSearchParams({ search: lot })}`)));
    }
  } catch (error) {
    return told(error, begin);
  }
  const option = (text, value) => Object.assign(document.createElement("option"), { textContent: text, value });
  const lots = [...new Set(batches.map((one) => one.lot_no))];
  byId("trend-lot").replaceChildren(option(words.choose_lot, ""), ...lots.map((lot) => option(lot, lot)));
  const phases = [...new Set(batches.flatMap((one) => one.phases.map((phase) => phase.name)))];
  byId("trend-align").replaceChildren(option(words.lot_start, ""), ...phases.map((one) => option(fill(words.phase_start, { phase: one }), one)));
  views.show();
}
byId("trend-lot").addEventListener("change", () => {
  const lot = byId("trend-lot").value;
  if (lot && !views.now.lots.includes(lot)) views.go({ lots: [...views.now.lots, lot], a: null, b: null });
  byId("trend-lot").value = "";
});
byId("trend-align").addEventListener("change", () => views.go({ phase: byId("trend-align").value, a: null, b: null }));

/** The runs that are laid over each other: lot, time zero, and where the lot begins and ends against it. */
function runs() {
  const out = [], without = [];
  for (const lot of views.now.lots) {
    const mine = batches.filter((one) => one.lot_no === lot);
    const found = mine.map((batch) => [batch, views.now.phase ? batch.phases.find((one) => one.name === views.now.phase)?.start : batch.start]);
    const some = found.filter(([, zero]) => zero !== undefined);
    if (mine.length && !some.length) without.push(fill(words.without, { lot }));
    for (const [batch, zero] of some) out.push({ lot, zero, start: batch.start, end: batch.end ?? Date.now() });
  }
  byId("trend-told").textContent = without.join(" ");
  return out;
}

async function load() {
  const { tags, lots, phase, a, b } = views.now;
  byId("trend-align").value = phase;
  chooser.show();
  byId("trend-lots").replaceChildren(...lots.map((lot) => chip(lot, () => views.go({ lots: lots.filter((one) => one !== lot), a: null, b: null }))));
  const all = tags.length ? runs() : [];
  byId("trend-empty").hidden = all.length > 0;
  chart.hidden = all.length === 0;
  chart.dataset.points = "0";
  if (!all.length) return;
  const within = all.map((run) => {
    const from = a === null ? run.start : Math.max(run.start, run.zero + a * MINUTE);
    const to = b === null ? run.end : Math.min(run.end, run.zero + b * MINUTE);
    return { ...run, from, to };
  }).filter((run) => run.to > run.from);
  try {
    const found = await ask(...within.map((run) => `${root.dataset.curves}?${new URLSearchParams([
      ["start", iso(run.from)], ["end", iso(run.to)], ["points", "800"], ...tags.map((tag) => ["tag", tag]),
    ])}`));
    fine();
    shown = within.map((run, i) => ({ ...run, found: found[i] }));
    for (const one of found.flatMap((each) => each.curves)) chooser.note(one.series);
    chooser.show();
    draw();
    if (byId("trend-table").closest("details").open) showTable();
  } catch (error) {
    told(error, load);
  }
}

function draw(fit = false) {
  const { tags, a, b } = views.now, data = [], shapes = [], annotations = [], axes = {};
  const order = tags.filter((tag) => shown.some((run) => run.found.curves.some((c) => c.series.ref === tag)));
  const area = order.length * (PANE + SPACE), height = area + FOOT + 8;
  const lots = [...new Set(shown.map((run) => run.lot))];
  let points = 0;
  order.forEach((tag, at) => {
    const axis = at ? `y${at + 1}` : "y", from = SPACE + at * (PANE + SPACE);
    const curves = shown.map((run) => ({ run, curve: run.found.curves.find((c) => c.series.ref === tag) })).filter((one) => one.curve);
    const { series } = curves[0].curve, range = paneRange(`lots/${tag}`, curves.map((one) => one.curve), fit);
    const domain = [Math.max(0, 1 - (from + PANE) / area), 1 - from / area];
    axes[`yaxis${at ? at + 1 : ""}`] = {
      domain, range, fixedrange: true, gridcolor: colour.grid, zeroline: false, linecolor: colour.line, showline: true, ticks: "outside",
      tickcolor: colour.line, title: { text: series.unit, standoff: 4, font }, nticks: 6,
    };
    if (series.low !== null) {
      shapes.push({
        type: "rect", layer: "below", xref: "paper", x0: 0, x1: 1, yref: axis, y0: Math.max(range[0], series.low), y1: Math.min(range[1], series.high),
        fillcolor: "rgba(213,217,220,0.55)", line: { width: 0 },
      });
    }
    for (const { run, curve } of curves) {
      const n = lots.indexOf(run.lot), tint = SERIES[n % 6], drawn = lines(curve, run.found.gaps, -run.zero);
      const minutes = (xs) => xs.map((x) => x / MINUTE);
      const base = { type: "scatter", yaxis: axis, connectgaps: false, hoverinfo: "skip", mode: "lines" };
      data.push({ ...base, x: minutes(drawn.good.x), y: drawn.good.y, line: { color: tint, width: 1.6, dash: DASHES[n % 6] } });
      data.push({ ...base, x: minutes(drawn.uncertain.x), y: drawn.uncertain.y, line: { color: tint, width: 1.6, dash: "dash" } });
      data.push({
        ...base, x: minutes(drawn.cursor.x), y: drawn.cursor.y, line: { color: "rgba(0,0,0,0)", width: 1 }, hoverinfo: "text",
        text: drawn.cursor.y.map((v) => `${run.lot}: ${digits(v, series)} ${series.unit}`),
      });
      points += curve.time.length;
    }
    const key = at ? "" : lots.map((lot, n) => `<span style="color:${dark(SERIES[n % 6])}"><b>━ ${escape(lot)}</b></span>`).join("  ");
    const say = { xref: "paper", yref: "paper", y: domain[1], yanchor: "bottom", yshift: 1, showarrow: false, font };
    annotations.push({ ...say, x: 0, xanchor: "left", text: `<b>${escape(series.title)}</b>  ${key}` });
    const most = Math.max(...curves.map((one) => one.curve.reduced));
    const note = curves.some((one) => one.curve.step_ms) ? fill(words.reduced, { k: most.toLocaleString("en") }) : words.every_sample;
    annotations.push({ ...say, x: 1, xanchor: "right", text: note, font: { ...font, color: colour.muted } });
  });
  chart.style.height = `${height}px`;
  chart.dataset.points = String(points);
  const low = Math.min(...shown.map((run) => (run.start - run.zero) / MINUTE)), high = Math.max(...shown.map((run) => (run.end - run.zero) / MINUTE));
  Plotly.react(chart, data, {
    font, height, paper_bgcolor: colour.paper, plot_bgcolor: colour.paper, showlegend: false, margin: { l: 78, r: 16, t: 8, b: FOOT },
    hovermode: "x", hoversubplots: "axis", dragmode: "zoom",
    hoverlabel: { font: { ...font, color: colour.strong }, bgcolor: colour.paper, bordercolor: colour.line, namelength: 0 },
    xaxis: {
      range: a === null ? [low, high] : [a, b], anchor: order.length > 1 ? `y${order.length}` : "y", gridcolor: colour.grid, zeroline: true,
      zerolinecolor: colour.line, linecolor: colour.line, showline: true, ticks: "outside", tickcolor: colour.line,
      title: { text: words.since_zero, standoff: 4, font: { ...font, color: colour.muted } },
    },
    ...axes, shapes, annotations,
  }, { displayModeBar: false, responsive: true, doubleClick: false, showTips: false });
}

onZoom((low, high) => {
  const [a, b] = [Number(low), Number(high)];
  if (b > a && Math.abs(a) < LONGEST && Math.abs(b) < LONGEST) views.go({ a: Number(a.toPrecision(9)), b: Number(b.toPrecision(9)) });
}, () => views.back());
byId("trend-fit").addEventListener("click", () => shown && draw(true));

byId("trend-table").closest("details").addEventListener("toggle", () => shown && showTable());
function showTable() {
  const rows = shown.flatMap((run) => run.found.curves.map(({ series, samples, low, high, value }) => {
    const least = Math.min(...low.filter((v) => v !== null)), most = Math.max(...high.filter((v) => v !== null));
    const known = value.filter((v) => v !== null), mean = known.reduce((sum, v) => sum + v, 0) / known.length;
    const cells = known.length ? [mean, least, most].map((v) => `${digits(v, series)} ${series.unit}`) : ["×", "×", "×"];
    return [run.lot, series.title, ...cells, samples.toLocaleString("en")];
  }));
  byId("trend-table").replaceChildren(table([words.lot, words.tag, words.mean_points, words.lowest, words.highest, words.count], rows));
}

begin();
