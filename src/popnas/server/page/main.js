// Which view is shown: the address's fragment says so.

import { Unknown, post, remove } from "./api.js";
import { compare } from "./compare.js";
import { el, replace, tell } from "./dom.js";
import { overview } from "./overview.js";
import { run } from "./run.js";
import { start } from "./start.js";

const main = document.getElementById("main");
let leave = null;
let shown = 0;

const VIEWS = { runs: (rest) => (rest.length ? run : overview), new: () => start, compare: () => compare };

async function show() {
  const place = location.hash;
  if (place.startsWith("#token=")) {
    await logIn(decodeURIComponent(place.slice(7)));
    return;
  }
  if (place === "#main") return;
  const [name, ...rest] = place.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  const view = (VIEWS[name] ?? VIEWS.runs)(rest);
  const turn = ++shown;
  leave?.();
  leave = null;
  replace(main, el("p", { class: "note" }, "Loading …"));
  for (const link of document.querySelectorAll("header nav a")) {
    link.toggleAttribute("aria-current", link.hash === `#/${name || "runs"}`);
  }
  try {
    const left = await view(main, rest);
    if (turn === shown) leave = left; else left?.();
    document.getElementById("log-out").hidden = false;
  } catch (error) {
    if (turn === shown) fail(error);
  }
}

export function fail(error) {
  if (error instanceof Unknown) askForToken();
  else replace(main, el("h1", {}, "That did not work"), el("p", { role: "alert" }, error.message));
}

async function logIn(token) {
  history.replaceState(null, "", "#/runs");  // the token leaves the address at once
  try {
    await post("/session", { token });
  } catch (error) {
    askForToken(error instanceof Unknown ? "That is not this server's token." : error.message);
    return;
  }
  show();
}

function askForToken(mistake = "") {
  document.getElementById("log-out").hidden = true;
  const given = el("input", { type: "password", id: "token", autocomplete: "current-password", required: true });
  replace(main, el("form", {
    class: "card narrow",
    onsubmit: (event) => { event.preventDefault(); logIn(given.value.trim()); },
  },
  el("h1", {}, "Token"),
  el("p", {}, "The server printed an address with its token when it started. Open that address, or give the token here."),
  el("label", { for: "token" }, "Token"), given,
  el("p", { class: "mistake", role: "alert" }, mistake),
  el("button", { class: "primary" }, "Come in")));
  given.focus();
}

document.getElementById("log-out").addEventListener("click", async () => {
  leave?.();
  leave = null;
  await remove("/session").catch((error) => tell(error.message, true));
  askForToken();
});
window.addEventListener("hashchange", show);
show();
