"""popnas: Pareto-Optimal Progressive Neural Architecture Search.

The public names are resolved on first use, so that `import popnas` and `popnas --help` stay fast (no torch,
scikit-learn or moocore). Rooms are imported by their own names (`import popnas.cells`).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from popnas.api import PopnasClassifier, Run, load
    from popnas.cells import Block, Cell, SearchSpace
    from popnas.config import RunConfig
    from popnas.errors import PopnasError, UserError
    from popnas.evaluation import Evaluation
    from popnas.workflows.search import SearchResult, resume, search

    __version__: str

# Where each public name lives.
_HOMES = {
    "Block": "popnas.cells",
    "Cell": "popnas.cells",
    "Evaluation": "popnas.evaluation",
    "PopnasClassifier": "popnas.api",
    "PopnasError": "popnas.errors",
    "Run": "popnas.api",
    "RunConfig": "popnas.config",
    "SearchResult": "popnas.workflows.search",
    "SearchSpace": "popnas.cells",
    "UserError": "popnas.errors",
    "load": "popnas.api",
    "resume": "popnas.workflows.search",
    "search": "popnas.workflows.search",
}

__all__ = [
    "Block",
    "Cell",
    "Evaluation",
    "PopnasClassifier",
    "PopnasError",
    "Run",
    "RunConfig",
    "SearchResult",
    "SearchSpace",
    "UserError",
    "__version__",
    "load",
    "resume",
    "search",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("popnas")
    if name not in _HOMES:
        raise AttributeError(f"module 'popnas' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
