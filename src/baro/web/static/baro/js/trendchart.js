// The chart of trends: a pane a unit, one axis of time, states as bars, gaps hatched, quality drawn as what it is.

import { colour } from "./charts.js";
import { offsetAt, stamp, timeText, zoneName } from "./trendtime.js";
import { fill, words } from "./words.js";

export const SERIES = ["#0072B2", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000"];
export const DASHES = ["solid", "solid", "solid", "longdashdot", "longdashdot", "longdashdot"];
const UNCERTAIN = 0x40000000, BAD = 0x80000000;
const PANE = 190, LANE = 26, SPACE = 26, FOOT = 52;
export const font = { family: getComputedStyle(document.body).fontFamily, size: 12, color: colour.text };

/** Ranges of panes stay as they were once drawn, and only grow: a jumping axis makes noise look like a trend. */
const held = new Map();

export function length(ms) {
  const s = ms / 1000;
  const of = (n) => n.toLocaleString("en", { maximumFractionDigits: 1 });
  if (s < 120) return fill(words.seconds, { n: of(s) });
  if (s < 7200) return fill(words.minutes, { n: of(s / 60) });
  return s < 172800 ? fill(words.hours, { n: of(s / 3600) }) : fill(words.days, { n: of(s / 86400) });
}

export const digits = (v, series) => (v === null ? "×" : series.decimals === null
  ? String(Number(v.toPrecision(7))) : v.toLocaleString("en", { minimumFractionDigits: series.decimals, maximumFractionDigits: series.decimals + 2 }));

export function paneRange(key, curves, fit) {
  let low = Infinity, high = -Infinity;
  for (const { series, low: lows, high: highs } of curves) {
    for (const v of lows) if (v !== null && v < low) low = v;
    for (const v of highs) if (v !== null && v > high) high = v;
    if (fit || series.low === null) continue;
    const span = series.high - series.low;
    low = Math.min(low, series.low - span / 4);
    high = Math.max(high, series.high + span / 4);
  }
  if (!(high >= low)) [low, high] = held.get(key) ?? [0, 1];
  const pad = (high - low) * 0.04 || Math.abs(high) * 0.01 || 0.5;
  const now = [low - pad, high + pad];
  const before = held.get(key);
  // what is inside the range that is drawn moves nothing
  const range = !fit && before && low >= before[0] && high <= before[1] ? before
    : !fit && before ? [Math.min(before[0], now[0]), Math.max(before[1], now[1])] : now;
  held.set(key, range);
  return range;
}

const within = (gaps, a, b) => gaps.some((gap) => gap.start < b && (gap.end ?? Infinity) > a);

/** The points of a curve as lines: of spans both extremes, parts of uncertain quality apart, nothing over silence. */
export function lines(curve, gaps, shift) {
  const { time, value, low, high, quality, step_ms: step, silence_ms: silence } = curve;
  const good = { x: [], y: [] }, uncertain = { x: [], y: [] }, bad = [], cursor = { x: [], y: [], text: [] };
  let before = null, up = true;
  for (let i = 0; i < time.length; i += 1) {
    const code = quality?.[i] ?? 0;
    const t = time[i] + (step ?? 0) / 2 + shift;
    if (code >= BAD) bad.push({ t, code });
    if (low[i] === null || (!step && code >= BAD)) continue;
    const doubtful = code >= UNCERTAIN && code < BAD;
    const mine = doubtful ? uncertain : good;
    const broken = before !== null && (time[i] - before.time > silence || within(gaps, before.time, time[i])
      || (!step && quality && quality.slice(before.i + 1, i).some((q) => q >= BAD)));
    if (before && (broken || before.doubtful !== doubtful)) {
      const last = before.doubtful ? uncertain : good;
      if (!broken) {
        // the joint belongs to the uncertain part
        (doubtful ? uncertain : last).x.push(doubtful ? before.t : t);
        (doubtful ? uncertain : last).y.push(doubtful ? before.y : low[i]);
      }
      last.x.push(t);
      last.y.push(null);
    }
    const ys = step && low[i] !== high[i] ? (up ? [low[i], high[i]] : [high[i], low[i]]) : [low[i]];
    for (const y of ys) {
      mine.x.push(t);
      mine.y.push(y);
    }
    up = !up;
    before = { time: time[i], t, y: ys.at(-1), doubtful, i };
    const s = curve.series, word = code >= UNCERTAIN ? ` ? ${words.uncertain} ${hex(code)}` : "";
    cursor.x.push(t);
    cursor.y.push(value[i]);
    cursor.text.push(`${s.title}: ${digits(value[i], s)} ${s.unit}${step ? ` (${digits(low[i], s)} … ${digits(high[i], s)})` : ""}${word}`);
  }
  return { good, uncertain, bad, cursor };
}
const hex = (code) => `0x${code.toString(16).toUpperCase().padStart(8, "0")}`;

/** What the equipment did, a lane for each unit and level, the batch on top. */
function context(shown) {
  const order = ["batch", "unit_procedure", "operation", "phase"], found = new Map();
  for (const one of [...shown.context].sort((a, b) => order.indexOf(a.level) - order.indexOf(b.level))) {
    const key = `${one.equipment}/${one.level}`;
    if (!found.has(key)) found.set(key, { name: `${one.equipment} ${words[one.level]}`, runs: [] });
    found.get(key).runs.push({
      start: Math.max(one.start, shown.start), end: Math.min(one.end ?? shown.end, shown.end), quality: 0,
      text: `${one.name || one.lot_no}${one.corrected ? ` (${words.corrected})` : ""}`,
    });
  }
  return [...found.values()];
}

function lanes(shown, order) {
  const own = order.map((ref) => shown.timelines.find((t) => t.series.ref === ref)).filter(Boolean);
  return [...context(shown), ...own.map((t) => ({
    name: t.series.title, runs: t.text.map((text, i) => ({ start: t.start[i], end: t.end[i], text, quality: t.quality[i] })), left: t.left_out,
  }))];
}

export function draw(node, shown, order, fit = false) {
  const shift = offsetAt((shown.start + shown.end) / 2);
  const scale = Math.max(200, node.clientWidth - 94) / (shown.end - shown.start);
  const curves = order.map((ref) => shown.curves.find((c) => c.series.ref === ref)).filter(Boolean);
  const panes = new Map();
  for (const curve of curves) {
    const key = curve.series.unit || `one:${curve.series.ref}`;
    panes.set(key, [...(panes.get(key) ?? []), curve]);
  }
  const strips = lanes(shown, order);
  const top = strips.length ? strips.length * LANE + 14 : 0;
  const area = Math.max(60, top + panes.size * (PANE + SPACE)), height = area + FOOT + 8;
  const data = [], shapes = [], annotations = [], axes = {};
  const domain = (from, to) => [Math.max(0, 1 - to / area), Math.min(1, 1 - from / area)];
  const say = (text, x, y, more) => ({
    xref: "paper", yref: "paper", x, y, xanchor: "left", yanchor: "bottom", showarrow: false, text, font, align: "left", ...more,
  });

  if (strips.length) {
    axes.yaxis = {
      domain: domain(0, top - 14), range: [strips.length - 0.5, -0.5], fixedrange: true, showgrid: false, zeroline: false,
      tickvals: strips.map((_, i) => i), ticktext: strips.map((s) => short(s.name)), automargin: false, tickfont: { ...font, size: 11 },
    };
    strips.forEach((strip, i) => {
      data.push({
        type: "bar", orientation: "h", yaxis: "y", y: strip.runs.map(() => i), base: strip.runs.map((r) => stamp(r.start + shift)),
        x: strip.runs.map((r) => r.end - r.start), width: 0.72,
        text: strip.runs.map((r) => ((r.end - r.start) * scale > r.text.length * 8 ? r.text : "")), textposition: "inside", insidetextanchor: "middle", textangle: 0, constraintext: "none",
        cliponaxis: true, insidetextfont: { ...font, size: 11 },
        marker: {
          color: strip.runs.map((r, n) => (r.quality >= BAD ? colour.paper : n % 2 ? "#d5d9dc" : "#e8eaec")),
          line: { width: 1, color: colour.line },
          pattern: { shape: strip.runs.map((r) => (r.quality >= BAD ? "x" : "")), fgcolor: colour.line, size: 6 },
        },
        hovertext: strip.runs.map((r) => `${strip.name}: ${r.text}<br>${timeText(r.start)} – ${timeText(r.end)}<br>${length(r.end - r.start)}`),
        hoverinfo: "text",
      });
      if (strip.left) annotations.push(say(fill(words.left_out, { n: strip.left }), 0, domain(0, top)[0], { font: { ...font, color: colour.muted } }));
    });
  }

  let number = strips.length ? 2 : 1, from = top + SPACE, colourAt = 0;
  const edge = [stamp(shown.start + shift), stamp(shown.end + shift)];
  const least = (shown.end - shown.start) / 400;
  for (const [key, mine] of panes) {
    const axis = number === 1 ? "y" : `y${number}`;
    const [bottom, ceiling] = domain(from, from + PANE);
    const range = paneRange(key, mine, fit);
    axes[`yaxis${number === 1 ? "" : number}`] = {
      domain: [bottom, ceiling], range, fixedrange: true, gridcolor: colour.grid, zeroline: false, linecolor: colour.line,
      showline: true, ticks: "outside", tickcolor: colour.line, title: { text: mine[0].series.unit, standoff: 4, font }, nticks: 6,
    };
    const sources = new Set(mine.map((c) => c.series.source));
    const gaps = shown.gaps.filter((gap) => sources.has(gap.source));
    const ranges = new Set();
    const names = [], notes = [];
    for (const curve of mine) {
      const s = curve.series, tint = SERIES[colourAt % 6], dash = DASHES[colourAt % 6];
      colourAt += 1;
      if (s.low !== null && !ranges.has(`${s.low}/${s.high}`)) {
        ranges.add(`${s.low}/${s.high}`);
        shapes.push({
          type: "rect", layer: "below", xref: "paper", x0: 0, x1: 1, yref: axis, y0: Math.max(range[0], s.low), y1: Math.min(range[1], s.high),
          fillcolor: "rgba(213,217,220,0.55)", line: { width: 0 },
        });
      }
      const drawn = lines(curve, gaps, shift);
      const sparse = curve.time.length <= 60;
      const line = { color: tint, width: 1.6, dash };
      const kind = { type: "scatter", yaxis: axis, connectgaps: false, hoverinfo: "skip", name: s.title };
      data.push({ ...kind, x: drawn.good.x.map(stamp), y: drawn.good.y, mode: sparse ? "lines+markers" : "lines", line, marker: { size: 5, color: tint } });
      data.push({ ...kind, x: drawn.uncertain.x.map(stamp), y: drawn.uncertain.y, mode: sparse ? "lines+markers" : "lines", line: { ...line, dash: "dash", color: tint }, marker: { size: 6, color: colour.paper, line: { width: 1.5, color: tint } } });
      data.push({
        ...kind, x: drawn.cursor.x.map(stamp), y: drawn.cursor.y, mode: "lines", line: { color: "rgba(0,0,0,0)", width: 1 },
        hoverinfo: "text", text: drawn.cursor.text, hoverlabel: { font: { ...font, color: colour.strong } },
      });
      if (drawn.bad.length) {
        data.push({
          ...kind, x: drawn.bad.map((b) => stamp(b.t)), y: drawn.bad.map(() => range[0]), mode: "markers", cliponaxis: false,
          marker: { symbol: "x-thin", size: 9, line: { width: 2, color: colour.strong } },
          hoverinfo: "text", text: drawn.bad.map((b) => `${s.title}: × ${words.bad} ${hex(b.code)}`),
        });
      }
      names.push(`<span style="color:${dark(tint)}"><b>━ ${escape(s.title)}</b></span>`);
      const note = curve.time.length === 0 ? words.no_data : curve.step_ms ? fill(words.reduced, { k: curve.reduced.toLocaleString("en") }) : words.every_sample;
      if (!notes.includes(note)) notes.push(note);
    }
    if (gaps.length) {
      const spans = gaps.map((gap) => [Math.max(gap.start, shown.start), Math.min(gap.end ?? shown.end, shown.end)]);
      data.push({
        type: "bar", yaxis: axis, x: spans.map(([a, b]) => stamp((a + b) / 2 + shift)), width: spans.map(([a, b]) => Math.max(b - a, least)),
        base: spans.map(() => range[0]), y: spans.map(() => range[1] - range[0]),
        marker: { color: "rgba(255,255,255,0.01)", line: { width: 0.6, color: colour.line }, pattern: { shape: "/", fgcolor: colour.line, bgcolor: "rgba(255,255,255,0)", size: 7, solidity: 0.25, fillmode: "overlay" } },
        hoverinfo: "text", textposition: "none",
        text: gaps.map((gap) => [
          `${gap.end === null ? words.gap_open : words.gap} ${length((gap.end ?? shown.end) - gap.start)}: ${words[gap.reason] ?? gap.reason}`,
          gap.missing ? fill(words.missing, { n: gap.missing.toLocaleString("en") }) : "",
        ].filter(Boolean).join("<br>")),
      });
    }
    annotations.push(say(names.join("  "), 0, ceiling, { yshift: 1 }));
    const band = mine.length === 1 && mine[0].series.low !== null
      ? `▨ ${words.normal} ${fill(words.range, { low: digits(mine[0].series.low, mine[0].series), high: digits(mine[0].series.high, mine[0].series) })} · ` : "";
    annotations.push(say(`${band}${notes.join(" · ")}`, 1, ceiling, { xanchor: "right", yshift: 1, font: { ...font, color: colour.muted } }));
    from += PANE + SPACE;
    number += 1;
  }

  shown.annotations.forEach((note, i) => {
    const [a, b] = [Math.max(note.start, shown.start), Math.min(note.end ?? note.start, shown.end)].map((t) => stamp(t + shift));
    const line = { color: colour.accent, width: 1 };
    shapes.push(b > a
      ? { type: "rect", xref: "x", x0: a, x1: b, yref: "paper", y0: 0, y1: domain(top, top)[0], fillcolor: "rgba(11,92,173,0.06)", line, layer: "below" }
      : { type: "line", xref: "x", x0: a, x1: a, yref: "paper", y0: 0, y1: domain(top, top)[0], line });
    annotations.push({ ...say(String(i + 1), a, 0, { xref: "x", yanchor: "bottom" }), bgcolor: colour.accent, font: { ...font, size: 11, color: colour.paper }, borderpad: 2, hovertext: escape(note.text) });
  });
  node.style.height = `${height}px`;
  const anchor = number === 2 ? "y" : `y${number - 1}`;
  return Plotly.react(node, data, {
    font, height, paper_bgcolor: colour.paper, plot_bgcolor: colour.paper, showlegend: false, barmode: "overlay", bargap: 0,
    margin: { l: 78, r: 16, t: 8, b: FOOT }, hovermode: "x", hoversubplots: "axis", dragmode: "zoom", uirevision: `${shown.start}`,
    hoverlabel: { font: { ...font, color: colour.strong }, bgcolor: colour.paper, bordercolor: colour.line, namelength: 0 },
    xaxis: {
      type: "date", range: edge, anchor, domain: [0, 1], gridcolor: colour.grid, linecolor: colour.line, showline: true, ticks: "outside",
      tickcolor: colour.line, showspikes: true, spikemode: "across", spikethickness: 1, spikedash: "solid", spikecolor: colour.line, spikesnap: "cursor",
      title: { text: zoneName, standoff: 4, font: { ...font, color: colour.muted } },
      tickformatstops: [
        { dtickrange: [null, 1000], value: "%H:%M:%S.%L" }, { dtickrange: [1000, 60000], value: "%H:%M:%S\n%Y-%m-%d" },
        { dtickrange: [60000, 86400000], value: "%H:%M\n%Y-%m-%d" }, { dtickrange: [86400000, "M1"], value: "%m-%d\n%Y" },
        { dtickrange: ["M1", null], value: "%Y-%m" },
      ],
      hoverformat: "%Y-%m-%d %H:%M:%S.%L",
    },
    ...axes, shapes, annotations,
  }, { displayModeBar: false, responsive: true, doubleClick: false, showTips: false });
}

const short = (text) => (text.length > 11 ? `${text.slice(0, 10)}…` : text);
export const escape = (text) => text.replace(/[&<>]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[c]);
// names are text: the two pale colours of lines would be hard to read
export const dark = (tint) => ({ "#56B4E9": "#1f6f9f", "#E69F00": "#8a5f00", "#009E73": "#00694d", "#CC79A7": "#97457a" })[tint] ?? tint;
