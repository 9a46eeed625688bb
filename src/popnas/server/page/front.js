// The Pareto front, growing: pointing at a cell shows its drawing, a click pins it for comparison.

import { COLOURS, Chart, ink, line, points, stepped, zoomButtons } from "./charts.js";
import { drawing, el, replace, seldom } from "./dom.js";
import { figure, seconds } from "./format.js";
import { askTrain } from "./run.js";

export async function front(body, store) {
  const pinned = new Set();
  const place = el("div", { class: "chart", tabindex: "0", role: "group",
    "aria-label": "Score against costs. Left and right arrows go along the front, Enter pins the cell." });
  const tip = el("div", { class: "tip", hidden: true });
  const said = el("p", { class: "visually-hidden", "aria-live": "polite" });
  const cards = el("div", { class: "cards" });
  const across = el("select", { "aria-label": "Costs", onchange: () => remake() });
  const steps = el("select", { "aria-label": "Steps", onchange: () => draw(true) });
  const isLog = el("input", { type: "checkbox", checked: true, onchange: () => remake() });
  const counted = el("p", { class: "note" });
  let chart = null;
  let rows = [];
  let edge = [];
  let at = -1;
  let made = "";

  replace(body, el("div", { class: "row controls" },
    el("label", {}, "Score against ", across), el("label", {}, "Steps ", steps), el("label", {}, isLog, " logarithmic"),
    zoomButtons(() => chart)), el("div", { class: "wide" }, place, tip), counted, said, cards);

  const cost = () => store.costs.find((item) => item.name === across.value) ?? store.costs[0];

  function remake() {
    chart?.destroy();
    chart = null;
    if (!store.costs.length) return;
    const found = cost();
    const many = stepNumbers();
    const series = many.map((step, i) => points(`step ${step}`, COLOURS[i % COLOURS.length], store.rows.length > 3000 ? 4 : 6));
    series.push(line("front", () => ink("--ink"),
      { paths: stepped(found.is_maximized ? -1 : 1), isPassive: true, width: 1.5 }));
    series.push(points("pinned", "#d55e00", 13, { isPassive: true,
      points: { show: true, size: 14, fill: "transparent", stroke: "#d55e00", width: 2.5 } }));
    chart = new Chart(place, {
      x: `${found.title}${found.unit === "s" ? "" : ` (${found.unit})`}`, y: store.scoreObjective.title,
      formatX: (value) => figure(found, value), formatY: (value) => String(+value.toPrecision(3)),
      series, isLog: isLog.checked, hovered: hover, picked: (index) => pin(rows[index][0]),
    });
    draw(true);
  }

  function stepNumbers() {
    return [...new Set(store.rows.map((row) => store.get(row, "step")))].filter((step) => step > 0).sort((a, b) => a - b);
  }

  function draw(isNew = false) {
    if (!chart) return;
    const most = steps.value === "all" ? Infinity : Number(steps.value);
    const x = store.place[cost().name];
    const y = store.place.score;
    const step = store.place.step;
    rows = store.rows.filter((row) => row[step] > 0 && row[step] <= most && row[x] !== null && row[y] !== null
      && (!isLog.checked || row[x] > 0)).sort((a, b) => a[x] - b[x]);
    const best = onEdge(rows, x, y, cost().is_maximized, store);
    edge = [...rows.keys()].filter((index) => best[index] !== null);
    const data = [rows.map((row) => row[x])];
    for (const number of stepNumbers()) data.push(rows.map((row) => (row[step] === number ? row[y] : null)));
    data.push(best, rows.map((row) => (pinned.has(row[0]) ? row[y] : null)));
    chart.set(data, !isNew && chart.isZoomed);
    counted.textContent = `${rows.length.toLocaleString()} cells, ${edge.length} on this front, `
      + `${store.front().size} on the front of all objectives. Drag to zoom, double-click to show all.`;
  }

  function hover(index, left = 0, top = 0) {
    tip.hidden = index === null;
    if (index === null) return;
    const row = rows[index];
    replace(tip, ...facts(store, row), drawing(store.get(row, "cell")));
    const wide = place.clientWidth;
    tip.style.left = `${Math.max(0, Math.min(wide - 250, left + (left > wide - 330 ? -200 : 75)))}px`;
    tip.style.top = `${Math.max(0, Math.min(top - 30, 140))}px`;
  }

  function pin(number) {
    if (pinned.has(number)) pinned.delete(number); else pinned.add(number);
    draw();
    showCards();
  }

  function showCards() {
    replace(cards, [...pinned].map((number) => {
      const row = store.rows[number];
      const cell = store.get(row, "cell");
      return el("article", { class: "card" }, ...facts(store, row), drawing(cell), el("code", {}, cell),
        el("div", { class: "row" },
          el("button", { type: "button", onclick: () => askTrain(encodeURIComponent(store.name), cell) }, "Train …"),
          el("button", { type: "button", class: "quiet", onclick: () => pin(number) }, "Unpin")));
    }));
  }

  place.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (by && edge.length) {
      at = Math.max(0, Math.min(edge.length - 1, at + by));
      chart.show(edge[at]);
      said.textContent = `${store.get(rows[edge[at]], "cell")}: score ${rows[edge[at]][store.place.score]}`;
      event.preventDefault();
    } else if (event.key === "Enter" && edge[at] !== undefined) pin(rows[edge[at]][0]);
    else if (event.key === "Escape") hover(null);
  });

  const slowly = seldom(() => draw(), 1000);

  function update() {
    const found = `${store.costs.map((item) => item.name)}|${stepNumbers()}`;
    if (found !== made) {
      made = found;
      const chosen = [across.value, steps.value];
      replace(across, store.costs.map((item) => el("option", { value: item.name, selected: item.name === chosen[0] }, item.title)));
      replace(steps, el("option", { value: "all" }, "all"), stepNumbers().map((step) =>
        el("option", { value: step, selected: String(step) === chosen[1] }, `up to ${step}`)));
      remake();
    } else if (store.version !== update.version) slowly();
    update.version = store.version;
  }

  return { update, close: () => chart?.destroy() };
}

// Per row its score if no cheaper one has as good a score, else null. The rows are in order of their costs.
function onEdge(rows, x, y, isMaximized, store) {
  const found = rows.map(() => null);
  let best = -Infinity;
  const order = isMaximized ? [...rows.keys()].reverse() : [...rows.keys()];
  for (const index of order) {
    if (store.get(rows[index], "is_allowed") && rows[index][y] > best) {
      best = rows[index][y];
      found[index] = best;
    }
  }
  return found;
}

export function facts(store, row) {
  const about = [`step ${store.get(row, "step")}`, store.get(row, "is_exploration") ? "exploration" : null,
    store.front().has(row[0]) ? "on the front" : null].filter(Boolean).join(", ");
  return [el("p", { class: "note" }, about), el("dl", { class: "facts" }, store.objectives.flatMap((item) =>
    [el("dt", {}, item.title), el("dd", {}, figure(item, store.get(row, item.name)))]),
  el("dt", {}, "took"), el("dd", {}, seconds(store.get(row, "wall_seconds"))))];
}
