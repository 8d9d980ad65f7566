// A film: played or leafed through, and labelled.

import { UnreachedError, byId, goTo, keep, kept, onKeys, sendLabel, tell, undo } from "./common.js";

const data = JSON.parse(byId("data").textContent);
const { shots } = data;
const words = (genre) => genre.replaceAll("_", " ");
const percent = (share) => `${Math.round(100 * share)} %`;

const clock = (seconds) => {
  const whole = Math.floor(seconds);
  const parts = [whole / 3600, (whole / 60) % 60, whole % 60];
  return parts.map((x) => String(Math.floor(x)).padStart(2, "0")).join(":");
};

// ---- the player ----

const SPEEDS = [0.25, 0.5, 0.75, 1, 1.25, 1.5, 2, 3, 4, 6, 8, 10];
// How long a picture is shown where there is no film, seconds.
const PICTURE_SECONDS = 1;

const video = byId("video");
let hasVideo = Boolean(data.video);
let shown = 0;
let speed = 1;
let slides = null;

const shotAt = (seconds) => {
  const place = shots.findIndex((shot) => seconds < shot.end_seconds - 1e-3);
  return place < 0 ? shots.length - 1 : place;
};

const mark = (seconds) => {
  const shot = shots[shown];
  const end = shots.at(-1).end_seconds || 1;
  byId("now").setAttribute("x", Math.min((1000 * seconds) / end, 997));
  byId("scrub").value = shown;
  const evidence = shot.genre
    ? `${words(shot.genre)} ${percent(shot.score)}`
    : "not judged";
  byId("scrub").setAttribute("aria-valuetext", `shot ${shown + 1}, ${evidence}`);
  byId("shot-text").textContent =
    `Shot ${shown + 1} of ${shots.length}, ${clock(shot.start_seconds)} to ` +
    `${clock(shot.end_seconds)}: ${evidence}`;
  for (const item of document.querySelectorAll("#shots li")) {
    const isShown = Number(item.dataset.shot) === shot.number;
    item.toggleAttribute("data-shown", isShown);
  }
};

const showShot = (place) => {
  if (!shots.length) return;
  shown = Math.min(Math.max(place, 0), shots.length - 1);
  const { start_seconds: start, number } = shots[shown];
  // Just inside: at its very start the frame before may be shown.
  if (hasVideo) video.currentTime = start + 0.01;
  else byId("picture").src = `/picture/${data.film}/${number}`;
  mark(start);
};

const stopSlides = () => {
  clearInterval(slides);
  slides = null;
};

const startSlides = () => {
  slides = setInterval(() => {
    if (shown + 1 < shots.length) showShot(shown + 1);
    else stopSlides();
  }, (1000 * PICTURE_SECONDS) / speed);
};

const play = () => {
  if (!hasVideo && !shots.length) return;
  if (hasVideo) {
    if (video.paused) video.play().catch(() => {});
    else video.pause();
  } else if (slides) stopSlides();
  else startSlides();
};

const setSpeed = (steps) => {
  const place = SPEEDS.indexOf(speed) + steps;
  speed = SPEEDS[Math.min(Math.max(place, 0), SPEEDS.length - 1)];
  if (byId("speed")) byId("speed").textContent = `speed ${speed}`;
  keep("speed", speed);
  if (video) video.playbackRate = speed;
  if (slides) {
    stopSlides();
    startSlides();
  }
};
if (SPEEDS.includes(kept("speed", 1))) speed = kept("speed", 1);

// The browser has the last word on what it plays.
const showPictures = () => {
  if (!hasVideo) return;
  hasVideo = false;
  video.hidden = true;
  byId("pictures").hidden = false;
  byId("why-pictures").textContent =
    "This browser does not play this film." +
    (shots.length ? " Here is a picture of each shot." : "");
  showShot(shown);
};

if (video) {
  video.addEventListener("error", showPictures);
  video.addEventListener("loadedmetadata", () => {
    // Sound alone: it does not know the pictures' codec.
    if (!video.videoWidth) showPictures();
    video.playbackRate = speed;
  });
  video.addEventListener("timeupdate", () => {
    if (!hasVideo || !shots.length) return;
    shown = shotAt(video.currentTime);
    mark(video.currentTime);
  });
  // It may have failed before this script was there.
  if (video.error) showPictures();
}
setSpeed(0);
if (shots.length) {
  if (hasVideo) mark(0);
  else showShot(0);
  byId("timeline").addEventListener("click", (event) => {
    const box = byId("timeline").getBoundingClientRect();
    const share = (event.clientX - box.left) / box.width;
    showShot(shotAt(share * shots.at(-1).end_seconds));
  });
  byId("scrub").addEventListener("input", (event) => {
    showShot(Number(event.target.value));
  });
}
byId("slower")?.addEventListener("click", () => setSpeed(-1));
byId("faster")?.addEventListener("click", () => setSpeed(1));

// ---- the shots ----

const orderShots = () => {
  const list = byId("shots");
  const ordered = [...shots];
  if (byId("shot-order").value === "genre") {
    // Genre by genre, that of the strongest shot first; those without last.
    const strength = (shot) => shot.score ?? -1;
    ordered.sort((one, other) => strength(other) - strength(one));
    const genres = [...new Set(ordered.map((shot) => shot.genre))];
    const place = (shot) => genres.indexOf(shot.genre);
    ordered.sort((one, other) => place(one) - place(other));
  }
  for (const shot of ordered) {
    list.append(list.querySelector(`li[data-shot="${shot.number}"]`));
  }
};

if (shots.length) {
  byId("shot-order").addEventListener("change", orderShots);
  orderShots();
  byId("shots").addEventListener("click", (event) => {
    const item = event.target.closest("li");
    if (!item) return;
    showShot(shots.findIndex((x) => x.number === Number(item.dataset.shot)));
    byId("timeline").scrollIntoView({ block: "center" });
  });
}

const similar = byId("similar");
if (similar) {
  fetch(`/film/${data.film}/similar`)
    .then((answer) => (answer.ok ? answer.text() : Promise.reject()))
    // The server's own page: names in it are escaped.
    .then((page) => {
      similar.innerHTML = page;
    })
    .catch(() => {
      similar.textContent = "They could not be found just now.";
    });
}

// ---- the genres ----

const chosen = new Set(data.chosen);
const several = byId("several");
several.checked = kept("several", data.several) || chosen.size > 1;
several.addEventListener("change", () => keep("several", several.checked));

const showChosen = () => {
  for (const button of byId("genres").children) {
    button.setAttribute("aria-pressed", chosen.has(button.dataset.genre));
  }
};

const choose = (genre) => {
  const isDropped = several.checked && chosen.has(genre);
  if (!several.checked) chosen.clear();
  if (isDropped) chosen.delete(genre);
  else chosen.add(genre);
  showChosen();
};

const addGenre = (genre) => {
  const button = document.createElement("button");
  const text = document.createElement("span");
  button.type = "button";
  button.dataset.genre = genre;
  text.textContent = words(genre);
  button.append(text);
  byId("genres").append(button);
  data.genres.push(genre);
};

byId("genres").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button) choose(button.dataset.genre);
});
showChosen();

// ---- a genre by its name ----

const MOST_MATCHES = 8;
const field = byId("type");
const list = byId("matches");
let matches = [];
let picked = 0;

// As the library compares names.
const plain = (name) =>
  name.normalize("NFC").trim().toLowerCase().replace(/[\s_-]+/g, "_");

const showMatches = () => {
  const text = plain(field.value);
  const found = data.genres.filter((genre) => plain(genre).includes(text));
  // What begins like it first.
  found.sort((x, y) => plain(y).startsWith(text) - plain(x).startsWith(text));
  matches = text ? found.slice(0, MOST_MATCHES) : [];
  if (text && !data.genres.some((genre) => plain(genre) === text)) {
    matches.push(field.value.trim());
  }
  picked = Math.min(picked, Math.max(matches.length - 1, 0));
  list.replaceChildren(
    ...matches.map((genre, place) => {
      const item = document.createElement("li");
      const isNew = !data.genres.includes(genre);
      item.textContent = isNew ? `new genre: ${genre}` : words(genre);
      item.id = `match-${place}`;
      item.setAttribute("role", "option");
      item.setAttribute("aria-selected", place === picked);
      item.addEventListener("pointerdown", (event) => {
        event.preventDefault();
        take(genre);
      });
      return item;
    }),
  );
  list.hidden = !matches.length;
  field.setAttribute("aria-expanded", !list.hidden);
  field.setAttribute("aria-activedescendant", `match-${picked}`);
};

const take = (genre) => {
  if (!data.genres.includes(genre)) addGenre(genre);
  if (!chosen.has(genre)) choose(genre);
  field.value = "";
  showMatches();
  // Enter then confirms.
  field.blur();
};

field.addEventListener("input", () => {
  picked = 0;
  showMatches();
});
field.addEventListener("keydown", (event) => {
  const steps = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (steps && matches.length) {
    picked = (picked + steps + matches.length) % matches.length;
    showMatches();
    event.preventDefault();
  } else if (event.key === "Enter" && !event.isComposing) {
    event.preventDefault();
    event.stopPropagation();
    if (matches.length) take(matches[picked]);
  }
});
field.addEventListener("blur", () => {
  list.hidden = true;
});

// ---- confirm, skip, undo ----

const address = (film) =>
  film === null ? "/?shown=labelled&order=newest" : `/film/${film}${data.address}`;

const goOn = (genres, value) => {
  const isLast = value.next === null ? " It was the last of its list." : "";
  const next = genres === null ? location.href : address(value.next);
  goTo(next, value.said + isLast);
};

// A label that could not be sent before.
addEventListener("sent", ({ detail: { each, value } }) => {
  if (each.label.film === data.film) goOn(each.label.genres, value);
});

let isSaving = false;
const label = async (genres) => {
  if (isSaving) return;
  isSaving = true;
  const asked = { film: data.film, content: data.content };
  try {
    const value = await sendLabel(
      { ...asked, genres, last_seen: data.last_seen, query: data.query },
      { ...asked, before: data.labelled, address: data.address },
    );
    goOn(genres, value);
  } catch (error) {
    // What waits is told of above.
    tell(error instanceof UnreachedError ? "" : error.message);
  }
  isSaving = false;
};

const confirm = () => {
  if (chosen.size) label([...chosen]);
  else tell("Choose a genre first, by a number or by G; N skips this film.");
};

const skip = () => {
  location.href = address(data.next);
};

byId("confirm").addEventListener("click", confirm);
byId("skip").addEventListener("click", skip);
byId("take-back").addEventListener("click", () => label(null));
byId("undo").addEventListener("click", () => undo());

onKeys({
  Enter: confirm,
  n: skip,
  g: () => field.focus(),
  " ": play,
  ArrowLeft: () => showShot(shown - 1),
  ArrowRight: () => showShot(shown + 1),
  "<": () => setSpeed(-1),
  ">": () => setSpeed(1),
  Escape: () => {
    location.href = `/${data.address}`;
  },
});
for (const [place, genre] of data.genres.slice(0, 9).entries()) {
  onKeys({ [place + 1]: () => choose(genre) });
}
