// What all pages of a library do: the person's name, labels that are sent and
// kept until they arrive, undo, learn now, keys, messages.

const key = (name) => `${document.documentElement.dataset.library}.${name}`;

// A private window may keep nothing.
const stored = (store, name, otherwise) => {
  try {
    return JSON.parse(store.getItem(key(name))) ?? otherwise;
  } catch {
    return otherwise;
  }
};

const store = (where, name, value) => {
  try {
    where.setItem(key(name), JSON.stringify(value));
  } catch {
    // It then lasts as long as the page.
  }
};

export const kept = (name, otherwise) => stored(localStorage, name, otherwise);
export const keep = (name, value) => store(localStorage, name, value);

export const byId = (id) => document.getElementById(id);

// ---- messages ----

export const tell = (text) => {
  byId("status").textContent = text;
};

// Goes to another page, which tells a text.
export const goTo = (address, text) => {
  store(sessionStorage, "said", text);
  location.href = address;
};

const said = stored(sessionStorage, "said", "");
if (said) {
  store(sessionStorage, "said", "");
  tell(said);
}

// ---- the person ----

const personField = byId("person");
const person = () => personField?.value.trim() || "me";
if (personField) {
  personField.value = kept("person", "me");
  personField.addEventListener("change", () => keep("person", person()));
}

// ---- what is sent ----

// The server could not be reached, or its library cannot be written just now.
export class UnreachedError extends Error {}

const post = async (address, body) => {
  let answer;
  try {
    answer = await fetch(address, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
  } catch {
    throw new UnreachedError("The server cannot be reached.");
  }
  const value = await answer.json().catch(() => ({}));
  if (answer.status >= 500) {
    throw new UnreachedError(value.error ?? "The server failed.");
  }
  if (!answer.ok) throw new Error(value.error ?? "The server refused it.");
  return value;
};

const showProgress = (value) => {
  if (value.progress && byId("progress")) {
    byId("progress").textContent = value.progress;
  }
};

const showUnsent = (reason = "") => {
  const count = kept("unsent", []).length;
  const place = byId("unsent");
  place.hidden = !count;
  place.textContent =
    `${reason} ${count === 1 ? "A label waits" : `${count} labels wait`} ` +
    "here, kept by this browser, and will be sent again by itself.";
};

// What U undoes, the last at the end.
const MOST_UNDONE = 100;
const noteDone = (done) =>
  keep("done", [...kept("done", []), done].slice(-MOST_UNDONE));

// On their way just now.
const sending = new Set();

// Sends a label; one that does not arrive is kept and sent again. `done` is
// what U needs to undo it.
export const sendLabel = (label, done = null) => {
  const mark = crypto.randomUUID?.() ?? String(Math.random());
  const whole = { mark, done, label: { ...label, person: person() } };
  // Kept before it is sent: the page may be closed meanwhile.
  keep("unsent", [...kept("unsent", []), whole]);
  return sendKept(whole);
};

const forget = (mark) =>
  keep("unsent", kept("unsent", []).filter((each) => each.mark !== mark));

const sendKept = async ({ mark, done, label }) => {
  sending.add(mark);
  try {
    const value = await post("/label", label);
    forget(mark);
    if (done) noteDone({ ...done, label: value.label });
    showProgress(value);
    return value;
  } catch (error) {
    // What the server refuses would be refused again.
    if (!(error instanceof UnreachedError)) forget(mark);
    else showUnsent(error.message);
    throw error;
  } finally {
    sending.delete(mark);
  }
};

const sendAgain = async () => {
  for (const each of kept("unsent", [])) {
    if (sending.has(each.mark)) continue;
    try {
      const value = await sendKept(each);
      tell(`Sent now. ${value.said}`);
      dispatchEvent(new CustomEvent("sent", { detail: { each, value } }));
    } catch (error) {
      if (error instanceof UnreachedError) return;
      tell(error.message);
    }
    showUnsent();
  }
};
setInterval(sendAgain, 3000);
addEventListener("online", sendAgain);
sendAgain();

// ---- undo ----

export const undo = async () => {
  const all = kept("done", []);
  const last = all.at(-1);
  if (!last) return tell("There is nothing to undo.");
  try {
    const value = await sendLabel({
      film: last.film,
      content: last.content,
      genres: last.before,
      last_seen: last.label,
    });
    keep("done", all.slice(0, -1));
    goTo(`/film/${last.film}${last.address}`, `Undone. ${value.said}`);
  } catch (error) {
    tell(error.message);
  }
};

// ---- learn now ----

const learnButton = byId("learn");
const learn = async () => {
  if (!learnButton || learnButton.disabled) return;
  learnButton.disabled = true;
  tell("Learning from the labels, a few seconds.");
  try {
    const value = await post("/learn", {});
    showProgress(value);
    const text = value.said.join(" ");
    // A list shows the new order; what is chosen of a film stays.
    if (location.pathname === "/") goTo(location.href, text);
    else tell(text);
  } catch (error) {
    tell(error.message);
  }
  learnButton.disabled = false;
};
learnButton?.addEventListener("click", learn);

// ---- keys ----

const keysPage = byId("keys");
byId("show-keys")?.addEventListener("click", () => keysPage.showModal());

const handlers = { "?": () => keysPage.showModal(), l: learn, u: undo };

export const onKeys = (more) => Object.assign(handlers, more);

const takesText = (element) =>
  element.matches("textarea, select, input:not([type=checkbox], [type=range])");

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || keysPage.open) return;
  if (takesText(event.target)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  // What was reached by Tab is pressed by Space and Enter, as everywhere.
  const isPressed = event.target.matches("a, button, input, video, select");
  if (isPressed && [" ", "Enter"].includes(event.key)) return;
  const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (!handlers[name]) return;
  event.preventDefault();
  if (!event.repeat || name.startsWith("Arrow")) handlers[name](event);
});

// After a click, keys are the page's again.
addEventListener("click", (event) => {
  const pressed = event.target.closest("button, video, input[type=checkbox]");
  if (event.detail > 0 && pressed) pressed.blur();
});
