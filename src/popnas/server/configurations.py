"""Configurations of requests: data, looked through for places before anything else reads them, and checked
by `popnas config check` in a process of its own, as this one never loads torch."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from popnas import config, files
from popnas.config.preset_files import PARTIAL_PRESETS
from popnas.errors import ConfigError, PopnasError, Problem, UserError
from popnas.records import Json, part
from popnas.server.access.places import NotThereError, check_data_name, data_path, run_folder
from popnas.server.answers import Checked, Document, Preset, ProblemAnswer
from popnas.server.jobs.process import child_environment
from popnas.storage import plain, write_json

_LOG = logging.getLogger(__name__)

_LINE = re.compile(r" \(line \d+\)$")
"""Where a mistake stands in the file that is checked, which nobody but this process has."""

_SECONDS = 180.0
_MOST_AT_ONCE = 2
_MOST_WAITING = 4
"""Each has one of the few threads that all requests share."""


class TooManyError(PopnasError):
    """As many wait as may."""


def with_own_places(document: Document, roots: Sequence[Path], logs: Path) -> Document:
    """A configuration whose data lie where the server may read them, their place as an absolute path; and
    whose earlier runs are those of its own folder `logs`, which it names.

    Raises:
        ConfigError: they lie elsewhere, or are named like a place.
    """
    document = _with_earlier_runs(document, logs)
    dataset = document.get("dataset")
    if not isinstance(dataset, dict):
        return document
    place, name = dataset.get("path"), dataset.get("name")
    try:
        if isinstance(place, str):
            return {**document, "dataset": {**dataset, "path": data_path(place, roots)}}
        if isinstance(name, str):
            check_data_name(name)
    except UserError as error:
        field, value = ("dataset.path", place) if isinstance(place, str) else ("dataset.name", name)
        raise ConfigError([Problem(field, value, str(error))]) from None
    return document


def _with_earlier_runs(document: Document, logs: Path) -> Document:
    others = document.get("others")
    predictors = others.get("predictors") if isinstance(others, dict) else None
    runs = predictors.get("earlier_runs") if isinstance(predictors, dict) else None
    if not isinstance(others, dict) or not isinstance(predictors, dict) or not isinstance(runs, list):
        return document
    try:
        places = [str(run_folder(logs, run)) if isinstance(run, str) else run for run in runs]
    except NotThereError as error:
        remedy = f"{error} Give the names of runs of this server."
        raise ConfigError([Problem("others.predictors.earlier_runs", runs, remedy)]) from None
    return {**document, "others": {**others, "predictors": {**predictors, "earlier_runs": places}}}


def check_own_places(stored: Json, roots: Sequence[Path]) -> None:
    """Raises UserError for a run whose data lie where the server may not read, or are named like a place."""
    dataset = part(stored, "dataset")
    place, name = dataset.get("path"), dataset.get("name")
    if isinstance(place, str):
        data_path(place, roots)
    elif isinstance(name, str):
        check_data_name(name)


class Checker:
    """Runs `popnas config`; `folder` is where it may leave files for a moment."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._places = threading.BoundedSemaphore(_MOST_AT_ONCE + _MOST_WAITING)
        self._turns = threading.BoundedSemaphore(_MOST_AT_ONCE)
        self._lock = threading.Lock()
        self._schema: str | None = None

    def check(self, document: Document) -> Checked:
        """All mistakes of a configuration.

        Raises:
            TooManyError: as many are looked at as may be.
            PopnasError: it cannot be looked at now.
        """
        with self._place():
            return self._check(document)

    def _check(self, document: Document) -> Checked:
        handle, name = tempfile.mkstemp(suffix=".json", dir=self._folder)
        os.close(handle)
        path = Path(name)
        try:
            write_json(path, document)
            printed = self._run("check", "-j", name, "--json")
        finally:
            path.unlink(missing_ok=True)
        try:
            found = json.loads(printed)
            problems = [
                ProblemAnswer(
                    place=item["place"], value=item["value"], message=_LINE.sub("", item["message"])
                )
                for item in found["problems"]
            ]
            return Checked(is_valid=found["is_valid"], problems=problems, warnings=found["warnings"])
        except (ValueError, KeyError, TypeError) as error:
            raise PopnasError("the configuration could not be checked; the server's log says why.") from error

    def schema(self) -> str:
        """The JSON Schema of configurations, as text; made once. Raises as `check`."""
        if self._schema is None:
            with self._place(), self._lock:
                if self._schema is None:
                    self._schema = self._run("schema")
        return self._schema

    @contextmanager
    def _place(self) -> Iterator[None]:
        """One of those who are looked after or wait."""
        if not self._places.acquire(blocking=False):
            raise TooManyError("many configurations are being checked; try again in a few seconds.")
        try:
            yield
        finally:
            self._places.release()

    def _run(self, *arguments: str) -> str:
        with self._turns:
            try:
                found = subprocess.run(
                    [sys.executable, "-P", "-m", "popnas", "config", *arguments],
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                    timeout=_SECONDS,
                    cwd=self._folder,
                    env=child_environment(),
                    check=False,
                )
            except subprocess.TimeoutExpired:
                raise PopnasError("this machine is too busy to check configurations now.") from None
        if not found.stdout:
            _LOG.warning("Warning: popnas config %s said: %s", arguments[0], found.stderr.strip()[-2000:])
            raise PopnasError("configurations cannot be looked at now; the server's log says why.")
        return found.stdout


def presets() -> list[Preset]:
    """The configurations that come with popnas, whole ones first."""
    names = [*config.preset_names(), *config.partial_preset_names()]
    found = []
    for name in names:
        document: Document = plain(files.object_of((config.preset_text(name) or "{}").encode()))
        found.append(Preset(name=name, is_partial=name in PARTIAL_PRESETS, config=document))
    return found
