"""Server-sent events of runs: one watch per run that is looked at, however many look.

Events of a stream, each with its data as one line of JSON: `start` (epoch, columns and objectives: what came
before is void), `candidates` (rows of these columns; its id is where to go on after an interruption),
`status` (the run's summary) and `gone` (the run was removed).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.concurrency import run_in_threadpool

from popnas.records import Json
from popnas.server.watching.feeds import Feed, Feeds, event, json_line, rows_json
from popnas.server.watching.summaries import Summaries

_LOG = logging.getLogger(__name__)

LOOK_SECONDS = 0.25
_STATUS_SECONDS = 1.0
_QUIET_SECONDS = 15.0
_MOST_ROWS = 2000
"""Of one event: the page shows what it has while more comes."""


class _Watch:
    """Looks at one run for all who do, as long as somebody does."""

    def __init__(self, feed: Feed, summaries: Summaries) -> None:
        self.feed, self._summaries = feed, summaries
        self.num_lookers = 0
        self.status = ""
        self.is_gone = self.is_over = False
        self._has_jobs = True
        self._told: tuple[int, int] | None = None
        self._trouble = ""
        self.changed = asyncio.Condition()
        self._task = asyncio.create_task(self._look())

    def close(self) -> None:
        """Nobody looks any more."""
        self._task.cancel()

    async def _look(self) -> None:
        beats = 0
        while not self.is_gone:
            try:
                if await run_in_threadpool(self.feed.advance):
                    # Of a long journal the page shows what is read while more is.
                    self.status = await run_in_threadpool(self._status)
                    await self.tell()
                    continue
                await self._look_once(has_time=beats % round(_STATUS_SECONDS / LOOK_SECONDS) == 0)
            except Exception as error:  # whoever looks goes on seeing what comes after
                said = f"{type(error).__name__}: {error}"
                if said != self._trouble:
                    self._trouble = said
                    _LOG.exception("looking at the run %s failed", self.feed.path.name)
            beats += 1
            await asyncio.sleep(LOOK_SECONDS)

    async def _look_once(self, *, has_time: bool) -> None:
        place, status = self._place, self.status
        if has_time or place != self._told:
            status = await run_in_threadpool(self._status)
        # A run that a job is yet to make has no folder.
        self.is_gone = not self.feed.path.is_dir() and not self._has_jobs
        if status != self.status or place != self._told or self.is_gone:
            self.status, self._told = status, place
            await self.tell()

    async def tell(self) -> None:
        """Wake all who wait for something new."""
        async with self.changed:
            self.changed.notify_all()

    @property
    def _place(self) -> tuple[int, int]:
        return self.feed.epoch, len(self.feed.rows)

    def _status(self) -> str:
        summary = self._summaries.of(self.feed.path.name, time.monotonic())
        self._has_jobs = bool(summary.jobs)
        return summary.model_dump_json()


class Streams:
    """The watches of a server."""

    def __init__(self, feeds: Feeds, summaries: Summaries) -> None:
        self._feeds, self._summaries = feeds, summaries
        self._watches: dict[str, _Watch] = {}

    async def of(self, path: Path, mark: str | None) -> AsyncIterator[bytes]:
        """The events of the run in a folder, from `mark` on (the id of the last event that was seen)."""
        watch = await self._watch(path)
        watch.num_lookers += 1
        try:
            async for piece in _events(watch, mark):
                yield piece
        finally:
            watch.num_lookers -= 1
            if not watch.num_lookers and self._watches.get(path.name) is watch:
                del self._watches[path.name]
                watch.close()

    async def end(self) -> None:
        """All streams end here; whoever follows asks the next server."""
        for watch in self._watches.values():
            watch.is_over = True
            await watch.tell()

    async def _watch(self, path: Path) -> _Watch:
        feed = await run_in_threadpool(self._feeds.begun, path)
        found = self._watches.get(path.name)
        if found is None or found.is_gone:
            found = self._watches[path.name] = _Watch(feed, self._summaries)
        return found


async def _events(watch: _Watch, mark: str | None) -> AsyncIterator[bytes]:
    feed = watch.feed
    epoch, place = _place_of(mark)
    if epoch != feed.epoch or place > len(feed.rows):
        epoch = None
    status = ""
    while not (watch.is_gone or watch.is_over):
        if epoch != feed.epoch:
            epoch, place = feed.epoch, 0
            yield event("start", json_line(_start(feed)))
        rows = feed.rows[place : place + _MOST_ROWS]
        if rows and epoch == feed.epoch:
            place += len(rows)
            yield event("candidates", rows_json(rows), f"{epoch}.{place}")
            await asyncio.sleep(0)  # somebody who has left is noticed between two of many events
            continue
        if watch.status != status:
            status = watch.status
            yield event("status", status)
        async with watch.changed:
            is_told = feed.epoch == epoch and len(feed.rows) == place and watch.status == status
            if is_told and not watch.is_over:
                try:
                    async with asyncio.timeout(_QUIET_SECONDS):
                        await watch.changed.wait()
                except TimeoutError:
                    yield b": still here\n\n"
    if watch.is_gone:
        yield event("gone", "{}")


def _start(feed: Feed) -> Json:
    return {
        "epoch": feed.epoch,
        "columns": feed.columns,
        "objectives": [item.to_json() for item in feed.shown],
        "problem": feed.problem,
    }


def _place_of(mark: str | None) -> tuple[int | None, int]:
    epoch, _, place = (mark or "").partition(".")
    if len(mark or "") < 40 and epoch.isdecimal() and place.isdecimal():
        return int(epoch), int(place)
    return None, 0
