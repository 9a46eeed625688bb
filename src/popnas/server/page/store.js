// A run as it is streamed: columns of its candidates, which only grow, and its summary.

import { Unknown, get } from "./api.js";

const RETRY_MILLISECONDS = 2000;

// Whether the outputs of the run's cells join only the blocks that no other block takes. A damaged run has no cells.
export async function joinsOnlyUnused(name) {
  try {
    const config = await get(`/runs/${encodeURIComponent(name)}/config`);
    return config.architecture_hyperparameters?.concat_only_unused_blocks !== false;
  } catch (error) {
    if (error.status) return true;
    throw error;
  }
}

// One per run that is shown, whatever is looked at of it. `changed` is called after anything new.
export class Store {
  constructor(summary, joins, changed) {
    this.name = summary.name;
    this.status = summary;
    this.joinsOnlyUnused = joins;
    this.changed = changed;
    this.pinned = new Set();
    this.isGone = false;
    this.isBroken = false;
    this.isClosed = false;
    this.version = 0;
    this.rows = [];
    this.clear({ columns: [], objectives: [], problem: null });
    // Browsers have six connections per server for all their tabs together: those in sight keep theirs.
    this.turned = () => { if (document.hidden) this.pause(); else this.connect(); };
    document.addEventListener("visibilitychange", this.turned);
    this.turned();
  }

  connect() {
    this.pause();
    const after = this.mark === null ? "" : `?after=${encodeURIComponent(this.mark)}`;
    const source = new EventSource(`/api/runs/${encodeURIComponent(this.name)}/events${after}`);
    this.source = source;
    this.listen("start", (start) => { this.clear(start); if (start.problem === null) this.lookAtConfig(); });
    this.listen("candidates", (rows, mark) => { this.add(rows); this.mark = mark; });
    this.listen("status", (status) => { this.status = status; });
    this.listen("gone", () => { this.isGone = true; this.close(); });
    source.onopen = () => { this.isBroken = false; this.changed(); };
    // A browser tries again by itself after some failures only, and tells none of them from another.
    source.onerror = () => { this.isBroken = true; this.later(); this.changed(); };
  }

  listen(kind, take) {
    this.source.addEventListener(kind, (event) => { take(JSON.parse(event.data), event.lastEventId); this.changed(); });
  }

  pause() {
    this.source?.close();
    this.source = null;
    clearTimeout(this.timer);
    this.timer = 0;
  }

  later() {
    this.pause();
    this.timer = setTimeout(() => this.tryAgain(), RETRY_MILLISECONDS);
  }

  // By an ordinary question first, whose answer says why.
  async tryAgain() {
    const timer = this.timer;
    let failure = null;
    try { await get(`/runs/${encodeURIComponent(this.name)}`); } catch (error) { failure = error; }
    if (this.isClosed || document.hidden || timer !== this.timer || failure instanceof Unknown) return;
    if (failure?.status === 404) {
      this.isGone = true;
      this.close();
      this.changed();
    } else if (failure) this.later(); else this.connect();
  }

  // A run that waited had none before.
  async lookAtConfig() {
    try { this.joinsOnlyUnused = await joinsOnlyUnused(this.name); } catch { /* asked again at the next start */ }
  }

  clear(start) {
    // Another server numbers anew: what was pinned is found again by its cell.
    this.toPin = new Set([...this.pinned].map((number) => this.get(this.rows[number], "cell")));
    this.objectives = start.objectives;
    this.problem = start.problem;
    this.columns = start.columns;
    this.rows = [];
    this.steps = [];
    this.mark = null;
    this.place = Object.fromEntries(start.columns.map((name, index) => [name, index]));
    this.asked = this.objectives.filter((item) => item.is_asked).map((item) => [this.place[item.name], item.is_maximized ? -1 : 1]);
    this.edge = [];
    this.known = null;
    this.pinned.clear();
    this.version += 1;
  }

  add(rows) {
    const steps = new Set(this.steps);
    for (const row of rows) {
      this.rows.push(row);
      this.consider(row);
      if (this.toPin.size && this.toPin.delete(this.get(row, "cell"))) this.pinned.add(row[0]);
      steps.add(this.get(row, "step"));
    }
    if (steps.size !== this.steps.length) this.steps = [...steps].sort((a, b) => a - b);
    this.version += 1;
  }

  get(row, name) {
    return row[this.place[name]];
  }

  // The objectives beside the score, those of the search first.
  get costs() {
    return this.objectives.filter((item) => item.name !== "score").sort((a, b) => b.is_asked - a.is_asked);
  }

  get scoreObjective() {
    return this.objectives.find((item) => item.name === "score");
  }

  // Of equal ones the first stays on the front.
  consider(row) {
    if (!this.get(row, "is_allowed") || this.asked.some(([place]) => row[place] === null)) return;
    const values = this.asked.map(([place, sign]) => sign * row[place]);
    if (this.edge.some((other) => isAsGood(other.values, values))) return;
    this.edge = this.edge.filter((other) => !isAsGood(values, other.values));
    this.edge.push({ number: row[0], values });
    this.known = null;
  }

  // What no other dominates in the objectives of the search: the row numbers.
  front() {
    this.known ??= new Set(this.edge.map((item) => item.number));
    return this.known;
  }

  close() {
    this.isClosed = true;
    document.removeEventListener("visibilitychange", this.turned);
    this.pause();
  }
}

function isAsGood(values, others) {
  return values.every((value, i) => value <= others[i]);
}
