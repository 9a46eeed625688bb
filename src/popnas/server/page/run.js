// One run, live.

import { get, post, remove } from "./api.js";
import { candidates } from "./candidates.js";
import { ask, el, replace, seldom, tell } from "./dom.js";
import { files, results } from "./files.js";
import { score } from "./format.js";
import { front } from "./front.js";
import { configuration, log, predictors, scores, times } from "./looks.js";
import { badge, isWorking, progressOf, tile, timeLeft } from "./overview.js";
import { Store } from "./store.js";

const LOOKS = {
  front: ["Front", front], scores: ["Scores", scores], candidates: ["Candidates", candidates], time: ["Time", times],
  predictors: ["Predictors", predictors], results: ["Results", results], log: ["Log", log],
  config: ["Configuration", configuration], files: ["Files", files],
};
const REDRAW_MILLISECONDS = 400;

export async function run(main, [name, look = "front"]) {
  const summary = await get(`/runs/${encodeURIComponent(name)}`);
  document.title = `${name} · popnas`;
  const head = el("div", { class: "head" });
  const body = el("section", { "aria-label": LOOKS[look]?.[0] ?? "Front" });
  const store = new Store(name, seldom(refresh, REDRAW_MILLISECONDS));
  store.status = summary;
  let shown = "";
  let current = null;

  function refresh() {
    if (store.isGone) { location.hash = "#/runs"; return; }
    const text = JSON.stringify(store.status) + store.isBroken + store.problem;
    if (text !== shown) { shown = text; replace(head, ...headOf(store)); }
    current?.update?.();
  }

  replace(main, head, tabs(name, look), body);
  refresh();
  current = await (LOOKS[look] ?? LOOKS.front)[1](body, store);
  current?.update?.();
  return () => { store.close(); current?.close?.(); };
}

function tabs(name, look) {
  return el("nav", { class: "tabs", "aria-label": `Looks at ${name}` }, Object.entries(LOOKS).map(([key, [title]]) =>
    el("a", { href: `#/runs/${encodeURIComponent(name)}/${key}`, "aria-current": key === look ? "page" : null }, title)));
}

function headOf(store) {
  const summary = store.status;
  const left = el("div", {},
    el("div", { class: "row" }, el("h1", {}, summary.name), badge(summary)),
    el("p", { class: "note" }, [summary.data, summary.task?.replaceAll("_", " "), summary.finish_reason]
      .filter(Boolean).join(" · ")),
    store.isBroken ? el("p", { class: "mistake", role: "alert" }, "The server does not answer; this page goes on when it does.") : null,
    failureOf(summary), summary.problem ? el("p", { class: "mistake" }, summary.problem) : null,
    progressOf(summary), warnings(summary));
  return [el("div", { class: "row top" }, left, actions(summary)),
    el("dl", { class: "tiles" }, tile("best score", score(summary.best_score)),
      tile("networks", summary.num_networks.toLocaleString()), tile("failed", summary.num_failed.toLocaleString()),
      tile("steps", summary.num_steps ? `${summary.steps_finished} of ${summary.num_steps}` : "–"),
      tile("time left", timeLeft(summary)))];
}

function failureOf(summary) {
  const last = summary.jobs.at(-1);
  if (last?.state !== "failed") return null;
  const how = last.exit_status === null ? "was killed" : `ended with exit status ${last.exit_status}`;
  return el("p", { class: "mistake" }, `${last.stage} ${how}; `, el("a", { href: `#/runs/${summary.name}/log` }, "its log says why"), ".");
}

function warnings(summary) {
  const told = summary.progress?.warnings ?? [];
  if (!told.length) return null;
  return el("details", {}, el("summary", {}, told.length === 1 ? "1 warning" : `${told.length} warnings`),
    el("ul", {}, told.map((text) => el("li", {}, text))));
}

function actions(summary) {
  const name = encodeURIComponent(summary.name);
  const act = (word, does, kind = "") => el("button", { type: "button", class: kind, onclick: does }, word);
  const send = (path, body, said) => async () => {
    try { await post(`/runs/${name}/${path}`, body); tell(said); } catch (error) { tell(error.message, true); }
  };
  const found = [];
  if (["running", "queued"].includes(summary.state)) {
    found.push(act("Stop", send("stop", undefined, "It finishes writing and stops. What is finished is kept."), "danger"));
  }
  if (summary.can_resume) found.push(act("Resume", send("resume", undefined, "It goes on."), "primary"));
  if (summary.best_cell && summary.state !== "damaged") {
    found.push(act("Select …", () => askSelect(name)), act("Train …", () => askTrain(name)),
      act("Evaluate …", () => askEvaluate(name)));
  }
  found.push(act("TensorBoard", () => board(name)));
  if (!isWorking(summary) && summary.state !== "queued") {
    found.push(act("Remove …", () => ask(`Remove ${summary.name}?`,
      [el("p", {}, "The run is moved into the server's trash. Nothing is deleted.")], "Remove",
      async () => { await remove(`/runs/${name}`); location.hash = "#/runs"; }, true), "quiet"));
  }
  return el("div", { class: "row actions", role: "group", "aria-label": "What to do with the run" }, found);
}

function field(label, input, help = "") {
  input.id = `asked-${label.replaceAll(" ", "-")}`;
  return el("p", {}, el("label", { for: input.id }, label), input, help ? el("small", { class: "note" }, help) : null);
}

const number = (placeholder) => el("input", { type: "number", min: "1", step: "1", placeholder });
const value = (input) => (input.value === "" ? null : Number(input.value));

async function partial(kind) {
  const presets = await get("/config/presets");
  return el("select", {}, presets.filter((item) => item.is_partial && item.name.startsWith(kind)).map((item) =>
    el("option", { value: JSON.stringify(item.config), selected: !item.name.endsWith("debug") }, item.name)));
}

async function askSelect(name) {
  const [num, from, low, high] = [number("5"), el("select", {}, el("option", { value: "best" }, "best scores"),
    el("option", { value: "front" }, "Pareto front")), number("none"), number("none")];
  const settings = await partial("model_selection");
  ask("Model selection", [field("Cells", num, "So many are trained longer and compared."), field("Taken from", from),
    field("Settings", settings), field("Parameters from", low, "Also wider and deeper networks of this size."),
    field("Parameters to", high)], "Select", async () => {
    const params = low.value && high.value ? [value(low), value(high)] : null;
    await post(`/runs/${name}/select`, { num_cells: value(num), source: from.value, params, config: JSON.parse(settings.value) });
    tell("Model selection is queued.");
  });
}

export async function askTrain(name, cell = "") {
  const given = el("input", { value: cell, placeholder: "best of the selection, else of the search" });
  const [motifs, normal, filters] = [number("as found"), number("as found"), number("as found")];
  const settings = await partial("last_training");
  ask("Final training", [field("Cell", given), field("Settings", settings), field("Motifs", motifs),
    field("Normal cells per motif", normal), field("Filters", filters)], "Train", async () => {
    await post(`/runs/${name}/train`, {
      cell: given.value.trim() || null, motifs: value(motifs), normal_cells: value(normal), filters: value(filters),
      config: JSON.parse(settings.value),
    });
    tell("Final training is queued.");
  });
}

async function askEvaluate(name) {
  const found = await get(`/runs/${name}/results`);
  const which = el("select", {}, found.models.map((model) => el("option", { value: model.folder }, `${model.title}: ${model.folder}`)));
  ask("Evaluation on test data", [found.models.length ? field("Model", which) : el("p", {}, "No network is trained yet.")],
    "Evaluate", async () => {
      await post(`/runs/${name}/evaluate`, { model: which.value || null });
      tell("The evaluation is queued; Results shows it when it is done.");
    });
}

async function board(name) {
  tell("TensorBoard is starting …");
  const page = window.open("", "_blank");  // now, as browsers allow it only where somebody clicks
  try {
    for (let tries = 0; tries < 60; tries += 1) {
      const found = await post(`/runs/${name}/tensorboard`);
      if (found.is_ready) {
        if (page) { page.opener = null; page.location = found.path; } else location.href = found.path;
        return;
      }
      await new Promise((done) => { setTimeout(done, 1000); });
    }
    throw new Error("TensorBoard did not start in time.");
  } catch (error) {
    page?.close();
    tell(error.message, true);
  }
}
