// A run as it is streamed: columns of its candidates, which only grow, and its summary.

export class Store {
  constructor(name, changed) {
    this.name = name;
    this.changed = changed;
    this.status = null;
    this.isGone = false;
    this.clear({ columns: [], objectives: [], problem: null });
    this.source = new EventSource(`/api/runs/${encodeURIComponent(name)}/events`);
    this.listen("start", (start) => this.clear(start));
    this.listen("candidates", (rows) => this.add(rows));
    this.listen("status", (status) => { this.status = status; });
    this.listen("gone", () => { this.isGone = true; this.close(); });
    this.source.onerror = () => { this.isBroken = true; this.changed(); };
    this.source.onopen = () => { this.isBroken = false; this.changed(); };
  }

  listen(kind, take) {
    this.source.addEventListener(kind, (event) => { take(JSON.parse(event.data)); this.changed(); });
  }

  clear(start) {
    this.objectives = start.objectives;
    this.problem = start.problem;
    this.columns = start.columns;
    this.rows = [];
    this.place = Object.fromEntries(start.columns.map((name, index) => [name, index]));
    this.version = (this.version ?? 0) + 1;
  }

  add(rows) {
    for (const row of rows) this.rows.push(row);
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

  // What no other dominates in the objectives of the search: the row numbers.
  front() {
    if (this.frontVersion === this.version) return this.known;
    const asked = this.objectives.filter((item) => item.is_asked);
    const places = asked.map((item) => [this.place[item.name], item.is_maximized ? -1 : 1]);
    const points = [];
    for (const row of this.rows) {
      if (!this.get(row, "is_allowed")) continue;
      const values = places.map(([place, sign]) => (row[place] === null ? NaN : sign * row[place]));
      if (!values.some(Number.isNaN)) points.push([values, row[0]]);
    }
    points.sort((a, b) => a[0][0] - b[0][0] || compare(a[0], b[0]));
    const kept = [];
    for (const point of points) {
      if (!kept.some((other) => other[0].every((value, i) => value <= point[0][i]))) kept.push(point);
    }
    this.frontVersion = this.version;
    this.known = new Set(kept.map((point) => point[1]));
    return this.known;
  }

  close() {
    this.source.close();
  }
}

function compare(a, b) {
  for (let i = 0; i < a.length; i += 1) if (a[i] !== b[i]) return a[i] - b[i];
  return 0;
}
