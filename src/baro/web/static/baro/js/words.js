// The page's words, put there by the server in its language, and their placeholders.

export const words = JSON.parse(document.getElementById("words").textContent);
export const fill = (text, facts) => text.replace(/%\((\w+)\)s/g, (_, name) => facts[name] ?? "");
