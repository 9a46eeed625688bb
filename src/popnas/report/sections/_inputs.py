"""How an input of a model is made, for sections that show one."""

from __future__ import annotations

from typing import Any

from popnas.report import markup


def how_to_make(content: dict[str, Any]) -> str:
    """How an input of the network with that `model.json` is made; "" if it does not say (popnas 0.1.0)."""
    steps = content.get("input", {}).get("how_to_make") or []
    if not steps:
        return ""
    items = "".join(f"<li>{markup.text(step)}</li>" for step in steps)
    return f"<p>How an input is made of a file of your own:</p><ol>{items}</ol>"
