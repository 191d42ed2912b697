// Passkeys: the browser's part of registration and sign-in.

const problem = (place, text) => {
  const line = place.querySelector("[data-problem]");
  line.textContent = text || line.dataset.general;
  line.hidden = false;
};

async function send(address, form, body, headers = {}) {
  const answer = await fetch(address, {
    method: "POST",
    headers: {
      "Content-Type": "application/json", "Accept": "application/json",
      "X-CSRFToken": form.querySelector("[name=csrfmiddlewaretoken]").value, ...headers,
    },
    body: JSON.stringify(body),
  });
  const told = await answer.json();
  if (!answer.ok) throw new Error(`${told.text} ${told.advice} (${told.code})`);
  return told;
}

function on(place, act) {
  place.hidden = false;
  const form = place.querySelector("form");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    place.querySelector("[data-problem]").hidden = true;
    try {
      await act(form);
    } catch (error) {
      // what the browser itself says is not in the language of the page
      problem(place, error.name === "Error" ? error.message : "");
    }
  });
}

if (window.PublicKeyCredential?.parseRequestOptionsFromJSON) {
  for (const place of document.querySelectorAll("[data-passkey-sign-in]")) {
    on(place, async (form) => {
      const options = await send(place.dataset.begin, form, {});
      const credential = await navigator.credentials.get({
        publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options.publicKey),
      });
      const told = await send(place.dataset.finish, form, credential.toJSON(), { "X-Next": place.dataset.next });
      window.location.assign(told.there);
    });
  }
  for (const place of document.querySelectorAll("[data-passkey-new]")) {
    on(place, async (form) => {
      const options = await send(place.dataset.begin, form, { password: form.password.value });
      const credential = await navigator.credentials.create({
        publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options.publicKey),
      });
      await send(place.dataset.finish, form, { name: form.name.value, credential: credential.toJSON() });
      window.location.reload();
    });
  }
}
