// Numbers as people read them.

const PREFIXES = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]];

export function large(value) {
  for (const [limit, prefix] of PREFIXES) {
    if (Math.abs(value) >= limit) return `${+(value / limit).toPrecision(3)} ${prefix}`;
  }
  return `${+value.toPrecision(3)}`;
}

export function seconds(value) {
  if (value === null || value === undefined) return "–";
  if (value === 0) return "0 s";
  if (value < 1e-3) return `${+(value * 1e6).toPrecision(3)} µs`;
  if (value < 1) return `${+(value * 1e3).toPrecision(3)} ms`;
  if (value < 99.5) return `${+value.toPrecision(3)} s`;
  const minutes = Math.floor(value / 60);
  if (minutes < 60) return `${minutes} min ${String(Math.round(value % 60) % 60).padStart(2, "0")} s`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

export function score(value) {
  return value === null || value === undefined ? "–" : value.toFixed(4);
}

export function figure(objective, value) {
  if (value === null || value === undefined) return "–";
  if (objective.name === "score") return score(value);
  return objective.unit === "s" ? seconds(value) : large(value);
}

export function bytes(value) {
  if (value === null) return "";
  return value < 1024 ? `${value} B` : value < 1 << 20 ? `${(value / 1024).toFixed(1)} KiB`
    : `${(value / (1 << 20)).toFixed(1)} MiB`;
}

export function when(value) {
  return value ? new Date(value * 1000).toLocaleString() : "";
}

export const STATES = {
  queued: "waits", running: "runs", stopping: "is stopping", elsewhere: "runs (started elsewhere)", reading: "is being read",
  finished: "finished", stopped: "stopped", failed: "failed", damaged: "damaged",
};
