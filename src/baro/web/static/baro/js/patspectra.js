// Spectra by the thousand: Plotly draws the axes, a canvas under them the lines, some at a time so that the page answers.

import { colour, config, layout } from "./charts.js";
import { words } from "./words.js";

// cividis, dark to light: order reads without hue
const CIVIDIS = ["#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74", "#c3b369", "#e1cc55"];
const AT_ONCE = 250;
// the grid lies over the canvas, so it has to let the lines through
const GRID = "rgba(47,53,58,0.07)";
export const EXCLUDED = "#A80F26";
export const CHOSEN = "#0B5CAD";
export const scale = CIVIDIS.map((one, i) => [i / (CIVIDIS.length - 1), one]);

const parts = CIVIDIS.map((one) => [1, 3, 5].map((at) => parseInt(one.slice(at, at + 2), 16)));

/** The colour of a share from 0 to 1; grey for none. */
export function shade(share) {
  if (share === null || !Number.isFinite(share)) return "#8e959b";
  const at = Math.min(0.9999, Math.max(0, share)) * (parts.length - 1);
  const low = Math.floor(at), rest = at - low;
  return `rgb(${parts[low].map((v, i) => Math.round(v + (parts[low + 1][i] - v) * rest)).join(",")})`;
}

/** The view as the server sends it: a head as JSON, then values and scores as float32. */
export function unpack(buffer) {
  const size = new DataView(buffer).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, size)));
  const values = new Float32Array(buffer, 4 + size, head.rows * head.points);
  const scores = new Float32Array(buffer, 4 + size + 4 * values.length, head.rows * 2);
  return { ...head, values, scores };
}

export class Lines {
  constructor(canvas, node, tip) {
    Object.assign(this, { canvas, node, tip, view: null, run: 0, tints: [], chosen: new Set(), range: null });
    new ResizeObserver(() => this.draw()).observe(node);
  }

  /** Axes for a view; `paint` draws its lines. tell: (row) → words under the pointer; click: (row, more) of a spectrum. */
  async show(view, { title, descends, y, tell, click }) {
    Object.assign(this, { view, tell, click });
    const [low, high] = this.extremes();
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
      this.node.on("plotly_relayout", () => this.draw());
      this.node.addEventListener("mousemove", (event) => this.hover(event));
      this.node.addEventListener("mouseleave", () => { this.tip.hidden = true; });
      // Plotly covers the whole page from the press on, so the release is not the chart's; a drag is a zoom
      let down = null;
      this.node.addEventListener("mousedown", (event) => { down = [event.clientX, event.clientY]; }, true);
      document.addEventListener("mouseup", (event) => {
        if (down && Math.hypot(event.clientX - down[0], event.clientY - down[1]) < 4) {
          const row = this.nearest(event);
          if (row !== null) this.click?.(row, event.shiftKey);
        }
        down = null;
      }, true);
    }
  }

  extremes() {
    let low = Infinity, high = -Infinity;
    for (const v of this.view.values) { if (v < low) low = v; if (v > high) high = v; }
    return [low, high];
  }

  paint(tints, chosen) { this.tints = tints; this.chosen = chosen; return this.draw(); }

  /** All lines, the chosen and the excluded ones last. Resolves when the last is drawn. */
  draw() {
    const run = ++this.run;
    const full = this.node._fullLayout;
    if (!this.view || !full?.xaxis?.l2p) return Promise.resolve(false);
    const { l, t, w, h } = full._size;
    const ratio = window.devicePixelRatio || 1;
    const { canvas, view } = this;
    canvas.width = this.node.clientWidth * ratio;
    canvas.height = this.node.clientHeight * ratio;
    canvas.style.width = `${this.node.clientWidth}px`;
    canvas.style.height = `${this.node.clientHeight}px`;
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.fillStyle = colour.paper;
    pen.fillRect(0, 0, this.node.clientWidth, this.node.clientHeight);
    pen.beginPath();
    pen.rect(l, t, w, h);
    pen.clip();
    const xs = Float32Array.from(view.axis, (x) => l + full.xaxis.l2p(x));
    const zero = full.yaxis.l2p(0), per = full.yaxis.l2p(1) - zero;
    const rows = [...Array(view.rows).keys()];
    const late = rows.filter((i) => this.chosen.has(i) || this.tints[i] === EXCLUDED);
    const apart = new Set(late);
    const order = [...rows.filter((i) => !apart.has(i)), ...late];
    const thin = view.rows > 2000 ? 0.25 : view.rows > 300 ? 0.5 : 0.85;
    this.node.dataset.drawn = "0";
    return new Promise((done) => {
      let next = 0;
      const some = () => {
        if (run !== this.run) return done(false);
        for (const end = Math.min(order.length, next + AT_ONCE); next < end; next += 1) {
          const row = order[next], from = row * view.points, picked = this.chosen.has(row);
          pen.strokeStyle = picked ? CHOSEN : this.tints[row] ?? "#8e959b";
          pen.globalAlpha = apart.has(row) ? 1 : this.chosen.size ? thin / 2 : thin;
          pen.lineWidth = picked ? 2.5 : 1;
          pen.beginPath();
          for (let k = 0; k < view.points; k += 1) pen.lineTo(xs[k], t + zero + per * view.values[from + k]);
          pen.stroke();
        }
        if (next < order.length) return requestAnimationFrame(some);
        this.node.dataset.drawn = String(order.length);
        return done(true);
      };
      some();
    });
  }

  /** The row whose line is nearest to the pointer, within 12 pixels; null for none. */
  nearest(event) {
    const full = this.node._fullLayout;
    if (!this.view || !full?.xaxis?.p2l) return null;
    const { l, t, w, h } = full._size;
    const box = this.node.getBoundingClientRect();
    const px = event.clientX - box.left - l, py = event.clientY - box.top - t;
    if (px < 0 || py < 0 || px > w || py > h) return null;
    const x = full.xaxis.p2l(px), { axis, values, points, rows } = this.view;
    let column = 0;
    for (let k = 1; k < points; k += 1) if (Math.abs(axis[k] - x) < Math.abs(axis[column] - x)) column = k;
    const zero = full.yaxis.l2p(0), per = full.yaxis.l2p(1) - zero;
    let best = null, far = 12;
    for (let row = 0; row < rows; row += 1) {
      const away = Math.abs(zero + per * values[row * points + column] - py);
      if (away < far) { far = away; best = row; }
    }
    return best;
  }

  hover(event) {
    const row = this.nearest(event);
    this.tip.hidden = row === null;
    if (row === null) return;
    this.tip.textContent = this.tell(row);
    const box = this.node.getBoundingClientRect();
    const left = event.clientX - box.left;
    this.tip.style.left = `${left > box.width - 240 ? left - 220 : left + 14}px`;
    this.tip.style.top = `${event.clientY - box.top + 14}px`;
  }
}

export const axisTitle = (unit, descends, ends) => (unit === "cm-1" && !descends && ends[0] < 350 ? words.raman : words[unit] ?? unit);
