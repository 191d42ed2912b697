// Press tags as small strips: number, position in the normal range, and the last minutes as a line.

import { fill, words } from "./words.js";

const NS = "http://www.w3.org/2000/svg";
const W = 300, H = 44;

const at = (low, high, v) => Math.min(1, Math.max(0, 0.25 + (0.5 * (v - low)) / (high - low)));

const digits = (v, tag) => v.toLocaleString("en", { minimumFractionDigits: tag.decimals, maximumFractionDigits: tag.decimals });

function element(name, className, parent) {
  const node = document.createElement(name);
  node.className = className;
  parent.append(node);
  return node;
}

function svg(name, facts, parent) {
  const node = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(facts)) node.setAttribute(key, value);
  parent.append(node);
  return node;
}

export function drawStrips(root, tags, language) {
  for (const tag of tags) {
    let strip = root.querySelector(`[data-tag="${CSS.escape(tag.name)}"]`);
    if (!strip) {
      strip = element("div", "strip", root);
      strip.dataset.tag = tag.name;
      strip.dataset.testid = `tag-${tag.name}`;
      element("span", "label", strip).textContent = tag.title[language];
      element("strong", "num", strip);
      element("span", "rangebar", strip).innerHTML = '<i class="normal"></i><i class="value"></i>';
      element("span", "small quiet num limits", strip);
      const picture = svg("svg", { viewBox: `0 0 ${W} ${H}`, preserveAspectRatio: "none", class: "spark", "aria-hidden": "true" }, strip);
      svg("rect", { class: "band", x: 0, width: W }, picture);
      svg("path", { class: "course" }, picture);
    }
    const value = strip.querySelector("strong");
    const known = tag.now !== null;
    const out = known && (tag.now < tag.low || tag.now > tag.high);
    value.textContent = known ? `${digits(tag.now, tag)}\u00a0${tag.unit}` : words.no_data;
    strip.classList.toggle("outside", out);
    strip.querySelector(".limits").textContent =
      `${words.normal_range} ${fill(words.range, { low: digits(tag.low, tag), high: digits(tag.high, tag) })}`;
    const mark = strip.querySelector(".rangebar .value");
    mark.hidden = !known;
    if (known) mark.style.left = `${100 * at(tag.low, tag.high, tag.now)}%`;
    course(strip, tag);
  }
}

function course(strip, tag) {
  const { time, value } = tag;
  const path = strip.querySelector(".course");
  const band = strip.querySelector(".band");
  const span = tag.high - tag.low;
  const low = Math.min(tag.low - span / 4, ...value), high = Math.max(tag.high + span / 4, ...value);
  const y = (v) => H - (H * (v - low)) / (high - low);
  band.setAttribute("y", y(tag.high));
  band.setAttribute("height", y(tag.low) - y(tag.high));
  if (time.length < 2) {
    path.setAttribute("d", "");
    return;
  }
  const last = time[time.length - 1], first = Math.min(time[0], last - 60000);
  // a silence is drawn as a gap: nothing joins points further apart than many times the usual step
  const steps = time.slice(1).map((t, i) => t - time[i]).sort((a, b) => a - b);
  const silence = Math.max(5000, 8 * steps[Math.floor(steps.length / 2)]);
  const x = (t) => (W * (t - first)) / (last - first);
  path.setAttribute("d", time.map((t, i) => `${i && t - time[i - 1] <= silence ? "L" : "M"}${x(t).toFixed(1)} ${y(value[i]).toFixed(1)}`).join(""));
}
