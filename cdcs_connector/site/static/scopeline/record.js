// The gallery: one large picture, chosen by the film strip, by the rows' pictures, by ‹ › and by the arrow keys.
// Everything that it shows stands in the rows of the page; without this script the film strip leads to them.
const gallery = document.querySelector(".gallery");
const film = gallery ? [...gallery.querySelectorAll(".film a")] : [];

function rowOf(link) {
  return document.getElementById(decodeURIComponent(link.hash.slice(1)));
}

function pictureOf(row) {
  const image = row.querySelector("td.thumb img");
  if (!image) return row.querySelector("td.thumb .none").cloneNode(true);
  const large = document.createElement("img");
  large.src = image.getAttribute("src");
  large.alt = image.alt;
  return large;
}

function words(tag, text) {
  const element = document.createElement(tag);
  element.textContent = text;
  return element;
}

// The dataset's principal parameters, those that it shares with its activity, its others.
function facts(row) {
  const list = row.querySelector("dl.kv")?.cloneNode(true) ?? Object.assign(document.createElement("dl"), { className: "kv" });
  const shared = [];
  for (const pair of row.closest(".activity").querySelectorAll(".principal > div")) {
    const value = document.createElement("dd");
    value.append(...[...pair.lastElementChild.childNodes].map((node) => node.cloneNode(true)));
    shared.push(words("dt", pair.firstElementChild.textContent), value);
  }
  const others = list.querySelector("dt.other");
  if (others) others.before(...shared);
  else list.append(...shared);
  return list;
}

function about(row, index) {
  const panel = gallery.querySelector(".about");
  const place = words("small", `Dataset ${index + 1} of ${film.length} · Activity ${film[index].dataset.activity}`);
  place.className = "place";
  const kind = row.querySelector(".type").textContent.trim();
  const line = words("small", kind);
  const at = [...row.querySelector(".at").childNodes].map((node) => node.cloneNode(true));
  if (at.length) line.append(" · ", ...at);
  const parts = [place, words("h2", row.querySelector(".name").textContent), line];
  parts.push(...[...row.querySelectorAll(".what > .said, .what > .warnings")].map((part) => part.cloneNode(true)));
  parts.push(facts(row));
  const links = document.createElement("div");
  links.className = "links";
  links.append(...[...row.querySelector(".row-actions").children].map((link) => link.cloneNode(true)));
  panel.replaceChildren(...parts, links);
}

let current = film.findIndex((link) => link.hasAttribute("aria-current"));

function show(index, remember = true) {
  const link = film[index];
  const row = link && rowOf(link);
  if (!row) return;
  film[current]?.removeAttribute("aria-current");
  link.setAttribute("aria-current", "true");
  current = index;
  const picture = gallery.querySelector(".picture");
  picture.replaceChildren(pictureOf(row));
  picture.href = row.querySelector("td.thumb img")?.getAttribute("src") ?? link.hash;
  about(row, index);
  const strip = link.parentElement;
  const left = link.offsetLeft - strip.offsetLeft;
  if (left < strip.scrollLeft || left + link.offsetWidth > strip.scrollLeft + strip.clientWidth) {
    strip.scrollLeft = left - (strip.clientWidth - link.offsetWidth) / 2;
  }
  for (const neighbour of [film[index + 1], film[index - 1]]) {
    const source = neighbour && rowOf(neighbour)?.querySelector("td.thumb img")?.getAttribute("src");
    if (source) new Image().src = source;
  }
  if (remember) history.replaceState(null, "", link.hash);
}

function step(by) {
  show((current + by + film.length) % film.length);
}

if (film.length > 1) {
  for (const [index, link] of film.entries()) {
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      show(index);
    });
  }
  for (const [selector, by] of [[".prev", -1], [".next", 1]]) {
    const button = gallery.querySelector(selector);
    button.hidden = false;
    button.addEventListener("click", () => step(by));
  }
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    if (event.target.closest?.("input, textarea, select, summary, [contenteditable]")) return;
    if (event.key === "ArrowRight") step(1);
    else if (event.key === "ArrowLeft") step(-1);
    else return;
    event.preventDefault();
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("td.thumb a.show");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const hash = "#" + link.closest("tr").id;
    const index = film.findIndex((candidate) => candidate.getAttribute("href") === hash);
    if (index < 0) return;
    event.preventDefault();
    show(index);
    gallery.scrollIntoView({ block: "start" });
  });
  const linked = film.findIndex((link) => link.hash && link.hash === location.hash);
  if (linked >= 0) show(linked, false);
  else if (current >= 0) show(current, false);
}

// The side list marks the activity that is being read; at the end of the page, where the last ones cannot reach the
// top, the one that was asked for.
const entries = new Map([...document.querySelectorAll(".side a[href^='#activity-']")].map((link) => [link.hash.slice(1), link]));
const sections = [...entries.keys()].map((id) => document.getElementById(id)).filter(Boolean);
let asked = location.hash.slice(1);
let waiting = false;

function reading() {
  const top = innerHeight * 0.2;
  const above = sections.filter((section) => section.getBoundingClientRect().top <= top).at(-1);
  const atEnd = innerHeight + scrollY >= document.documentElement.scrollHeight - 2;
  if (!atEnd) return above;
  const wanted = sections.find((section) => section.id === asked);
  return wanted && wanted.getBoundingClientRect().bottom > 0 ? wanted : sections.at(-1);
}

function mark() {
  waiting = false;
  const link = entries.get(reading()?.id);
  for (const other of entries.values()) if (other !== link) other.removeAttribute("aria-current");
  link?.setAttribute("aria-current", "true");
}

function markSoon() {
  if (!waiting) requestAnimationFrame(mark);
  waiting = true;
}

if (sections.length) {
  addEventListener("scroll", markSoon, { passive: true });
  addEventListener("resize", markSoon);
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href^='#activity-']");
    if (!link) return;
    asked = link.getAttribute("href").slice(1);
    markSoon();
  });
  mark();
}
