// A map of spectra: Plotly draws the axes and the lasso, a canvas under them the points.

import { colour, config, layout } from "./charts.js";
import { CHOSEN, clean, clicks, EXCLUDED, tell } from "./patspectra.js";

const NEAR = 8;

/** Does a point lie within a polygon of corners (xs[k], ys[k])? */
function within(x, y, xs, ys) {
  let inside = false;
  for (let i = 0, j = xs.length - 1; i < xs.length; j = i, i += 1) {
    if (ys[i] > y !== ys[j] > y && x < ((xs[j] - xs[i]) * (y - ys[i])) / (ys[j] - ys[i]) + xs[i]) inside = !inside;
  }
  return inside;
}

export class Points {
  constructor(canvas, node, tip) {
    Object.assign(this, { canvas, node, tip, view: null, tints: [], chosen: new Set() });
    new ResizeObserver(() => this.draw()).observe(node);
  }

  /** Axes for the scores of a view. titles: of both; says: (row) → words; choose: (rows, more). */
  async show(view, { titles, says, choose }) {
    Object.assign(this, { view, says, choose });
    const ends = [[Infinity, -Infinity], [Infinity, -Infinity]];
    for (let i = 0; i < view.rows; i += 1) {
      if (!view.known[i]) continue;
      for (const k of [0, 1]) {
        const v = view.scores[2 * i + k];
        if (v < ends[k][0]) ends[k][0] = v;
        if (v > ends[k][1]) ends[k][1] = v;
      }
    }
    const ranges = ends.map(([low, high]) => { const pad = 0.05 * (high - low) || 1; return low <= high ? [low - pad, high + pad] : [-1, 1]; });
    const axis = (k) => ({ title: { text: titles[k] }, range: ranges[k], zeroline: true, zerolinecolor: colour.line, gridcolor: "rgba(47,53,58,0.07)" });
    await Plotly.react(this.node, [{ x: ranges[0], y: ranges[1], mode: "markers", marker: { size: 1, opacity: 0 }, hoverinfo: "skip", selected: { marker: { opacity: 0 } }, unselected: { marker: { opacity: 0 } } }], layout({
      margin: { l: 60, r: 12, t: 8, b: 44 }, dragmode: "lasso", uirevision: null, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      xaxis: axis(0), yaxis: axis(1),
    }), config);
    if (!this.listens) {
      this.listens = true;
      this.node.on("plotly_selected", (event) => { if (event?.lassoPoints) this.choose(this.inside(event.lassoPoints.x, event.lassoPoints.y)); });
      this.node.on("plotly_deselect", () => this.choose([]));
      this.node.on("plotly_relayout", () => this.draw());
      this.node.addEventListener("mousemove", (event) => { const row = this.nearest(event); tell(this.tip, this.node, event, row === null ? null : this.says(row)); });
      this.node.addEventListener("mouseleave", () => { this.tip.hidden = true; });
      clicks(this.node, (event) => { const row = this.nearest(event); if (row !== null) this.choose([row], event.shiftKey); });
    }
  }

  paint(tints, chosen) { Object.assign(this, { tints, chosen }); this.draw(); }

  inside(xs, ys) {
    const rows = [];
    const { view } = this;
    for (let i = 0; i < view.rows; i += 1) if (view.known[i] && within(view.scores[2 * i], view.scores[2 * i + 1], xs, ys)) rows.push(i);
    return rows;
  }

  draw() {
    const full = this.node._fullLayout, { view } = this;
    if (!view || !full?.xaxis?.l2p) return;
    const place = { left: full._size.l, top: full._size.t, w: full._size.w, h: full._size.h };
    const pen = clean(this.canvas, this.node, place);
    const size = view.rows > 2000 ? 3 : view.rows > 300 ? 5 : 7;
    const put = (i, wide) => {
      const x = place.left + full.xaxis.l2p(view.scores[2 * i]), y = place.top + full.yaxis.l2p(view.scores[2 * i + 1]);
      if (this.tints[i] === EXCLUDED && !this.chosen.has(i)) {
        pen.strokeStyle = EXCLUDED;
        pen.beginPath();
        for (const way of [-1, 1]) { pen.moveTo(x - 4, y - 4 * way); pen.lineTo(x + 4, y + 4 * way); }
        pen.stroke();
      } else if (size < 5 && wide === size) {
        pen.fillRect(x - wide / 2, y - wide / 2, wide, wide);
      } else {
        pen.beginPath();
        pen.arc(x, y, wide / 2, 0, 2 * Math.PI);
        pen.fill();
      }
    };
    pen.lineWidth = 1.5;
    pen.globalAlpha = this.chosen.size ? 0.35 : size < 5 ? 0.7 : 1;
    for (let i = 0; i < view.rows; i += 1) if (view.known[i] && !this.chosen.has(i)) { pen.fillStyle = this.tints[i]; put(i, size); }
    pen.globalAlpha = 1;
    pen.fillStyle = CHOSEN;
    for (const i of this.chosen) if (view.known[i]) put(i, Math.max(size, this.chosen.size > 500 ? 3 : 9));
    this.node.dataset.drawn = String(view.came);
  }

  /** The row whose point is nearest to the pointer; null for none near. */
  nearest(event) {
    const full = this.node._fullLayout, { view } = this;
    if (!view || !full?.xaxis?.l2p) return null;
    const box = this.node.getBoundingClientRect();
    const px = event.clientX - box.left - full._size.l, py = event.clientY - box.top - full._size.t;
    let best = null, far = NEAR;
    for (let i = 0; i < view.rows; i += 1) {
      if (!view.known[i]) continue;
      const away = Math.hypot(full.xaxis.l2p(view.scores[2 * i]) - px, full.yaxis.l2p(view.scores[2 * i + 1]) - py);
      if (away < far) { far = away; best = i; }
    }
    return best;
  }
}
