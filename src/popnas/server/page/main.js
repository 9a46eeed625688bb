// Which view is shown: the address's fragment says so.

import { Unknown, post, remove, whenUnknown } from "./api.js";
import { compare } from "./compare.js";
import { el, heading, replace, tell, words } from "./dom.js";
import { overview } from "./overview.js";
import { run } from "./run.js";
import { start } from "./start.js";

const main = document.getElementById("main");
let current = null;  // what the view that is shown gave: `close`, and `goTo` if it can show another part of itself
let turn = 0;
let isComeTo = false;

const VIEWS = { runs: (rest) => (rest.length ? run : overview), new: () => start, compare: () => compare };

function decoded(text) {
  try { return decodeURIComponent(text); } catch { return text; }
}

async function show() {
  if (location.hash.startsWith("#token=")) {
    const token = decoded(location.hash.slice(7));
    history.replaceState(null, "", "#/runs");  // the token leaves the address at once
    await logIn(token);
    return;
  }
  const [name, ...rest] = location.hash.replace(/^#\/?/, "").split("/").filter(Boolean).map(decoded);
  const view = (VIEWS[name] ?? VIEWS.runs)(rest);
  if (current?.view === view && current.goTo?.(rest)) return;
  leave();
  const own = turn;
  // A place of its own: a view that is slow to come must not write over a later one.
  const place = el("div", {}, el("p", { class: "note", role: "status" }, "Loading …"));
  replace(main, place);
  for (const link of document.querySelectorAll("header nav a")) {
    link.toggleAttribute("aria-current", link.hash === `#/${name || "runs"}`);
  }
  try {
    const made = await view(place, rest);
    if (own !== turn) { made.close?.(); return; }
    current = { ...made, view };
    document.getElementById("log-out").hidden = false;
  } catch (error) {
    if (own !== turn || error instanceof Unknown) return;
    replace(place, heading("That did not work"), el("p", { class: "mistake", role: "alert" }, words(error)),
      el("button", { type: "button", class: "primary", onclick: show }, "Try again"));
  }
  comeTo(place);
}

// Whoever goes to a view is at its heading, but for the first one: then he is at the page's beginning.
function comeTo(place) {
  if (isComeTo) {
    window.scrollTo(0, 0);
    place.querySelector("h1")?.focus({ preventScroll: true });
  }
  isComeTo = true;
}

function leave() {
  turn += 1;
  current?.close?.();
  current = null;
}

async function logIn(token) {
  try {
    await post("/session", { token });
  } catch (error) {
    askForToken(error instanceof Unknown ? "That is not this server's token." : error.message);
    return;
  }
  show();
}

function askForToken(mistake = "") {
  const asked = document.getElementById("token-mistake");
  if (asked) {  // what is being typed stays
    if (mistake) asked.textContent = mistake;
    return;
  }
  leave();
  document.getElementById("log-out").hidden = true;
  for (const box of document.querySelectorAll("dialog")) box.close();
  const given = el("input", { type: "password", id: "token", autocomplete: "current-password", required: true });
  replace(main, el("form", {
    class: "card narrow",
    onsubmit: (event) => { event.preventDefault(); logIn(given.value.trim()); },
  },
  heading("Token"),
  el("p", {}, "The server printed an address with its token when it started. Open that address, or give the token here."),
  el("label", { for: "token" }, "Token"), given,
  el("p", { class: "mistake", id: "token-mistake", role: "alert" }, mistake),
  el("button", { class: "primary" }, "Come in")));
  given.focus();
}

document.getElementById("log-out").addEventListener("click", async () => {
  leave();
  await remove("/session").catch((error) => tell(error.message, true));
  askForToken();
});
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();  // the fragment says which view is shown
  main.focus();
});
for (const link of document.querySelectorAll("header a")) {
  // At the address where one is already nothing would happen, though the view may have failed.
  link.addEventListener("click", () => { if (link.hash === location.hash) show(); });
}
whenUnknown(() => askForToken());
window.addEventListener("hashchange", show);
show();
