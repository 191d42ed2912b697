// The spectra of an upload, as soon as they were read.

import { config, layout } from "./charts.js";
import { axisTitle, shade } from "./patspectra.js";
import { fill, words } from "./words.js";

function draw() {
  const told = document.getElementById("pat-preview"), node = document.getElementById("pat-preview-chart");
  if (!told || !node) return;
  const { axis, spectra, sample, reference, unit, descends, total } = JSON.parse(told.textContent);
  const known = reference.filter((one) => one !== null);
  const low = Math.min(...known), spread = Math.max(...known) - low;
  const traces = spectra.map((y, i) => ({
    x: axis, y, mode: "lines", line: { width: 1, color: shade(reference[i] === null || !spread ? null : (reference[i] - low) / spread) },
    hovertemplate: `${sample[i]}${reference[i] === null ? "" : ` · ${reference[i]}`}<br>%{x} · %{y:.4f}<extra></extra>`,
  }));
  const ends = [Math.min(...axis), Math.max(...axis)];
  Plotly.newPlot(node, traces, layout({
    margin: { l: 64, r: 16, t: 8, b: 48 },
    xaxis: { title: { text: axisTitle(unit, descends, ends) }, range: descends ? [ends[1], ends[0]] : ends },
    yaxis: { title: { text: words.signal } },
  }), config);
  document.getElementById("pat-preview-told").textContent = fill(words.every, { n: spectra.length, all: total });
  node.dataset.ready = "yes";
}

document.addEventListener("htmx:afterSwap", (event) => { if (event.target.id === "looked") draw(); });
