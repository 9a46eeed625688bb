// Scores over time, where time goes, how good predictors are, the log, the configuration.

import { get } from "./api.js";
import { COLOURS, Chart, line, points, stepped, zoomButtons } from "./charts.js";
import { el, replace, seldom } from "./dom.js";
import { seconds } from "./format.js";

export async function scores(body, store) {
  const place = el("div", { class: "chart" });
  const over = el("select", { "aria-label": "Over", onchange: () => make() },
    el("option", { value: "networks" }, "networks"), el("option", { value: "seconds" }, "time of workers"));
  let chart = null;
  let version = -1;
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

  function draw(isNew = false) {
    const [xs, ys, best] = [[], [], []];
    let spent = 0;
    let most = null;
    store.rows.forEach((row, index) => {
      spent += store.get(row, "wall_seconds") ?? 0;
      const value = store.get(row, "score");
      if (store.get(row, "is_allowed") && (most === null || value > most)) most = value;
      xs.push(over.value === "seconds" ? spent : index + 1);
      ys.push(value);
      best.push(most);
    });
    chart.set([xs, ys, best], !isNew && chart.isZoomed);
  }

  const slowly = seldom(() => draw(), 1000);
  make();
  return {
    update: () => { if (version !== store.version) { version = store.version; slowly(); } },
    close: () => chart.destroy(),
  };
}

const PARTS = [["training", 0], ["validation", 4], ["other", 7], ["failed", 5]];

export async function times(body, store) {
  const place = el("div", {});
  let version = -1;
  replace(body, el("p", { class: "note" }, "Seconds of each step's candidates, summed over workers; with several workers the search itself took less."), place);
  const refresh = seldom(async () => {
    if (!store.rows.length) return;
    const found = (await get(`/runs/${encodeURIComponent(store.name)}/quality`)).times;
    const most = Math.max(...found.map(total), 1e-9);
    replace(place, el("div", { class: "row legend" }, PARTS.map(([name, colour]) => el("span", {}, swatch(colour), name))),
      el("div", { class: "scroll low" }, el("table", { "aria-label": "Where time goes" },
        el("thead", {}, el("tr", {}, ["step", "networks", "", "in all", ...PARTS.map(([name]) => name)].map((name) =>
          el("th", { scope: "col" }, name)))),
        el("tbody", {}, found.map((item) => el("tr", {}, el("td", {}, item.step), el("td", {}, item.num_networks),
          el("td", { class: "bars" }, bar(item, most)), el("td", {}, seconds(total(item))),
          PARTS.map(([name]) => el("td", {}, seconds(item[name])))))))));
  }, 3000);
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
  let finished = -1;
  replace(body, el("p", { class: "note" }, "Predicted against real values of the cells that were trained. On the line a prediction "
    + "is exact; the search needs the right order (Spearman, 1 is perfect) more than the right value."), place);
  const refresh = seldom(async () => {
    const found = (await get(`/runs/${encodeURIComponent(store.name)}/quality`)).predictors;
    charts.splice(0).forEach((chart) => chart.destroy());
    replace(place, found.length ? found.map((item) => {
      const box = el("div", { class: "chart" });
      const card = el("article", { class: "card" }, el("h3", {}, `${item.title}, step ${item.step}`),
        el("p", { class: "note" }, [["Spearman", item.spearman], ["MAPE %", item.mape], ["R²", item.r2]]
          .filter(([, value]) => value !== null).map(([name, value]) => `${name} ${+value.toPrecision(3)}`).join(", ")), box);
      requestAnimationFrame(() => charts.push(predicted(box, item)));
      return card;
    }) : el("p", {}, "Nothing was predicted yet: predictions begin with step 2."));
  }, 3000);
  return {
    update: () => {
      const done = `${store.status?.steps_finished}/${store.rows.length > 0}/${store.status?.state}`;
      if (done !== finished) { finished = done; refresh(); }
    },
    close: () => charts.forEach((chart) => chart.destroy()),
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

export async function log(body, store) {
  const which = el("select", { "aria-label": "Log", onchange: () => again() },
    el("option", { value: "job" }, "what the newest job printed"), el("option", { value: "debug" }, "debug.log"),
    el("option", { value: "critical" }, "critical.log (failures)"));
  const text = el("pre", { class: "log", tabindex: "0", "aria-label": "Log" });
  let next = -1;
  let timer = 0;
  replace(body, el("div", { class: "row controls" }, el("label", {}, "Show ", which)), text);

  async function more() {
    try {
      const found = await get(`/runs/${encodeURIComponent(store.name)}/log?which=${which.value}&start=${next}`);
      const isAtEnd = text.scrollTop + text.clientHeight > text.scrollHeight - 30;
      if (found.start < next) text.textContent = "";
      if (found.text) text.append(found.text);
      else if (next < 0) text.textContent = "";
      next = found.next;
      if (isAtEnd) text.scrollTop = text.scrollHeight;
    } catch (error) {
      if (next < 0) text.textContent = error.status === 404 ? "There is no such log (yet)." : error.message;
    }
    timer = setTimeout(more, next < 0 ? 3000 : 1500);
  }

  function again() {
    clearTimeout(timer);
    next = -1;
    text.textContent = "";
    more();
  }

  await more();
  return { close: () => clearTimeout(timer) };
}

export async function configuration(body, store) {
  const found = await get(`/runs/${encodeURIComponent(store.name)}/config`);
  replace(body, el("div", { class: "cards" }, Object.entries(found).map(([section, fields]) => el("article", { class: "card" },
    el("h3", {}, section), el("dl", { class: "facts" }, Object.entries(fields ?? {}).flatMap(([name, value]) =>
      [el("dt", {}, name), el("dd", {}, el("code", {}, JSON.stringify(value)))]))))),
  el("details", {}, el("summary", {}, "As JSON"), el("pre", { class: "log" }, JSON.stringify(found, null, 2))));
  return {};
}
