"""The page's style and its few lines of script."""

CSS = """
:root {
  --ink: #1f2328; --muted: #5b6470; --line: #d9dee5; --paper: #fff; --panel: #f6f7f9; --accent: #0072b2;
  --good: #e6f5ef; --good-line: #009e73; color-scheme: light dark;
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif;
}
main, header, footer { max-width: 1080px; margin: 0 auto; padding: 0 20px; }
header { padding-top: 32px; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 1.35rem; margin: 48px 0 12px; padding-top: 12px; border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 20px 0 6px; }
p { margin: 8px 0; max-width: 75ch; }
.sub, .note, figcaption, footer, dt { color: var(--muted); }
nav { margin: 12px 0 0; display: flex; flex-wrap: wrap; gap: 4px 16px; font-size: .92rem; }
nav a { white-space: nowrap; }
a { color: var(--accent); text-decoration: none; }
a:hover { text-decoration: underline; }
code { font: .86em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
.command {
  display: block; margin-top: 4px; padding: 6px 9px; border: 1px solid var(--line); border-radius: 6px;
  background: var(--panel); user-select: all; -webkit-user-select: all; cursor: pointer;
}
.hero { display: grid; grid-template-columns: minmax(220px, 40%) 1fr; gap: 28px; align-items: start; }
.hero h3 { margin-top: 0; }
.drawing, .card { border: 1px solid var(--line); border-radius: 12px; padding: 12px; text-align: center; }
.drawing svg.cell { max-height: 520px; }
.tiles {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: 10px; margin: 16px 0;
}
.tiles div { background: var(--panel); border-radius: 10px; padding: 10px 12px; }
dt { font-size: .8rem; }
dd { margin: 0; font-size: 1.12rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.good {
  background: var(--good); border-left: 4px solid var(--good-line); border-radius: 6px; padding: 10px 14px;
}
figure { margin: 20px 0; }
figcaption { font-size: .9rem; margin-top: 6px; max-width: 80ch; }
.plot { overflow-x: auto; border-radius: 10px; }
.plot img { display: block; max-width: 100%; height: auto; border-radius: 10px; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(300px, 100%), 1fr)); gap: 16px; }
.card { margin: 0; display: flex; flex-direction: column; justify-content: space-between; min-width: 0; }
svg.cell { max-width: 100%; height: auto; }
.card svg.cell { max-height: 420px; margin: auto; }
.masks { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 6px; }
.masks.head { color: var(--muted); font-size: .85rem; font-weight: 600; }
.masks.two { grid-template-columns: repeat(2, minmax(0, 1fr)); }
.cards.wide { grid-template-columns: repeat(auto-fill, minmax(min(440px, 100%), 1fr)); }
.thumbnails { display: flex; flex-wrap: wrap; gap: 6px; }
.thumbnails img { width: 96px; height: auto; image-rendering: pixelated; border-radius: 4px; }
.name { white-space: nowrap; }
.bar {
  display: inline-block; height: .7em; margin-right: 6px; border-radius: 2px; background: var(--accent);
}
.mask { margin: 4px 0 18px; }
.mask img { display: block; width: 100%; height: auto; image-rendering: pixelated; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; max-width: none; font-size: .9rem; }
.swatch {
  display: inline-block; width: .95em; height: .95em; margin-right: 6px; border-radius: 3px;
  vertical-align: -.12em; border: 1px solid var(--line);
}
.scroll { overflow: auto; margin: 12px 0; max-height: 85vh; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td {
  padding: 6px 14px 6px 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line);
}
.sortable th {
  white-space: nowrap; cursor: pointer; color: var(--muted); font-weight: 600; position: sticky; top: 0;
  background: var(--paper);
}
.sortable th[aria-sort=ascending]::after { content: " ↑"; }
.sortable th[aria-sort=descending]::after { content: " ↓"; }
td.number { white-space: nowrap; }
td:last-child > code { display: inline-block; min-width: 240px; }
.front td:last-child { min-width: 380px; }
.front td:last-child > code { display: block; }
.settings {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(min(320px, 100%), 1fr)); gap: 8px 32px;
}
.settings th { font-weight: 400; color: var(--muted); white-space: nowrap; }
.settings td > code { min-width: 0; }
summary { cursor: pointer; color: var(--accent); margin: 8px 0; }
.steps li { margin: 10px 0; }
footer { padding: 40px 20px; font-size: .85rem; }
@media (max-width: 720px) {
  .hero { grid-template-columns: minmax(0, 1fr); }
  .plot img { max-width: 720px; }
  h1 { font-size: 1.5rem; }
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --ink: #e6e9ee; --muted: #a0a8b4; --line: #343b46; --paper: #14171c; --panel: #1d2128;
    --accent: #6cb8e6; --good: #12291f; --good-line: #2fb98c;
  }
  .plot img { filter: invert(.92) hue-rotate(180deg); }
  svg.cell .frame { fill: #1d2128; stroke: #3a424e; }
  svg.cell .lookback { fill: #14171c; }
  svg.cell .of-lookback { fill: #e6e9ee; }
  svg.cell .of-frame { fill: #a0a8b4; }
  svg.cell .output { fill: #e6e9ee; stroke: #e6e9ee; }
  svg.cell .of-output { fill: #14171c; }
  svg.cell .line { filter: invert(1) hue-rotate(180deg); }
}
@page { margin: 14mm; }
@media print {
  :root { color-scheme: light; }
  body { font-size: 10.5pt; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  main, header, footer { max-width: none; padding: 0; }
  nav, summary { display: none; }
  .scroll { max-height: none; overflow: visible; }
  .plot { overflow: visible; }
  h2, h3 { break-after: avoid; }
  figure, tr, .card, .tiles, .hero { break-inside: avoid; }
  thead { display: table-header-group; }
  table { font-size: 8pt; }
  td:last-child > code, .front td:last-child, .front td:last-child > code { min-width: 0; }
  th, td { padding-right: 8px; }
}
"""

# Sorts a table by the clicked column: numbers by data-sort, else by text; a second click turns it round.
SCRIPT = """
document.querySelectorAll("table.sortable th").forEach(th=>th.addEventListener("click",()=>{
const table=th.closest("table"),body=table.tBodies[0],column=th.cellIndex;
const down=th.getAttribute("aria-sort")==="ascending";
table.querySelectorAll("th").forEach(other=>other.removeAttribute("aria-sort"));
th.setAttribute("aria-sort",down?"descending":"ascending");
const key=row=>{const cell=row.cells[column];return cell.dataset.sort??cell.textContent};
const compare=(a,b)=>{const x=key(a),y=key(b),n=x-y;return isNaN(n)?x.localeCompare(y):n};
[...body.rows].sort((a,b)=>(down?-1:1)*compare(a,b)).forEach(row=>body.append(row))}));
"""
