// The explorer of a data set: spectra, map, histogram and table share what is chosen, coloured and excluded.

import { colour, config, layout, table } from "./charts.js";
import { Points } from "./patmap.js";
import { axisTitle, EXCLUDED, join, Lines, shade } from "./patspectra.js";
import { fill, words } from "./words.js";

const byId = (id) => document.getElementById(id);
const root = byId("explorer"), banner = byId("pat-banner");
const known = JSON.parse(byId("pat-steps").textContent);
const TABLE_MOST = 5000, CLOSER = 0.6;
const OTHER = "variable:";
const lines = new Lines(byId("pat-lines"), byId("pat-chart"), byId("pat-tip"));
const map = new Points(byId("pat-points"), byId("pat-map"), byId("pat-map-tip"));
const steps = [];
const chosen = new Set();
let samples = null, view = null, asked = 0, zooms = 0;

const columns = () => ({
  reference: samples.hidden ? null : samples.reference,
  batch: samples.batch,
  time: samples.time.some((one) => one) ? samples.time.map((one) => (one ? Date.parse(one) : null)) : null,
  number: samples.sample.map((_, i) => i + 1),
  ...Object.fromEntries(Object.entries(samples.variables).map(([name, values]) => [`${OTHER}${name}`, values])),
});

// what is kept as float32 has no more digits than these
const number = (v) => String(Number(v.toPrecision(6)));

async function get(address, kind) {
  const answer = await fetch(address);
  if (!answer.ok) {
    const told = answer.headers.get("Content-Type")?.includes("json") ? (await answer.json()).text : words.failed;
    throw new Error(told);
  }
  return answer[kind]();
}

function complain(error) {
  banner.hidden = false;
  banner.textContent = error.message || words.failed;
}

function ends(values) {
  let low = Infinity, high = -Infinity;
  for (const v of values) { if (v < low) low = v; if (v > high) high = v; }
  return [low, high];
}

/** A share from 0 to 1 for every sample by the chosen column; of texts in the order in which they come. */
function shares() {
  const name = byId("pat-colour").value;
  let values = columns()[name];
  if (!values) return { shares: samples.sample.map(() => null), low: "", high: "" };
  let low, high;
  if (values.some((one) => typeof one === "string" && one !== "")) {
    const order = new Map([...new Set(values.filter((one) => one !== "" && one !== null))].map((one, i) => [one, i]));
    [low, high] = [[...order.keys()][0], [...order.keys()].at(-1)];
    values = values.map((one) => order.get(one) ?? null);
  }
  const fine = values.filter((one) => one !== null && one !== "");
  const [least, most] = ends(fine);
  const told = (v) => (name === "time" ? new Date(v).toISOString().slice(0, 10) : number(v));
  low ??= fine.length ? told(least) : "";
  high ??= fine.length ? told(most) : "";
  return { shares: values.map((one) => (one === null || one === "" ? null : most > least ? (one - least) / (most - least) : 0.5)), low, high };
}

function tints(told) { return told.map((one, i) => (samples.excluded[i] === null ? shade(one) : EXCLUDED)); }

const says = (i) => [
  samples.sample[i], `${words.batch} ${samples.batch[i]}`,
  samples.reference[i] === null ? null : `${samples.quantity} ${number(samples.reference[i])} ${samples.unit}`,
  samples.excluded[i] === null ? null : `${words.excluded}: ${samples.excluded[i]}`,
].filter(Boolean).join(" · ");

async function paint() {
  const { shares: told, low, high } = shares();
  const name = byId("pat-colour").selectedOptions[0]?.textContent ?? "";
  const ramp = document.createElement("span");
  ramp.className = "pat-ramp";
  byId("pat-legend").replaceChildren(...(low === "" ? [] : [`${name}: ${low} `, ramp, ` ${high}`]));
  const colours = tints(told);
  map.paint(colours, chosen);
  select();
  await lines.paint(colours, told, chosen);
}

function drawHistogram() {
  const node = byId("pat-histogram");
  const values = samples.reference.filter((one, i) => one !== null && samples.excluded[i] === null).sort((a, b) => a - b);
  const shapes = [], annotations = [];
  if (values.length > 2) {
    // as the findings count a gap: a step far above what so many even values leave
    const spread = values.at(-1) - values[0];
    for (let i = 1; i < values.length; i += 1) {
      if ((values[i] - values[i - 1]) / spread > Math.max(0.1, 10 / values.length)) {
        shapes.push({ type: "rect", xref: "x", yref: "paper", x0: values[i - 1], x1: values[i], y0: 0, y1: 1, fillcolor: colour.band, opacity: 0.5, line: { width: 0 }, layer: "below" });
        annotations.push({ x: (values[i] + values[i - 1]) / 2, y: 0.95, yref: "paper", text: words.gap, showarrow: false });
      }
    }
  }
  Plotly.react(node, [{ type: "histogram", x: values, nbinsx: 30, marker: { color: "#9db8c9", line: { width: 1, color: colour.blue } }, hovertemplate: "%{x}: %{y}<extra></extra>" }], layout({
    margin: { l: 52, r: 12, t: 8, b: 44 }, bargap: 0.04, shapes, annotations,
    xaxis: { title: { text: `${samples.quantity} (${samples.unit})` } }, yaxis: { title: { text: words.samples } },
  }), config);
}

function choose(rows, more = false) {
  if (!more) chosen.clear();
  for (const row of rows) if (more && chosen.has(row)) chosen.delete(row); else chosen.add(row);
  paint();
}

function select() {
  byId("pat-chosen").textContent = fill(words.chosen, { n: chosen.size });
  for (const id of ["pat-exclude", "pat-clear"]) { const node = byId(id); if (node) node.disabled = !chosen.size; }
  root.dataset.chosen = String(chosen.size);
  if (byId("pat-details").open) fillTable();
}

function fillTable() {
  const rows = (chosen.size ? [...chosen].sort((a, b) => a - b) : samples.sample.map((_, i) => i));
  const others = Object.keys(samples.variables);
  const heads = [words.number, words.sample, words.batch, `${samples.quantity} (${samples.unit})`, words.time, words.excluded, ...others];
  const cell = (v) => (v === null ? "" : typeof v === "number" ? number(v) : v);
  const node = table(heads, rows.slice(0, TABLE_MOST).map((i) => [
    i + 1, samples.sample[i], samples.batch[i], samples.reference[i] === null ? "" : number(samples.reference[i]), samples.time[i]?.slice(0, 19).replace("T", " ") ?? "", samples.excluded[i] ?? "",
    ...others.map((name) => cell(samples.variables[name][i])),
  ]));
  const rest = document.createElement("p");
  rest.className = "small quiet";
  if (rows.length > TABLE_MOST) rest.textContent = fill(words.first_of, { n: TABLE_MOST, all: rows.length });
  byId("pat-table").replaceChildren(node, rest);
}

// --- preprocessing

function listSteps() {
  byId("pat-steps-chosen").replaceChildren(...steps.map((step, at) => {
    const item = document.createElement("li");
    item.append(`${known[step.step].words} `);
    for (const one of known[step.step].parameters) {
      const label = document.createElement("label");
      label.textContent = `${one.words} `;
      let input;
      if (one.choices.length) {
        input = document.createElement("select");
        input.append(...one.choices.map(([value, text]) => Object.assign(document.createElement("option"), { value, textContent: text, selected: value === step[one.name] })));
      } else {
        input = document.createElement("input");
        input.value = one.name === "ranges" ? step.ranges.map((pair) => pair.join("-")).join(", ") : step[one.name];
        input.size = one.name === "ranges" ? 12 : 5;
      }
      input.name = one.name;
      input.addEventListener("change", () => {
        step[one.name] = one.name === "ranges" ? input.value.split(",").map((pair) => pair.split("-").map(Number)) : one.choices.length ? input.value : Number(input.value);
        load();
      });
      label.append(input);
      item.append(label);
    }
    const button = (text, act, name) => {
      const made = Object.assign(document.createElement("button"), { type: "button", textContent: text, className: "plain" });
      made.setAttribute("aria-label", `${name}: ${known[step.step].words}`);
      made.addEventListener("click", () => { act(); listSteps(); load(); });
      return made;
    };
    if (at > 0) item.append(button("←", () => steps.splice(at - 1, 0, ...steps.splice(at, 1)), words.up));
    item.append(button("×", () => steps.splice(at, 1), words.remove));
    return item;
  }));
}

const address = () => `${root.dataset.spectra}?steps=${encodeURIComponent(JSON.stringify(steps))}`;

/** Of the part of the axis that is shown more points, once a part is shown of spectra that were thinned. */
async function zoomed() {
  const mine = ++zooms, [low, high] = lines.shown, whole = samples.ends[1] - samples.ends[0];
  if (!view || view.next !== null || view.stride === 1 || high - low > CLOSER * whole || lines.best !== view) return;
  let near = null, first = 0;
  while (first !== null) {
    let buffer;
    try {
      buffer = await get(`${address()}&first=${first}&low=${low}&high=${high}`, "arrayBuffer");
    } catch (error) {
      if (mine === zooms) complain(error);
      return;
    }
    if (mine !== zooms) return;
    near = join(near, buffer);
    first = near.next;
  }
  await lines.closer(near, low, high);
  root.dataset.closer = String(near.points);
}

/** The spectra part after part: what came is shown while the next part is on its way. */
async function load() {
  const mine = ++asked, begun = performance.now(), from = address();
  zooms += 1;
  const what = steps.length ? `${words.signal}, ${steps.map((step) => known[step.step].words).join(" + ")}` : words.signal;
  const y = what.length > 60 ? `${what.slice(0, 58)}…` : what;
  let made = null, coming = get(from, "arrayBuffer");
  while (coming) {
    let buffer;
    try {
      buffer = await coming;
    } catch (error) {
      if (mine === asked) complain(error);
      return;
    }
    if (mine !== asked) return;
    const [low, high] = made ? [made.low, made.high] : [NaN, NaN];
    const begins = made === null;
    made = join(made, buffer);
    coming = made.next === null ? null : get(`${from}&first=${made.next}`, "arrayBuffer");
    coming?.catch(() => {}); // told when its turn comes
    banner.hidden = true;
    view = made;
    if (made.low !== low || made.high !== high) {
      await lines.show(view, { title: axisTitle(samples.axis_unit, samples.descends, samples.ends), descends: samples.descends, y, tell: says, click: (row, more) => choose([row], more), zoomed });
    }
    const title = (n) => `${fill(words.score, { n })} (${Math.round(100 * view.share[n - 1])} %)`;
    await map.show(view, { titles: [title(1), title(2)], says, choose });
    if (begins) drawHistogram();
    await paint();
    if (mine !== asked) return;
    const thinned = view.stride > 1 ? ` · ${fill(words.reduced_minmax, { k: Math.round(view.stride / 2) })}` : "";
    const count = view.came < view.rows ? fill(words.so_far, { n: view.came.toLocaleString("en"), all: view.rows.toLocaleString("en"), points: view.points.toLocaleString("en") })
      : fill(words.told, { n: view.rows.toLocaleString("en"), points: view.points.toLocaleString("en") });
    byId("pat-told").textContent = `${count}${thinned} · ${fill(words.seconds, { s: ((performance.now() - begun) / 1000).toFixed(2) })}`;
    root.dataset.came = String(view.came);
  }
  root.dataset.ready = String(mine);
  zoomed();
}

async function begin() {
  try {
    samples = await get(root.dataset.samples, "json");
  } catch (error) {
    return complain(error);
  }
  const has = columns();
  byId("pat-colour").append(...Object.keys(has).filter((name) => has[name]).map((value) => Object.assign(document.createElement("option"), { value, textContent: value.startsWith(OTHER) ? value.slice(OTHER.length) : words[value] })));
  byId("pat-add").append(...Object.entries(known).map(([value, one]) => Object.assign(document.createElement("option"), { value, textContent: one.words })));
  byId("pat-add").addEventListener("change", ({ target }) => {
    if (!target.value) return;
    const made = { step: target.value };
    for (const one of known[target.value].parameters) made[one.name] = one.name === "ranges" ? [samples.ends] : one.value;
    if (target.value === "region") { if (steps[0]?.step !== "region") steps.unshift(made); } else steps.push(made);
    target.value = "";
    listSteps();
    load();
  });
  byId("pat-colour").addEventListener("change", paint);
  byId("pat-clear").addEventListener("click", () => choose([]));
  byId("pat-details").addEventListener("toggle", () => { if (byId("pat-details").open) fillTable(); });
  byId("pat-exclude")?.addEventListener("click", () => {
    const names = [...chosen].map((i) => `sample=${encodeURIComponent(samples.sample[i])}`).join("&");
    htmx.ajax("GET", `${root.dataset.exclude}?${names}`, "#dialog");
  });
  return load();
}

begin();
