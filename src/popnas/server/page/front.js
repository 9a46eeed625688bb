// The Pareto front, growing: pointing at a cell shows its drawing, a click pins it for comparison.

import { COLOURS, Chart, ink, line, pointed, points, rings, stepped, zoomButtons } from "./charts.js";
import { drawing, el, renew, replace, seldom } from "./dom.js";
import { figure, seconds } from "./format.js";
import { askTrain } from "./run.js";
import { add } from "./sorted.js";

const REDRAW_MILLISECONDS = 500;

export async function front(body, store) {
  const cards = el("div", { class: "cards" });
  const across = el("select", { "aria-label": "Costs", onchange: () => remake() });
  const steps = el("select", { "aria-label": "Steps", onchange: () => draw(true) });
  const isLog = el("input", { type: "checkbox", checked: true, onchange: () => remake() });
  const counted = el("p", { class: "note" });
  const pointing = pointed({
    label: "Score against costs. Left and right arrows go along the front, Enter pins the cell.",
    chart: () => chart, marks: () => edge, item: (index) => rows[index], picked: (index) => pin(rows[index][0]),
    shown: (row) => [...facts(store, row), drawing(store.get(row, "cell"), store.joinsOnlyUnused)],
    said: (row) => `${store.get(row, "cell")}: score ${store.get(row, "score")}`,
  });
  let chart = null;
  let rows = [];
  let data = [];
  let taken = { of: null, count: 0 };  // so many of these rows of the store are in `rows`
  let edge = [];
  let shown = { costs: "", steps: [], version: -1 };

  replace(body, el("div", { class: "row controls" },
    el("label", {}, "Score against ", across), el("label", {}, "Steps ", steps), el("label", {}, isLog, " logarithmic"),
    zoomButtons(() => chart)), pointing.element, counted, cards);

  const cost = () => store.costs.find((item) => item.name === across.value) ?? store.costs[0];
  const stepNumbers = () => store.steps.filter((step) => step > 0);

  const seriesOf = (step, i) => points(`step ${step}`, COLOURS[i % COLOURS.length]);

  // A step more, as a search goes on, needs no other chart.
  function addStep(step, i) {
    chart.insert(1 + i, seriesOf(step, i));
    data.push(Array(rows.length).fill(null));
  }

  function remake() {
    chart?.destroy();
    chart = null;
    if (!store.costs.length) return;
    const found = cost();
    const series = stepNumbers().map(seriesOf);
    series.push(line("front", () => ink("--ink"),
      { paths: stepped(found.is_maximized ? -1 : 1), isPassive: true, width: 1.5 }));
    series.push(rings("pinned", "#d55e00"));
    chart = new Chart(pointing.place, {
      x: `${found.title}${found.unit === "s" ? "" : ` (${found.unit})`}`, y: store.scoreObjective.title,
      formatX: (value) => figure(found, value), formatY: (value) => String(+value.toPrecision(3)),
      series, isLog: isLog.checked, hovered: pointing.hovered, picked: (index) => pin(rows[index][0]),
    });
    draw(true);
  }

  // The rows in order of their costs, and the columns of the chart; what came is put into both. Gives what it was, or
  // null where all is made anew.
  function take(isNew) {
    const { score: y, step } = store.place;
    const x = store.place[cost().name];
    const isAnew = isNew || taken.of !== store.rows;
    if (isAnew) [rows, data, taken] = [[], [], { of: store.rows, count: 0 }];
    const most = steps.value === "all" ? Infinity : Number(steps.value);
    const more = store.rows.slice(taken.count).filter((row) => row[step] > 0 && row[step] <= most && row[x] !== null
      && row[y] !== null && (!isLog.checked || row[x] > 0));
    taken.count = store.rows.length;
    const best = cost().is_maximized ? 1 : -1;  // of equal costs the best score comes first as the front is gone along
    const places = add(rows, more, (a, b) => a[x] - b[x] || best * (a[y] - b[y]));
    const makers = [(row) => row[x], ...stepNumbers().map((number) => (row) => (row[step] === number ? row[y] : null))];
    if (isAnew || !places) {
      data = makers.map((make) => rows.map(make));
      return null;
    }
    places.forEach((place, i) => makers.forEach((make, column) => data[column].splice(place, 0, make(more[i]))));
    return more.map((row) => [1 + stepNumbers().indexOf(row[step]), row[x], row[y]]);
  }

  function draw(isNew = false) {
    if (!chart) return;
    const added = take(isNew);
    let best;
    [best, edge] = onEdge(rows, cost().is_maximized, store);
    const pinned = Array(rows.length).fill(null);
    if (store.pinned.size) rows.forEach((row, index) => { if (store.pinned.has(row[0])) pinned[index] = row[store.place.score]; });
    chart.set([...data, best, pinned], !isNew && chart.isZoomed, added);
    counted.textContent = `${rows.length.toLocaleString()} cells, ${edge.length} on this front, `
      + `${store.front().size} on the front of all objectives. Drag to zoom, double-click to show all.`;
    showCards();
  }

  function pin(number) {
    if (store.pinned.has(number)) store.pinned.delete(number); else store.pinned.add(number);
    draw();
  }

  function showCards() {
    renew(cards, [...store.pinned].map((number) => {
      const row = store.rows[number];
      const cell = store.get(row, "cell");
      return el("article", { class: "card", "data-key": `${number} ${cell}` }, ...facts(store, row), drawing(cell, store.joinsOnlyUnused),
        el("code", {}, cell), el("div", { class: "row" },
          el("button", { type: "button", "data-key": "train", onclick: () => askTrain(encodeURIComponent(store.name), cell) }, "Train …"),
          el("button", { type: "button", "data-key": "unpin", class: "quiet", onclick: () => pin(number) }, "Unpin")));
    }));
  }

  const slowly = seldom(() => draw(), REDRAW_MILLISECONDS);

  function update() {
    const costs = store.costs.map((item) => item.name).join();
    const now = stepNumbers();
    const isLonger = now.length > shown.steps.length && shown.steps.every((step, i) => step === now[i]);
    const isSame = now.length === shown.steps.length && shown.steps.every((step, i) => step === now[i]);
    if (costs !== shown.costs || !isSame) choices(now);
    if (costs !== shown.costs || !(isSame || isLonger) || !chart) remake();
    else if (isLonger) {
      now.slice(shown.steps.length).forEach((step, i) => addStep(step, shown.steps.length + i));
      draw();
    } else if (store.version !== shown.version) slowly();
    shown = { costs, steps: now, version: store.version };
  }

  function choices(numbers) {
    renew(across, store.costs.map((item) => el("option", { "data-key": item.name, value: item.name }, item.title)));
    renew(steps, el("option", { "data-key": "all", value: "all" }, "all"), numbers.map((step) =>
      el("option", { "data-key": `${step}`, value: `${step}` }, `up to ${step}`)));
  }

  return { update, close: () => { chart?.destroy(); chart = null; } };
}

// Per row its score if no cheaper one has as good a score, else null; and the indices of those. The rows are in
// order of their costs.
function onEdge(rows, isMaximized, store) {
  const { score, is_allowed: isAllowed } = store.place;
  const found = Array(rows.length).fill(null);
  const edge = [];
  let best = -Infinity;
  for (let i = 0; i < rows.length; i += 1) {
    const index = isMaximized ? rows.length - 1 - i : i;
    if (!(rows[index][score] > best) || !rows[index][isAllowed]) continue;
    best = rows[index][score];
    found[index] = best;
    edge.push(index);
  }
  return [found, isMaximized ? edge.reverse() : edge];
}

export function facts(store, row) {
  const about = [`step ${store.get(row, "step")}`, store.get(row, "is_exploration") ? "exploration" : null,
    store.front().has(row[0]) ? "on the front" : null].filter(Boolean).join(", ");
  return [el("p", { class: "note" }, about), el("dl", { class: "facts" }, store.objectives.flatMap((item) =>
    [el("dt", {}, item.title), el("dd", {}, figure(item, store.get(row, item.name)))]),
  el("dt", {}, "took"), el("dd", {}, seconds(store.get(row, "wall_seconds"))))];
}
