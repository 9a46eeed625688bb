"""How an input of a model is made, for sections that show one."""

from __future__ import annotations

from popnas.export.model_values import ModelDescription
from popnas.report import markup


def how_to_make(model: ModelDescription | None) -> str:
    """How an input of a model is made; "" if it does not say (popnas 0.1.0)."""
    steps = model.input.how_to_make if model is not None and model.input is not None else None
    if not steps:
        return ""
    items = "".join(f"<li>{markup.text(step)}</li>" for step in steps)
    return f"<p>How an input is made of a file of your own:</p><ol>{items}</ol>"
