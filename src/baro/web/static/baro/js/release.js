// The summary chart of the release page.

import { histogram, modelLine, table, toRows } from "./charts.js";
import { fill, words } from "./words.js";

const node = document.getElementById("histogram");
const answer = await fetch(node.dataset.state, { headers: { Accept: "application/json" } });
if (answer.ok) {
  const state = await answer.json();
  const rows = toRows(state.predictions);
  const used = rows.filter((r) => r.usable);
  await histogram(node, rows, state.lot, state.words.assay_mean);
  document.getElementById("model-line").textContent = modelLine(state.model, document.documentElement.lang);
  const { total, outside } = state.predictions;
  const thin = total > rows.length ? ` · ${fill(words.thinned, { k: Math.round(total / rows.length) })}` : "";
  document.getElementById("histogram-note").textContent =
    fill(words.counts, { n: total.toLocaleString("en"), out: outside.toLocaleString("en") }) + thin;
  const bins = new Map();
  for (const r of used) bins.set(Math.floor(r.value), (bins.get(Math.floor(r.value)) ?? 0) + 1);
  const sorted = [...bins].sort((a, b) => a[0] - b[0]).map(([low, n]) => [fill(words.range, { low, high: low + 1 }), n]);
  document.getElementById("histogram-table").append(table([words.assay_axis, words.count_axis], sorted));
  node.dataset.ready = "yes";
}
