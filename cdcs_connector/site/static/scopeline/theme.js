// Light or dark: the reader's choice if one was made, else the system's. Runs before the page is drawn.
const root = document.documentElement;
const remembered = () => { try { return localStorage.getItem("theme"); } catch { return null; } };
const chosen = remembered();
if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;

document.addEventListener("DOMContentLoaded", () => {
  document.getElementById("theme")?.addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    try { localStorage.setItem("theme", root.dataset.theme); } catch { /* the choice lasts for this page only */ }
  });
});

// A picture that cannot be loaded says so in its place, instead of leaving it dark.
document.addEventListener("error", (event) => {
  const picture = event.target;
  if (picture.tagName !== "IMG") return;
  if (picture.closest(".thumbs")) { picture.hidden = true; return; }
  if (!picture.closest(".tile, .film, .picture, .thumb")) return;
  const words = document.createElement("span");
  words.className = "none";
  words.textContent = "Picture cannot be shown now";
  words.dataset.picture = picture.getAttribute("src");
  words.title = picture.alt;
  picture.replaceWith(words);
}, true);

// A menu closes when the reader turns to something else.
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll(".menu[open]")) if (!menu.contains(event.target)) menu.open = false;
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") for (const menu of document.querySelectorAll(".menu[open]")) menu.open = false;
  const search = document.getElementById("search");
  const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey && search) {
    event.preventDefault();
    search.focus();
  }
});
