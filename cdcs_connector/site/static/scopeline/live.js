// Follows a running session: asks this site what changed, and puts it in its place. When the record is there, the page
// becomes the record's page.
const live = document.getElementById("live");
const tiles = document.getElementById("live-tiles");
const SHORTEST = 2000, LONGEST = 30000;
let since = live.dataset.since;
let pause = SHORTEST;

function piece(html) {
  const holder = document.createElement("template");
  holder.innerHTML = html;
  return holder.content;
}

// What is on its way comes before all; of the others, the last to arrive.
function precedes(one, other) {
  const waiting = [one, other].map((tile) => tile.classList.contains("waiting"));
  if (waiting[0] !== waiting[1]) return waiting[0];
  return Number(one.dataset.order) > Number(other.dataset.order);
}

function place(tile) {
  const after = [...tiles.children].find((other) => !precedes(other, tile));
  tiles.insertBefore(tile, after ?? null);
}

function apply(changes) {
  const changed = new Map(changes.tiles.map((tile) => [`t-${tile.id}`, tile.html]));
  const files = new Set(changes.files);
  for (const old of [...tiles.children]) {
    if (files.has(old.dataset.file)) {
      // The same tile again stays where it is, so that pictures do not flicker.
      if (changed.has(old.id) && piece(changed.get(old.id)).firstElementChild.isEqualNode(old)) changed.delete(old.id);
      else old.remove();
    }
  }
  for (const html of changed.values()) place(piece(html).firstElementChild);
  document.getElementById("live-state").replaceChildren(piece(changes.state));
  document.getElementById("live-notes").replaceChildren(piece(changes.notes));
  document.getElementById("live-empty").hidden = tiles.children.length > 0;
  since = changes.now ?? since;
}

async function look() {
  try {
    const address = new URL(live.dataset.changes, location.href);
    if (since) address.searchParams.set("since", since);
    const answer = await fetch(address, { headers: { Accept: "application/json" }, credentials: "same-origin" });
    if (answer.status === 410) return location.reload();
    if (!answer.ok) throw new Error(String(answer.status));
    const changes = await answer.json();
    if (changes.published) return location.reload();
    apply(changes);
    pause = SHORTEST;
  } catch {
    pause = Math.min(pause * 2, LONGEST);
  }
  setTimeout(look, document.hidden ? LONGEST : pause);
}

// Pictures that could not be loaded are asked for again, and take their words' place when they are there.
function askForPictures() {
  for (const words of tiles.querySelectorAll("[data-picture]")) {
    const picture = new Image();
    picture.alt = words.title;
    picture.addEventListener("load", () => words.replaceWith(picture));
    picture.src = words.dataset.picture;
  }
}

setTimeout(look, pause);
setInterval(askForPictures, LONGEST);
document.addEventListener("visibilitychange", () => { if (!document.hidden) pause = SHORTEST; });
