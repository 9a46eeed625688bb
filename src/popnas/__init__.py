"""popnas: Pareto-Optimal Progressive Neural Architecture Search.

The public names are resolved on first use, so that `import popnas` and `popnas --help` stay fast (no torch,
scikit-learn or moocore). Rooms are imported by their own names (`import popnas.cells`).
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from popnas.lazy import attribute

if TYPE_CHECKING:
    from popnas.api import LoadedModel, PopnasClassifier, Run, load, watch
    from popnas.cells import Block, Cell, SearchSpace
    from popnas.config import RunConfig
    from popnas.errors import PopnasError, UserError
    from popnas.evaluation import Evaluation
    from popnas.workflows.models.choices import CellChoice, NetworkChoice, StageChanges
    from popnas.workflows.models.evaluation import ModelEvaluation, evaluate
    from popnas.workflows.models.final_training import train
    from popnas.workflows.models.selection import SelectionResult, select
    from popnas.workflows.models.training import TrainedModel
    from popnas.workflows.searching.search import SearchResult, resume, search

    __version__: str

# Nothing is sent anywhere: libraries that would (ONNX Runtime, the Hugging Face hub, MLflow) read these when
# they are imported, in this process and in those that it starts. Whoever has set them keeps what he set.
_TELEMETRY = ("ORT_DISABLE_TELEMETRY", "HF_HUB_DISABLE_TELEMETRY", "MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK")
for _variable in _TELEMETRY:
    os.environ.setdefault(_variable, "1")

# Where each public name lives.
_HOMES = {
    "Block": "popnas.cells",
    "Cell": "popnas.cells",
    "CellChoice": "popnas.workflows.models.choices",
    "Evaluation": "popnas.evaluation",
    "LoadedModel": "popnas.api",
    "ModelEvaluation": "popnas.workflows.models.evaluation",
    "NetworkChoice": "popnas.workflows.models.choices",
    "PopnasClassifier": "popnas.api",
    "PopnasError": "popnas.errors",
    "Run": "popnas.api",
    "RunConfig": "popnas.config",
    "SearchResult": "popnas.workflows.searching.search",
    "SearchSpace": "popnas.cells",
    "SelectionResult": "popnas.workflows.models.selection",
    "StageChanges": "popnas.workflows.models.choices",
    "TrainedModel": "popnas.workflows.models.training",
    "UserError": "popnas.errors",
    "evaluate": "popnas.workflows.models.evaluation",
    "load": "popnas.api",
    "resume": "popnas.workflows.searching.search",
    "search": "popnas.workflows.searching.search",
    "select": "popnas.workflows.models.selection",
    "train": "popnas.workflows.models.final_training",
    "watch": "popnas.api",
}

__all__ = [
    "Block",
    "Cell",
    "CellChoice",
    "Evaluation",
    "LoadedModel",
    "ModelEvaluation",
    "NetworkChoice",
    "PopnasClassifier",
    "PopnasError",
    "Run",
    "RunConfig",
    "SearchResult",
    "SearchSpace",
    "SelectionResult",
    "StageChanges",
    "TrainedModel",
    "UserError",
    "__version__",
    "evaluate",
    "load",
    "resume",
    "search",
    "select",
    "train",
    "watch",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("popnas")
    return attribute(__name__, _HOMES, name)


def __dir__() -> list[str]:
    # Not what this file imports for itself; rooms that are imported already are found as in any package.
    rooms = {name for name in globals() if f"{__name__}.{name}" in sys.modules}
    dunders = {name for name in globals() if name.startswith("__")}
    return sorted({*__all__, *rooms, *dunders})
