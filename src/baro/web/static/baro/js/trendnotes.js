// What people wrote on the trend: numbered like their flags on the chart, corrected and withdrawn by who wrote it.

import { byId, button, change, root, told } from "./trendpage.js";
import { offsetAt, timeText } from "./trendtime.js";
import { words } from "./words.js";

const forField = (ms) => new Date(ms + offsetAt(ms)).toISOString().slice(0, 23);
const ofField = (text) => {
  const ms = Date.parse(`${text.length === 16 ? `${text}:00` : text}Z`);
  return new Date(ms - offsetAt(ms - offsetAt(ms))).toISOString();
};

export class Notes {
  constructor(load) {
    this.load = load;
    this.form = byId("note-form");
    byId("note-box")?.addEventListener("toggle", () => this.fill());
    this.form?.addEventListener("submit", (event) => {
      event.preventDefault();
      this.save();
    });
  }
  show(shown, known) {
    this.shown = shown;
    this.known = known;
    const busy = byId("trend-notes").querySelector("form");
    if (!busy) byId("trend-notes").replaceChildren(...shown.annotations.map((note) => this.line(note)));
    byId("trend-no-notes").hidden = shown.annotations.length > 0;
  }
  line(note) {
    const item = document.createElement("li"), text = document.createElement("p"), more = document.createElement("p");
    const on = note.tag ? `${note.source} · ${note.tag}` : note.source;
    text.textContent = note.text;
    text.className = "break";
    more.className = "small quiet";
    more.textContent = `${on} · ${timeText(note.start)}${note.end ? ` – ${timeText(note.end)}` : ""} · ${note.by}`;
    item.append(text, more);
    if (note.mine) {
      const acts = document.createElement("div");
      acts.className = "inline";
      acts.append(button(words.correct, () => this.ask(item, note, true), "plain"), button(words.withdraw, () => this.ask(item, note, false), "plain"));
      item.append(acts);
    }
    return item;
  }
  ask(item, note, correct) {
    const form = document.createElement("form"), reason = document.createElement("input"), text = document.createElement("textarea");
    form.className = "stack";
    const field = (node, label) => {
      const name = document.createElement("label");
      name.textContent = label;
      node.required = true;
      name.append(node);
      form.append(name);
    };
    if (correct) {
      text.value = note.text;
      text.maxLength = 2000;
      field(text, words.text);
    }
    reason.maxLength = 1000;
    field(reason, words.reason);
    const act = document.createElement("button");
    act.textContent = correct ? words.correct : words.withdraw;
    form.append(act);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      act.disabled = true;
      const address = `${root.dataset.annotations}/${note.id}`;
      try {
        if (correct) await change("PATCH", address, { text: text.value, reason: reason.value });
        else await change("DELETE", `${address}?${new URLSearchParams({ reason: reason.value })}`);
        form.remove();
        this.load();
      } catch (error) {
        act.disabled = false;
        told(error, this.load);
      }
    });
    item.querySelector("form")?.remove();
    item.append(form);
    (correct ? text : reason).focus();
  }
  fill() {
    if (!this.shown) return;
    const series = [...this.shown.curves, ...this.shown.timelines].map((one) => one.series);
    const option = (text, value) => Object.assign(document.createElement("option"), { textContent: text, value: JSON.stringify(value) });
    const sources = [...new Set(series.map((one) => one.source))];
    byId("note-on").replaceChildren(
      ...series.map((one) => option(one.title, [one.source, one.tag])), ...sources.map((one) => option(`${words.source} ${one}`, [one, ""])),
    );
    byId("note-from").value = forField(this.shown.start);
    byId("note-to").value = forField(this.shown.end);
  }
  async save() {
    const [source, tag] = JSON.parse(byId("note-on").value), to = byId("note-to").value;
    const act = this.form.querySelector("button");
    act.disabled = true;
    try {
      await change("POST", root.dataset.annotations, {
        text: byId("note-text").value, source, tag, start: ofField(byId("note-from").value), end: to ? ofField(to) : null,
      });
      byId("note-text").value = "";
      byId("note-box").open = false;
      this.load();
    } catch (error) {
      told(error, this.load);
    }
    act.disabled = false;
  }
}
