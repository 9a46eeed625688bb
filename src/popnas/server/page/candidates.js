// The table of candidates. Only the rows in sight are there, so that a hundred thousand scroll smoothly.

import { drawing, el, replace, seldom, tell } from "./dom.js";
import { figure, seconds } from "./format.js";
import { facts } from "./front.js";
import { askTrain } from "./run.js";

const HEIGHT = 34;
const AROUND = 12;

export async function candidates(body, store) {
  let sorted = { name: "score", isDown: true };
  let shown = [];
  let version = -1;
  const text = el("input", { type: "search", placeholder: "operators of the cell, e.g. 3x3 conv", "aria-label": "Filter",
    oninput: seldom(() => choose(), 150) });
  const step = el("select", { "aria-label": "Step", onchange: () => choose() });
  const onlyFront = el("input", { type: "checkbox", onchange: () => choose() });
  const counted = el("span", { class: "note", role: "status" });
  const head = el("thead");
  const rows = el("tbody");
  const above = el("tbody", { "aria-hidden": "true" }, el("tr", {}, el("td")));
  const below = el("tbody", { "aria-hidden": "true" }, el("tr", {}, el("td")));
  const table = el("table", { "aria-label": "Candidates" }, head, above, rows, below);
  const scroll = el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Candidates" }, table);
  const detail = el("aside", { class: "card detail", "aria-label": "The chosen candidate", hidden: true });

  replace(body, el("div", { class: "row controls" }, text, el("label", {}, "Step ", step),
    el("label", {}, onlyFront, " front only"), counted), el("div", { class: "beside" }, scroll, detail));
  scroll.addEventListener("scroll", () => requestAnimationFrame(paint), { passive: true });

  function columns() {
    return [
      ["step", "step", (row) => store.get(row, "step"), String],
      ...store.objectives.map((item) => [item.name, item.title, (row) => store.get(row, item.name), (value) => figure(item, value)]),
      ["wall_seconds", "took", (row) => store.get(row, "wall_seconds"), seconds],
      ["cell", "cell", (row) => store.get(row, "cell"), String],
      ["error", "error", (row) => store.get(row, "error"), (value) => value ?? ""],
    ];
  }

  function headings() {
    replace(head, el("tr", {}, columns().map(([name, title]) => el("th", {
      scope: "col", "aria-sort": sorted.name === name ? (sorted.isDown ? "descending" : "ascending") : null,
    }, el("button", { type: "button", onclick: () => {
      sorted = { name, isDown: sorted.name === name ? !sorted.isDown : true };
      headings();
      choose();
    } }, title)))));
  }

  function choose() {
    const words = text.value.toLowerCase().split(/\s*,\s*/).filter(Boolean);
    const wanted = step.value;
    const front = onlyFront.checked ? store.front() : null;
    shown = store.rows.filter((row) => (!wanted || String(store.get(row, "step")) === wanted)
      && (!front || front.has(row[0])) && words.every((word) => store.get(row, "cell").toLowerCase().includes(word)));
    const of = columns().find(([name]) => name === sorted.name)?.[2] ?? ((row) => row[0]);
    const sign = sorted.isDown ? -1 : 1;
    shown.sort((a, b) => order(of(a), of(b), sign) || a[0] - b[0]);
    counted.textContent = `${shown.length.toLocaleString()} of ${store.rows.length.toLocaleString()}`;
    paint();
  }

  function paint() {
    const first = Math.max(0, Math.floor(scroll.scrollTop / HEIGHT) - AROUND);
    const last = Math.min(shown.length, first + Math.ceil(scroll.clientHeight / HEIGHT) + 2 * AROUND);
    above.firstChild.firstChild.style.height = `${first * HEIGHT}px`;
    below.firstChild.firstChild.style.height = `${(shown.length - last) * HEIGHT}px`;
    above.hidden = first === 0;
    below.hidden = last === shown.length;
    table.setAttribute("aria-rowcount", shown.length + 1);
    const all = columns();
    replace(rows, shown.slice(first, last).map((row, index) => el("tr", { "aria-rowindex": String(first + index + 2) },
      all.map(([name, , of, format]) => el("td", { class: name }, name === "cell"
        ? el("button", { type: "button", class: "link", onclick: () => look(row) }, format(of(row)))
        : format(of(row)))))));
  }

  function look(row) {
    const cell = store.get(row, "cell");
    detail.hidden = false;
    replace(detail, el("button", { type: "button", class: "quiet close", "aria-label": "Close", onclick: () => { detail.hidden = true; } }, "×"),
      ...facts(store, row), store.get(row, "step") > 0 ? drawing(cell) : null, el("code", {}, cell),
      store.get(row, "error") ? el("p", { class: "mistake" }, store.get(row, "error")) : null,
      el("div", { class: "row" },
        el("button", { type: "button", onclick: () => navigator.clipboard?.writeText(cell).then(() => tell("Copied.")) }, "Copy"),
        el("button", { type: "button", onclick: () => askTrain(encodeURIComponent(store.name), cell) }, "Train …")));
  }

  const slowly = seldom(choose, 1000);
  let known = "";

  function update() {
    const found = store.columns.join() + [...new Set(store.rows.map((row) => store.get(row, "step")))].join();
    if (found !== known) {
      known = found;
      const numbers = [...new Set(store.rows.map((row) => store.get(row, "step")))].sort((a, b) => a - b);
      const chosen = step.value;
      replace(step, el("option", { value: "" }, "all"), numbers.map((number) =>
        el("option", { value: number, selected: String(number) === chosen }, number)));
      headings();
      choose();
    } else if (store.version !== version) slowly();
    version = store.version;
  }

  return { update };
}

// What is missing comes last, whichever way.
function order(a, b, sign) {
  const [isA, isB] = [a !== null && a !== undefined, b !== null && b !== undefined];
  if (!isA || !isB) return isB - isA;
  if (typeof a === "string") return sign * a.localeCompare(b);
  return sign * (a - b);
}
