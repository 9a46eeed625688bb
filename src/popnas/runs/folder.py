"""Where everything of a run lies, and how a run folder comes into being: whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import itertools
import json
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import cached_property
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from popnas import files
from popnas.command_lines import as_typed
from popnas.config import RunConfig
from popnas.errors import JournalError, RunFolderError, closest, must_be
from popnas.printable import counted, quoted
from popnas.process_state import collector_paused
from popnas.records import Json, part
from popnas.runs import artifacts, identity, told
from popnas.runs.journal import FORMAT, Event, Journal, Scan, ending
from popnas.runs.lock import RunLock
from popnas.runs.names import wrong_with
from popnas.runs.replaying import replay
from popnas.runs.state import RunState
from popnas.storage import (
    compact_json,
    fsync_directory,
    load_arrays,
    make_readable,
    plain,
    storage_errors,
    write_json,
)

EXECUTION_FIELDS = ("executor", "train_strategy", "max_hours", "max_candidate_seconds", "trackers")
"""Fields of `others` that say where and how long a search runs and where it is watched, not what it searches;
-r may change them."""


class RunExistsError(RunFolderError):
    """Something stands where a new run was to be."""


DATA_PATH = "dataset_path"
"""Where the data are, in the volatile part of the events that start and resume a run."""

_UNFINISHED = ".popnas-new-"
_HOUR = 3600.0


class RunFolder:
    """The paths of one run. Folders beside `restore` are made by whoever writes into them."""

    def __init__(self, path: str | Path) -> None:
        self.path = files.given(path, "the run folder")
        self._start: Event | None = None
        self._data_path: str | None = None
        self._state = RunState()
        self._unplayed: list[Event] = []  # read from the journal, and not yet in the state

    @classmethod
    def create(
        cls,
        path: str | Path,
        config_json: Json,
        *,
        volatile: Json | None = None,
        fill: Callable[[Path], None] = lambda folder: None,
    ) -> RunFolder:
        """Make the folder of a new run, with `restore/run.json` and the journal's first event `run_started`.

        It is made under another name and renamed when it is whole and on disk, so a kill at any instant
        leaves no folder or a run that can be resumed. `volatile` (host, versions, device, clock) goes into
        that event; `fill` may write more into the folder before it gets its name.

        Raises:
            RunExistsError: something stands there already.
            RunFolderError: no folder can stand there.
            StorageError: the disk refused.
        """
        folder = cls(path)
        _check_place(folder.path)
        with storage_errors(folder.path, remedy=_OTHER_NAME):
            parent = folder.path.parent
            parent.mkdir(parents=True, exist_ok=True)
            _remove_leftovers(parent)
            temporary = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=parent))
            try:
                _make_readable(temporary)
                cls(temporary)._fill(config_json, volatile or {})
                fill(temporary)
                os.rename(temporary, folder.path)  # noqa: PTH104
            except BaseException as error:
                shutil.rmtree(temporary, ignore_errors=True)
                if isinstance(error, OSError) and error.errno in (
                    errno.ENOTEMPTY,
                    errno.EEXIST,
                    errno.ENOTDIR,
                ):
                    raise _exists(folder.path) from None
                raise
            fsync_directory(parent)
        return folder

    @classmethod
    def open(cls, path: str | Path) -> RunFolder:
        """The folder of a run that exists, after a check that it can be read.

        Raises:
            RunFolderError: missing, no run folder, without a first event, changed, with files of another
                run, or from another version.
            JournalError: the journal is damaged before its last event.
        """
        folder = cls(path)
        folder.check_exists()
        found = folder._take_in()
        if not found.events or found.events[0].event != "run_started":
            raise RunFolderError(
                f"the journal {quoted(folder.journal_path)} does not begin with a whole event "
                "'run_started', so "
                f"nothing can be resumed. Remove {quoted(folder.path)} and start again, or put back the "
                "journal."
            )
        folder._check_config(found)
        _tell_of_the_journal(folder, found)
        return folder

    def check_exists(self) -> None:
        """Raises RunFolderError unless there is a journal, in a folder that is the run's alone."""
        if not files.is_folder(self.path):
            raise _missing(self.path)
        for place in self.own_folders():
            identity.check_inside(self.path, place)
        if not files.is_named(self.journal_path):
            remedy = runs_in(self.path) or _of_other_command(self.path)
            raise RunFolderError(
                f"{quoted(self.path)} is not the folder of a run: it has no restore/journal.jsonl. "
                + (remedy or "Give the folder of a run, as in logs/NAME.")
            )

    def config_json(self) -> Json:
        """The run's resolved configuration (`restore/run.json`), with the place of the data as an absolute
        path, where they were found last.

        Where that file is missing or damaged, what the journal says.

        Raises:
            RunFolderError: the file cannot be read, and neither can the journal.
            JournalError: likewise.
        """
        self._take_in()
        return self.config_so_far()

    def config_so_far(self) -> Json:
        """As `config_json`, by what was read of the journal before."""
        config = self._stored_config()
        dataset = config.get("dataset")
        if self._data_path is None or not isinstance(dataset, Mapping):
            return config
        return {**config, "dataset": {**dataset, "path": self._data_path}}

    def own_folders(self) -> list[Path]:
        """The folders of a run, into which its commands write."""
        own = [self.restore, self.csv, self.best_model, self.sampled_models, self.predictors, self.plots]
        return [*own, self.model_selection, self.final_training]

    def _stored_config(self) -> Json:
        identity.check_place(self.run_json)
        try:
            return files.read_object(self.run_json)
        except files.UnreadableError as error:
            is_damaged = error.errno == errno.EILSEQ or not files.is_named(self.run_json)
            if not is_damaged:
                raise RunFolderError(
                    f"cannot read the run's configuration {quoted(self.run_json)}: {files.reason(error)}. "
                    "Put back a copy of the file; or move it away: the journal has the configuration, too."
                ) from error
        told.warning(
            f"{quoted(self.run_json)} is missing or damaged: the configuration is taken from the run's "
            "journal"
        )
        return _config_of(self._start or self.journal.events()[0])

    def _check_config(self, found: Scan) -> None:
        """Compare `run.json`, and what lies in the folder, with what the journal says."""
        start, config = found.events[0], self._stored_config()
        started, known_sha256 = _config_of(start), start.content.get("config_sha256")
        identity.check_opened(
            identity.Opened(self.path, found, search_part(config), search_part(started)),
            is_same_search=_search_sha256(config) == known_sha256,
        )
        if _search_sha256(started) != known_sha256:
            raise JournalError(
                f"{quoted(self.journal_path)}, line 1 has another configuration than "
                f"{quoted(self.run_json)}: the journal was changed or damaged outside popnas. Put back a "
                "copy of the file, or start a new run.",
                1,
            )
        others, known = part(config, "others"), part(start.volatile, "execution")
        for name in sorted(known.keys() & others.keys()):
            if others[name] != known[name]:
                told.warning(
                    f"{quoted(self.run_json)} has others.{name} = {json.dumps(others[name])}, where the run "
                    f"was started with {json.dumps(known[name])}: what stands in the file counts"
                )

    def lock(self) -> RunLock:
        """The lock that keeps a second process out; a context manager (errors: see `RunLock.acquire`)."""
        return RunLock(self.restore / "lock")

    @cached_property
    def journal(self) -> Journal:
        """The run's journal. Append only while the lock is held."""
        return Journal(self.journal_path)

    def state(self, most: int | None = None) -> RunState:
        """What the journal says so far: always the same object, which each call brings up to date with what
        was written since, so that a run can be watched. With `most` it takes in about so many bytes, for
        who has something to do between them; `is_behind` says whether there are more."""
        self._take_in(most)
        with collector_paused():
            replay(self._unplayed, self.journal_path, self._state)
        self._unplayed = []
        return self._state

    @property
    def is_behind(self) -> bool:
        """Whether the journal had more than `state` was asked for."""
        return self.journal.is_behind

    def _take_in(self, most: int | None = None) -> Scan:
        """Read what the journal says beyond what was read of it before."""
        with collector_paused():
            found = self.journal.news(most)
        # At first an event counts that lacks only its newline; a watched one is waited for.
        events = found.ended
        if not found.start.num_lines:
            self._state, self._unplayed, events = RunState(), [], found.events
            self._start = events[0] if events else None
        self._unplayed += events
        self._data_path = _last_data_path(events) or self._data_path
        return found

    def _fill(self, config_json: Json, volatile: Json) -> None:
        self.restore.mkdir()
        config = plain(config_json)
        write_json(self.run_json, config, is_durable=True)
        with self.journal as journal:
            unique = {"token": secrets.token_hex(8)}
            journal.append(
                "run_started", dict(_start_content(config)), {**volatile, **_start_volatile(config), **unique}
            )
        fsync_directory(self.path)

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.resolve().name

    @property
    def restore(self) -> Path:
        """What a resume needs."""
        return self.path / "restore"

    @property
    def run_json(self) -> Path:
        """The resolved configuration."""
        return self.restore / "run.json"

    @property
    def journal_path(self) -> Path:
        """The journal's file."""
        return self.restore / "journal.jsonl"

    def predictions_npz(self, step: int, round_number: int = 0) -> Path:
        """All predictions of a step's round, 0 the first (`storage.save_arrays`)."""
        return self.restore / f"predictions_{artifacts.of_round(step, round_number)}.npz"

    def load_predictions(self, step: int, sha256: str, round_number: int = 0) -> dict[str, np.ndarray]:
        """The arrays in `predictions_npz`; raises RunFolderError unless they have the digest `sha256`."""
        path = self.predictions_npz(step, round_number)
        identity.check_place(path)
        return load_arrays(path, sha256)

    @property
    def csv(self) -> Path:
        """CSV views."""
        return self.path / "csv"

    @property
    def best_model(self) -> Path:
        """The best cell's network."""
        return self.path / "best_model"

    @property
    def sampled_models(self) -> Path:
        """One folder per candidate."""
        return self.path / "sampled_models"

    def candidate(self, step: int, index: int) -> Path:
        """The folder of the candidate proposed at that position of a step."""
        return self.path / artifacts.of_candidate(step, index)

    def weights(self, cell: str) -> Path:
        """The weights kept of a cell (canonical text) that was the best of its time."""
        return self.path / artifacts.of_weights(cell)

    @property
    def predictors(self) -> Path:
        """Per step what was fitted, and how well."""
        return self.path / "predictors"

    @property
    def plots(self) -> Path:
        """Figures."""
        return self.path / "plots"

    @property
    def report_html(self) -> Path:
        """The self-contained report."""
        return self.path / "report.html"

    @property
    def progress_json(self) -> Path:
        """How far the stage is that runs now, or that ran last; see `runs.stored.progress`."""
        return self.path / "progress.json"

    @property
    def debug_log(self) -> Path:
        """Everything that was logged, the workers' output included."""
        return self.path / "debug.log"

    @property
    def critical_log(self) -> Path:
        """Failures only."""
        return self.path / "critical.log"

    @property
    def model_selection(self) -> Path:
        """Model selection's results."""
        return self.path / "model_selection"

    @property
    def final_training(self) -> Path:
        """Final training's results."""
        return self.path / "final_training"


def search_part(config_json: Json) -> Json:
    """The configuration without `EXECUTION_FIELDS`: what two runs of equal search content share."""
    return without(plain(config_json), "others", EXECUTION_FIELDS)


def same_search(one: Json, other: Json) -> bool:
    """Whether two configurations search the same: they may differ in `EXECUTION_FIELDS` and in where the data
    are. What an earlier version did not have is as its default."""
    first, second = (
        without(search_part(_completed(config)), "dataset", ("path",)) for config in (one, other)
    )
    return first == second


def without(config_json: Json, section: str, names: Collection[str]) -> Json:
    """Without some fields of a section; as it is, where that is none."""
    fields = config_json.get(section)
    if not isinstance(fields, Mapping):
        return config_json
    return {**config_json, section: {name: fields[name] for name in fields if name not in names}}


def _completed(config_json: Json) -> Json:
    """With the defaults of fields that are not there; as it is, where it is no whole configuration."""
    try:
        return RunConfig.model_validate(plain(config_json)).to_json()
    except ValidationError:
        return plain(config_json)


def _search_sha256(config_json: Json) -> str:
    return hashlib.sha256(compact_json(search_part(config_json)).encode()).hexdigest()


def _start_content(config: Json) -> Json:
    return {
        "version": FORMAT,
        "config_sha256": _search_sha256(config),
        "seed": part(config, "others").get("seed"),
        "config": search_part(config),
    }


def _make_readable(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        make_readable(handle, 0o777)
    finally:
        os.close(handle)


def _start_volatile(config: Json) -> Json:
    """What of the configuration is no part of the search: `EXECUTION_FIELDS`, and where its data are."""
    others = part(config, "others")
    found: Json = {"execution": {name: others[name] for name in EXECUTION_FIELDS if name in others}}
    path = part(config, "dataset").get("path")
    return {**found, DATA_PATH: absolute(path)} if isinstance(path, str) else found


def absolute(path: str) -> str:
    """A place of data that does not depend on where popnas was started; what is no path stays as it is."""
    return str(Path(path).absolute()) if Path(path).exists() else path


def _last_data_path(events: Sequence[Event]) -> str | None:
    return next(
        (event.volatile[DATA_PATH] for event in reversed(events) if event.volatile.get(DATA_PATH)), None
    )


def _config_of(start: Event) -> Json:
    """The configuration that a run was started with, as its journal has it."""
    config: Json = plain(start.content.get("config") or {})
    if not isinstance(config.get("others"), Mapping):
        return config
    return {**config, "others": {**part(config, "others"), **part(start.volatile, "execution")}}


def _tell_of_the_journal(folder: RunFolder, found: Scan) -> None:
    """Say what is not as it should be, though the journal can be used."""
    path, count = folder.journal_path, found.num_lines
    if found.num_unproven:
        told.warning(
            f"{quoted(path)} was begun by popnas 0.1.0, whose lines have no checksums: nobody would notice "
            f"a change to its first {counted(found.num_unproven, 'line')}"
        )
    if found.damaged and found.has_newline:
        told.warning(
            f"{quoted(path)}, line {count + 1} is only half written, as after a power cut or while another "
            "process writes it: it is passed over, and a search that goes on does again what it was to say"
        )
    note = ending.read(path)
    if note is not None and note.num_lines > count and not found.damaged:
        told.warning(
            f"{quoted(path)} ends with line {count}, but {counted(note.num_lines, 'line')} were written: "
            "the last are missing, "
            "as in a copy that was made while the search ran. A search that goes on does again what they said"
        )


def _remove_leftovers(parent: Path) -> None:
    """Remove folders that a creation killed more than an hour ago left behind."""
    for leftover in parent.glob(f"{_UNFINISHED}*"):
        try:
            is_old = time.time() - leftover.stat().st_mtime > _HOUR
        except OSError:
            continue
        if is_old:
            shutil.rmtree(leftover, ignore_errors=True)


def place_of_run(logs: Path | str, name: str | None) -> Path:
    """The folder of a new run below `logs`; `name` defaults to the date and time.

    Raises:
        RunFolderError: a name that leads elsewhere, or would break every line that tells where the run is.
    """
    must_be(name, str, "`name`")
    if name is None:
        name = datetime.now().strftime("%Y-%m-%d-%H-%M-%S")
    if any(ord(character) < 32 or ord(character) == 127 for character in name):
        raise RunFolderError(
            f"`name` {name!r} holds control characters: take one name that can be typed, such as 'first'."
        )
    if name in ("", ".", "..") or name != Path(name).name:
        raise RunFolderError(
            f"`name` '{name}' cannot be a run's folder in {quoted(logs)}: take one name without '/', such as "
            f"'{_like(name)}'. To keep runs elsewhere, start popnas there."
        )
    wrong = wrong_with(name)
    if wrong is not None:
        raise RunFolderError(f"`name` '{name[:40]}' {wrong}: take a name such as 'first'.")
    return files.given(logs, "`logs`, the folder of all runs,") / name


def _like(name: str) -> str:
    """A name that a run may bear: the last part of a path, if it is one."""
    last = Path(name).name
    is_one = last not in ("", ".", "..") and wrong_with(last) is None
    return last if is_one else "first"


def create_run(logs: Path | str, name: str | None, create: Callable[[Path], RunFolder]) -> RunFolder:
    """What `create` makes at the place of a new run. A default name that another process took in the same
    second gets a number; a name that the user gave is his.

    Raises:
        RunExistsError: the given name is taken.
    """
    path = place_of_run(logs, name)
    for number in itertools.count(2):
        try:
            return create(path)
        except RunExistsError:
            if name is not None:
                raise
        path = path.with_name(f"{place_of_run(logs, name).name}-{number}")
    raise AssertionError("some number is free")


def check_place_of_run(logs: Path | str, name: str | None) -> None:
    """Refuse what `create_run` would refuse, before long work.

    Raises:
        RunFolderError: no folder can stand there, or the given name is taken (RunExistsError).
    """
    with suppress(*() if name is not None else (RunExistsError,)):  # a default name gets a number
        _check_place(place_of_run(logs, name))


LOGS = Path("logs")
"""Where runs are made, unless their place is given."""

_OTHER_NAME = "or choose another place with `name`"


def _check_place(path: Path) -> None:
    """Raise RunFolderError unless a folder `path` can be made or filled."""
    try:
        is_taken = path.exists() and (not path.is_dir() or any(path.iterdir()))
    except OSError as error:
        raise RunFolderError(
            f"no run folder can be made at {quoted(path)}: {files.reason(error)}. Choose another `name`."
        ) from None
    if is_taken:
        raise _exists(path)
    in_the_way = [parent for parent in path.parents if parent.is_file()]
    if in_the_way:
        raise RunFolderError(
            f"no run folder can be made at {quoted(path)}: {quoted(in_the_way[-1])} is a file. Choose "
            "another `name`."
        )


def _exists(path: Path) -> RunExistsError:
    return RunExistsError(
        f"{quoted(path)} exists already. Resume it with {as_typed('search', '-r', path)}, or choose another "
        "`name`."
    )


def _missing(path: Path) -> RunFolderError:
    if path.exists():
        what = "is a file"
    else:
        what = files.not_here(str(path)) or "does not exist"
    names = _run_names(path.parent)
    near = closest(path.name, names)
    place = str(path.parent / near) if near is not None else _in_logs(path) or files.near(path)
    meant = f" Did you mean '{place}'?" if place is not None else ""
    listed = f" {runs_in(path.parent)}" if names else ""
    return RunFolderError(f"the run folder {quoted(path)} {what}.{meant}{listed}")


def _in_logs(path: Path) -> str | None:
    """The run of that name in the folder of runs, where the name alone was given."""
    near = closest(path.name, _run_names(LOGS)) if path == Path(path.name) else None
    return None if near is None else str(LOGS / near)


def _run_names(folder: Path) -> list[str]:
    try:
        return sorted(item.name for item in folder.iterdir() if (item / "restore").is_dir())
    except OSError:
        return []


def _of_other_command(folder: Path) -> str:
    """Whose folder it is, as a sentence, where another command than a search keeps a journal there."""
    for command, place in (("build", "build"), ("compare", "comparison")):
        if files.is_named(folder / place / "journal.jsonl"):
            goes_on = as_typed("bench", command, "-r", folder)
            return f"It is the folder of `popnas bench {command}`, which goes on with `{goes_on}`."
    return ""


def runs_in(folder: Path) -> str:
    """The latest runs in a folder, as a sentence; "" if there are none."""
    names = _run_names(folder)
    return f"Runs in {quoted(folder)}: {', '.join(names[-10:])}." if names else ""
