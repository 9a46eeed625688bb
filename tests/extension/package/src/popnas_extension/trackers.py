"""`lines`: figures as lines of text in the folder of what is tracked."""

from __future__ import annotations

from collections.abc import Mapping

from popnas.trackers import REGISTRY, Scope, Tracker


@REGISTRY.register("lines", description="a text file of figures in the folder of each run and training")
class LinesTracker(Tracker):
    """See the module."""

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        scope.folder.mkdir(parents=True, exist_ok=True)
        self._file = (scope.folder / f"lines{scope.part}.txt").open("a", encoding="utf-8")

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """See `Tracker.metrics`."""
        figures = " ".join(f"{name}={value:.6g}" for name, value in sorted(values.items()))
        self._file.write(f"{step} {figures}\n")

    def close(self) -> None:
        """See `Tracker.close`."""
        self._file.close()
