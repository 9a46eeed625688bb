"""How far a run is, for whoever looks from another process: by its journal, progress file and lock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from popnas import files
from popnas.records import Record
from popnas.runs.folder import RunFolder
from popnas.runs.lock import holder
from popnas.runs.stored.progress import HowFar


@dataclass(frozen=True)
class RunSeen(Record):
    """What is to be seen of a run at a moment.

    `words`: "finished", "stopped" or what goes on; `is_finished`: the search has all that it was to have;
    `is_running`: a process holds it (where files cannot be locked that is not to be seen). `phase`, `done`,
    `total`: of the stage that runs or ran last.
    `networks`: those that train now, (epoch, of how many). `seconds_left`: as in `HowFar`.
    """

    words: str
    is_running: bool
    is_finished: bool
    num_networks: int
    num_failed: int
    best_score: float | None
    stage: str = ""
    phase: str = ""
    done: int = 0
    total: int | None = None
    networks: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    seconds_left: Mapping[str, float | None] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


class Watched:
    """A run that is looked at again and again; its journal is read on from where it was read.

    Raises:
        RunFolderError: no run is there, or it cannot be read.
        JournalError: its journal is corrupt.
    """

    def __init__(self, path: Path | str) -> None:
        self.folder = RunFolder.open(path)

    def look(self) -> RunSeen:
        """What is to be seen now."""
        state, note = self.folder.state(), self._note()
        is_running = holder(self.folder.lock().path) is not None
        told = "running" if is_running else "finished" if state.is_finished else "stopped"
        seen = RunSeen(
            words=told,
            is_running=is_running,
            is_finished=state.is_finished,
            num_networks=len(state.evaluations),
            num_failed=sum(item.is_failed for item in state.evaluations),
            best_score=None if state.best is None else state.best.score,
        )
        if note is None:
            return seen
        networks = {name: (at.epoch, at.num_epochs) for name, at in note.networks.items()}
        return replace(
            seen,
            stage=note.stage,
            phase=note.phase,
            done=note.done,
            total=note.total,
            networks=networks if is_running else {},
            seconds_left=(note.seconds_left or {}) if is_running else {},
            warnings=tuple(note.warnings),
        )

    def _note(self) -> HowFar | None:
        try:
            return HowFar.of_known(files.read_object(self.folder.progress_json))
        except (OSError, ValueError):
            return None
