"""A run at a glance, from its journal, its progress file and the jobs of the server."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from popnas.evaluation import Evaluation
from popnas.records import Json, part
from popnas.runs.stored.progress import HowFar
from popnas.server.access.places import run_names
from popnas.server.answers import JobAnswer, ProgressAnswer, RunSummary, Standing
from popnas.server.jobs.queue import JobQueue
from popnas.server.jobs.record import ACTIVE, OPEN, RunJob
from popnas.server.watching.feeds import Feed, Feeds, progress_of

_LOG = logging.getLogger(__name__)
_MOST_JOBS = 8
_READING_SECONDS = 0.5


@dataclass(frozen=True)
class _Facts:
    """What a journal says, as long as it stays as it is."""

    config: Json
    num_networks: int = 0
    num_failed: int = 0
    steps_finished: int = 0
    best: Evaluation | None = None
    finish_reason: str | None = None
    is_finished: bool = False
    problem: str | None = None
    is_whole: bool = True

    @classmethod
    def of(cls, feed: Feed, *, is_whole: bool) -> _Facts:
        """Those of a run, of which all was read or a part."""
        state = feed.state
        if state is None:
            return cls({}, problem=feed.problem)
        return cls(
            state.config,
            len(feed.rows),
            feed.num_failed,
            len(state.finished_steps),
            feed.best,
            state.finish_reason,
            state.is_finished,
            is_whole=is_whole,
        )


class Summaries:
    """Summaries of all runs. Journals that did not change are not opened for them."""

    def __init__(self, root: Path, feeds: Feeds, jobs: JobQueue) -> None:
        self._root, self._feeds, self._jobs = root, feeds, jobs
        self._lock = threading.Lock()
        self._told: dict[str, str] = {}
        self._known: dict[str, tuple[tuple[int, int, int], _Facts]] = {}

    def all(self) -> list[RunSummary]:
        """Those of all runs and of those that are to come, the newest first. What cannot be read at once is
        told so far: nobody waits for all journals."""
        until = time.monotonic() + _READING_SECONDS
        names = run_names(self._root)
        coming = {job.run for job in self._jobs.all()} - set(names)
        found = [self.of(name, until) for name in [*names, *sorted(coming)]]
        return sorted(found, key=lambda summary: -(summary.modified or 0.0))

    def of(self, name: str, until: float | None = None) -> RunSummary:
        """That of a run, which need not have a folder yet if a job is to make it; its journal is read until
        that moment (half a second from now), and of one that is read already at least a piece. Whatever
        lies in its folder keeps no other run from being shown."""
        until = time.monotonic() + _READING_SECONDS if until is None else until
        try:
            return self._of(name, until)
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            if self._told.get(name) != said:  # it is asked for every second
                self._told[name] = said
                _LOG.exception("the run %s cannot be shown", name)
            problem = f"it cannot be shown ({type(error).__name__}); the server's log says why."
            return RunSummary(name=name, state="damaged", problem=problem)

    def _of(self, name: str, until: float) -> RunSummary:
        path = self._root / name
        jobs = self._jobs.of(name)
        stamp = _stamp(path)
        facts = _Facts({}) if stamp is None else self._facts(path, stamp, until)
        progress = progress_of(path) if stamp is not None else None
        standing = self._standing(name, facts, jobs, stamp)
        dataset = part(facts.config, "dataset")
        blocks = part(facts.config, "search_space").get("blocks")
        return RunSummary(
            name=name,
            state=standing,
            task=_text(dataset, "type"),
            data=_text(dataset, "name") or _text(dataset, "path"),
            score_metric=_text(part(facts.config, "search_strategy"), "score_metric"),
            num_networks=facts.num_networks,
            num_failed=facts.num_failed,
            num_steps=blocks + 1 if isinstance(blocks, int) else None,
            steps_finished=facts.steps_finished,
            best_score=None if facts.best is None else facts.best.score,
            best_cell=None if facts.best is None else facts.best.cell,
            finish_reason=facts.finish_reason,
            can_resume=stamp is not None
            and standing in ("stopped", "failed")
            and not facts.is_finished
            and facts.problem is None,
            modified=_modified(stamp, jobs),
            problem=facts.problem,
            progress=None if progress is None else _progress(progress, is_running=standing in _WORKING),
            jobs=[JobAnswer.of(job) for job in jobs[-_MOST_JOBS:]],
        )

    def _facts(self, path: Path, stamp: tuple[int, int, int], until: float) -> _Facts:
        with self._lock:
            known = self._known.get(path.name)
        if known is not None and known[0] == stamp:
            return known[1]
        if time.monotonic() > until and path.name not in self._feeds:
            return _Facts({}, is_whole=False)  # feeds that are begun and left would drive each other out
        feed = self._feeds.begun(path)
        while is_behind := feed.advance():
            if time.monotonic() > until:
                break
        facts = _Facts.of(feed, is_whole=not is_behind)
        if facts.is_whole:
            with self._lock:
                self._known[path.name] = (stamp, facts)
        return facts

    def _standing(
        self, name: str, facts: _Facts, jobs: list[RunJob], stamp: tuple[int, int, int] | None
    ) -> Standing:
        active = [job for job in jobs if job.state in ACTIVE]
        if active:
            return "stopping" if active[0].state == "stopping" else "running"
        if any(job.state in OPEN for job in jobs):
            return "queued"
        if self._jobs.is_held_elsewhere(name):
            return "elsewhere"
        if not facts.is_whole:
            return "reading"
        if facts.problem is not None:
            return "damaged"
        # How a stage after the search ended stands with its job: the search stays what it is.
        searches = [job for job in jobs if job.stage == "search"]
        if searches and searches[-1].state == "failed" and not _went_on(stamp, searches[-1]):
            return "failed"
        return "finished" if facts.is_finished and stamp is not None else "stopped"


_WORKING: tuple[Standing, ...] = ("running", "stopping", "elsewhere")


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """By what a journal that changed is known; None: there is no run in the folder."""
    try:
        found = (path / "restore" / "journal.jsonl").stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _went_on(stamp: tuple[int, int, int] | None, job: RunJob) -> bool:
    """Whether somebody else went on with a search after a job of it had ended."""
    return stamp is not None and job.ended is not None and stamp[2] / 1e9 > job.ended


def _modified(stamp: tuple[int, int, int] | None, jobs: list[RunJob]) -> float | None:
    times = [job.ended or job.started or job.created for job in jobs]
    return max([*times, *([] if stamp is None else [stamp[2] / 1e9])], default=None)


def _text(section: Json, name: str) -> str | None:
    found = section.get(name)
    return found if isinstance(found, str) else None


def _progress(found: HowFar, *, is_running: bool) -> ProgressAnswer | None:
    # A process that was killed leaves "running".
    state = "interrupted" if found.state == "running" and not is_running else found.state
    try:
        return ProgressAnswer(
            stage=found.stage,
            state=state,
            phase=found.phase,
            done=found.done,
            total=found.total,
            networks={name: (over.epoch, over.num_epochs) for name, over in found.networks.items()},
            best_score=found.best_score,
            seconds_left=dict(found.seconds_left or {}) if state == "running" else {},
            warnings=list(found.warnings),
            updated=found.updated,
        )
    except ValueError:  # numbers that none are: nothing is told, as of a file that cannot be read
        return None
