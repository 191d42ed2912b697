// The session ends when nobody does anything: say so in time, and lead back to the sign-in when it has ended.

const bar = document.querySelector("[data-idle]");
const WARN_S = 120;

async function left(method = "GET") {
  const headers = { Accept: "application/json" };
  if (method === "POST") headers["X-CSRFToken"] = bar.querySelector("[name=csrfmiddlewaretoken]").value;
  const answer = await fetch(bar.dataset.idle, { method, headers });
  if (answer.status === 401) return 0;
  return answer.ok ? (await answer.json()).left : null;
}

async function look(method) {
  let seconds = null;
  try {
    seconds = await left(method);
  } catch {
    // no network: the pages say so themselves
  }
  if (seconds === 0) {
    window.location.reload();
    return;
  }
  bar.hidden = seconds === null || seconds > WARN_S;
  if (!bar.hidden) bar.querySelector("[data-left]").textContent = String(seconds);
  // another page of the same session may have been busy: the server is asked again before anything is said
  const wait = seconds === null ? 60 : seconds > WARN_S ? seconds - WARN_S + 1 : Math.min(10, seconds + 1);
  setTimeout(look, wait * 1000);
}

if (bar) {
  bar.querySelector("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    await left("POST");
    bar.hidden = true;
  });
  look();
}
