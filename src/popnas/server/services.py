"""What the routes work with: one object per server, made before it listens and closed after it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from popnas.errors import PopnasError, RunFolderError
from popnas.printable import quoted
from popnas.runs.lock import RunLock, holder
from popnas.server.access.sessions import Sessions
from popnas.server.access.settings import ServerSettings, make_state_folder
from popnas.server.boards import Boards
from popnas.server.commands import Commands
from popnas.server.configurations import Checker
from popnas.server.jobs.queue import JobQueue
from popnas.server.watching.feeds import Feeds
from popnas.server.watching.streams import Streams
from popnas.server.watching.summaries import Summaries
from popnas.server.webhooks import Webhooks

_LOG = logging.getLogger(__name__)
_TICK_SECONDS = 0.5


@dataclass(frozen=True)
class Services:
    """The parts of a running server."""

    settings: ServerSettings
    sessions: Sessions
    jobs: JobQueue
    feeds: Feeds
    summaries: Summaries
    streams: Streams
    checker: Checker
    commands: Commands
    boards: Boards
    webhooks: Webhooks | None
    lock: RunLock

    @classmethod
    def of(cls, settings: ServerSettings, sessions: Sessions) -> Services:
        """All parts, with the queue as it was left.

        Raises:
            RunFolderError: another server has this folder of runs.
            StorageError: the disk refused.
        """
        make_state_folder(settings)
        lock = _locked(settings)
        hook = settings.webhook
        webhooks = None if hook is None else Webhooks(hook, settings.state / "webhook")
        tell = (lambda job: None) if webhooks is None else webhooks.tell
        jobs = JobQueue(settings.root, settings.state / "jobs", settings.num_jobs, tell)
        feeds = Feeds(settings.root)
        summaries = Summaries(settings.root, feeds, jobs)
        checker = Checker(jobs.work)
        return cls(
            settings=settings,
            sessions=sessions,
            jobs=jobs,
            feeds=feeds,
            summaries=summaries,
            streams=Streams(feeds, summaries),
            checker=checker,
            commands=Commands(settings, jobs, checker),
            boards=Boards(settings.state),
            webhooks=webhooks,
            lock=lock,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """While the block runs, jobs are started and looked after."""
        tasks = [asyncio.create_task(self._tick()), asyncio.create_task(self._warm_up())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task
            if self.settings.stops_runs:
                await run_in_threadpool(self.jobs.stop_all)
            self.close()

    def close(self) -> None:
        """Let go of everything but the jobs: what still runs goes on."""
        self.boards.close()
        if self.webhooks is not None:
            self.webhooks.close()
        self.lock.release()

    async def _tick(self) -> None:
        trouble = ""
        while True:
            try:
                await run_in_threadpool(self.jobs.tick)
                await run_in_threadpool(self.boards.tick)
                trouble = ""
            except Exception as error:  # a full disk, say: it may be better the next time
                said = f"{type(error).__name__}: {error}"
                if said != trouble:  # twice a second the log itself would fill it
                    trouble = said
                    _LOG.exception("looking after jobs failed")
            await asyncio.sleep(_TICK_SECONDS)

    async def _warm_up(self) -> None:
        """Read the journals before somebody waits for them."""
        with suppress(PopnasError):
            while any(run.state == "reading" for run in await run_in_threadpool(self.summaries.all)):
                pass


def _locked(settings: ServerSettings) -> RunLock:
    lock = RunLock(settings.state / "server" / "lock")
    lock.path.parent.mkdir(exist_ok=True)
    try:
        lock.acquire()
    except RunFolderError as error:
        found = holder(lock.path)
        if found is None:
            raise
        raise RunFolderError(
            f"the runs in {quoted(settings.root)} are served already, by {found}. Open its page, stop it "
            "first, or serve another folder."
        ) from error
    return lock


def services(request: Request) -> Services:
    """Those of the server that got a request."""
    found: Services = request.app.state.services
    return found
