// The plant's time: charts count as if it were UTC, so that their axes show it whatever the browser's zone is.

const { zone, zoneName } = document.body.dataset;
const parts = new Intl.DateTimeFormat("en-GB", {
  timeZone: zone, year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit",
  hourCycle: "h23",
});

/** How far the plant's clock is ahead of UTC at `ms`. */
export function offsetAt(ms) {
  const whole = Math.floor(ms / 1000) * 1000;
  const p = Object.fromEntries(parts.formatToParts(whole).map(({ type, value }) => [type, Number(value)]));
  return Date.UTC(p.year, p.month - 1, p.day, p.hour, p.minute, p.second) - whole;
}

/** Date and time in the plant's zone; `fine`: with milliseconds. */
export function timeText(ms, fine = false) {
  const text = new Date(ms + offsetAt(ms)).toISOString().replace("T", " ");
  return fine ? text.slice(0, 23) : `${text.slice(0, 19)} ${zoneName}`;
}

/** A time of the plant's clock, counted as if it were UTC, as charts take it: a number they would count in the browser's zone. */
export function stamp(ms) {
  const whole = Math.floor(ms), rest = Math.round((ms - whole) * 1000);
  return `${new Date(whole).toISOString().slice(0, 23).replace("T", " ")}${rest ? String(rest).padStart(3, "0") : ""}`;
}

export { zoneName };
