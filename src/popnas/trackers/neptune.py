"""Neptune: a search is a run, its networks are namespaces in it.

Its hosted service closed in March 2026; this is for those who run their own, and for offline mode
(NEPTUNE_MODE=offline), whose files lie in the folder .neptune.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

from popnas.errors import UserError
from popnas.records import Json
from popnas.trackers._tracker import REGISTRY, Scope, TrackedNetwork, Tracker

_TOKEN, _WORKSPACE, _PROJECT = "NEPTUNE_API_TOKEN", "NEPTUNE_WORKSPACE", "NEPTUNE_PROJECT"
_CALL_IT = "Leave 'neptune' out of others.trackers, or"
_LONGEST_ID = 32
_CLOSING_SECONDS = 5


@REGISTRY.register(
    "neptune", description=f"a Neptune of your own, or its offline mode ({_TOKEN}, {_WORKSPACE})"
)
class NeptuneTracker(Tracker):
    """One Neptune run for a search and all that is trained of it; project NEPTUNE_PROJECT, else "popnas"."""

    is_remote: ClassVar[bool] = True

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        import neptune

        run = scope.run or str(scope.folder.resolve())
        self._run: Any = neptune.init_run(
            project=f"{os.environ[_WORKSPACE]}/{os.environ.get(_PROJECT) or 'popnas'}",
            name=scope.name or scope.folder.name,
            custom_run_id=hashlib.sha256(run.encode()).hexdigest()[:_LONGEST_ID],
            # Nothing of the machine, its code or its output: what is tracked is what trackers are told.
            **dict.fromkeys(("capture_stdout", "capture_stderr", "capture_traceback", "git_ref"), False),
            capture_hardware_metrics=False,
            source_files=[],
        )
        # Where this is left behind, Neptune would wait at the program's end while something gets through.
        atexit.register(self._leave)
        self._place = f"{scope.folder.parent.name}/{scope.folder.name}/" if scope.kind == "training" else ""
        self._place += f"{scope.part}/" if scope.part else ""

    @classmethod
    def check(cls) -> None:
        """See `Tracker`."""
        if find_spec("neptune") is None:
            raise UserError(
                "the tracker 'neptune' needs the package 'neptune', which is not installed. Its hosted "
                f"service has closed, and popnas pins no version. {_CALL_IT} install it: pip install neptune"
            )
        for name in (_TOKEN, _WORKSPACE):
            if not os.environ.get(name):
                raise UserError(f"others.trackers has 'neptune', and {name} is not set. {_CALL_IT} set it.")

    def params(self, values: Json) -> None:
        """See `Tracker`."""
        self._run[f"{self._place}parameters"] = json.dumps(dict(values))

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """See `Tracker`."""
        self._append(self._place, values, step)

    def network(self, network: TrackedNetwork) -> None:
        """See `Tracker`."""
        place = f"networks/{network.name}/"
        self._run[f"{place}parameters"] = json.dumps(dict(network.params))
        self._run[f"{place}status"] = network.status
        for name, value in network.figures.items():
            self._run[f"{place}figures/{name}"] = value
        for epoch, values in enumerate(network.epochs(), start=1):
            self._append(place, values, epoch)

    def artifact(self, path: Path) -> None:
        """See `Tracker`. The file is read after this returns."""
        self._run[f"{self._place}files/{self.place(path)}"].upload(str(path))

    def status(self, status: str) -> None:
        """See `Tracker`."""
        self._run[f"{self._place}status"] = status

    def close(self) -> None:
        """See `Tracker`."""
        self._run.stop(seconds=_CLOSING_SECONDS)
        atexit.unregister(self._leave)

    def _leave(self) -> None:
        self._run.stop(seconds=0)

    def _append(self, place: str, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            self._run[f"{place}metrics/{name}"].append(value, step=step)
