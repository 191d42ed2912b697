// The page of trends: the address holds the view, every zoom asks the server for the points of what is to be seen.

import { table } from "./charts.js";
import { serverNow } from "./shell.js";
import { draw } from "./trendchart.js";
import { offsetAt, timeText } from "./trendtime.js";
import { fill, words } from "./words.js";

const root = document.getElementById("trends");
const byId = (id) => document.getElementById(id);
const chart = byId("trend-chart");
const LIVE_MS = 2000, SEARCH_MS = 150, TABLE_ROWS = 500, SHORTEST_MS = 1, LONGEST_MS = 5 * 365 * 86400e3;

/** What is to be seen: tags in their order; from and to (ms), or the last so many seconds, followed. */
let view = read();
let shown = null, asking = null, timer = null, depth = 0;
const chosen = new Map();

function read() {
  const asked = new URLSearchParams(location.search);
  const number = (name) => (asked.get(name) === null ? NaN : Number(asked.get(name)));
  const time = (name) => (asked.get(name) ? Date.parse(asked.get(name)) : NaN);
  const [from, to, last] = [time("from"), time("to"), number("last")];
  const tags = asked.getAll("tag");
  if (to > from) return { tags, from: from + fine(asked.get("from")), to: to + fine(asked.get("to")), last: null };
  return { tags, from: null, to: null, last: last > 0 && last * 1000 <= LONGEST_MS ? last : 900 };
}

// what an ISO time says beyond the millisecond
function fine(text) {
  const digits = /\.\d{3}(\d{1,3})/.exec(text);
  return digits ? Number(digits[1].padEnd(3, "0")) / 1000 : 0;
}

function iso(ms) {
  const whole = Math.floor(ms), rest = Math.round((ms - whole) * 1000);
  const text = new Date(whole).toISOString();
  return rest ? text.replace("Z", `${String(rest).padStart(3, "0")}Z`) : text;
}

function address() {
  const query = new URLSearchParams();
  for (const tag of view.tags) query.append("tag", tag);
  if (view.last) query.set("last", view.last);
  else {
    query.set("from", iso(view.from));
    query.set("to", iso(view.to));
  }
  return `${location.pathname}?${query}`;
}

/** Another view; `push`: one that double click goes back from. */
function go(change, push = true) {
  Object.assign(view, change);
  if (push) {
    depth += 1;
    history.pushState({ depth }, "", address());
  } else history.replaceState({ depth }, "", address());
  load();
}

addEventListener("popstate", (event) => {
  depth = event.state?.depth ?? 0;
  view = read();
  load();
});

const ends = () => (view.last ? [serverNow() - view.last * 1000, serverNow()] : [view.from, view.to]);

async function ask(url) {
  asking?.abort();
  asking = new AbortController();
  const answer = await fetch(url, { headers: { Accept: "application/json" }, signal: asking.signal });
  if (answer.status === 401) throw new Ended();
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.text ?? answer.status);
  return body;
}
class Ended extends Error {}

async function load() {
  clearTimeout(timer);
  byId("trend-live").setAttribute("aria-pressed", String(Boolean(view.last)));
  byId("trend-back").disabled = depth === 0;
  for (const button of root.querySelectorAll("[data-span]")) {
    button.toggleAttribute("aria-current", view.last === Number(button.dataset.span));
  }
  byId("trend-empty").hidden = view.tags.length > 0;
  chart.hidden = view.tags.length === 0;
  if (!view.tags.length) {
    asking?.abort();
    shown = null;
    chart.dataset.points = "0";
    return showChosen();
  }
  const [start, end] = ends();
  const points = Math.max(200, Math.min(2000, Math.round(chart.clientWidth || 1000)));
  const query = new URLSearchParams({ start: iso(start), end: iso(end), points });
  for (const tag of view.tags) query.append("tag", tag);
  try {
    shown = await ask(`${root.dataset.curves}?${query}`);
    byId("trend-banner").hidden = true;
    show();
  } catch (error) {
    if (error.name === "AbortError") return;
    told(error);
    if (error instanceof Ended) return;
  }
  if (view.last) timer = setTimeout(follow, view.last > 7200 ? 15000 : LIVE_MS);
}

// a hidden page asks for nothing by itself
function follow() {
  if (document.hidden) timer = setTimeout(follow, LIVE_MS);
  else load();
}

function told(error) {
  const banner = byId("trend-banner");
  banner.hidden = false;
  if (error instanceof Ended) {
    const link = document.createElement("a");
    link.href = root.dataset.signIn;
    link.textContent = words.sign_in;
    banner.replaceChildren(`${words.ended} `, link);
    return;
  }
  const again = document.createElement("button");
  again.type = "button";
  again.textContent = words.retry;
  again.addEventListener("click", load);
  banner.replaceChildren(`${words.failed} ${error instanceof TypeError ? "" : error.message} `, again);
}

function show() {
  for (const one of [...shown.curves, ...shown.timelines]) chosen.set(one.series.ref, one.series);
  showChosen();
  draw(chart, shown, view.tags);
  chart.dataset.points = String(
    shown.curves.reduce((n, c) => n + c.time.length, 0) + shown.timelines.reduce((n, t) => n + t.text.length, 0),
  );
  chart.dataset.start = String(shown.start);
  chart.dataset.end = String(shown.end);
  byId("trend-told").textContent = view.last
    ? `● ${words.live}`
    : fill(words.still, { from: timeText(shown.start), to: timeText(shown.end) });
  if (byId("trend-table").closest("details").open) showTable();
}

// Zoom by dragging, back by double click
let listening = false;
const wait = setInterval(() => {
  if (listening || !chart.on) return;
  listening = true;
  clearInterval(wait);
  chart.on("plotly_relayout", (event) => {
    const low = event["xaxis.range[0]"] ?? event["xaxis.range"]?.[0];
    const high = event["xaxis.range[1]"] ?? event["xaxis.range"]?.[1];
    if (low === undefined || high === undefined) return;
    let [from, to] = [fromAxis(low), fromAxis(high)];
    if (!(to > from)) return;
    if (to - from < SHORTEST_MS) to = from + SHORTEST_MS;
    go({ from, to, last: null });
  });
  chart.on("plotly_doubleclick", () => {
    back();
    return false;
  });
}, 50);

// the axis shows the plant's time; it counts as if that were UTC
function fromAxis(value) {
  let ms = value;
  if (typeof value === "string") {
    const text = value.includes(" ") ? value.replace(" ", "T") : `${value}T00:00:00`;
    const [whole, part = ""] = text.split(".");
    ms = Date.parse(`${whole.length === 16 ? `${whole}:00` : whole}Z`) + Number(`0.${part || 0}`) * 1000;
  }
  return ms - offsetAt((shown.start + shown.end) / 2);
}

function back() {
  if (depth > 0) history.back();
}
byId("trend-back").addEventListener("click", back);
byId("trend-fit").addEventListener("click", () => shown && draw(chart, shown, view.tags, true));
byId("trend-live").addEventListener("click", () => {
  if (view.last) {
    const [from, to] = ends();
    go({ from, to, last: null });
  } else go({ from: null, to: null, last: Math.max(60, Math.min(86400, Math.round((view.to - view.from) / 1000))) });
});
for (const button of root.querySelectorAll("[data-span]")) {
  button.addEventListener("click", () => go({ from: null, to: null, last: Number(button.dataset.span) }));
}

// Choosing tags
let searching;
const search = byId("trend-search"), foundBox = byId("trend-found");
search.addEventListener("input", () => {
  clearTimeout(searching);
  searching = setTimeout(find, SEARCH_MS);
});
search.addEventListener("focus", () => { if (foundBox.hidden) find(); });
document.addEventListener("click", (event) => { if (!event.target.closest(".trend-choose")) foundBox.hidden = true; });
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || foundBox.hidden) return;
  foundBox.hidden = true;
  search.focus();
});

async function find() {
  const text = search.value;
  const answer = await fetch(`${root.dataset.series}?${new URLSearchParams({ search: text, most: 50 })}`).catch(() => null);
  if (!answer?.ok || text !== search.value) return;
  const { series, total } = await answer.json();
  const list = document.createElement("ul");
  list.className = "plainlist";
  for (const one of series) {
    const item = document.createElement("li"), button = document.createElement("button"), said = document.createElement("span");
    const here = view.tags.includes(one.ref);
    said.className = "trend-said";
    const name = document.createElement("strong");
    name.textContent = one.title;
    const more = document.createElement("span");
    more.className = "small quiet";
    more.textContent = [`${one.source} · ${one.tag}`, one.equipment, one.unit, one.last ? "" : words.nothing_stored].filter(Boolean).join(" · ");
    said.append(name, " ", more);
    button.type = "button";
    button.disabled = here;
    button.textContent = here ? words.added : words.add;
    button.dataset.testid = "trend-add";
    button.dataset.ref = one.ref;
    button.setAttribute("aria-label", `${words.add}: ${one.title}`);
    button.addEventListener("click", () => {
      chosen.set(one.ref, one);
      button.disabled = true;
      button.textContent = words.added;
      go({ tags: [...view.tags, one.ref] });
    });
    item.append(said, button);
    list.append(item);
  }
  const note = document.createElement("p");
  note.className = "small quiet";
  note.textContent = series.length ? fill(words.found, { shown: series.length, total }) : words.found_none;
  foundBox.replaceChildren(list, note);
  foundBox.hidden = false;
}

function showChosen() {
  byId("trend-chosen").replaceChildren(...view.tags.map((ref) => {
    const item = document.createElement("li"), button = document.createElement("button");
    const one = chosen.get(ref);
    item.append(one ? `${one.title}${one.unit ? ` (${one.unit})` : ""} ` : `${ref} `);
    button.type = "button";
    button.className = "plain";
    button.textContent = "✕";
    button.setAttribute("aria-label", `${words.remove}: ${one?.title ?? ref}`);
    button.addEventListener("click", () => go({ tags: view.tags.filter((other) => other !== ref) }));
    item.append(button);
    return item;
  }));
}

// The table behind
const word = (code) => (code >= 0x80000000 ? words.bad : code >= 0x40000000 ? words.uncertain : words.good);
byId("trend-table").closest("details").addEventListener("toggle", () => shown && showTable());
function showTable() {
  const parts = [];
  for (const { series, time, value, low, high, quality, step_ms } of shown.curves) {
    const head = document.createElement("h2");
    head.textContent = `${series.title}${series.unit ? ` (${series.unit})` : ""}`;
    const heads = step_ms ? [words.time, words.mean, words.lowest, words.highest, words.quality] : [words.time, words.value, words.quality];
    const row = (t, i) => [
      timeText(t, true), value[i] ?? "×", ...(step_ms ? [low[i] ?? "×", high[i] ?? "×"] : []), word(quality?.[i] ?? 0),
    ];
    parts.push(head, table(heads, time.slice(0, TABLE_ROWS).map(row)), ...rest(time.length));
  }
  for (const { series, start, end, text, quality } of shown.timelines) {
    const head = document.createElement("h2");
    head.textContent = series.title;
    const rows = start.slice(0, TABLE_ROWS).map((t, i) => [timeText(t, true), timeText(end[i], true), text[i], word(quality[i])]);
    parts.push(head, table([words.time, words.until, words.state, words.quality], rows), ...rest(start.length));
  }
  byId("trend-table").replaceChildren(...parts);
}
function rest(all) {
  if (all <= TABLE_ROWS) return [];
  const note = document.createElement("p");
  note.className = "small quiet";
  note.textContent = fill(words.table_more, { n: TABLE_ROWS, all });
  return [note];
}

load();
