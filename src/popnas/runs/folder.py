"""Where everything of a run lies, and how a run folder comes into being: whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import itertools
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from popnas.errors import RunFolderError, nearest
from popnas.runs.journal import FORMAT, Journal
from popnas.runs.lock import RunLock
from popnas.runs.state import RunState, replay
from popnas.runs.storage import (
    compact_json,
    fsync_directory,
    make_readable,
    plain,
    storage_errors,
    write_json,
)

EXECUTION_FIELDS = ("executor", "train_strategy", "max_hours", "max_candidate_seconds")
"""Fields of `others` that say where and how long a search runs, not what it searches; -r may change them."""


class RunExistsError(RunFolderError):
    """Something stands where a new run was to be."""


_UNFINISHED = ".popnas-new-"
_HOUR = 3600.0


class RunFolder:
    """The paths of one run. Folders beside `restore` are made by whoever writes into them."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @classmethod
    def create(
        cls,
        path: str | Path,
        config_json: Mapping[str, Any],
        *,
        volatile: Mapping[str, Any] | None = None,
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
            RunFolderError: missing, no run folder, without a first event, changed, or from another version.
            JournalError: the journal is damaged before its last event.
        """
        folder = cls(path)
        if not folder.path.is_dir():
            raise _missing(folder.path)
        if not folder.journal_path.exists():
            listed = _runs_in(folder.path)
            raise RunFolderError(
                f"{folder.path} is not the folder of a run: it has no restore/journal.jsonl."
                + (f" {listed}" if listed else " Give the folder of a run, as in logs/NAME.")
            )
        events = folder.journal.events()
        if not events or events[0].event != "run_started":
            raise RunFolderError(
                f"the journal {folder.journal_path} does not begin with a whole event 'run_started', so "
                f"nothing can be resumed. Remove {folder.path} and start again, or put back the journal."
            )
        digest = _search_sha256(folder.config_json())
        if digest != events[0].content.get("config_sha256"):
            raise RunFolderError(
                f"{folder.run_json} was changed after the run started, beyond {', '.join(EXECUTION_FIELDS)} "
                "in 'others'. Put back the old file, or start a new run with this configuration."
            )
        return folder

    def config_json(self) -> dict[str, Any]:
        """The run's resolved configuration (`restore/run.json`).

        Where that file is missing or damaged, what the journal says: all but `EXECUTION_FIELDS`, which then
        have their defaults.

        Raises:
            RunFolderError: the file cannot be read, and neither can the journal.
            JournalError: likewise.
        """
        try:
            config = json.loads(self.run_json.read_bytes())
        except (FileNotFoundError, ValueError):
            config = None
        except OSError as error:
            raise RunFolderError(f"cannot read the run's configuration {self.run_json}: {error}") from error
        if isinstance(config, dict):
            return config
        return self.state().config

    def lock(self) -> RunLock:
        """The lock that keeps a second process out; a context manager (errors: see `RunLock.acquire`)."""
        return RunLock(self.restore / "lock")

    @cached_property
    def journal(self) -> Journal:
        """The run's journal. Append only while the lock is held."""
        return Journal(self.journal_path)

    def state(self) -> RunState:
        """What the journal says so far."""
        return replay(self.journal.events(), self.journal_path)

    def _fill(self, config_json: Mapping[str, Any], volatile: Mapping[str, Any]) -> None:
        self.restore.mkdir()
        config = plain(config_json)
        write_json(self.run_json, config, is_durable=True)
        with self.journal as journal:
            journal.append("run_started", _start_content(config), dict(volatile))
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

    def predictions_npz(self, step: int) -> Path:
        """All predictions of a step (`storage.save_arrays`)."""
        return self.restore / f"predictions_B{step}.npz"

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
        return self.sampled_models / f"B{step}" / str(index)

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


def search_part(config_json: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration without `EXECUTION_FIELDS`: what two runs of equal search content share."""
    config = plain(config_json)
    if isinstance(config.get("others"), dict):
        config["others"] = {
            key: value for key, value in config["others"].items() if key not in EXECUTION_FIELDS
        }
    return config


def _search_sha256(config_json: Mapping[str, Any]) -> str:
    return hashlib.sha256(compact_json(search_part(config_json)).encode()).hexdigest()


def _start_content(config: dict[str, Any]) -> dict[str, Any]:
    return {
        "version": FORMAT,
        "config_sha256": _search_sha256(config),
        "seed": (config.get("others") or {}).get("seed"),
        "config": search_part(config),
    }


def _make_readable(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        make_readable(handle, 0o777)
    finally:
        os.close(handle)


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
        RunFolderError: a name that leads elsewhere.
    """
    if name is None:
        name = datetime.now().strftime("%Y-%m-%d-%H-%M-%S")
    if name in ("", ".", "..") or name != Path(name).name or "\0" in name:
        raise RunFolderError(
            f"--name '{name}' cannot be a run's folder in {logs}: take one name without '/', such as "
            f"'{Path(name).name or 'first'}'. To keep runs elsewhere, start popnas there."
        )
    return Path(logs) / name


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


_OTHER_NAME = "or choose another place with --name"


def _check_place(path: Path) -> None:
    """Raise RunFolderError unless a folder `path` can be made or filled."""
    try:
        is_taken = path.exists() and (not path.is_dir() or any(path.iterdir()))
    except OSError as error:
        reason = error.strerror or error
        raise RunFolderError(
            f"no run folder can be made at {path}: {reason}. Choose another --name."
        ) from None
    if is_taken:
        raise _exists(path)
    files = [parent for parent in path.parents if parent.is_file()]
    if files:
        raise RunFolderError(
            f"no run folder can be made at {path}: {files[-1]} is a file. Choose another --name."
        )


def _exists(path: Path) -> RunExistsError:
    return RunExistsError(f"{path} exists already. Resume it with -r {path}, or choose another --name.")


def _missing(path: Path) -> RunFolderError:
    what = "is a file" if path.exists() else "does not exist"
    names = _run_names(path.parent)
    listed = f" {_runs_in(path.parent)}" if names else ""
    return RunFolderError(
        f"the run folder {path} {what}.{nearest(path.name, names)}{listed} A new search takes --name."
    )


def _run_names(folder: Path) -> list[str]:
    try:
        return sorted(item.name for item in folder.iterdir() if (item / "restore").is_dir())
    except OSError:
        return []


def _runs_in(folder: Path) -> str:
    names = _run_names(folder)
    return f"Runs in {folder}: {', '.join(names[-10:])}." if names else ""
