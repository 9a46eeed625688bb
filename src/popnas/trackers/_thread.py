"""One tracker behind a thread of its own: whoever tells it something never waits for it."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from popnas import files
from popnas.printable import counted, without_secrets
from popnas.trackers._tracker import Tracker, UnreachableError

_LOG = logging.getLogger(__name__)

MOST_WAITING = 10_000
"""So many messages wait for a tracker; what comes after them is dropped, and counted."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_PATIENCE_SHARE, _LEAST_PATIENCE_SECONDS, _PATIENCE_SECONDS = 0.03, 3.0, 10.0
"""At the end a tracker is waited for as long as a message gets done within this share of the time that the
tracker was there for, at least and at most so long: nobody waits long at the end of a short search,"""
_LONGEST_WAIT = 60.0
"""and at most so long in all."""

T = TypeVar("T")
Message = Callable[[Tracker], None]


@dataclass
class _Waiting:
    """`left` messages, each made when it is its turn."""

    left: int
    messages: Iterator[Message]


class TrackerThread:
    """Hands messages to a tracker in their order, in a thread.

    A message that does not get through (UnreachableError) is tried again, at growing intervals; whatever else
    a tracker raises ends its log. `failure`: why its log ended early or is not whole, in words; None: it is.
    """

    def __init__(self, name: str, place: str, make: Callable[[], Tracker]) -> None:
        self.failure: str | None = None
        self._name, self._place, self._make = name, place, make
        self._changed = threading.Condition()
        self._waiting: deque[_Waiting] = deque()
        self._num_told = self._num_dropped = self._num_in_hand = 0
        self._is_closing = self._is_over = self._has_warned = self._is_trying = False
        self._reason = "it is too slow"
        self._moved = self._began = time.monotonic()
        self._thread = threading.Thread(target=self._work, name=f"tracker {name}", daemon=True)
        self._thread.start()

    def tell(self, message: Message) -> None:
        """Put a message behind those that wait, if there is room."""
        self.tell_all((message,), 1)

    def tell_all(self, messages: Iterable[Message], count: int) -> None:
        """Put so many messages behind those that wait, as one that takes room: each is made, in the thread,
        when it is its turn."""
        with self._changed:
            if self._is_over or self._is_closing or not count:
                return
            self._num_told += count
            if len(self._waiting) >= MOST_WAITING:
                self._num_dropped += count
                return
            self._waiting.append(_Waiting(count, iter(messages)))
            self._changed.notify()

    def close(self) -> None:
        """Wait until all is told and the tracker closed, or it takes too long; safe to call twice."""
        with self._changed:
            if self._is_closing:
                return
            self._is_closing = True
            began = time.monotonic()
            if not self._is_trying:  # what it is in the middle of may have taken too long already
                self._moved = began
            self._changed.notify()
        patience = min(_PATIENCE_SHARE * (began - self._began), _PATIENCE_SECONDS)
        patience = max(patience, _LEAST_PATIENCE_SECONDS)
        while self._thread.is_alive():
            self._thread.join(0.05)
            now = time.monotonic()
            if now - self._moved > patience or now - began > _LONGEST_WAIT:
                break
        with self._changed:
            if self._thread.is_alive():  # left behind, in the middle of a message; a daemon keeps nobody
                self._give_up()
                if not self._num_dropped:
                    self.failure = f"{self._reason} and was left before it had ended"
            if self._num_dropped and self.failure is None:
                lost = f"{self._num_dropped:,} of {counted(self._num_told, 'message')}"
                self.failure = f"{self._reason}; {lost} did not get into it"

    def _give_up(self) -> None:
        """Nothing more gets into it; what waits and what is in hand counts as dropped."""
        self._num_dropped += sum(item.left for item in self._waiting) + self._num_in_hand
        self._num_in_hand = 0
        self._waiting.clear()
        self._is_over = True

    # --- in the thread ---

    def _work(self) -> None:
        tracker = None
        try:
            tracker = self._tried(self._make)
            while (message := self._next()) is not None:
                self._tried(partial(message, tracker))
            if not self._is_over:
                self._tried(tracker.close)
        except UnreachableError:  # it is to end, and the rest did not get through
            with self._changed:
                self._give_up()
        except BaseException as error:  # trackers come from elsewhere, and some end "the program"
            self._end(error)
        else:
            return
        with self._changed:
            self._is_over = True
            self._waiting.clear()
        # Closed for what it holds; what it says then is of no interest.
        if tracker is not None:
            with contextlib.suppress(BaseException):
                tracker.close()

    def _next(self) -> Message | None:
        with self._changed:
            self._num_in_hand = 0
            while not self._waiting:
                if self._is_closing:
                    return None
                self._changed.wait()
            first = self._waiting[0]
            first.left -= 1
            if not first.left:
                self._waiting.popleft()
            self._num_in_hand = 1
            return next(first.messages)

    def _tried(self, action: Callable[[], T]) -> T:
        """Do it until it gets through; at the end of all once more."""
        pause, is_last = _FIRST_PAUSE, False
        while True:
            self._moved, self._is_trying = time.monotonic(), True
            try:
                return action()
            except UnreachableError as error:
                self._warn_once(error)
                if is_last or self._is_over:
                    raise
            finally:
                self._moved, self._is_trying = time.monotonic(), False
            with self._changed:
                is_last = self._changed.wait_for(lambda: self._is_closing, pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _warn_once(self, error: Exception) -> None:
        self._reason = words(error)
        if not self._has_warned:
            self._has_warned = True
            text = "%s of %s does not get through and is tried again, nothing waits for it: %s"
            _LOG.warning(text, self._name, self._place, self._reason)

    def _end(self, error: BaseException) -> None:
        with self._changed:
            self.failure = words(error)
        _LOG.warning("%s of %s ends here: %s", self._name, self._place, self.failure)


def words(error: BaseException) -> str:
    """An error on one line, without what is secret."""
    if isinstance(error, OSError) and error.errno is not None:
        return files.reason(error)
    text = str(error) if isinstance(error, UnreachableError) else f"{type(error).__name__}: {error}"
    return without_secrets(" ".join(text.split()))
