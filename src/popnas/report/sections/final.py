"""What came after the search: the final network, and what was cut to keep the time limit."""

from __future__ import annotations

from typing import Any

from popnas.report import markup
from popnas.report.run_data import RunData
from popnas.report.sections._inputs import how_to_make


def render(run: RunData) -> str:
    """The deployed network with its measured accuracy, and the cuts of `popnas e2e`; "" without both."""
    return _network(run.final_network) + _cuts(run.cuts)


def _network(content: dict[str, Any]) -> str:
    measured = content.get("measured")
    if not measured:
        return ""
    samples = f"{measured['num_samples']:,} {measured['split']} samples"
    figures = [
        (f"accuracy on {samples}", f"{measured['accuracy']:.4f}"),
        ("parameters", markup.count(content["params"]).html),
        ("FLOPs of a sample", markup.large(content["flops"]).html),
        ("epochs", markup.count(content["num_epochs"]).html),
    ]
    place = "<p>To deploy: <code>final_training/deploy</code>.</p>"
    return f"<p>{markup.code(content['cell'])}</p>{markup.tiles(figures)}{place}{how_to_make(content)}"


def _cuts(cuts: list[str]) -> str:
    if not cuts:
        return ""
    items = "".join(f"<li>{markup.text(cut)}</li>" for cut in cuts)
    return f"<p>Cut to keep <code>max_hours</code>:</p><ul>{items}</ul>"
