// Scores over time, where time goes, how good predictors are, the log, the configuration.

import { get } from "./api.js";
import { COLOURS, Chart, line, points, stepped, zoomButtons } from "./charts.js";
import { el, renew, replace, seldom, showing } from "./dom.js";
import { seconds } from "./format.js";

export async function scores(body, store) {
  const place = el("div", { class: "chart" });
  const over = el("select", { "aria-label": "Over", onchange: () => make() },
    el("option", { value: "networks" }, "networks"), el("option", { value: "seconds" }, "time of workers"));
  let chart = null;
  let version = -1;
  let taken = { of: null };
  replace(body, el("div", { class: "row controls" }, el("label", {}, "Score over ", over), zoomButtons(() => chart)), place);

  function make() {
    chart?.destroy();
    const isSeconds = over.value === "seconds";
    chart = new Chart(place, {
      x: isSeconds ? "time of workers, summed" : "networks trained", y: "validation score",
      formatX: isSeconds ? seconds : (value) => value.toLocaleString(), formatY: (value) => String(+value.toPrecision(3)),
      series: [points("a candidate", COLOURS[4], 4), line("best so far", COLOURS[5], { paths: stepped(1), isPassive: true })],
    });
    draw(true);
  }

  // Only what came is looked at: the columns grow as the rows of the store do.
  function draw(isNew = false) {
    if (!chart) return;
    const isAnew = isNew || taken.of !== store.rows;
    if (isAnew) taken = { of: store.rows, spent: 0, most: null, end: -1, columns: [[], [], []] };
    const [xs, ys, best] = taken.columns;
    const before = xs.length;
    if (taken.end >= 0) best[taken.end] = null;
    for (const row of store.rows.slice(before)) {
      taken.spent += store.get(row, "wall_seconds") ?? 0;
      const value = store.get(row, "score");
      const isBest = store.get(row, "is_allowed") && (taken.most === null || value > taken.most);
      if (isBest) taken.most = value;
      xs.push(over.value === "seconds" ? taken.spent : xs.length + 1);
      ys.push(value);
      best.push(isBest ? taken.most : null);  // a line of 50,000 corners takes time, one of its steps none
    }
    taken.end = best.at(-1) === null ? best.length - 1 : -1;  // the line goes on to the end
    if (taken.end >= 0) best[taken.end] = taken.most;
    const added = isAnew ? null : xs.slice(before).map((x, i) => [1, x, ys[before + i]]).filter(([, , y]) => y !== null);
    chart.set(taken.columns, !isNew && chart.isZoomed, added);
  }

  const slowly = seldom(() => draw(), 500);
  make();
  return {
    update: () => { if (version !== store.version) { version = store.version; slowly(); } },
    close: () => { chart.destroy(); chart = null; },
  };
}

const PARTS = [["training", 0], ["validation", 4], ["other", 7], ["failed", 5]];

export async function times(body, store) {
  const place = el("div", {});
  let version = -1;
  replace(body, el("p", { class: "note" }, "Seconds of each step's candidates, summed over workers; with several workers the search itself took less."), place);
  const refresh = seldom(() => showing(place, async () => {
    if (!store.rows.length) return;
    const found = (await get(`/runs/${encodeURIComponent(store.name)}/quality`)).times;
    const most = Math.max(...found.map(total), 1e-9);
    renew(place, el("div", { class: "row legend" }, PARTS.map(([name, colour]) => el("span", {}, swatch(colour), name))),
      el("div", { class: "scroll low" }, el("table", { "aria-label": "Where time goes" },
        el("thead", {}, el("tr", {}, ["step", "networks", "", "in all", ...PARTS.map(([name]) => name)].map((name) =>
          el("th", { scope: "col" }, name)))),
        el("tbody", {}, found.map((item) => el("tr", {}, el("td", {}, item.step), el("td", {}, item.num_networks),
          el("td", { class: "bars" }, bar(item, most)), el("td", {}, seconds(total(item))),
          PARTS.map(([name]) => el("td", {}, seconds(item[name])))))))));
  }), 3000);
  return { update: () => { if (version !== store.version) { version = store.version; refresh(); } } };
}

const total = (item) => item.training + item.validation + item.other + item.failed;

function swatch(colour) {
  const made = el("i", { class: "swatch" });
  made.style.background = COLOURS[colour];
  return made;
}

function bar(item, most) {
  const made = el("div", { class: "bar", "aria-hidden": "true" });
  for (const [name, colour] of PARTS) {
    const part = el("i", {});
    part.style.width = `${(100 * item[name]) / most}%`;
    part.style.background = COLOURS[colour];
    made.append(part);
  }
  return made;
}

export async function predictors(body, store) {
  const place = el("div", { class: "cards" });
  const charts = [];
  let finished = "";
  let isClosed = false;
  replace(body, el("p", { class: "note" }, "Predicted against real values of the cells that were trained. On the line a prediction "
    + "is exact; the search needs the right order (Spearman, 1 is perfect) more than the right value."), place);
  const refresh = seldom(() => showing(place, async () => {
    const found = (await get(`/runs/${encodeURIComponent(store.name)}/quality`)).predictors;
    if (isClosed) return;
    charts.splice(0).forEach((chart) => chart.destroy());
    const boxes = found.map(() => el("div", { class: "chart" }));
    replace(place, found.length ? found.map((item, index) => el("article", { class: "card" },
      el("h3", {}, `${item.title}, step ${item.step}`),
      el("p", { class: "note" }, [["Spearman", item.spearman], ["MAPE %", item.mape], ["R²", item.r2]]
        .filter(([, value]) => value !== null).map(([name, value]) => `${name} ${+value.toPrecision(3)}`).join(", ")), boxes[index]))
      : el("p", {}, "Nothing was predicted yet: predictions begin with step 2."));
    charts.push(...found.map((item, index) => predicted(boxes[index], item)));
  }), 3000);
  return {
    update: () => {
      const done = `${store.status?.steps_finished}/${store.rows.length > 0}/${store.status?.state}`;
      if (done !== finished) { finished = done; refresh(); }
    },
    close: () => { isClosed = true; charts.forEach((chart) => chart.destroy()); },
  };
}

function predicted(box, item) {
  const order = [...item.real.keys()].sort((a, b) => item.real[a] - item.real[b]);
  const xs = order.map((index) => item.real[index]);
  const format = item.unit === "s" ? seconds : (value) => String(+value.toPrecision(3));
  const chart = new Chart(box, {
    x: "real", y: "predicted", formatX: format, formatY: format, height: 260, hasLegend: false,
    series: [points("predicted", COLOURS[0], 5), line("exact", COLOURS[7], { width: 1, isPassive: true })],
  });
  chart.set([xs, order.map((index) => item.predicted[index]), xs]);
  return chart;
}

const MOST_PIECES = 500;  // of a log, each of up to 64 KiB: what is older is in the file

export async function log(body, store) {
  const which = el("select", { "aria-label": "Log", onchange: () => again() },
    el("option", { value: "job" }, "what the newest job printed"), el("option", { value: "debug" }, "debug.log"),
    el("option", { value: "critical" }, "critical.log (failures)"));
  const text = el("pre", { class: "log", tabindex: "0", "aria-label": "Log" });
  let next = -1;
  let timer = 0;
  let turn = 0;
  let job = newestJob(store);
  replace(body, el("div", { class: "row controls" }, el("label", {}, "Show ", which)), text);

  async function more(own) {
    let found = null;
    let failure = null;
    try {
      found = await get(`/runs/${encodeURIComponent(store.name)}/log?which=${which.value}&start=${next}`);
    } catch (error) {
      failure = error.status === 404 ? "There is no such log (yet)." : error.message;
    }
    if (own !== turn) return;
    if (found) show(found); else if (next < 0) text.textContent = failure;
    timer = setTimeout(() => more(own), next < 0 ? 3000 : 1500);
  }

  function show(found) {
    const isAtEnd = text.scrollTop + text.clientHeight > text.scrollHeight - 30;
    if (next < 0 || found.start < next) text.textContent = "";
    if (found.text) text.append(found.text);
    while (text.childNodes.length > MOST_PIECES) text.firstChild.remove();
    next = found.next;
    if (isAtEnd) text.scrollTop = text.scrollHeight;
  }

  function again() {
    turn += 1;
    clearTimeout(timer);
    next = -1;
    text.textContent = "";
    return more(turn);
  }

  await again();
  return {
    // The log of another job begins at its beginning, however far that of the one before was read.
    update: () => {
      const newest = newestJob(store);
      if (newest !== job && which.value === "job") again();
      job = newest;
    },
    close: () => { turn += 1; clearTimeout(timer); },
  };
}

const newestJob = (store) => store.status.jobs.filter((job) => job.started !== null).at(-1)?.number;

export async function configuration(body, store) {
  const found = await get(`/runs/${encodeURIComponent(store.name)}/config`);
  replace(body, el("div", { class: "cards" }, Object.entries(found).map(([section, fields]) => el("article", { class: "card" },
    el("h3", {}, section), el("dl", { class: "facts" }, Object.entries(fields ?? {}).flatMap(([name, value]) =>
      [el("dt", {}, name), el("dd", {}, el("code", {}, JSON.stringify(value)))]))))),
  el("details", {}, el("summary", {}, "As JSON"), el("pre", { class: "log" }, JSON.stringify(found, null, 2))));
  return {};
}
