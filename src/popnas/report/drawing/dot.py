"""A cell as DOT text for Graphviz, which lays it out itself."""

from __future__ import annotations

from popnas.cells import Cell
from popnas.report.drawing.families import colour, tint


def dot_text(cell: Cell, *, concatenates_only_unused: bool = True) -> str:
    """The cell's graph: lookbacks, a cluster per block, the output."""
    lines = [
        "digraph cell {",
        '  rankdir=TB; node [shape=box, style="rounded,filled", fillcolor=white, fontname="sans-serif"];',
    ]
    lookbacks = cell.lookbacks or (-1,)
    lines += [f'  {_node(value)} [label="{value}", shape=ellipse];' for value in lookbacks]
    for index, block in enumerate(cell.blocks):
        lines.append(f'  subgraph cluster_{index} {{ label="block {index}"; color="#d5d9e0";')
        for half, name in enumerate((block.op1, block.op2)):
            shade = colour(name)
            style = f'color="{shade}", fillcolor="{tint(shade)}"'
            lines.append(f"    b{index}_{half} [label={_quoted(name)}, {style}];")
        lines.append(f'    b{index} [label="+", shape=circle];')
        lines += [f"    b{index}_{half} -> b{index};" for half in range(2)]
        lines.append("  }")
        lines += [
            f"  {_node(value)} -> b{index}_{half};" for half, value in enumerate((block.in1, block.in2))
        ]
    joined = cell.unused_blocks if concatenates_only_unused else tuple(range(len(cell)))
    label = "concatenate, output" if len(joined) > 1 else "output"
    lines.append(f'  output [label="{label}", fillcolor="#1f2328", fontcolor=white];')
    lines += [f"  {_node(value)} -> output;" for value in joined or (-1,)]
    return "\n".join([*lines, "}"]) + "\n"


def _node(value: int) -> str:
    return f"b{value}" if value >= 0 else f"lookback_{-value}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
