// Charts by uPlot (vendor/), which is handed sorted columns and draws, zooms and follows the pointer.

import { el, replace } from "./dom.js";
import { lowest } from "./sorted.js";

const uPlot = window.uPlot;

// Okabe and Ito (2008): told apart with any kind of colour vision, on light and dark.
export const COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8f7a00", "#7a7a7a"];
const NEAR = 28;

export function ink(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// Where a logarithmic axis has marks: at these digits, if a power of ten has so many pixels.
const DIGITS = [[300, [1, 2, 3, 5, 7]], [170, [1, 2, 5]], [90, [1, 3]], [0, [1]]];

function marks(plot, _, min, max) {
  const across = plot.width - 90;  // without what stands at the axis
  const decades = Math.log10(max / min);
  if (decades < 0.8) {  // as on any other axis
    const rough = (max - min) / Math.max(2, across / 140);
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
    const first = Math.ceil(min / step);
    return Array.from({ length: Math.floor(max / step) - first + 1 }, (_unused, i) => (first + i) * step);
  }
  const digits = DIGITS.find(([least]) => across / decades >= least)[1];
  const found = [];
  for (let power = Math.floor(Math.log10(min)); power <= Math.log10(max); power += 1) {
    for (const digit of digits) {
      const value = digit * 10 ** power;
      if (value >= min && value <= max) found.push(value);
    }
  }
  return found;
}

function axis(label, format, size, isLog = false) {
  return {
    label, ...(isLog ? { splits: marks, filter: (_, found) => found } : {}), stroke: ink("--muted"), grid: { stroke: ink("--line"), width: 1 }, ticks: { stroke: ink("--line") },
    values: (_, ticks) => ticks.map((tick) => (tick === null ? "" : format(tick))),
    size, labelSize: 22, font: "12px system-ui, sans-serif", labelFont: "13px system-ui, sans-serif",
  };
}

// Up to so many points are discs; of more the browser's drawing takes half a second, so they are set as pixels.
const MOST_DISCS = 3000;

export function points(label, colour, size = 6) {
  return {
    label, stroke: colour, paths: (plot, series) => { if (isCloud(plot)) paintCloud(plot, series, colour); },
    points: { show: (plot) => !isCloud(plot), size, fill: colour, stroke: colour, width: 1 },
  };
}

// Rings around few points.
export function rings(label, colour) {
  return {
    label, stroke: colour, paths: () => null, isPassive: true,
    points: { show: true, size: 14, fill: "transparent", stroke: colour, width: 2.5 },
  };
}

const isCloud = (plot) => plot.data[0].length > MOST_DISCS;

function paintCloud(plot, series, colour) {
  const box = ["left", "top", "width", "height"].map((name) => Math.round(plot.bbox[name]));
  if (box[2] < 1 || box[3] < 1) return;
  const { x, y } = plot.scales;
  const key = [...box, x.min, x.max, y.min, y.max].join();
  plot.clouds ??= new Map();
  if (plot.clouds.get(series)?.key !== key) plot.clouds.set(series, new Cloud(key, plot, series, colour));
  plot.ctx.drawImage(plot.clouds.get(series).canvas, box[0], box[1]);
}

// The points of a series as a picture, which is kept as long as the axes are as they are: new ones are added to it.
class Cloud {
  constructor(key, plot, series, colour) {
    const [width, height] = [Math.round(plot.bbox.width), Math.round(plot.bbox.height)];
    this.key = key;
    this.colour = colour;
    this.height = height;
    this.shape = disc(2 * devicePixelRatio);
    this.across = alongOf(plot.scales.x, width);
    this.up = alongOf(plot.scales.y, height);
    this.canvas = new OffscreenCanvas(width, height);  // as it has no ground, what is below shows
    this.context = this.canvas.getContext("2d");
    const image = new ImageData(width, height);
    this.paint(new Uint32Array(image.data.buffer), width, plot.data[0], plot.data[series]);
    this.context.putImageData(image, 0, 0);
  }

  paint(pixels, width, xs, ys) {
    const ink = pixelOf(this.colour);
    for (let i = 0; i < xs.length; i += 1) {
      if (ys[i] === null) continue;
      const [x, y] = this.place(xs[i], ys[i]);
      for (const [dx, dy] of this.shape) {
        if (x + dx >= 0 && x + dx < width && y + dy >= 0 && y + dy < this.height) pixels[(y + dy) * width + x + dx] = ink;
      }
    }
  }

  place(x, y) {
    return [Math.round(this.across(x)), this.height - Math.round(this.up(y))];
  }

  add(x, y) {
    const [left, top] = this.place(x, y);
    this.context.fillStyle = this.colour;
    for (const [dx, dy] of this.shape) this.context.fillRect(left + dx, top + dy, 1, 1);
  }
}

function pixelOf(colour) {
  const bytes = [1, 3, 5].map((place) => parseInt(colour.slice(place, place + 2), 16));
  return new Uint32Array(new Uint8Array([...bytes, 255]).buffer)[0];
}

function disc(radius) {
  const found = [];
  for (let dy = -radius; dy < radius; dy += 1) {
    for (let dx = -radius; dx < radius; dx += 1) {
      if ((dx + 0.5) ** 2 + (dy + 0.5) ** 2 <= radius * radius) found.push([dx, dy]);
    }
  }
  return found.map((offset) => offset.map(Math.round));
}

// How many pixels from the axis' beginning a value is.
function alongOf(scale, pixels) {
  const by = scale.distr === 3 ? Math.log10 : (value) => value;
  const low = by(scale.min);
  const factor = pixels / (by(scale.max) - low);
  return (value) => (by(value) - low) * factor;
}

export function line(label, colour, extra = {}) {
  return { label, stroke: colour, width: 2, spanGaps: true, points: { show: false }, ...extra };
}

export const stepped = (align = 1) => uPlot.paths.stepped({ align });

// A chart in `place` (which must have a width). `told`: x, y labels and formats, series, isLog, picked(index)
// and hovered(index, left, top) of points, by their place in the columns.
export class Chart {
  constructor(place, told) {
    this.place = place;
    this.told = told;
    this.make([[], ...told.series.map(() => [])]);
    this.watch = new ResizeObserver(() => this.resize());
    this.watch.observe(place);
    this.dark = matchMedia("(prefers-color-scheme: dark)");
    this.repaint = () => this.make(this.data);
    this.dark.addEventListener("change", this.repaint);
  }

  make(data) {
    this.plot?.destroy();
    this.data = data;
    const told = this.told;
    this.plot = new uPlot({
      width: Math.max(260, this.place.clientWidth), height: told.height ?? 380,
      scales: {
        x: { time: false, distr: told.isLog ? 3 : 1, range: told.range ?? range(told.isLog) },
        y: { range: range(false) },
      },
      axes: [axis(told.x, told.formatX, 46, told.isLog), axis(told.y, told.formatY, 58)],
      series: [{ label: told.x }, ...told.series],
      legend: { show: told.hasLegend ?? true, live: false },
      cursor: {
        drag: { x: true, y: true, uni: 30, setScale: true }, focus: { prox: -1 }, points: { show: false },
      },
      hooks: { setCursor: [(plot) => this.hover(plot)] },
    }, data, this.place);
    this.plot.over.addEventListener("click", () => {
      if (this.near !== null && this.near !== undefined) told.picked?.(this.near);
    });
    this.plot.over.addEventListener("mouseleave", () => told.hovered?.(null));
  }

  // `added`: what came since the last time, as [series, x, y], if that is all that is new.
  set(data, isSteady = false, added = null) {
    this.data = data;
    if (added) for (const [series, x, y] of added) this.plot.clouds?.get(series)?.add(x, y);
    else this.plot.clouds?.clear();
    this.plot.setData(data, !isSteady);
    if (isSteady) this.plot.redraw();
  }

  // One series more, at its place among the columns; `set` brings its column.
  insert(index, series) {
    this.told.series.splice(index - 1, 0, series);
    this.plot.addSeries(series, index);
  }

  // As long as somebody has zoomed, new points change nothing of what he sees.
  get isZoomed() {
    const [x] = this.data;
    const scale = this.plot.scales.x;
    return x.length > 0 && scale.min !== null && (scale.min > x[0] || scale.max < x[x.length - 1]);
  }

  zoom(factor) {
    const { x, y } = this.plot.scales;
    const across = this.told.isLog
      ? [x.min * (x.max / x.min) ** factor, x.max * (x.min / x.max) ** factor]
      : [x.min + factor * (x.max - x.min), x.max - factor * (x.max - x.min)];
    this.plot.batch(() => {
      this.plot.setScale("x", { min: across[0], max: across[1] });
      this.plot.setScale("y", { min: y.min + factor * (y.max - y.min), max: y.max - factor * (y.max - y.min) });
    });
  }

  reset() {
    this.plot.setData(this.data, true);
  }

  hover(plot) {
    const { left, top } = plot.cursor;
    this.near = left === undefined || left < 0 ? null : this.nearest(left, top);
    if (this.near === null) this.told.hovered?.(null);
    else this.show(this.near);
  }

  show(index) {
    const y = this.valueAt(index);
    this.told.hovered?.(index, this.plot.valToPos(this.data[0][index], "x"), this.plot.valToPos(y, "y"));
  }

  valueAt(index) {
    for (let series = 1; series < this.data.length; series += 1) {
      const value = this.data[series][index];
      if (value !== null && value !== undefined && !this.told.series[series - 1].isPassive) return value;
    }
    return null;
  }

  nearest(left, top) {
    const [xs] = this.data;
    let found = null;
    let least = NEAR * NEAR;
    const from = this.plot.posToVal(left - NEAR, "x");
    const first = lowest(xs.length, (index) => xs[index] >= from);
    const last = this.plot.posToVal(left + NEAR, "x");
    for (let i = first; i < xs.length && xs[i] <= last; i += 1) {
      const y = this.valueAt(i);
      if (y === null) continue;
      const distance = (this.plot.valToPos(xs[i], "x") - left) ** 2 + (this.plot.valToPos(y, "y") - top) ** 2;
      if (distance < least) { least = distance; found = i; }
    }
    return found;
  }

  resize() {
    const width = this.place.clientWidth;
    if (width > 0 && Math.abs(width - this.plot.width) > 1) {
      this.plot.setSize({ width: Math.max(260, width), height: this.told.height ?? 380 });
    }
  }

  destroy() {
    this.watch.disconnect();
    this.dark.removeEventListener("change", this.repaint);
    this.plot.destroy();
  }
}

function range(isLog) {
  return (_, low, high) => {
    if (low === null || low === undefined) return [isLog ? 1 : 0, isLog ? 10 : 1];
    if (isLog) return [low / 1.15, high * 1.15];
    const margin = 0.05 * (high - low) || 0.05 * Math.abs(high) || 0.5;
    return [low - margin, high + margin];
  };
}

// Buttons for those without a mouse to drag.
export function zoomButtons(chart) {
  return el("span", { class: "row", role: "group", "aria-label": "Zoom" },
    el("button", { type: "button", class: "quiet", title: "Zoom in", "aria-label": "Zoom in",
      onclick: () => chart().zoom(0.2) }, "+"),
    el("button", { type: "button", class: "quiet", title: "Zoom out", "aria-label": "Zoom out",
      onclick: () => chart().zoom(-0.333) }, "−"),
    el("button", { type: "button", class: "quiet", onclick: () => chart().reset() }, "Show all"));
}

// A place for a chart with a tip at what is pointed at, by the pointer or by arrow keys that go along `marks()`.
// `told`: label of the place, chart(), marks() as indices of points, item(index) that stays the same when points
// come, shown(item) and said(item) of the tip, and picked(index) if something can be.
export function pointed(told) {
  const place = el("div", { class: "chart", tabindex: "0", role: "group", "aria-label": told.label });
  const tip = el("div", { class: "tip", hidden: true });
  const said = el("p", { class: "visually-hidden", "aria-live": "polite" });
  let at = null;

  function hovered(index, left = 0, top = 0) {
    tip.hidden = index === null;
    if (index === null) return;
    replace(tip, told.shown(told.item(index)));
    const wide = place.clientWidth;
    tip.style.left = `${Math.max(0, Math.min(wide - 250, left + (left > wide - 330 ? -200 : 75)))}px`;
    tip.style.top = `${Math.max(0, Math.min(top - 30, 140))}px`;
    // On a phone it stands below the chart. Under a mouse the page must not move.
    if (matchMedia("(pointer: coarse)").matches) tip.scrollIntoView({ block: "nearest" });
  }

  place.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const marks = told.marks();
    const now = marks.findIndex((index) => told.item(index) === at);
    if (by && marks.length) {
      const next = marks[Math.max(0, Math.min(marks.length - 1, now + by))];
      at = told.item(next);
      told.chart().show(next);
      said.textContent = told.said(at);
      event.preventDefault();
    } else if (event.key === "Enter" && now >= 0) told.picked?.(marks[now]);
    else if (event.key === "Escape") hovered(null);
  });
  return { place, hovered, element: el("div", { class: "wide" }, place, tip, said) };
}
