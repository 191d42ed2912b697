// Spectra by the ten thousand: Plotly draws the axes, a canvas under them the lines, some at a time so that the page
// answers. Few are strokes; many are counted pixel by pixel, which shows where they are dense.

import { colour, config, layout } from "./charts.js";
import { Raster } from "./patraster.js";
import { words } from "./words.js";

// cividis, dark to light: order reads without hue
const CIVIDIS = ["#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74", "#c3b369", "#e1cc55"];
const STROKES_MOST = 600, STROKES_AT_ONCE = 150, BUSY_MS = 40;
const LEVELS = 65534;
// the grid lies over the canvas, so it has to let the lines through
const GRID = "rgba(47,53,58,0.07)";
export const EXCLUDED = "#A80F26";
export const CHOSEN = "#0B5CAD";
const BLUE = [11, 92, 173];

const parts = CIVIDIS.map((one) => [1, 3, 5].map((at) => parseInt(one.slice(at, at + 2), 16)));

/** Red, green and blue of a share from 0 to 1. */
function tone(share) {
  const at = Math.min(0.9999, Math.max(0, share)) * (parts.length - 1);
  const low = Math.floor(at), rest = at - low;
  return parts[low].map((v, i) => Math.round(v + (parts[low + 1][i] - v) * rest));
}
const NONE = [142, 149, 155];

/** The colour of a share from 0 to 1; grey for none. */
export function shade(share) {
  return `rgb(${(share === null || !Number.isFinite(share) ? NONE : tone(share)).join(",")})`;
}

/** Put a part, as the server sends it, into the view that the parts before it made; null: it is the first.

The view: rows, points, axis, values and scores of all rows, `known` 1 for those that came, `came` how many. */
export function join(view, buffer) {
  const size = new DataView(buffer).getUint32(0, true);
  const { first, rows, of, step, ...head } = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, size)));
  const { points } = head;
  const ends = new Float32Array(buffer, 4 + size, 2 * rows);
  const scores = new Float32Array(buffer, 4 + size + 8 * rows, head.mapped ? 2 * rows : 0);
  const levels = new Uint16Array(buffer, 4 + size + 8 * rows + scores.byteLength, rows * points);
  const made = view ?? { rows: of, values: new Float32Array(of * points), scores: new Float32Array(2 * of), known: new Uint8Array(of), came: 0, low: Infinity, high: -Infinity };
  Object.assign(made, head);
  made.newest = new Int32Array(rows);
  for (let i = 0; i < rows; i += 1) {
    const row = ((first + i) * step) % of, low = ends[2 * i], high = ends[2 * i + 1];
    const per = (high - low) / LEVELS, to = row * points, from = i * points;
    for (let k = 0; k < points; k += 1) { const v = levels[from + k]; made.values[to + k] = v > LEVELS ? NaN : low + per * v; }
    if (head.mapped) made.scores.set(scores.subarray(2 * i, 2 * i + 2), 2 * row);
    made.known[row] = 1;
    made.newest[i] = row;
    if (low < made.low) made.low = low;
    if (high > made.high) made.high = high;
  }
  made.came += rows;
  return made;
}

/** The pen of an empty canvas under a chart, held to the plot of `place`. */
export function clean(canvas, node, { left, top, w, h }) {
  const ratio = window.devicePixelRatio || 1, wide = node.clientWidth, tall = node.clientHeight;
  Object.assign(canvas, { width: wide * ratio, height: tall * ratio });
  Object.assign(canvas.style, { width: `${wide}px`, height: `${tall}px` });
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  pen.fillStyle = colour.paper;
  pen.fillRect(0, 0, wide, tall);
  pen.beginPath();
  pen.rect(left, top, w, h);
  pen.clip();
  return pen;
}

/** What a click without a drag is: Plotly covers the whole page from the press on, so the release is not the chart's. */
export function clicks(node, act) {
  let down = null;
  node.addEventListener("mousedown", (event) => { down = [event.clientX, event.clientY]; }, true);
  document.addEventListener("mouseup", (event) => {
    if (down && Math.hypot(event.clientX - down[0], event.clientY - down[1]) < 4) act(event);
    down = null;
  }, true);
}

/** Words beside the pointer; null takes them away. */
export function tell(tip, node, event, text) {
  tip.hidden = text === null;
  if (text === null) return;
  tip.textContent = text;
  const box = node.getBoundingClientRect(), left = event.clientX - box.left;
  tip.style.left = `${left > box.width - 240 ? left - 220 : left + 14}px`;
  tip.style.top = `${event.clientY - box.top + 14}px`;
}

/** Wait until the page has shown what was drawn and answered whoever clicked. */
const breath = () => new Promise((done) => { requestAnimationFrame(() => done()); });

export class Lines {
  constructor(canvas, node, tip) {
    Object.assign(this, { canvas, node, tip, view: null, run: 0, tints: [], shares: [], chosen: new Set() });
    new ResizeObserver(() => this.draw()).observe(node);
  }

  /** Axes for a view; `paint` draws its lines. tell: (row) → words under the pointer; click: (row, more) of a spectrum;
   * zoomed: the axis shows another part. */
  async show(view, { title, descends, y, tell, click, zoomed }) {
    Object.assign(this, { view, tell, click, zoomed, near: null });
    const low = Number.isFinite(view.low) ? view.low : 0, high = Number.isFinite(view.high) ? view.high : 1;
    this.ends = [low, high];
    const pad = 0.04 * (high - low || 1);
    const ends = [Math.min(...view.axis), Math.max(...view.axis)];
    this.whole = { "xaxis.range": descends ? [ends[1], ends[0]] : ends, "yaxis.range": [low - pad, high + pad] };
    await Plotly.react(this.node, [{ x: ends, y: [low, high], mode: "markers", marker: { size: 1, opacity: 0 }, hoverinfo: "skip" }], layout({
      margin: { l: 64, r: 16, t: 8, b: 48 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", uirevision: title + y + descends,
      xaxis: { title: { text: title }, range: [...this.whole["xaxis.range"]], automargin: false, gridcolor: GRID },
      yaxis: { title: { text: y }, range: [...this.whole["yaxis.range"]], automargin: false, gridcolor: GRID },
    }), { ...config, doubleClick: false });
    if (!this.listens) {
      this.listens = true;
      // Plotly would go back to the first ranges there ever were, those before the preprocessing
      this.node.on("plotly_doubleclick", () => Plotly.relayout(this.node, structuredClone(this.whole)));
      this.node.on("plotly_relayout", () => { this.draw(); this.zoomed(); });
      this.node.addEventListener("mousemove", (event) => this.hover(event));
      this.node.addEventListener("mouseleave", () => { this.tip.hidden = true; });
      clicks(this.node, (event) => { const row = this.nearest(event); if (row !== null) this.click?.(row, event.shiftKey); });
    }
  }

  paint(tints, shares, chosen) { Object.assign(this, { tints, shares, chosen }); return this.draw(); }

  /** The part of the axis that is shown, from low to high. */
  get shown() { return [...this.node._fullLayout.xaxis.range].sort((a, b) => a - b); }

  /** The view with the most points of what is shown: a closer one where it covers that. */
  get best() {
    const [low, high] = this.shown;
    return this.near && low >= this.near.from && high <= this.near.to ? this.near.view : this.view;
  }

  /** A view of the part of the axis between two places, with more points. */
  closer(view, from, to) { this.near = { view, from, to }; return this.draw(); }

  /** All lines that came, the chosen and the excluded ones on top. Resolves when the last is drawn. */
  async draw() {
    const run = ++this.run, { node } = this, full = node._fullLayout;
    if (!this.view || !full?.xaxis?.l2p) return false;
    const view = this.best;
    node.dataset.drawn = "0";
    const late = [], rest = [];
    for (let i = 0; i < view.rows; i += 1) if (view.known[i]) (this.chosen.has(i) || this.tints[i] === EXCLUDED ? late : rest).push(i);
    const place = { view, left: full._size.l, top: full._size.t, w: Math.round(full._size.w), h: Math.round(full._size.h), zero: full.yaxis.l2p(0) };
    place.per = full.yaxis.l2p(1) - place.zero;
    place.xs = Float32Array.from(view.axis, (x) => full.xaxis.l2p(x));
    const many = rest.length > STROKES_MOST, manyLate = late.length > STROKES_MOST;
    // counted first, so that what is shown stays until the new picture is there
    const under = many && await this.counted(run, place, rest, (i) => this.shares[i] ?? null, tone, this.chosen.size ? 0.35 : 1);
    const over = manyLate && await this.counted(run, place, late, () => 0, () => BLUE, 1);
    if (run !== this.run) return false;
    const pen = clean(this.canvas, node, place);
    if (under) pen.drawImage(under, place.left, place.top);
    else if (!await this.strokes(run, pen, place, rest, this.chosen.size ? 0.3 : rest.length > 300 ? 0.5 : 0.85)) return false;
    if (over) pen.drawImage(over, place.left, place.top);
    else if (!await this.strokes(run, pen, place, late, 1)) return false;
    node.dataset.drawn = String(view.came);
    return true;
  }

  async strokes(run, pen, { view, left, top, xs, zero, per }, rows, alpha) {
    for (const [at, row] of rows.entries()) {
      if (at && at % STROKES_AT_ONCE === 0) { await breath(); if (run !== this.run) return false; }
      const from = row * view.points, picked = this.chosen.has(row);
      pen.strokeStyle = picked ? CHOSEN : this.tints[row] ?? shade(null);
      pen.globalAlpha = alpha;
      pen.lineWidth = picked ? 2.5 : 1;
      pen.beginPath();
      for (let k = 0; k < view.points; k += 1) pen.lineTo(left + xs[k], top + zero + per * view.values[from + k]);
      pen.stroke();
    }
    pen.globalAlpha = 1;
    return run === this.run;
  }

  /** A canvas of the plot's size with lines counted pixel by pixel; null when a later draw overtook this one. */
  async counted(run, { view, w, h, xs, zero, per }, rows, share, colours, strength) {
    const made = new Raster(w, h, xs, zero, per), sheet = new OffscreenCanvas(w, h);
    let since = performance.now();
    for (const row of rows) {
      made.add(view.values, row * view.points, share(row));
      if (performance.now() - since > BUSY_MS) {
        await breath();
        if (run !== this.run) return null;
        since = performance.now();
      }
    }
    sheet.getContext("2d").putImageData(made.image(colours, NONE, strength), 0, 0);
    return sheet;
  }

  /** The row whose line is nearest to the pointer, within 12 pixels; null for none. */
  nearest(event) {
    const full = this.node._fullLayout;
    if (!this.view || !full?.xaxis?.p2l) return null;
    const { l, t, w, h } = full._size;
    const box = this.node.getBoundingClientRect();
    const px = event.clientX - box.left - l, py = event.clientY - box.top - t;
    if (px < 0 || py < 0 || px > w || py > h) return null;
    const x = full.xaxis.p2l(px), { axis, values, points, rows, known } = this.best;
    let column = 0;
    for (let k = 1; k < points; k += 1) if (Math.abs(axis[k] - x) < Math.abs(axis[column] - x)) column = k;
    const zero = full.yaxis.l2p(0), per = full.yaxis.l2p(1) - zero;
    let best = null, far = 12;
    for (let row = 0; row < rows; row += 1) {
      if (!known[row]) continue;
      const away = Math.abs(zero + per * values[row * points + column] - py);
      if (away < far) { far = away; best = row; }
    }
    return best;
  }

  hover(event) {
    const row = this.nearest(event);
    tell(this.tip, this.node, event, row === null ? null : this.tell(row));
  }
}

export const axisTitle = (unit, descends, ends) => (unit === "cm-1" && !descends && ends[0] < 350 ? words.raman : words[unit] ?? unit);
