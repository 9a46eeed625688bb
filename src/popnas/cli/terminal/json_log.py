"""`--log-json`: what a command tells on standard error as JSON lines, for whoever collects logs.

One object a line: `time`, `stage` (the command), `level` ("info", "warning", "error"), `event`, and what the
event says, by the names of its fields. docs/logs.md lists them, from the declarations themselves.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from popnas.cli.terminal.part_of_job import TOLD_BY_JOB
from popnas.events import CandidateFinished, JobEvent, RunOpened, Warned, described
from popnas.printable import printable_json, without_secrets

FC = TypeVar("FC", bound=Callable[..., object] | click.Command)

_LEVELS = {logging.WARNING: "warning", logging.ERROR: "error", logging.CRITICAL: "error"}


class JsonLog:
    """A listener that writes lines once it is `start`ed; until then it is silent."""

    def __init__(self) -> None:
        self._stage: str | None = None
        self._run: Path | None = None
        self._handler = _LogLines(self)

    @property
    def is_on(self) -> bool:
        """Whether it was asked for."""
        return self._stage is not None

    def start(self, stage: str) -> None:
        """From now on; what libraries log or warn of comes as lines, too."""
        self._stage, self._run = stage, None
        logging.getLogger().addHandler(self._handler)
        logging.captureWarnings(True)

    def stop(self) -> None:
        """Until it is started again."""
        if self.is_on:
            self._stage = None
            logging.getLogger().removeHandler(self._handler)
            logging.captureWarnings(False)

    def __call__(self, event: JobEvent) -> None:
        """Hear one event."""
        if not self.is_on or (isinstance(event, Warned) and event.text in TOLD_BY_JOB):
            return
        if isinstance(event, RunOpened):
            self._run = event.folder
        is_failure = isinstance(event, CandidateFinished) and event.evaluation.is_failed
        name, fields = described(event)
        self.line("warning" if is_failure or isinstance(event, Warned) else "info", name, fields)

    def line(self, level: str, event: str, fields: Mapping[str, Any]) -> None:
        """Write one."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        run = {} if self._run is None else {"run": str(self._run)}
        content = {"time": now, "stage": self._stage, **run, "level": level, "event": event, **fields}
        click.echo(printable_json(json.dumps(_starred(content), ensure_ascii=False)), err=True)


class _LogLines(logging.Handler):
    def __init__(self, log: JsonLog) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write what was logged."""
        fields: dict[str, str] = {"logger": record.name, "text": record.getMessage()}
        if record.exc_info:
            fields["traceback"] = (self.formatter or logging.Formatter()).formatException(record.exc_info)
        self._log.line(_LEVELS.get(record.levelno, "info"), "log_record", fields)


def _starred(value: Any) -> Any:
    """Without secrets, wherever a text stands in it."""
    match value:
        case str():
            return without_secrets(value)
        case Mapping():
            return {name: _starred(item) for name, item in value.items()}
        case list() | tuple():
            return [_starred(item) for item in value]
    return value


JSON_LOG = JsonLog()


def _start(context: click.Context, _option: click.Parameter, is_asked: bool) -> None:
    if is_asked:
        JSON_LOG.start(context.command_path.partition(" ")[2])


log_json_option = click.option(
    "--log-json",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_start,
    help="Tell all that happens as JSON lines on standard error.",
)
"""For every command that is a stage of a job; docs/logs.md says what the lines hold."""
