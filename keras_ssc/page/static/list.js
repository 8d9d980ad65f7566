// The list of films, as a wall or a table.

import { byId, onKeys } from "./common.js";

const links = [...document.querySelectorAll("#films a[href^='/film/']")];

// How many films are side by side.
const columns = () => {
  const top = links[0]?.getBoundingClientRect().top;
  const next = links.findIndex((x) => x.getBoundingClientRect().top > top + 4);
  return next < 0 ? links.length : next;
};

const move = (steps) => {
  const place = links.indexOf(document.activeElement);
  const next = place < 0 ? 0 : place + steps;
  links[Math.min(Math.max(next, 0), links.length - 1)]?.focus();
};

onKeys({
  ArrowLeft: () => move(-1),
  ArrowRight: () => move(1),
  ArrowUp: () => move(-columns()),
  ArrowDown: () => move(columns()),
  "/": () => byId("search").select(),
  n: () => byId("next-page")?.click(),
  p: () => byId("previous-page")?.click(),
});

for (const select of document.querySelectorAll(".filters select")) {
  select.addEventListener("change", () => select.form.requestSubmit());
}
