// One run, live.

import { get, post, remove } from "./api.js";
import { candidates } from "./candidates.js";
import { ask, el, heading, renew, replace, seldom, tell, telling } from "./dom.js";
import { files, results } from "./files.js";
import { score } from "./format.js";
import { front } from "./front.js";
import { configuration, log, predictors, scores, times } from "./looks.js";
import { badge, isWorking, progressOf, tile, timeLeft } from "./overview.js";
import { Store, joinsOnlyUnused } from "./store.js";

const LOOKS = {
  front: ["Front", front], scores: ["Scores", scores], candidates: ["Candidates", candidates], time: ["Time", times],
  predictors: ["Predictors", predictors], results: ["Results", results], log: ["Log", log],
  config: ["Configuration", configuration], files: ["Files", files],
};
const REDRAW_MILLISECONDS = 400;

export async function run(main, [name, look = "front"]) {
  const summary = await get(`/runs/${encodeURIComponent(name)}`);
  const joins = summary.task ? await joinsOnlyUnused(name) : true;  // a run that waits has neither configuration nor cells
  const head = el("div", { class: "head" });
  const tabs = el("nav", { class: "tabs", "aria-label": `Looks at ${name}` });
  const place = el("div", {});
  const store = new Store(summary, joins, seldom(refresh, REDRAW_MILLISECONDS));
  let shown = "";
  let asked = look;
  let current = null;
  let turn = 0;
  let isLeft = false;
  let failedAt = null;  // how the run stood when the look could not be opened

  function refresh() {
    if (isLeft) return;
    if (store.isGone) {
      tell(`The run ${name} is not here any more.`);
      location.hash = "#/runs";
      return;
    }
    const text = JSON.stringify(store.status) + store.isBroken + store.problem;
    if (text !== shown) { shown = text; renew(head, ...headOf(store)); }
    if (failedAt !== null && failedAt !== standing(store)) open();
    current?.update?.();
  }

  // Each look in a section of its own: one that is slow to come must not write over a later one.
  async function open() {
    const own = ++turn;
    const [title, make] = LOOKS[asked] ?? LOOKS.front;
    const section = el("section", { "aria-label": title });
    current?.close?.();
    current = null;
    failedAt = null;
    document.title = `${name} · popnas`;
    renew(tabs, tabsOf(name, title));
    tabs.querySelector("[aria-current]").scrollIntoView({ block: "nearest", inline: "nearest" });  // on a phone
    replace(place, section);
    try {
      const made = await make(section, store);
      if (own !== turn) { made.close?.(); return; }
      current = made;
      current.update?.();
    } catch (error) {
      if (own !== turn) return;
      failedAt = standing(store);
      replace(section, el("p", { class: error.status === 404 ? "note" : "mistake", role: "alert" },
        error.status === 404 ? "That is not there (yet): the run may still wait for its turn." : error.message),
      el("button", { type: "button", onclick: open }, "Try again"));
    }
  }

  replace(main, head, tabs, place);
  refresh();
  open();
  return {
    close: () => { isLeft = true; turn += 1; store.close(); current?.close?.(); },
    goTo: ([other, next = "front"]) => {
      if (other !== name || store.isClosed) return false;
      if (next !== asked) { asked = next; open(); }
      return true;
    },
  };
}

const standing = (store) => `${store.status.state}/${store.status.num_networks > 0}/${store.status.jobs.length}`;

function tabsOf(name, shown) {
  return Object.entries(LOOKS).map(([key, [title]]) => el("a", {
    href: `#/runs/${encodeURIComponent(name)}/${key}`, "data-key": key, "aria-current": title === shown ? "page" : null,
  }, title));
}

function headOf(store) {
  const summary = store.status;
  const left = el("div", {},
    el("div", { class: "row" }, heading(summary.name), badge(summary)),
    el("p", { class: "note" }, [summary.data, summary.task?.replaceAll("_", " "), summary.finish_reason]
      .filter(Boolean).join(" · ")),
    store.isBroken ? el("p", { class: "mistake", role: "alert", "data-key": "broken" },
      "The server does not answer; this page goes on when it does.") : null,
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
  return el("p", { class: "mistake" }, `${last.stage} ${how}; `, el("a", { href: `#/runs/${encodeURIComponent(summary.name)}/log` }, "its log says why"), ".");
}

function warnings(summary) {
  const told = summary.progress?.warnings ?? [];
  if (!told.length) return null;
  return el("details", { "data-key": "warnings" }, el("summary", {}, told.length === 1 ? "1 warning" : `${told.length} warnings`),
    el("ul", {}, told.map((text) => el("li", {}, text))));
}

function actions(summary) {
  const name = encodeURIComponent(summary.name);
  const act = (word, does, kind = "") => el("button", { type: "button", class: kind, "data-key": word, onclick: telling(does) }, word);
  const send = (path, said) => async () => { await post(`/runs/${name}/${path}`); tell(said); };
  const found = [];
  if (["running", "queued"].includes(summary.state)) {
    found.push(act("Stop", send("stop", "It finishes writing and stops. What is finished is kept."), "danger"));
  }
  if (summary.can_resume) found.push(act("Resume", send("resume", "It goes on."), "primary"));
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
  return el("div", { class: "row actions", role: "group", tabindex: "-1", "aria-label": "What to do with the run" }, found);
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
    if (!low.value !== !high.value) throw new Error("Parameters: give both the lowest and the highest number, or neither.");
    const params = low.value ? [value(low), value(high)] : null;
    await post(`/runs/${name}/select`, { num_cells: value(num), source: from.value, params, config: JSON.parse(settings.value) });
    tell("Model selection is queued.");
  });
}

export const askTrain = telling(async (name, cell = "") => {
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
});

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
