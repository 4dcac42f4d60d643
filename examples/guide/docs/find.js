// Finds public names as they are typed, among those of names.js, which is fetched when it is first asked for.
const field = document.querySelector("header input"), list = document.querySelector("header ul");
let names = null; // [name, address]

function find() {
  const text = field.value.trim().toLowerCase().replace(/\(\)?$/, "");
  const at = (name) => name[0].toLowerCase().indexOf(text);
  const found = text && names ? names.filter((name) => at(name) >= 0) : [];
  // Those that begin with it first, then those with a word that does.
  const rank = (name) => (at(name) === 0 ? 0 : name[0][at(name) - 1] === "_" ? 1 : 2) * 100 + name[0].length;
  found.sort((a, b) => rank(a) - rank(b));
  list.replaceChildren(...found.slice(0, 12).map((name) => {
    const item = document.createElement("li"), link = document.createElement("a");
    link.href = name[1];
    link.textContent = name[0];
    item.append(link);
    return item;
  }));
  if (text && names && !found.length) list.textContent = "no such name";
}

field.hidden = false;
field.addEventListener("focus", () => {
  if (document.querySelector("script[src='names.js']")) return;
  const script = document.createElement("script");
  script.src = "names.js";
  script.onload = find;
  document.head.append(script);
});
field.addEventListener("input", find);
field.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && list.querySelector("a")) list.querySelector("a").click();
  if (event.key === "Escape") field.value = "", find();
});
