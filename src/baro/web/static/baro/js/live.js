// A lot as it runs: first the state as JSON, then what changes by server-sent events.

import { assayChart, influenceChart, modelLine, spectraChart, table, toRows } from "./charts.js";
import { serverNow, timeOf } from "./shell.js";
import { drawStrips } from "./strips.js";
import { fill, words } from "./words.js";

const root = document.getElementById("live");
const language = document.documentElement.lang;
const byId = (id) => document.getElementById(id);
const SPECTRA = 12, FRAME_MS = 250, LOST_MS = 10000, STALE_MS = 15000, COUNT_MS = 5000;

let lot, model, rows, keys, total, outside, spectra, says, tags, others, cursor, last, draw, source;
let heard = 0, lost = false, over = false, dirty = new Set();

async function start() {
  source?.close();
  const answer = await fetch(root.dataset.state, { headers: { Accept: "application/json" } }).catch(() => null);
  if (answer?.status === 401) return end();
  if (!answer?.ok) {
    showLost();
    setTimeout(start, 3000);
    return;
  }
  const state = await answer.json();
  ({ lot, model, spectra, tags, others, cursor, last } = state);
  says = state.words;
  rows = toRows(state.predictions);
  ({ total, outside } = state.predictions);
  keys = new Set(rows.map((r) => r.key));
  draw = {
    spectra: spectraChart(byId("spectra"), model), assay: assayChart(byId("assay"), lot),
    influence: influenceChart(byId("influence"), model),
  };
  byId("model-line").textContent = modelLine(model, language);
  heard = performance.now();
  touch("spectra", "rows", "says", "tags", "others");
  listen();
}

function listen() {
  source = new EventSource(`${root.dataset.stream}?after=${cursor}`);
  const on = (name, act) => source.addEventListener(name, (event) => {
    heard = performance.now();
    if (lost) recover();
    act(JSON.parse(event.data));
  });
  on("predictions", take);
  on("says", (body) => {
    lot = body.lot;
    says = body.words;
    touch("says", "rows");
  });
  on("tags", (body) => { tags = body.tags; touch("tags"); });
  on("others", (body) => { others = body.others; touch("others"); });
  on("beat", (body) => { last = body.last; touch("link"); });
  on("reload", start);
  on("ended", end);
  source.onerror = () => {
    // the browser tries again by itself unless the server has refused
    if (source.readyState === EventSource.CLOSED && !over) setTimeout(start, 3000);
  };
}

function take(body) {
  cursor = body.cursor;
  for (const row of toRows(body.predictions)) {
    if (keys.has(row.key)) continue;
    keys.add(row.key);
    total += 1;
    if (!row.usable) outside += 1;
    rows.push({ ...row, no: total });
  }
  const seen = new Set(spectra.map((s) => s.key));
  spectra = [...spectra, ...body.spectra.filter((s) => !seen.has(s.key))].slice(-SPECTRA);
  touch("spectra", "rows");
}

// Drawing: what changed, at most four times a second, and never in a hidden tab.
let planned = false;
function touch(...what) {
  what.forEach((w) => dirty.add(w));
  if (planned) return;
  planned = true;
  setTimeout(() => requestAnimationFrame(paint), FRAME_MS);
}

function paint() {
  planned = false;
  const due = dirty;
  dirty = new Set();
  if (due.has("spectra")) {
    draw.spectra(spectra);
    byId("spectra-note").textContent = spectra.length ? "" : words.none_yet;
    behind("spectra", spectraTable);
  }
  if (due.has("rows")) {
    draw.assay(rows, says.assay_mean);
    draw.influence(rows);
    behind("assay", assayTable);
    behind("influence", influenceTable);
    const thin = total > rows.length ? ` · ${fill(words.thinned, { k: Math.round(total / rows.length) })}` : "";
    const latest = rows[rows.length - 1];
    byId("assay-note").textContent = fill(words.counts, { n: total.toLocaleString("en"), out: outside.toLocaleString("en") }) + thin;
    if (lot.state === "running" && latest && !latest.usable) byId("assay-note").append(warn(`${words.tablet} ${latest.no}: ${words.not_used}`));
  }
  if (due.has("says")) showSays();
  if (due.has("tags")) drawStrips(byId("tags"), tags, language);
  if (due.has("others")) showOthers();
  showLink();
  root.dataset.tablets = total;
  root.dataset.ready = "yes";
}

function warn(text) {
  const node = document.createElement("strong");
  node.className = "unused-word";
  node.textContent = ` × ${text}`;
  return node;
}

function setState(node, { state, shape, word }) {
  const big = node.classList.contains("big") ? " big" : "";
  node.className = `state ${state}${big}`;
  node.dataset.state = state;
  node.innerHTML = '<span class="shape" aria-hidden="true"></span> <span class="word"></span>';
  node.firstChild.textContent = shape;
  node.lastChild.textContent = word;
}

function showSays() {
  setState(byId("verdict"), says.verdict);
  byId("criteria-note").textContent = fill(words.collecting_left, { settled: says.settled, all: says.criteria.length });
  const list = byId("criteria");
  for (const criterion of says.criteria) criterionCard(list, criterion);
  const decision = byId("decision");
  decision.textContent = "";
  if (says.decision) {
    const mark = document.createElement("span");
    setState(mark, { ...says.decision, state: says.decision.outcome });
    decision.append(mark, ` ${fill(words.signed_by, { who: says.decision.who, time: timeOf(Date.parse(says.decision.at)) })}`);
  }
  const { gaps } = says;
  byId("gaps").textContent = gaps.open ? words.gap_open : gaps.count ? fill(words.gaps, gaps) : words.no_gaps;
  byId("gaps").classList.toggle("review-text", gaps.open || gaps.missing > 0);
}

// Models on the same analyser that decide nothing of this lot
function showOthers() {
  byId("others").hidden = !others.length;
  byId("others-rows").replaceChildren(...others.map((one) => {
    const row = byId("other-template").content.firstElementChild.cloneNode(true);
    row.dataset.testid = `other-${one.model.replace(" v", "-")}`;
    row.dataset.count = one.count;
    const link = row.querySelector("a");
    link.href = one.address;
    link.textContent = one.model;
    row.querySelector(".o-digest").textContent = one.digest.slice(0, 12);
    row.querySelector(".o-role").textContent = `${one.instrument} · ${one.role[language]}`;
    row.querySelector(".o-count").textContent = one.count.toLocaleString("en");
    row.querySelector(".o-sample").textContent = one.sample ?? words.no_data;
    row.querySelector(".o-value").textContent = one.value === null ? "" : `${one.usable ? "" : "× "}${one.value.toPrecision(4)} ${one.unit}`;
    return row;
  }));
}

function criterionCard(list, criterion) {
  let card = list.querySelector(`[data-key="${CSS.escape(criterion.key)}"]`);
  if (!card) {
    card = byId("criterion-template").content.firstElementChild.cloneNode(true);
    card.dataset.key = criterion.key;
    card.dataset.testid = `criterion-${criterion.key}`;
    list.append(card);
  }
  card.dataset.state = criterion.state;
  card.querySelector(".c-name strong").textContent = criterion.name;
  card.querySelector(".cqa").hidden = !criterion.cqa;
  setState(card.querySelector(".state"), criterion);
  card.querySelector(".c-value .num").textContent = criterion.value;
  card.querySelector(".c-limits").textContent =
    [criterion.limits, fill(words.evidence_n, { n: criterion.n.toLocaleString("en") })].join(" · ");
  card.querySelector(".c-note").textContent = criterion.note;
  const bar = card.querySelector(".limitbar");
  bar.textContent = "";
  for (const [kind, where] of [["limit", criterion.bar.low], ["limit", criterion.bar.high], ["value", criterion.bar.value]]) {
    if (where === null) continue;
    const mark = document.createElement("i");
    mark.className = kind === "value" ? `value ${criterion.bar.beyond}` : kind;
    mark.style.left = `${where}%`;
    bar.append(mark);
  }
}

// Tables behind the charts
function behind(name, make) {
  const box = byId(`${name}-table`);
  if (box.closest("details").open) box.replaceChildren(make());
}
for (const [name, make] of [["spectra", () => spectraTable()], ["assay", () => assayTable()], ["influence", () => influenceTable()]]) {
  byId(`${name}-table`).closest("details").addEventListener("toggle", () => rows && behind(name, make));
}
const used = (r) => (r.usable ? words.used : words.not_used);
const spectraTable = () => {
  const newest = spectra[spectra.length - 1];
  const step = Math.max(1, Math.round(model.axis.length / 65));
  const rowsOf = model.axis.map((x, i) => [x, model.low[i], model.high[i], newest ? newest.y[i] : ""]);
  return table([words.wavelength, "1 %", "99 %", newest ? newest.sample : words.newest], rowsOf.filter((_, i) => i % step === 0));
};
const assayTable = () => table(
  [words.tablet, "ID", words.assay_axis, ""],
  rows.slice(-200).reverse().map((r) => [r.no, r.sample, r.value === null ? "×" : r.value.toFixed(1), used(r)]),
);
const influenceTable = () => table(
  [words.tablet, "ID", words.t2_axis, words.q_axis, ""],
  rows.slice(-200).reverse().map((r) => [r.no, r.sample, r.t2 ?? "×", r.q ?? "×", used(r)]),
);

// Clock, link and staleness
const clock = (ms) => {
  const s = Math.max(0, Math.floor(ms / 1000));
  return [Math.floor(s / 3600), Math.floor(s / 60) % 60, s % 60].map((n) => String(n).padStart(2, "0")).join(":");
};
const hours = (s) => fill(words.hours, { h: Math.floor(s / 3600), m: String(Math.floor(s / 60) % 60).padStart(2, "0") });

function showClock() {
  if (!lot?.started) return;
  const finished = says.verdict.final && says.verdict.at ? Date.parse(says.verdict.at) : null;
  const ms = (finished ?? serverNow()) - Date.parse(lot.started);
  byId("clock-label").textContent = finished ? words.took : words.elapsed;
  byId("clock-elapsed").textContent = clock(ms);
  const left = lot.qbt_s - ms / 1000;
  byId("clock-qbt").textContent = finished || left <= 0
    ? fill(words.qbt_whole, { whole: hours(lot.qbt_s) })
    : fill(words.qbt_still, { left: hours(left), whole: hours(lot.qbt_s) });
}

function showLink() {
  const node = byId("link");
  const running = lot?.state === "running";
  const stale = running && last && serverNow() - Date.parse(last) > STALE_MS;
  node.textContent = lost ? "" : stale ? `◷ ${fill(words.stale, { time: timeOf(Date.parse(last)) })}` : running ? `● ${words.live}` : `○ ${words.idle}`;
  root.classList.toggle("stale", lost || Boolean(stale));
}

function showLost() {
  lost = true;
  const banner = byId("banner");
  banner.hidden = false;
  banner.textContent = fill(words.lost, { time: last ? timeOf(Date.parse(last)) : words.no_data });
  showLink();
}

function recover() {
  lost = false;
  byId("banner").hidden = true;
}

function end() {
  over = true;
  source?.close();
  showLost();
  byId("banner").textContent = words.ended;
  const link = document.createElement("a");
  link.href = location.href;
  link.textContent = words.sign_in;
  byId("banner").append(" ", link);
}

let counted = 0;
setInterval(() => {
  if (document.hidden || over) return;
  showClock();
  if (lot && !lost && performance.now() - heard > LOST_MS) showLost();
  if (says && performance.now() - counted > COUNT_MS) {
    counted = performance.now();
    const said = `${fill(words.verdict_now, { lot: root.dataset.lot, word: says.verdict.word })}. ${byId("assay-note").textContent}`;
    if (byId("counts-live").textContent !== said) byId("counts-live").textContent = said;
  }
}, 1000);

document.addEventListener("visibilitychange", () => {
  if (over) return;
  if (document.hidden) source?.close();
  else start();
});

start();
