// All runs at a glance.

import { Unknown, get } from "./api.js";
import { el, heading, renew, replace } from "./dom.js";
import { STATES, score, seconds, when } from "./format.js";

const LOOK_MILLISECONDS = 2000;
const MOST_COMPARED = 8;

export async function overview(main) {
  const chosen = new Set();
  const list = el("div", { class: "runs" });
  const counts = el("p", { class: "note" });
  const broken = el("p", { class: "mistake", role: "alert" });
  const unseen = el("div", { class: "note" });
  const compare = el("a", { class: "button", href: "#/runs" }, "Compare");
  const head = el("div", { class: "row" }, heading("Runs"), compare,
    el("a", { class: "button primary", href: "#/new" }, "New search"));
  let last = "";
  let timer = 0;
  let isClosed = false;

  function choose() {
    compare.href = `#/compare/${[...chosen].map(encodeURIComponent).join(",")}`;
    compare.hidden = chosen.size < 2;
    compare.textContent = `Compare ${chosen.size} runs${chosen.size === MOST_COMPARED ? " (the most at once)" : ""}`;
    for (const box of list.querySelectorAll("input[type=checkbox]")) {
      box.disabled = chosen.size === MOST_COMPARED && !box.checked;
      box.title = box.disabled ? `At most ${MOST_COMPARED} runs are compared at once.` : "";
    }
  }

  function show(found) {
    const text = JSON.stringify(found);
    if (text === last) return;
    last = text;
    counts.textContent = found.num_running || found.num_queued
      ? `${found.num_running} running, ${found.num_queued} waiting; at most ${found.num_at_once} at once.` : "Nothing runs now.";
    const names = new Set(found.runs.map((run) => run.name));
    for (const name of chosen) if (!names.has(name)) chosen.delete(name);
    renew(list, found.runs.length ? found.runs.map((run) => card(run, chosen, choose)) : nothing());
    renew(unseen, found.not_shown.map((run) => el("p", {}, `Not shown: ${run.name}. ${sentence(run.reason)}`)));
    choose();
  }

  // One question after the other, however long an answer takes.
  async function look() {
    try {
      show(await get("/runs"));
      broken.textContent = "";
    } catch (error) {
      if (error instanceof Unknown) return;
      broken.textContent = `${error.message} This page goes on when the server does.`;
    }
    if (!isClosed) timer = setTimeout(look, LOOK_MILLISECONDS);
  }

  show(await get("/runs"));
  document.title = "Runs · popnas";
  replace(main, head, broken, counts, list, unseen);
  timer = setTimeout(look, LOOK_MILLISECONDS);
  setTimeout(() => { if (!isClosed) get("/config/schema").catch(() => {}); }, 1000);  // takes seconds once; the form needs it
  return { close: () => { isClosed = true; clearTimeout(timer); } };
}

function sentence(clause) {
  return `${clause[0].toUpperCase()}${clause.slice(1)}.`;
}

function nothing() {
  return el("div", { class: "card" }, el("p", {}, "There is no run here yet."),
    el("a", { class: "button primary", href: "#/new" }, "Start the first search"));
}

function card(run, chosen, choose) {
  const box = el("input", {
    type: "checkbox", "data-key": "compare", checked: chosen.has(run.name), "aria-label": `Compare ${run.name}`,
    onchange: (event) => { if (event.target.checked) chosen.add(run.name); else chosen.delete(run.name); choose(); },
  });
  return el("article", { class: `card run ${run.state}`, "data-key": run.name },
    el("div", { class: "row" }, box, el("h2", {}, el("a", { href: `#/runs/${encodeURIComponent(run.name)}` }, run.name)), badge(run)),
    el("p", { class: "note" }, [run.data, run.task?.replaceAll("_", " "), when(run.modified)].filter(Boolean).join(" · ")),
    progressOf(run),
    el("dl", { class: "tiles" }, tile("best score", score(run.best_score)), tile("networks", run.num_networks.toLocaleString()),
      run.num_failed ? tile("failed", run.num_failed.toLocaleString()) : null,
      run.num_steps ? tile("steps", `${run.steps_finished} of ${run.num_steps}`) : null,
      tile("time left", timeLeft(run))),
    run.problem ? el("p", { class: "mistake" }, run.problem) : null);
}

export function tile(name, value) {
  return el("div", {}, el("dt", {}, name), el("dd", {}, value));
}

export function badge(run) {
  return el("span", { class: `badge ${run.state}` }, STATES[run.state]);
}

export function isWorking(run) {
  return ["running", "stopping", "elsewhere"].includes(run.state);
}

export function timeLeft(run) {
  const left = run.progress?.seconds_left ?? {};
  const value = left.job ?? left.search ?? left.step;
  return isWorking(run) && value !== null && value !== undefined ? seconds(value) : "–";
}

export function progressOf(run) {
  const progress = run.progress;
  if (run.state === "queued") return el("p", {}, "Waits for its turn.");
  if (!isWorking(run)) return null;
  if (!progress || progress.state !== "running") return el("p", {}, run.state === "stopping" ? "Is stopping." : "Is starting.");
  const names = Object.entries(progress.networks);
  const epochs = names.reduce((sum, [, [epoch, all]]) => sum + epoch / all, 0);
  const words = `${progress.stage}: ${progress.phase}${progress.total ? `, ${progress.done} of ${progress.total}` : ""}`;
  return el("div", {}, el("p", {}, words),
    progress.total
      ? el("progress", { max: progress.total, value: Math.min(progress.total, progress.done + epochs), "aria-label": words })
      : el("progress", { "aria-label": words }));
}
