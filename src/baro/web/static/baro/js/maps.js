// The map editor of the wizard: take a value as right, remove a row, save the rows as a file.

const told = (node) => node.dispatchEvent(new Event("input", { bubbles: true }));

document.addEventListener("click", (event) => {
  const take = event.target.closest("[data-take]");
  if (take) {
    const { take: key, type, order } = take.dataset;
    for (const [name, value] of [["type", type], ["order", order]]) {
      const field = document.querySelector(`[name="${name}-${key}"]`);
      if (field) field.value = value;
    }
    told(document.querySelector(`[name="type-${key}"]`));
    document.getElementById("words").replaceChildren();
  }
  if (event.target.closest("[data-close-words]")) document.getElementById("words").replaceChildren();
  const remove = event.target.closest("[data-remove-row]");
  if (remove) {
    const rows = document.getElementById("map-rows");
    remove.closest("tr").remove();
    told(rows);
  }
  if (event.target.closest("[data-save-map]")) document.getElementById("choice").submit();
});

// Enter goes on in the table; it records nothing by accident.
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.matches(".map-table input")) {
    event.preventDefault();
    told(event.target);
  }
});

// Rows that were loaded or added show their values at once.
document.addEventListener("htmx:afterSwap", (event) => {
  const loaded = event.detail.requestConfig.path.endsWith("/load");
  if (loaded) document.getElementById("m-file").value = ""; // so that the mended file can be chosen again
  if (event.target.id !== "map-rows") return;
  if (loaded) document.getElementById("map-told").replaceChildren();
  told(event.target);
});
