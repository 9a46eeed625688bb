"""How commands end before their time: Ctrl-C, SIGTERM, a closed terminal, a disk that refuses; and how their
work goes on."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from popnas.cli.terminal.json_log import JSON_LOG
from popnas.cli.terminal.output import shown
from popnas.command_lines import as_typed
from popnas.errors import StorageError, UserError

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
_SHOW_CURSOR = "\x1b[?25h"


class Stopped(KeyboardInterrupt):
    """A signal that asks the process to end; the first one lets it end in order."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.exit_status = 128 + number


class Ending:
    """What is told when this process's command ends early.

    `is_stage`: a job that started this process tells it instead.
    """

    def __init__(self) -> None:
        self.is_stage = False
        self._hint: Callable[[], str | None] | None = None
        self._num_signals = 0
        self._is_told = False
        self._acts: list[Callable[[], None]] = []

    def listen(self) -> None:
        """End in order on the first signal, at once on the next. What is ignored (nohup) stays so."""
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._stop)

    @contextmanager
    def going_on(self, hint: Callable[[], str | None]) -> Iterator[None]:
        """While the block runs, and after it has ended early, `hint` says how its work goes on (None: there
        is nothing to go on with yet)."""
        self._hint = hint
        yield
        self._hint = None

    def hint(self) -> str | None:
        """How the work goes on; asked once."""
        hint, self._hint = self._hint, None
        return None if hint is None or self.is_stage else hint()

    def interrupted(self) -> list[str]:
        """What is told of an interruption, line by line; once, and of a stage by its job."""
        if self.is_stage or self._is_told:
            return []
        self._is_told = True
        return ["Interrupted.", *filter(None, [self.hint()])]

    @contextmanager
    def before_exit(self, act: Callable[[], None]) -> Iterator[None]:
        """While the block runs, the second signal calls `act` before it ends this process at once: what is on
        the screen or in another process would outlive it."""
        self._acts.append(act)
        try:
            yield
        finally:
            self._acts.remove(act)

    def reset(self) -> None:
        """Another command begins."""
        self._hint, self._is_told = None, False

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        self._num_signals += 1
        if self._num_signals == 1:
            raise Stopped(number)
        if self._num_signals == 2:  # what a third one interrupts takes too long
            for act in reversed(self._acts):
                with suppress(Exception):
                    act()
        # All that is finished is on disk, and workers end with this process.
        cursor = _SHOW_CURSOR if sys.stderr is not None and sys.stderr.isatty() else ""
        text = "" if JSON_LOG.is_on else shown("\n".join(["", *self.interrupted(), ""]), sys.stderr)
        if sys.__stderr__ is not None:
            os.write(2, (cursor + text).encode(errors="backslashreplace"))
        os._exit(128 + number)


ENDING = Ending()


def kept(*command: object) -> str:
    """The hint of a job whose finished work is kept, and goes on with a command of popnas."""
    return f"What is finished is kept. Go on with: {as_typed(*command)}"


SAME_COMMAND = "What is finished is kept. The same command goes on with it."


@contextmanager
def written_to_option(option: str) -> Iterator[None]:
    """The block writes where an option says: what cannot be written there is the option's mistake.

    Raises:
        UserError: for a StorageError of the block.
    """
    try:
        yield
    except StorageError as error:
        raise UserError(f"{error} Give another place with {option}.") from error
