// How a model in use does, and how the checks of an analyser went: charts with their limits, and a table behind each.

import { colour, config, font, layout, lines, table } from "./charts.js";
import { fill, words } from "./words.js";

const data = JSON.parse(document.getElementById("upkeep-data").textContent);
const RED = "#b3261e";
const TONES = [colour.blue, colour.green, "#D55E00", "#CC79A7", "#56B4E9", "#E69F00", "#000000"];
const SYMBOLS = ["circle", "diamond", "square", "triangle-up", "cross", "star", "pentagon"];
const short = (value) => (value === null || value === undefined ? "" : Number(value.toPrecision(4)).toString());
const percent = (share) => short(100 * share);

const level = (y, style) => ({ type: "line", xref: "paper", x0: 0, x1: 1, y0: y, y1: y, layer: "below", line: style });
const endLabel = (y, text) => ({
  xref: "paper", x: 1.005, xanchor: "left", y, yanchor: "middle", text, showarrow: false, font: { ...font, size: 11 },
});
const framed = (more) => layout({ margin: { l: 60, r: 64, t: 8, b: 44 }, ...more });
const marks = (alarm) => ({
  size: alarm.map((on) => (on ? 11 : 7)), color: alarm.map((on) => (on ? RED : colour.blue)),
  symbol: alarm.map((on) => (on ? "x" : "circle")),
});

const tests = data.tests;
const numbers = tests ? tests.at.map((_, i) => i + 1) : [];
const testText = (i) => `${tests.at[i]}<br>${tests.lot[i]} · ${tests.sample[i]}<br>${words.difference}: ${short(tests.difference[i])}`;
const byTest = { title: { text: words.test }, range: [0.5, Math.max(numbers.length, 10) + 0.5], dtick: numbers.length <= 20 ? 1 : undefined };

const draw = {
  ewma(node) {
    const { value, low, high, alarm } = data.ewma;
    const bound = (y) => ({ x: numbers, y, mode: "lines", hoverinfo: "skip", line: { ...lines.extreme, shape: "hvh" } });
    return [node, [
      bound(low), bound(high),
      {
        x: numbers, y: tests.difference, mode: "markers", marker: { size: 6, color: "rgba(0,0,0,0)", line: { width: 1.2, color: colour.line } },
        text: numbers.map((_, i) => testText(i)), hoverinfo: "text",
      },
      {
        x: numbers, y: value, mode: "lines+markers", line: { width: 1.6, color: colour.blue }, marker: marks(alarm),
        text: numbers.map((_, i) => `EWMA ${short(value[i])} (${short(low[i])} … ${short(high[i])})<br>${testText(i)}`), hoverinfo: "text",
      },
    ], {
      shapes: [level(0, { ...lines.spec, width: 1 })],
      annotations: [endLabel(high.at(-1), short(high.at(-1))), endLabel(low.at(-1), short(low.at(-1)))],
      xaxis: byTest, yaxis: { title: { text: words.difference } },
    }];
  },
  cusum(node) {
    const { upper, lower, limit, alarm } = data.cusum;
    const line = (y) => ({
      x: numbers, y, mode: "lines+markers", line: { width: 1.4, color: colour.blue },
      marker: marks(alarm.map((on, i) => on && Math.abs(y[i]) > limit)),
      text: numbers.map((_, i) => `C⁺ ${short(upper[i])} · C⁻ ${short(lower[i])}<br>${testText(i)}`), hoverinfo: "text",
    });
    return [node, [line(upper), line(lower)], {
      shapes: [level(limit, lines.extreme), level(-limit, lines.extreme), level(0, { ...lines.spec, width: 1 })],
      annotations: [endLabel(limit, `h ${short(limit)}`), endLabel(-limit, `−h`)],
      xaxis: byTest, yaxis: { title: { text: words.sums } },
    }];
  },
  t2: (node) => rates(node, data.rates.t2),
  q: (node) => rates(node, data.rates.q),
  check(node) {
    const one = data.charts[Number(node.dataset.number)];
    const bound = (y) => ({ x: one.at, y, mode: "lines", hoverinfo: "skip", showlegend: false, line: { ...lines.extreme, shape: "hv" } });
    const beyond = (value, i) => value !== null && ((one.low[i] !== null && value < one.low[i]) || (one.high[i] !== null && value > one.high[i]));
    const traces = one.series.map((series, n) => ({
      x: one.at, y: series.value, mode: "lines+markers", name: series.name, connectgaps: false,
      line: { width: 1, color: TONES[n % TONES.length] },
      marker: {
        size: series.value.map((value, i) => (beyond(value, i) ? 11 : 6)), color: series.value.map((value, i) => (beyond(value, i) ? RED : TONES[n % TONES.length])),
        symbol: series.value.map((value, i) => (beyond(value, i) ? "x" : SYMBOLS[n % SYMBOLS.length])),
      },
      hovertemplate: `${series.name}: %{y:.4~g}<br>%{x}<extra></extra>`,
    }));
    const many = one.series.length > 1;
    const ends = [one.low.at(-1), one.high.at(-1)].filter((value) => value !== null);
    return [node, [bound(one.low), bound(one.high), ...traces], {
      showlegend: many, legend: { orientation: "h", y: 1.14, font: { ...font, size: 11 } },
      annotations: ends.map((value) => endLabel(value, short(value))),
      xaxis: { type: "date", tickformat: "%m-%d<br>%Y", nticks: 8, title: { text: words.time } }, yaxis: { title: { text: one.axis }, exponentformat: "e" },
    }];
  },
};

// The share outside of each lot with its interval, and the band that chance gives at the share expected of good spectra.
function rates(node, found) {
  const x = data.lots, shares = found.share.map((share) => 100 * share);
  const band = found.most.map((most, i) => (100 * most) / found.of[i]);
  const nominal = 100 * data.nominal;
  return [node, [
    {
      x, y: band, mode: "lines+markers", line: { ...lines.extreme, shape: "hvh" }, marker: { symbol: "line-ew-open", size: 14, color: colour.muted, line: { width: 1.5 } }, hoverinfo: "skip", fill: "tozeroy",
      fillcolor: "rgba(180,186,191,0.30)",
    },
    {
      x, y: shares, mode: "markers", marker: marks(found.alarm),
      error_y: {
        type: "data", symmetric: false, array: found.high.map((high, i) => 100 * high - shares[i]),
        arrayminus: found.low.map((low, i) => shares[i] - 100 * low), color: colour.line, thickness: 1, width: 3,
      },
      text: x.map((lot, i) => `${lot}: ${found.count[i]} / ${found.of[i]} = ${short(shares[i])} %<br>${words.band}: ${found.most[i]}`), hoverinfo: "text",
    },
  ], {
    shapes: [level(nominal, lines.target)], annotations: [endLabel(nominal, fill(words.expected, { share: `${short(nominal)} %` }))],
    margin: { l: 60, r: 96, t: 8, b: 60 },
    xaxis: { type: "category", nticks: 12, title: { text: words.lot } }, yaxis: { title: { text: words.share }, rangemode: "tozero" },
  }];
}

const yes = (on) => (on ? words.yes : words.no);
const rows = {
  ewma: () => [
    [`${words.time} (${data.zone})`, words.lot, words.sample, words.predicted, words.reference, words.difference_head, "EWMA", words.lower, words.upper, words.beyond],
    numbers.map((_, i) => [
      tests.at[i], tests.lot[i], tests.sample[i], short(tests.predicted[i]), short(tests.reference[i]), short(tests.difference[i]),
      short(data.ewma.value[i]), short(data.ewma.low[i]), short(data.ewma.high[i]), yes(data.ewma.alarm[i]),
    ]),
  ],
  cusum: () => [
    [`${words.time} (${data.zone})`, words.lot, words.sample, words.difference_head, "C⁺", "C⁻", "h", words.beyond],
    numbers.map((_, i) => [
      tests.at[i], tests.lot[i], tests.sample[i], short(tests.difference[i]), short(data.cusum.upper[i]), short(data.cusum.lower[i]), short(data.cusum.limit),
      yes(data.cusum.alarm[i]),
    ]),
  ],
  t2: () => rateRows(data.rates.t2),
  q: () => rateRows(data.rates.q),
  check: (number) => {
    const one = data.charts[number];
    return [
      [words.time, ...one.series.map((series) => series.name), words.lower, words.upper],
      one.at.map((at, i) => [at, ...one.series.map((series) => (series.value[i] === null ? words.not_found : short(series.value[i]))), short(one.low[i]), short(one.high[i])]),
    ];
  },
};
const rateRows = (found) => [
  [words.lot, words.of, words.outside, words.share, words.interval, words.band, words.beyond],
  data.lots.map((lot, i) => [
    lot, found.of[i], found.count[i], percent(found.share[i]), `${percent(found.low[i])} … ${percent(found.high[i])}`, found.most[i], yes(found.alarm[i]),
  ]),
];

for (const node of document.querySelectorAll("[data-upkeep]")) {
  const [place, traces, more] = draw[node.dataset.upkeep](node);
  Plotly.newPlot(place, traces, framed(more), config);
}
for (const node of document.querySelectorAll("[data-upkeep-table]")) {
  node.append(table(...rows[node.dataset.upkeepTable](Number(node.dataset.number))));
}
document.body.dataset.drawn = "yes";
