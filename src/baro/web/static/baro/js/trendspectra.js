// Spectra of a lot, or of the last day: over each other, or one above the other in the order of time.

import { colour, table } from "./charts.js";
import { serverNow } from "./shell.js";
import { font } from "./trendchart.js";
import { ask, byId, chart, fine, iso, root, told, Views } from "./trendpage.js";
import { timeText } from "./trendtime.js";
import { fill, words } from "./words.js";

const DAY = 86400e3, WATERFALL = 80;
// cividis, dark to light: order reads without hue
const CIVIDIS = ["#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74", "#c3b369", "#e1cc55"];
let shown = null;

const views = new Views(
  (asked) => ({ source: asked.get("source") ?? "", lot: asked.get("lot") ?? "", look: asked.get("look") === "waterfall" ? "waterfall" : "overlay" }),
  ({ source, lot, look }) => new URLSearchParams({ mode: "spectra", source, lot, look }),
  load,
);

async function begin() {
  let batches, series;
  try {
    [batches, series] = await ask(root.dataset.batches, `${root.dataset.series}?most=1`);
  } catch (error) {
    return told(error, begin);
  }
  const option = (text, value) => Object.assign(document.createElement("option"), { textContent: text, value });
  const lots = [...new Set([...batches.map((one) => one.lot_no), ...(views.now.lot ? [views.now.lot] : [])])];
  byId("trend-source").replaceChildren(...series.spectra.map((one) => option(one, one)));
  byId("trend-lot").replaceChildren(option(words.shown_time, ""), ...lots.map((one) => option(one, one)));
  views.now.source ||= series.spectra[0] ?? "";
  if (!new URLSearchParams(location.search).has("lot")) views.now.lot ||= lots[0] ?? "";
  views.show();
}
for (const name of ["source", "lot", "look"]) {
  byId(`trend-${name}`).addEventListener("change", () => views.go({ [name]: byId(`trend-${name}`).value }));
}

async function load() {
  const { source, lot, look } = views.now;
  for (const name of ["source", "lot", "look"]) byId(`trend-${name}`).value = views.now[name];
  let found = null;
  if (source) {
    const now = serverNow();
    const window = lot ? { lot } : { start: iso(now - DAY), end: iso(now) };
    try {
      [found] = await ask(`${root.dataset.spectra}?${new URLSearchParams({ source, ...window, most: look === "waterfall" ? WATERFALL : 300 })}`);
      fine();
    } catch (error) {
      return told(error, load);
    }
  }
  shown = found;
  byId("trend-empty").hidden = Boolean(found);
  chart.hidden = !found;
  chart.dataset.points = String(found?.spectra.length ?? 0);
  byId("trend-told").textContent = found ? fill(words.spectra_told, { n: found.spectra.length, all: found.total.toLocaleString("en") }) : "";
  if (found) draw(look);
  if (byId("trend-table").closest("details").open) showTable();
}

const shade = (i, n) => CIVIDIS[n > 1 ? Math.round((i / (n - 1)) * (CIVIDIS.length - 1)) : 0];

function draw(look) {
  const { axis, spectra, sample, time, quality, unit, total } = shown, n = spectra.length;
  const wavenumber = unit === "cm-1";
  const low = spectra.reduce((m, s) => Math.min(m, ...s), Infinity), high = spectra.reduce((m, s) => Math.max(m, ...s), -Infinity);
  const step = look === "waterfall" ? ((high - low) * 3) / Math.max(n, 10) : 0;
  const data = spectra.map((values, i) => ({
    type: "scatter", mode: "lines", x: axis, y: step ? values.map((v) => v + i * step) : values,
    line: { width: step ? 1 : 0.9, color: shade(i, n), dash: quality[i] >= 0x40000000 ? "dash" : "solid" },
    text: step ? undefined : sample[i], hovertemplate: `${escapeText(sample[i])}<br>${timeText(time[i])}<br>%{x} ${unit}<extra></extra>`,
  }));
  const ticks = step ? [...new Set([0, 0.25, 0.5, 0.75, 1].map((part) => Math.round(part * (n - 1))))] : [];
  const ends = [axis[0], axis.at(-1)].sort((a, b) => a - b);
  const height = look === "waterfall" ? 620 : 460;
  chart.style.height = `${height}px`;
  Plotly.react(chart, data, {
    font, height, paper_bgcolor: colour.paper, plot_bgcolor: colour.paper, showlegend: false, hovermode: "closest", uirevision: `${views.now.lot}/${look}`,
    margin: { l: step ? 150 : 64, r: 16, t: 30, b: 52 },
    hoverlabel: { font: { ...font, color: colour.strong }, bgcolor: colour.paper, bordercolor: colour.line },
    xaxis: {
      // wavenumbers descend from left to right, wavelengths ascend
      range: wavenumber ? [...ends].reverse() : ends, title: { text: wavenumber ? words.wavenumber : words.wavelength, standoff: 6, font },
      gridcolor: colour.grid, linecolor: colour.line, showline: true, ticks: "outside", tickcolor: colour.line, zeroline: false,
    },
    yaxis: {
      gridcolor: step ? "rgba(0,0,0,0)" : colour.grid, linecolor: colour.line, showline: true, ticks: "outside", tickcolor: colour.line, zeroline: false,
      title: { text: step ? "" : words.measured, standoff: 6, font },
      ...(step ? { tickvals: ticks.map((i) => spectra[i][wavenumber ? spectra[i].length - 1 : 0] + i * step), ticktext: ticks.map((i) => timeText(time[i]).slice(5, 19)) } : {}),
    },
    annotations: [{
      xref: "paper", x: 1, xanchor: "right", yref: "paper", y: 1, yanchor: "bottom", showarrow: false, font: { ...font, color: colour.muted },
      text: [total > n ? fill(words.reduced, { k: Math.round(total / n).toLocaleString("en") }) : "", words.first_last].filter(Boolean).join(" · "),
    }],
  }, { displayModeBar: false, responsive: true, doubleClick: "reset", showTips: false });
}
const escapeText = (text) => text.replace(/[&<>%{}]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[c] ?? " ");

byId("trend-table").closest("details").addEventListener("toggle", () => shown && showTable());
function showTable() {
  if (!shown) return byId("trend-table").replaceChildren();
  const rows = shown.time.map((t, i) => [timeText(t, true), shown.sample[i], Math.min(...shown.spectra[i]), Math.max(...shown.spectra[i])]);
  return byId("trend-table").replaceChildren(table([words.time, words.sample, words.lowest, words.highest], rows));
}

begin();
