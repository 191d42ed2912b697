// Trends over time: every zoom asks the server for the points of what is to be seen.

import { table } from "./charts.js";
import { serverNow } from "./shell.js";
import { draw } from "./trendchart.js";
import { Notes } from "./trendnotes.js";
import { ask, byId, chart, Chooser, Ended, fine, fromAxis, fromIso, iso, onZoom, root, stopAsking, told, Views } from "./trendpage.js";
import { timeText } from "./trendtime.js";
import { fill, words } from "./words.js";

const LIVE_MS = 2000, SLOW_MS = 15000, TABLE_ROWS = 500, SHORTEST_MS = 1, LONGEST_MS = 5 * 365 * 86400e3;
let shown = null, timer = null;

/** What is to be seen: tags in their order; from and to (ms), or the last so many seconds, followed. */
const views = new Views(
  (asked) => {
    const tags = asked.getAll("tag"), from = fromIso(asked.get("from")), to = fromIso(asked.get("to")), last = Number(asked.get("last"));
    if (to > from) return { tags, from, to, last: null };
    return { tags, from: null, to: null, last: last > 0 && last * 1000 <= LONGEST_MS ? last : 900 };
  },
  ({ tags, from, to, last }) => new URLSearchParams([
    ...tags.map((tag) => ["tag", tag]), ...(last ? [["last", last]] : [["from", iso(from)], ["to", iso(to)]]),
  ]),
  load,
);
const chooser = new Chooser(views);
const notes = new Notes(load);
const ends = () => (views.now.last ? [serverNow() - views.now.last * 1000, serverNow()] : [views.now.from, views.now.to]);

function asked(more) {
  const [start, end] = shown && views.now.last && more.form ? [shown.start, shown.end] : ends();
  return new URLSearchParams([["start", iso(start)], ["end", iso(end)], ...Object.entries(more), ...views.now.tags.map((tag) => ["tag", tag])]);
}

async function load() {
  clearTimeout(timer);
  const { tags, last } = views.now;
  byId("trend-live").setAttribute("aria-pressed", String(Boolean(last)));
  for (const one of root.querySelectorAll("[data-span]")) one.toggleAttribute("aria-current", last === Number(one.dataset.span));
  byId("trend-empty").hidden = tags.length > 0;
  byId("trend-exports").hidden = tags.length === 0;
  chart.hidden = tags.length === 0;
  chooser.show();
  if (!tags.length) {
    stopAsking();
    shown = null;
    chart.dataset.points = "0";
    return;
  }
  const points = Math.max(200, Math.min(2000, Math.round(chart.clientWidth || 1000)));
  try {
    [shown] = await ask(`${root.dataset.curves}?${asked({ points })}`);
    fine();
    show();
  } catch (error) {
    told(error, load);
    if (error.name === "AbortError" || error instanceof Ended) return;
  }
  if (last) timer = setTimeout(follow, last > 7200 ? SLOW_MS : LIVE_MS);
}

// a hidden page asks for nothing by itself
function follow() {
  if (document.hidden) timer = setTimeout(follow, LIVE_MS);
  else load();
}

function show() {
  for (const one of [...shown.curves, ...shown.timelines]) chooser.note(one.series);
  chooser.show();
  notes.show(shown, chooser.known);
  draw(chart, shown, views.now.tags);
  const count = (all, of) => all.reduce((n, one) => n + of(one).length, 0);
  chart.dataset.points = String(count(shown.curves, (c) => c.time) + count(shown.timelines, (t) => t.text));
  chart.dataset.start = String(shown.start);
  chart.dataset.end = String(shown.end);
  byId("trend-told").textContent = views.now.last
    ? `● ${words.live}` : fill(words.still, { from: timeText(shown.start), to: timeText(shown.end) });
  for (const link of root.querySelectorAll("[data-form]")) {
    link.href = `${root.dataset.samples}?${asked({ form: link.dataset.form })}`;
  }
  if (byId("trend-table").closest("details").open) showTable();
}

onZoom((low, high) => {
  const near = (shown.start + shown.end) / 2, from = fromAxis(low, near), to = fromAxis(high, near);
  if (to > from) views.go({ from, to: Math.max(to, from + SHORTEST_MS), last: null });
}, () => views.back());
byId("trend-fit").addEventListener("click", () => shown && draw(chart, shown, views.now.tags, true));
byId("trend-live").addEventListener("click", () => {
  const [from, to] = ends();
  if (views.now.last) views.go({ from, to, last: null });
  else views.go({ from: null, to: null, last: Math.max(60, Math.min(86400, Math.round((to - from) / 1000))) });
});
for (const one of root.querySelectorAll("[data-span]")) {
  one.addEventListener("click", () => views.go({ from: null, to: null, last: Number(one.dataset.span) }));
}

// The table behind
const word = (code) => (code >= 0x80000000 ? words.bad : code >= 0x40000000 ? words.uncertain : words.good);
byId("trend-table").closest("details").addEventListener("toggle", () => shown && showTable());
function showTable() {
  const parts = [];
  const part = (series, heads, rows, all) => {
    const head = document.createElement("h2");
    head.textContent = `${series.title}${series.unit ? ` (${series.unit})` : ""}`;
    parts.push(head, table(heads, rows));
    if (all <= TABLE_ROWS) return;
    const note = document.createElement("p");
    note.className = "small quiet";
    note.textContent = fill(words.table_more, { n: TABLE_ROWS, all });
    parts.push(note);
  };
  for (const { series, time, value, low, high, quality, step_ms: step } of shown.curves) {
    const heads = step ? [words.time, words.mean, words.lowest, words.highest, words.quality] : [words.time, words.value, words.quality];
    const row = (t, i) => [timeText(t, true), value[i] ?? "×", ...(step ? [low[i] ?? "×", high[i] ?? "×"] : []), word(quality?.[i] ?? 0)];
    part(series, heads, time.slice(0, TABLE_ROWS).map(row), time.length);
  }
  for (const { series, start, end, text, quality } of shown.timelines) {
    const row = (t, i) => [timeText(t, true), timeText(end[i], true), text[i], word(quality[i])];
    part(series, [words.time, words.until, words.state, words.quality], start.slice(0, TABLE_ROWS).map(row), start.length);
  }
  byId("trend-table").replaceChildren(...parts);
}

views.show();
