"""What came after the search: the final network, and what was cut to keep the time limit."""

from __future__ import annotations

from popnas.export.model_values import ModelDescription
from popnas.printable import counted
from popnas.report import markup
from popnas.report.run_data import RunData
from popnas.report.sections._inputs import how_to_make


def render(run: RunData) -> str:
    """The deployed network with its measured accuracy, and the cuts of `popnas e2e`; "" without both."""
    return _network(run.final_network) + _cuts(run.cuts)


def _network(model: ModelDescription | None) -> str:
    if model is None or model.deployment is None:
        return ""
    measured = model.deployment.measured
    samples = f"{measured.num_samples:,} {measured.split} samples"
    figures = [
        (f"accuracy on {samples}", f"{measured.accuracy:.4f}"),
        *((name, f"{value:.4f}") for name, value in measured.others),
        ("parameters", markup.count(model.params).html),
        ("FLOPs of a sample", markup.large(model.flops).html),
        ("epochs", markup.count(None if model.training is None else model.training.num_epochs).html),
    ]
    place = "<p>To deploy: <code>final_training/deploy</code>.</p>"
    number = None if model.members is None else counted(len(model.members), "network")
    what = markup.code(model.cell) if number is None else f"An ensemble of {number}."
    return f"<p>{what}</p>{markup.tiles(figures)}{place}{how_to_make(model)}"


def _cuts(cuts: list[str]) -> str:
    if not cuts:
        return ""
    items = "".join(f"<li>{markup.text(cut)}</li>" for cut in cuts)
    return f"<p>Cut to keep <code>max_hours</code>:</p><ul>{items}</ul>"
