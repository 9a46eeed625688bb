// The table of candidates. Only the rows in sight are there, so that a hundred thousand scroll smoothly.

import { drawing, el, renew, replace, seldom, settle, tell } from "./dom.js";
import { figure, seconds } from "./format.js";
import { facts } from "./front.js";
import { askTrain } from "./run.js";
import { add } from "./sorted.js";

const HEIGHT = 34;
const AROUND = 12;

export async function candidates(body, store) {
  let sorted = { name: "score", isDown: true };
  let shown = [];
  let taken = { of: null, count: 0 };  // so many of these rows of the store were looked at for `shown`
  let lines = new Map();  // what is in sight, by its row
  let version = -1;
  const text = el("input", { type: "search", placeholder: "operators of the cell, e.g. 3x3 conv", "aria-label": "Filter",
    oninput: seldom(() => choose(true), 150) });
  const step = el("select", { "aria-label": "Step", onchange: () => choose(true) });
  const onlyFront = el("input", { type: "checkbox", onchange: () => choose(true) });
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
    renew(head, el("tr", {}, columns().map(([name, title]) => el("th", {
      scope: "col", "data-key": name, "aria-sort": sorted.name === name ? (sorted.isDown ? "descending" : "ascending") : null,
    }, el("button", { type: "button", "data-key": "sort", onclick: () => {
      sorted = { name, isDown: sorted.name === name ? !sorted.isDown : true };
      headings();
      choose(true);
    } }, title)))));
  }

  // Unless something else was asked for, only what came is looked at: the others are in order already.
  function choose(isNew = false) {
    const front = onlyFront.checked ? store.front() : null;
    if (isNew || front || taken.of !== store.rows) [shown, taken] = [[], { of: store.rows, count: 0 }];
    const words = text.value.toLowerCase().split(/\s*,\s*/).filter(Boolean);
    const wanted = step.value;
    const places = store.place;
    const more = store.rows.slice(taken.count).filter((row) => (!wanted || String(row[places.step]) === wanted)
      && (!front || front.has(row[0])) && (!words.length || hasAll(row[places.cell].toLowerCase(), words)));
    taken.count = store.rows.length;
    const of = columns().find(([name]) => name === sorted.name)?.[2] ?? ((row) => row[0]);
    const sign = sorted.isDown ? -1 : 1;
    add(shown, more, (a, b) => order(of(a), of(b), sign) || a[0] - b[0]);
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
    const before = lines;
    lines = new Map(shown.slice(first, last).map((row) => [row, before.get(row) ?? line(row, all)]));
    [...lines.values()].forEach((made, index) => made.setAttribute("aria-rowindex", first + index + 2));
    settle(rows, [...lines.values()]);
  }

  function line(row, all) {
    return el("tr", {}, all.map(([name, , of, format]) => el("td", { class: name }, name === "cell"
      ? el("button", { type: "button", class: "link", onclick: () => look(row) }, format(of(row)))
      : format(of(row)))));
  }

  function look(row) {
    const cell = store.get(row, "cell");
    detail.hidden = false;
    replace(detail, el("button", { type: "button", class: "quiet close", "aria-label": "Close", onclick: () => { detail.hidden = true; } }, "×"),
      ...facts(store, row), store.get(row, "step") > 0 ? drawing(cell, store.joinsOnlyUnused) : null, el("code", {}, cell),
      store.get(row, "error") ? el("p", { class: "mistake" }, store.get(row, "error")) : null,
      el("div", { class: "row" },
        el("button", { type: "button", onclick: () => navigator.clipboard?.writeText(cell).then(() => tell("Copied.")) }, "Copy"),
        el("button", { type: "button", onclick: () => askTrain(encodeURIComponent(store.name), cell) }, "Train …")));
    detail.scrollIntoView({ block: "nearest" });  // on a phone it is above the table
  }

  const slowly = seldom(choose, 1000);
  const watch = new ResizeObserver(paint);
  watch.observe(scroll);
  let known = "";

  function update() {
    const found = `${store.columns}|${store.steps}`;
    if (found !== known) {
      known = found;
      renew(step, el("option", { "data-key": "all", value: "" }, "all"), store.steps.map((number) =>
        el("option", { "data-key": `${number}`, value: `${number}` }, number)));
      headings();
      choose(true);
    } else if (store.version !== version) slowly();
    version = store.version;
  }

  return { update, close: () => watch.disconnect() };
}

function hasAll(cell, words) {
  return words.every((word) => cell.includes(word));
}

// What is missing comes last, whichever way.
function order(a, b, sign) {
  const [isA, isB] = [a !== null && a !== undefined, b !== null && b !== undefined];
  if (!isA || !isB) return isB - isA;
  if (typeof a === "string") return sign * (a < b ? -1 : Number(a > b));
  return sign * (a - b);
}
