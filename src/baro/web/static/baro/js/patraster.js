// Lines by the ten thousand, counted pixel by pixel: how many cross it says how dark it is, their mean share its colour.

const FAINT = 0.3;

/** Which points stand in which column of pixels. xs: places of the points in pixels, rising or falling; w: columns. */
function columnsOf(xs, w) {
  const n = xs.length, falls = n > 1 && xs[n - 1] < xs[0];
  const at = (k) => (falls ? n - 1 - k : k);
  const from = new Int32Array(w), to = new Int32Array(w), part = new Float32Array(w).fill(NaN);
  const first = new Int32Array(w + 1);
  let seen = 0, left = 0;
  for (let c = 0; c < w; c += 1) {
    while (seen < n && xs[at(seen)] < c) seen += 1;
    first[c] = seen;
    while (left < n - 1 && xs[at(left + 1)] < c + 0.5) left += 1;
    if (n > 1 && xs[at(left)] <= c + 0.5 && left < n - 1) {
      const one = at(left), two = at(left + 1);
      [from[c], to[c], part[c]] = [one, two, (c + 0.5 - xs[one]) / (xs[two] - xs[one])];
    }
  }
  while (seen < n && xs[at(seen)] < w) seen += 1;
  first[w] = seen;
  return { from, to, part, first, at };
}

export class Raster {
  /** A plot of w times h pixels. y of a value: zero + per * value, downwards. */
  constructor(w, h, xs, zero, per) {
    Object.assign(this, { w, h, zero, per, columns: columnsOf(xs, w), most: 1 });
    this.count = new Float32Array(w * h);
    this.toned = new Float32Array(w * h);
    this.sum = new Float32Array(w * h);
  }

  /** One line: its values stand in `values` from `start` on. share: of its colour, null for none. */
  add(values, start, share) {
    const { w, h, zero, per, count, toned, sum, columns: { from, to, part, first, at } } = this;
    let before = NaN;
    for (let c = 0; c < w; c += 1) {
      const v = values[start + from[c]];
      const y = zero + per * (v + (values[start + to[c]] - v) * part[c]);
      let low = y, high = y;
      if (before < low) low = before; else if (before > high) high = before;
      before = y;
      for (let k = first[c]; k < first[c + 1]; k += 1) {
        const own = zero + per * values[start + at(k)];
        if (!(own >= low)) low = own;
        if (!(own <= high)) high = own;
      }
      if (!(low < h && high >= 0)) continue;
      const top = low > 0 ? low | 0 : 0, end = high < h ? high | 0 : h - 1;
      for (let i = c * h + top, last = c * h + end; i <= last; i += 1) {
        count[i] += 1;
        if (share !== null) { toned[i] += 1; sum[i] += share; }
      }
    }
  }

  /** The picture. tone: (share) → [r, g, b]; none: of lines without a share; strength: 1, or less to step back. */
  image(tone, none, strength) {
    const { w, h, count, toned, sum } = this;
    const made = new ImageData(w, h), pixels = made.data;
    const tones = Array.from({ length: 256 }, (_, i) => tone(i / 255));
    for (let i = 0; i < count.length; i += 1) if (count[i] > this.most) this.most = count[i];
    const whole = Math.log(Math.max(2, this.most));
    for (let c = 0, i = 0; c < w; c += 1) {
      for (let y = 0; y < h; y += 1, i += 1) {
        const n = count[i];
        if (n === 0) continue;
        const known = toned[i] / n, one = toned[i] > 0 ? tones[Math.round(255 * Math.min(1, Math.max(0, sum[i] / toned[i])))] : none;
        const to = 4 * (y * w + c);
        for (let k = 0; k < 3; k += 1) pixels[to + k] = known * one[k] + (1 - known) * none[k];
        pixels[to + 3] = 255 * strength * (FAINT + (1 - FAINT) * Math.log(n) / whole);
      }
    }
    return made;
  }
}
