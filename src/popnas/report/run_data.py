"""What figures and tables read of a run: its state, its configuration and its predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from popnas import objectives
from popnas.errors import PopnasError
from popnas.evaluation import Evaluation, metric_title
from popnas.export import description
from popnas.objectives import Objective
from popnas.objectives.rows import ROWS
from popnas.runs import RunFolder, RunState
from popnas.runs.stored.reading import read_json
from popnas.runs.stored.rules import is_text, list_of


@dataclass
class RunData:
    """A run to look at.

    Attributes:
        path: its folder.
        state: what its journal says.
        config: its resolved configuration (`restore/run.json`).
        sessions: per start and resume, what it ran on (host, versions, clock; any key may lack).
    """

    path: Path
    state: RunState
    config: Mapping[str, Any] = field(default_factory=dict)
    sessions: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def of(cls, folder: RunFolder, state: RunState) -> RunData:
        """Read what the state does not hold."""
        return cls(folder.path, state, folder.config_json(), [event.volatile for event in state.sessions])

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.resolve().name

    @property
    def cells(self) -> list[Evaluation]:
        """The successes without the empty cell, in order of step and proposal."""
        return [item for item in self.state.successes if item.step > 0]

    @property
    def objectives(self) -> list[Objective]:
        """The objectives of the search, score first."""
        return [objectives.get(name) for name in self.state.objectives]

    @property
    def other_objectives(self) -> list[Objective]:
        """Those that the search optimises or constrains and that popnas has no figures of anyway."""
        return [row for row in self.state.figures if row not in ROWS]

    @property
    def score_name(self) -> str:
        """The metric that is the score, in words."""
        metric = (self.config.get("search_strategy") or {}).get("score_metric") or "score"
        return metric_title(str(metric))

    @property
    def cuts(self) -> list[str]:
        """What `popnas e2e` cut to keep `max_hours`, in words."""
        try:
            return list(read_json(self.path / "e2e.json", must={"cuts": list_of(is_text)})["cuts"])
        except PopnasError:  # not there, or as for `predictions`
            return []

    @property
    def final_network(self) -> dict[str, Any]:
        """`model.json` of the final network's deployment; empty if there is none (yet)."""
        return _described(self.path / "final_training" / "deploy")

    @property
    def best_model(self) -> dict[str, Any]:
        """`model.json` of the search's best network, likewise."""
        return _described(self.path / "best_model")

    def predictions(self, step: int) -> dict[str, np.ndarray] | None:
        """All predicted values of a step, by objective, (N,) each; None if the file is gone.

        A report of what is there is worth more than none, so a damaged file is no error here.
        """
        try:
            known = self.state.predictions[step]["sha256"]
            arrays = RunFolder(self.path).load_predictions(step, known)
        except (PopnasError, KeyError):
            return None
        return {name: values for name, values in arrays.items() if name not in ("cells", "operators")}


def _described(folder: Path) -> dict[str, Any]:
    try:
        return description.read(folder)
    except PopnasError:
        return {}
