// Several runs on one scale: fronts over one another, hypervolume as it grew.

import { get } from "./api.js";
import { COLOURS, Chart, line, pointed, points, stepped, zoomButtons } from "./charts.js";
import { drawing, el, heading, replace } from "./dom.js";
import { figure, seconds } from "./format.js";
import { joinsOnlyUnused } from "./store.js";

export async function compare(main, [names = ""]) {
  const asked = names.split(",").filter(Boolean);
  const found = await get(`/compare?${asked.map((name) => `run=${encodeURIComponent(name)}`).join("&")}`);
  const joins = await Promise.all(found.runs.map((run) => joinsOnlyUnused(run.name)));
  document.title = "Comparison · popnas";
  const costs = found.objectives.map((item, index) => [item, index]).filter(([item]) => item.name !== "score");
  const volumes = el("div", { class: "chart" });
  const pointing = pointed({
    label: "Score against costs of all runs. Left and right arrows go along their fronts.",
    chart: () => charts[0], marks: () => edges, item: (index) => cells[index], shown: about,
    said: ([cost, value, place, cell]) => `${found.runs[place].name}, ${cell}: score ${value.toFixed(4)}, ${costOf(cost)}`,
  });
  const across = el("select", { "aria-label": "Costs", onchange: () => drawFronts() },
    costs.map(([item, index]) => el("option", { value: index }, item.title)));
  const over = el("select", { "aria-label": "Over", onchange: () => drawVolumes() },
    el("option", { value: 0 }, "networks"), el("option", { value: 1 }, "time of workers"));
  let charts = [null, null];
  let cells = [];
  let edges = [];

  replace(main, heading("Comparison"), overview(found),
    el("h2", {}, "Fronts"), el("div", { class: "row controls" }, el("label", {}, "Score against ", across), zoomButtons(() => charts[0])),
    pointing.element,
    el("h2", {}, "Hypervolume"),
    el("p", { class: "note" }, "How much of the space of the objectives the trained cells dominate, on one scale for all runs."),
    el("div", { class: "row controls" }, el("label", {}, "Over ", over), zoomButtons(() => charts[1])), volumes);

  function drawFronts() {
    charts[0]?.destroy();
    if (!costs.length) return;
    const x = Number(across.value);
    const best = found.objectives[x].is_maximized ? 1 : -1;  // of equal costs the best score comes first, going along
    const all = found.runs.flatMap((run, place) => run.values.map((values, i) => [values[x], values[0], place, run.cells[i]]))
      .sort((a, b) => a[0] - b[0] || best * (a[1] - b[1]));
    cells = all;
    const data = [all.map((item) => item[0])];
    const series = [];
    found.runs.forEach((run, place) => {
      const colour = COLOURS[place % COLOURS.length];
      data.push(all.map((item) => (item[2] === place ? item[1] : null)), edge(all, place, found.objectives[x].is_maximized));
      series.push(points(run.name, colour, 4), line(`front of ${run.name}`, colour,
        { paths: stepped(found.objectives[x].is_maximized ? -1 : 1), isPassive: true }));
    });
    edges = [...all.keys()].filter((index) => data.some((column, i) => i > 0 && i % 2 === 0 && column[index] !== null));
    charts[0] = new Chart(pointing.place, {
      x: found.objectives[x].title, y: found.objectives[0].title, formatX: (value) => figure(found.objectives[x], value),
      formatY: (value) => String(+value.toPrecision(3)), series, isLog: all.every((item) => item[0] > 0), hovered: pointing.hovered,
    });
    charts[0].set(data);
  }

  function costOf(cost) {
    return figure(found.objectives[Number(across.value)], cost);
  }

  function about([cost, value, place, cell]) {
    return [el("p", {}, found.runs[place].name), el("p", { class: "note" }, `${value.toFixed(4)}, ${costOf(cost)}`),
      drawing(cell, joins[place])];
  }

  function drawVolumes() {
    charts[1]?.destroy();
    const x = Number(over.value);
    const all = found.runs.flatMap((run, place) => run.hypervolumes.map((item) => [item[x], item[2], place])).sort((a, b) => a[0] - b[0]);
    charts[1] = new Chart(volumes, {
      x: x ? "time of workers, summed" : "networks trained", y: "hypervolume", formatX: x ? seconds : (value) => value.toLocaleString(),
      formatY: (value) => String(+value.toPrecision(3)), height: 300,
      series: found.runs.map((run, place) => line(run.name, COLOURS[place % COLOURS.length])),
    });
    charts[1].set([all.map((item) => item[0]), ...found.runs.map((_, place) => all.map((item) => (item[2] === place ? item[1] : null)))]);
  }

  drawFronts();
  drawVolumes();
  return { close: () => charts.forEach((chart) => chart?.destroy()) };
}

function edge(all, place, isMaximized) {
  const found = all.map(() => null);
  let best = -Infinity;
  const order = isMaximized ? [...all.keys()].reverse() : [...all.keys()];
  for (const index of order) {
    if (all[index][2] === place && all[index][1] > best) { best = all[index][1]; found[index] = best; }
  }
  return found;
}

function overview(found) {
  return el("div", { class: "scroll low" }, el("table", { "aria-label": "Runs" },
    el("thead", {}, el("tr", {}, ["run", "networks", "best score", "hypervolume"].map((name) => el("th", { scope: "col" }, name)))),
    el("tbody", {}, found.runs.map((run) => el("tr", {}, el("td", {}, el("a", { href: `#/runs/${encodeURIComponent(run.name)}` }, run.name)),
      el("td", {}, run.values.length.toLocaleString()),
      el("td", {}, run.values.length ? run.values.reduce((most, values) => Math.max(most, values[0]), -Infinity).toFixed(4) : "–"),
      el("td", {}, run.hypervolumes.length ? run.hypervolumes.at(-1)[2].toFixed(4) : "–"))))));
}
