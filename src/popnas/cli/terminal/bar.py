"""A progress display that fits any terminal: its parts flow onto as many lines as they need."""

from __future__ import annotations

import os
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderResult
from rich.control import Control, ControlType
from rich.live import Live
from rich.text import Text

from popnas.cli.terminal.ending import ENDING
from popnas.cli.terminal.output import shown
from popnas.printable import printable

_FRAMES, _FRAMES_ASCII = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "|/-\\"
_FRAMES_PER_SECOND = 10.0
_GAP = 2
Note = str | Callable[[], str]
"""Words beside a bar, or what gives them whenever it is drawn: times left run down."""
# The terminal itself writes "^C" behind the bar: on a full line that would begin another one.
_ECHO = 2
_SLOW_SECONDS = 2.0
_LOCK_SECONDS = 1.0


def error_console() -> Console:
    """Standard error for messages: nothing in them is markup, an emoji's name, or coloured by guess."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False)


def say(console: Console, text: str) -> None:
    """A message as any other text on standard error; a bar at the bottom stays below it."""
    console.print(shown(text, sys.stderr), soft_wrap=True)


def is_drawn(console: Console) -> bool:
    """Whether somebody watches, on a terminal that can move its cursor (FORCE_COLOR makes none of a file)."""
    return sys.stderr is not None and sys.stderr.isatty() and not console.is_dumb_terminal


@contextmanager
def bar_on(console: Console, text: str = "starting", total: int | None = None) -> Iterator[Bar]:
    """A bar at the bottom of the terminal while the block runs, at first of `text`; messages to `console`
    stand above it."""
    bar = Bar()
    bar.start(text, total)
    bar.live = display = Display(bar, console)
    with ENDING.before_exit(display.erase), display:
        yield bar


class Display(Live):
    """Draws a bar over what it drew before, also where the terminal was made narrower meanwhile."""

    def __init__(self, bar: Bar, console: Console, *, auto_refresh: bool = True) -> None:
        super().__init__(
            bar,
            console=console,
            transient=True,
            auto_refresh=auto_refresh,
            refresh_per_second=_FRAMES_PER_SECOND,
            redirect_stdout=False,
        )
        self._bar = bar

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """Of rich: whatever is printed, with the bar erased before it and drawn below it."""
        with self._lock:
            count = self._bar.num_wrapped(self.console.width) if _wraps_again() else 0
            row_up = (ControlType.ERASE_IN_LINE, 2), (ControlType.CURSOR_UP, 1)
            return [Control(*row_up * count), *super().process_renderables(renderables)]

    def erase(self) -> None:
        """Take what is drawn off the screen; nothing is drawn any more. For a process that ends at once, from
        the handler of a signal: what was being written then is not waited for."""
        self._lock.acquire(timeout=_LOCK_SECONDS)  # and never released
        wrapped = self._bar.num_wrapped(self.console.width) if _wraps_again() else 0
        text = "\x1b[2K\x1b[1A" * wrapped + self._live_render.position_cursor().segment.text
        os.write(2, text.encode())


def _wraps_again() -> bool:
    """Whether the terminal wraps lines anew when it is made narrower, as nearly all do; of one that cuts them
    nothing above the bar may be erased."""
    kind = os.environ.get("TERM", "")
    is_cutting = kind.startswith(("linux", "rxvt")) or (
        kind.startswith("screen") and "TMUX" not in os.environ
    )
    return not is_cutting and "XTERM_VERSION" not in os.environ


@contextmanager
def bar_if_slow(text: str) -> Iterator[Callable[[], None]]:
    """A bar without a count while the block runs, if that takes long and somebody watches; what it gives ends
    the bar before the block, for a question.
    """
    console, over = error_console(), threading.Event()
    if not is_drawn(console):
        yield lambda: None
        return

    def draw() -> None:
        if not over.wait(_SLOW_SECONDS):
            with bar_on(console, text):
                over.wait()

    drawing = threading.Thread(target=draw, daemon=True)
    drawing.start()

    def end() -> None:
        over.set()
        drawing.join()

    try:
        yield end
    finally:
        end()


class Bar:
    """One thing at a time: what is going on, how far it is if that can be counted, and how long it takes."""

    live: Live | None = None

    def __init__(self) -> None:
        self._drawn: list[int] = []
        self.start("")

    def start(self, text: str, total: int | None = None, done: int = 0) -> None:
        """Something else goes on from now; without a `total` nothing is counted."""
        self.text, self.total, self.done = printable(text), total, done
        self.notes: Sequence[Note] = ()
        self.began = time.monotonic()

    def update(self, done: int, *notes: Note) -> None:
        """How far it is, and words beside the bar."""
        self.done, self.notes = done, notes
        if self.live is not None and done == self.total:
            self.live.refresh()  # what comes next may replace the full bar before its turn to be drawn

    def num_wrapped(self, columns: int) -> int:
        """How many more lines the last drawing takes on a terminal of so many columns, wrapped there."""
        return sum(-(-length // max(columns, 1)) - 1 for length in self._drawn if length)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        frames = _FRAMES_ASCII if options.ascii_only else _FRAMES
        width = max(options.max_width - _ECHO, 1)
        seconds = time.monotonic() - self.began
        frame = frames[int(seconds * _FRAMES_PER_SECOND) % len(frames)]
        parts = [Text(line) for line in textwrap.wrap(f"{frame} {self.text}", width)]
        if self.total is not None:
            parts.append(self._counted(width, is_ascii=options.ascii_only))
        notes = [printable(note if isinstance(note, str) else note()) for note in self.notes]
        parts += [Text(elapsed(seconds)), *(Text(note) for note in notes if note)]
        lines = flowed(parts, width)
        self._drawn = [line.cell_len for line in lines]
        yield from lines

    def _counted(self, width: int, *, is_ascii: bool) -> Text:
        assert self.total is not None
        length = min(max(width // 4, 10), 40)
        filled = length if self.total == 0 else length * min(self.done, self.total) // self.total
        # The two halves differ in form too: not every terminal has colours.
        full, empty = ("#", "-") if is_ascii else ("━", "┄")
        return Text.assemble(
            (full * filled, "cyan"), (empty * (length - filled), "dim"), f" {self.done}/{self.total}"
        )


def flowed(parts: Sequence[Text], width: int) -> list[Text]:
    """The parts in lines of at most `width` columns; a part goes to the next line as a whole."""
    lines: list[Text] = []
    for part in parts:
        part.truncate(width, overflow="ellipsis")
        part.no_wrap = True
        if lines and lines[-1].cell_len + _GAP + part.cell_len <= width:
            lines[-1].append(" " * _GAP).append_text(part)
        else:
            lines.append(part)
    return lines


def elapsed(seconds: float) -> str:
    """A clock: 0:48, 12:03, 3:20:00."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
