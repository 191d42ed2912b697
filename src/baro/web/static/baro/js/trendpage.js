// What the three views of the page of trends share: the address, asking, what went wrong, choosing tags.

import { offsetAt } from "./trendtime.js";
import { fill, words } from "./words.js";

export const root = document.getElementById("trends");
export const byId = (id) => document.getElementById(id);
export const chart = byId("trend-chart");
const SEARCH_MS = 150;

export class Ended extends Error {}

let asking = null;
/** Ask for JSON; a later question takes the place of an earlier one (AbortError). Raises Ended, Error with the server's words. */
export async function ask(...urls) {
  asking?.abort();
  const mine = asking = new AbortController();
  return Promise.all(urls.map((url) => send(url, { signal: mine.signal })));
}
export const stopAsking = () => asking?.abort();

export async function send(url, more = {}) {
  const answer = await fetch(url, { headers: { Accept: "application/json" }, ...more });
  if (answer.status === 401) throw new Ended();
  const body = answer.status === 204 ? null : await answer.json();
  if (!answer.ok) throw new Error(body.text ? `${body.text} ${body.advice ?? ""} (${body.code})` : String(answer.status));
  return body;
}

/** A request that changes something. */
export const change = (method, url, body) => send(url, {
  method, body: body && JSON.stringify(body),
  headers: {
    Accept: "application/json", "Content-Type": "application/json",
    "X-CSRFToken": document.querySelector("[name=csrfmiddlewaretoken]").value,
  },
});

/** Say what went wrong; what is drawn stays. */
export function told(error, again) {
  if (error.name === "AbortError") return;
  const banner = byId("trend-banner");
  banner.hidden = false;
  if (error instanceof Ended) {
    const link = document.createElement("a");
    link.href = root.dataset.signIn;
    link.textContent = words.sign_in;
    banner.replaceChildren(`${words.ended} `, link);
    return;
  }
  banner.replaceChildren(`${words.failed} ${error instanceof TypeError ? "" : error.message} `, button(words.retry, again));
}
export const fine = () => { byId("trend-banner").hidden = true; };

export function button(text, act, className = "") {
  const node = document.createElement("button");
  node.type = "button";
  node.textContent = text;
  node.className = className;
  node.addEventListener("click", act);
  return node;
}

// Times in addresses, to the microsecond
export function iso(ms) {
  const whole = Math.floor(ms), rest = Math.round((ms - whole) * 1000);
  const text = new Date(whole).toISOString();
  return rest ? text.replace("Z", `${String(rest).padStart(3, "0")}Z`) : text;
}
export function fromIso(text) {
  const digits = /\.\d{3}(\d{1,3})/.exec(text ?? "");
  return Date.parse(text ?? "") + (digits ? Number(digits[1].padEnd(3, "0")) / 1000 : 0);
}

/** What the axis of time says: the plant's time, counted as if it were UTC. */
export function fromAxis(value, near) {
  let ms = value;
  if (typeof value === "string") {
    const text = value.includes(" ") ? value.replace(" ", "T") : `${value}T00:00:00`;
    const [whole, part = ""] = text.split(".");
    ms = Date.parse(`${whole.length === 16 ? `${whole}:00` : whole}Z`) + Number(`0.${part || 0}`) * 1000;
  }
  return ms - offsetAt(near);
}

/** Call `act` with the ends of the axis when somebody zooms by dragging, `back` on a double click. */
export function onZoom(act, back) {
  const wait = setInterval(() => {
    if (!chart.on) return;
    clearInterval(wait);
    chart.on("plotly_relayout", (event) => {
      const low = event["xaxis.range[0]"] ?? event["xaxis.range"]?.[0];
      const high = event["xaxis.range[1]"] ?? event["xaxis.range"]?.[1];
      if (low !== undefined && high !== undefined) act(low, high);
    });
    chart.on("plotly_doubleclick", () => {
      back();
      return false;
    });
  }, 50);
}

/** The history of views of this page. `read` makes a view of the address, `write` an address of a view. */
export class Views {
  constructor(read, write, load) {
    Object.assign(this, { read, write, load, depth: history.state?.depth ?? 0, now: read(new URLSearchParams(location.search)) });
    addEventListener("popstate", (event) => {
      this.depth = event.state?.depth ?? 0;
      this.now = read(new URLSearchParams(location.search));
      this.show();
    });
    byId("trend-back").addEventListener("click", () => this.back());
  }
  /** Another view, that double click goes back from. */
  go(changed) {
    Object.assign(this.now, changed);
    this.depth += 1;
    history.pushState({ depth: this.depth }, "", `${location.pathname}?${this.write(this.now)}`);
    this.show();
  }
  show() {
    byId("trend-back").disabled = this.depth === 0;
    for (const tab of root.querySelectorAll(".tabs [data-mode]")) {
      const query = new URLSearchParams([["mode", tab.dataset.mode], ...(this.now.tags ?? []).map((tag) => ["tag", tag])]);
      tab.href = `?${query}`;
    }
    this.load();
  }
  back() {
    if (this.depth > 0) history.back();
  }
}

/** The search for tags and the list of those that are shown. */
export class Chooser {
  constructor(views) {
    this.views = views;
    this.known = new Map();
    this.search = byId("trend-search");
    this.box = byId("trend-found");
    let waiting;
    this.search.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => this.find(), SEARCH_MS);
    });
    this.search.addEventListener("focus", () => { if (this.box.hidden) this.find(); });
    document.addEventListener("click", (event) => { if (!event.target.closest(".trend-choose")) this.box.hidden = true; });
    document.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || this.box.hidden) return;
      this.search.focus();
      this.box.hidden = true;
    });
  }
  note(series) {
    this.known.set(series.ref, series);
  }
  async find() {
    const text = this.search.value;
    const found = await send(`${root.dataset.series}?${new URLSearchParams({ search: text, most: 50 })}`).catch(() => null);
    if (!found || text !== this.search.value) return;
    const list = document.createElement("ul");
    list.className = "plainlist";
    list.append(...found.series.map((one) => this.line(one)));
    const note = document.createElement("p");
    note.className = "small quiet";
    note.textContent = found.series.length ? fill(words.found, { shown: found.series.length, total: found.total }) : words.found_none;
    this.box.replaceChildren(list, note);
    this.box.hidden = false;
  }
  line(one) {
    const item = document.createElement("li"), said = document.createElement("span"), name = document.createElement("strong");
    const more = document.createElement("span"), here = this.views.now.tags.includes(one.ref);
    name.textContent = one.title;
    more.className = "small quiet";
    more.textContent = [`${one.source} · ${one.tag}`, one.equipment, one.unit, one.last ? "" : words.nothing_stored].filter(Boolean).join(" · ");
    said.append(name, " ", more);
    const add = button(here ? words.added : words.add, () => {
      this.note(one);
      add.disabled = true;
      add.textContent = words.added;
      this.views.go({ tags: [...this.views.now.tags, one.ref] });
    });
    add.disabled = here;
    add.dataset.testid = "trend-add";
    add.dataset.ref = one.ref;
    add.setAttribute("aria-label", `${words.add}: ${one.title}`);
    item.append(said, add);
    return item;
  }
  show() {
    const { tags } = this.views.now;
    byId("trend-chosen").replaceChildren(...tags.map((ref) => {
      const one = this.known.get(ref), title = one ? one.title + (one.unit ? ` (${one.unit})` : "") : ref;
      return chip(title, () => this.views.go({ tags: tags.filter((other) => other !== ref) }));
    }));
  }
}

export function chip(title, remove) {
  const item = document.createElement("li"), out = button("✕", remove, "plain");
  out.setAttribute("aria-label", `${words.remove}: ${title}`);
  item.append(`${title} `, out);
  return item;
}
