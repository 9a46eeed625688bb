// What a run has come to, and the files in its folder.

import { get } from "./api.js";
import { drawing, el, renew, replace, showing, telling } from "./dom.js";
import { bytes, figure, large, score, when } from "./format.js";

const place = (store, path) => `/api/runs/${encodeURIComponent(store.name)}/files/${path.split("/").map(encodeURIComponent).join("/")}`;

export async function results(body, store) {
  let known = "";

  async function refresh() {
    const found = await get(`/runs/${encodeURIComponent(store.name)}/results`);
    renew(body,
      found.report ? el("p", {}, el("a", { class: "button", href: place(store, found.report), target: "_blank", rel: "noopener" }, "Open the report")) : null,
      el("h2", {}, "Networks"),
      found.models.length ? el("div", { class: "cards" }, found.models.map((model) => modelCard(store, model)))
        : el("p", {}, "No network is kept yet: the search keeps its best one at the end."),
      el("h2", {}, "Front"), frontTable(store, found.front));
  }

  return {
    update: () => {
      const text = JSON.stringify([store.status?.state, store.status?.steps_finished, store.status?.jobs, store.objectives.length]);
      if (text !== known) { known = text; showing(body, refresh); }
    },
  };
}

function modelCard(store, model) {
  const test = Object.entries(model.test ?? {}).map(([name, value]) => [`test ${name.replaceAll("_", " ")}`, value.toFixed(4)]);
  return el("article", { class: "card", "data-key": model.folder }, el("h3", {}, model.title), el("p", { class: "note" }, model.folder),
    el("dl", { class: "facts" }, [["validation score", score(model.score)], ["parameters", model.params === null ? "–" : large(model.params)],
      ...test].flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)])),
    model.cell && model.cell !== "[]" ? drawing(model.cell, store.joinsOnlyUnused) : null,
    el("ul", { class: "plain" }, model.files.map((path) => el("li", {},
      el("a", { href: place(store, path), download: path.endsWith(".html") ? null : path.split("/").at(-1) }, path.split("/").slice(1).join("/"))))));
}

function frontTable(store, points) {
  if (!points.length) return el("p", {}, "Nothing is trained yet.");
  return el("div", { class: "scroll low" }, el("table", { "aria-label": "Front" },
    el("thead", {}, el("tr", {}, [...store.objectives.map((item) => item.title), "blocks", "cell"].map((name) => el("th", { scope: "col" }, name)))),
    el("tbody", {}, points.map((point) => el("tr", {}, store.objectives.map((item) => el("td", {}, figure(item, point.figures[item.name]))),
      el("td", {}, point.step), el("td", {}, el("code", {}, point.cell)))))));
}

export async function files(body, store) {
  let turn = 0;

  async function show(path) {
    const own = ++turn;
    const found = await get(`/runs/${encodeURIComponent(store.name)}/files?path=${encodeURIComponent(path)}`);
    if (own !== turn) return;
    const parts = path ? path.split("/") : [];
    const up = [store.name, ...parts].map((name, index) => el("button", { type: "button", class: "link",
      onclick: telling(() => show(parts.slice(0, index).join("/"))) }, name)).flatMap((item, index) => (index ? [" / ", item] : [item]));
    replace(body, el("p", {}, up), el("div", { class: "scroll low" }, el("table", { "aria-label": `Files in ${path || store.name}` },
      el("thead", {}, el("tr", {}, ["name", "size", "changed"].map((name) => el("th", { scope: "col" }, name)))),
      el("tbody", {}, found.entries.map((entry) => {
        const inner = path ? `${path}/${entry.name}` : entry.name;
        const name = entry.is_folder
          ? el("button", { type: "button", class: "link", onclick: telling(() => show(inner)) }, `${entry.name}/`)
          : el("a", { href: place(store, inner), target: "_blank", rel: "noopener" }, entry.name);
        return el("tr", {}, el("td", {}, name), el("td", {}, bytes(entry.size)), el("td", {}, when(entry.modified)));
      })))));
  }
  await show("");
  return {};
}
