"""Runs that are followed: what their journals say, read once and from then on from where they were read."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from popnas import files, objectives, ranking
from popnas.errors import PopnasError, RunFolderError
from popnas.evaluation import Evaluation
from popnas.printable import printable
from popnas.records import Json, Record
from popnas.report.run_data import RunData
from popnas.runs import RunFolder, RunState
from popnas.runs.stored.progress import HowFar

FIXED = (
    *("number", "cell", "step", "index", "is_exploration", "is_allowed", "error"),
    *("wall_seconds", "epochs_seconds", "validation_seconds"),
)
"""Columns of every run's table of candidates, before those of the objectives."""

_MOST_FOLLOWED = 24
_TURN_SECONDS = 0.001
_PIECE = 2**20
"""Bytes of a journal between which rows are shown: less than a tenth of a second."""

_ENCODED = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
"""Made once: a long run has tens of thousands of rows."""


@dataclass(frozen=True)
class ObjectiveShown(Record):
    """An objective as the page shows it: its column, and how it is better."""

    name: str
    title: str
    unit: str
    is_maximized: bool
    is_asked: bool


class TableRows:
    """The table of candidates as JSON texts, each made when it is first asked for: whoever looks at all runs
    at a glance asks for none."""

    def __init__(self, shown: Sequence[objectives.Objective]) -> None:
        self._shown = shown
        self._rows: list[str | tuple[Evaluation, bool]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, places: slice) -> list[str]:
        start, stop, _ = places.indices(len(self._rows))
        return [self._text(number) for number in range(start, stop)]

    def append(self, item: Evaluation, *, is_allowed: bool) -> None:
        """The next one, of an evaluation; `is_allowed`: it may be the result of the search."""
        self._rows.append((item, is_allowed))

    def _text(self, number: int) -> str:
        found = self._rows[number]
        if isinstance(found, str):
            return found
        item, is_allowed = found
        self._rows[number] = text = _row(number, item, self._shown, is_allowed=is_allowed)
        return text


@dataclass
class Feed:
    """What one run's journal says, as rows that go to pages as they are.

    `epoch` is another number after the journal was replaced (a repair, another run of that name): whoever has
    rows of an earlier one begins anew. `rows` only grows within an epoch; `best` and `num_failed` are of
    them.
    """

    path: Path
    epoch: int = field(default_factory=lambda: secrets.randbelow(2**40))
    rows: TableRows = field(default_factory=lambda: TableRows(()))
    problem: str | None = None
    best: Evaluation | None = None
    num_failed: int = 0
    _state: RunState | None = None
    _seen: tuple[int, int, int] | None = None

    def __post_init__(self) -> None:
        self._folder = RunFolder(self.path)
        self._lock = threading.Lock()

    def refresh(self) -> None:
        """Take in what the journal has got since. Of an unreadable one `problem` says why."""
        while self.advance():
            pass

    def advance(self) -> bool:
        """`refresh` by a piece of the journal; whether there is more of it."""
        with self._lock:
            try:
                stat = self._folder.journal_path.stat()
            except OSError:
                self._clear("its journal is missing")
                return False
            seen = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
            if seen == self._seen:
                return False
            try:
                state = self._folder.state(_PIECE)
                if state is not self._state:
                    self._clear(None)
                    self._state = state
                self._take_in(state)
            except PopnasError as error:
                self._clear(printable(str(error)))
                self._folder = RunFolder(self.path)
            if not self._folder.is_behind:
                self._seen = seen
                return False
        # A thread that takes a lock again at once keeps all others out of it.
        time.sleep(_TURN_SECONDS)
        return True

    def table(self) -> tuple[int, TableRows]:
        """`epoch` and `rows` that belong together."""
        with self._lock:
            return self.epoch, self.rows

    @property
    def state(self) -> RunState | None:
        """What the journal says; None of one that cannot be read."""
        return self._state

    def data(self) -> RunData:
        """The run as reports read it.

        Raises:
            RunFolderError: it cannot be read.
        """
        self.refresh()
        if self._state is None:
            raise RunFolderError(self.problem or "the run cannot be read.")
        with self._lock:
            # What came while they are read is not among what is read.
            return RunData.of(self._folder, self._state.copy())

    def config(self) -> Json:
        """The run's configuration, by what is read of the journal.

        Raises:
            RunFolderError: it cannot be read.
        """
        with self._lock:
            if self._state is None:
                raise RunFolderError(self.problem or "the run cannot be read.")
            return self._folder.config_so_far()

    @property
    def shown(self) -> list[ObjectiveShown]:
        """The objectives in order of their columns."""
        asked = self._state.objectives if self._state is not None else []
        return [
            ObjectiveShown(row.name, row.title, row.unit, row.is_maximized, row.name in asked)
            for row in self._figures()
        ]

    @property
    def columns(self) -> list[str]:
        """What stands in a row, in its order."""
        return [*FIXED, *(row.name for row in self._figures())]

    def progress(self) -> HowFar | None:
        """How far the stage is that runs, or that ran last; None where nothing tells."""
        return progress_of(self.path)

    def _figures(self) -> Sequence[objectives.Objective]:
        try:
            return objectives.ROWS if self._state is None else self._state.figures
        except PopnasError:  # one of a package that is not installed here
            return objectives.ROWS

    def _take_in(self, state: RunState) -> None:
        """Make rows of the evaluations that came."""
        constraints = state.constraints
        if not self.rows:
            self.rows = TableRows(self._figures())
        for item in state.arrived[len(self.rows) :]:
            is_result = not item.is_failed and item.step > 0 and item.score is not None
            is_allowed = is_result and objectives.keeps_to(item, constraints)
            if is_allowed and (self.best is None or (item.score or 0.0) >= (self.best.score or 0.0)):
                # As they come: to rank a long run anew after every candidate takes a quarter of a second.
                self.best = ranking.best([item] if self.best is None else [self.best, item])
            self.num_failed += item.is_failed
            self.rows.append(item, is_allowed=is_allowed)

    def _clear(self, problem: str | None) -> None:
        if self.rows or self._state is not None or problem != self.problem:
            self.epoch += 1
        self.rows, self._state, self._seen, self.problem = TableRows(()), None, None, problem
        self.best, self.num_failed = None, 0


def _row(number: int, item: Evaluation, shown: Sequence[objectives.Objective], *, is_allowed: bool) -> str:
    error = f"{item.error_kind}: {printable(item.error or '')}" if item.is_failed else None
    fixed = [number, printable(item.cell), item.step, item.index, item.is_exploration, is_allowed, error]
    times = [item.wall_seconds, item.epochs_seconds, item.validation_seconds]
    figures = [None if item.is_failed else row.figure(item) for row in shown]
    return _ENCODED([*fixed, *times, *figures])


def progress_of(run: Path) -> HowFar | None:
    """What `progress.json` of a run says; None where it says nothing that can be read."""
    try:
        return HowFar.of_known(files.read_object(run / "progress.json"))
    except (OSError, ValueError):
        return None


class Feeds:
    """The feeds of a server's runs; those that were not asked for longest are let go."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._feeds: OrderedDict[str, Feed] = OrderedDict()

    def __contains__(self, name: str) -> bool:
        """Whether the run of that name is followed."""
        with self._lock:
            return name in self._feeds

    def of(self, path: Path) -> Feed:
        """The feed of the run in a folder, up to date."""
        feed = self.begun(path)
        feed.refresh()
        return feed

    def begun(self, path: Path) -> Feed:
        """The feed of the run in a folder, up to date or on its way there."""
        with self._lock:
            feed = self._feeds.setdefault(path.name, Feed(path))
            self._feeds.move_to_end(path.name)
            if len(self._feeds) > _MOST_FOLLOWED:
                self._feeds.popitem(last=False)
        feed.advance()
        return feed

    def forget(self, name: str) -> None:
        """The run of that name is gone."""
        with self._lock:
            self._feeds.pop(name, None)


def rows_json(rows: Sequence[str]) -> str:
    """Rows that are JSON each as one JSON list."""
    return f"[{','.join(rows)}]"


def event(kind: str, data: str, number: str | None = None) -> bytes:
    """A server-sent event; `data` is one line of JSON."""
    assert "\n" not in data
    mark = "" if number is None else f"id: {number}\n"
    return f"event: {kind}\n{mark}data: {data}\n\n".encode()


def json_line(value: object) -> str:
    """JSON of one line."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)
