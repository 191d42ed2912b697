// What every page does: the plant's clock, and dialogs that arrive by htmx.

const { zone, zoneName } = document.body.dataset;
const clockFormat = new Intl.DateTimeFormat("en-GB", {
  timeZone: zone, hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
});

// The server's clock counts, not the tablet's: keep the difference.
const clock = document.querySelector("[data-clock]");
export const skew = clock ? Date.parse(clock.dataset.now) - Date.now() : 0;
export const serverNow = () => Date.now() + skew;
export const timeOf = (ms) => `${clockFormat.format(ms)} ${zoneName}`;

function tick() {
  if (!document.hidden) clock.textContent = timeOf(serverNow());
  setTimeout(tick, 1000 - (serverNow() % 1000));
}
if (clock) tick();

document.addEventListener("htmx:afterSwap", (event) => {
  const dialog = event.target.querySelector?.("dialog[data-open]");
  if (!dialog || dialog.open) return;
  const opener = document.activeElement;
  dialog.showModal();
  dialog.querySelector("[data-first]")?.focus();
  dialog.addEventListener("close", () => {
    dialog.remove();
    opener?.focus?.();
  }, { once: true });
});

const closeMenus = (but) => document.querySelectorAll(".nav details[open]").forEach((menu) => { if (menu !== but) menu.open = false; });
document.addEventListener("keydown", (event) => { if (event.key === "Escape") closeMenus(); });

document.addEventListener("click", (event) => {
  closeMenus(event.target.closest(".nav details"));
  if (event.target.closest("[data-close]")) event.target.closest("dialog")?.close();
  if (event.target.closest("[data-print]")) window.print();
});

// A hidden tab asks for nothing by itself.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden && event.target.hasAttribute("data-polls")) event.preventDefault();
});
