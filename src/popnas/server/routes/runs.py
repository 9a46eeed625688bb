"""Looking at runs."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query
from fastapi.responses import Response, StreamingResponse
from starlette.concurrency import run_in_threadpool

from popnas.cells import Cell
from popnas.errors import UserError
from popnas.printable import printable
from popnas.report.drawing import lay_out, svg_text
from popnas.server.access.places import NotThereError, is_run_name, runs_not_shown
from popnas.server.answers import (
    Candidates,
    CellText,
    ComparedRuns,
    Document,
    JobAnswer,
    LogPiece,
    NotShownAnswer,
    ObjectiveAnswer,
    Quality,
    RunResults,
    Runs,
    RunSummary,
)
from popnas.server.jobs.record import ACTIVE
from popnas.server.routes._base import Parts, Run, folder_of
from popnas.server.watching import results
from popnas.server.watching.feeds import rows_json
from popnas.server.watching.logs import piece
from popnas.storage import plain

router = APIRouter(tags=["runs"])

After = Annotated[int, Query(ge=0, le=2**53, description="From which row on.")]
_MOST_BLOCKS = 64


@router.get("/runs")
def list_runs(parts: Parts) -> Runs:
    """All runs at a glance, the newest first, with those that are to come."""
    jobs = parts.jobs.all()
    return Runs(
        runs=parts.summaries.all(),
        not_shown=[
            NotShownAnswer(name=item.name, reason=item.reason) for item in runs_not_shown(parts.settings.root)
        ],
        num_running=sum(job.state in ACTIVE for job in jobs),
        num_queued=sum(job.state == "queued" for job in jobs),
        num_at_once=parts.settings.num_jobs,
    )


@router.get("/jobs")
def list_jobs(parts: Parts) -> list[JobAnswer]:
    """The commands that the server runs, ran or will run, the oldest first."""
    return [JobAnswer.of(job) for job in parts.jobs.all()]


@router.get("/runs/{run}")
def look_at_run(run: Run, parts: Parts) -> RunSummary:
    """A run at a glance, with how far it is."""
    if not parts.jobs.of(run):
        folder_of(parts, run)
    return parts.summaries.of(run)


@router.get("/runs/{run}/candidates", response_model=Candidates)
def candidates(
    run: Run, parts: Parts, after: After = 0, limit: Annotated[int, Query(ge=1, le=10_000)] = 1000
) -> Response:
    """Candidates in the order in which they were evaluated, from a row on."""
    feed = parts.feeds.of(folder_of(parts, run))
    epoch, table = feed.table()
    rows, total = table[after : after + limit], len(table)
    # The rows are JSON already; only what is around them is made.
    around = Candidates(
        epoch=epoch,
        columns=feed.columns,
        objectives=[ObjectiveAnswer(**item.to_json()) for item in feed.shown],  # type: ignore[arg-type]
        rows=[],
        next=after + len(rows),
        total=total,
    ).model_dump_json()
    return Response(
        around.replace('"rows":[]', f'"rows":{rows_json(rows)}', 1), media_type="application/json"
    )


@router.get(
    "/runs/{run}/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}}},
)
async def events(
    run: Run,
    parts: Parts,
    last_event_id: Annotated[str | None, Header(max_length=40)] = None,
    after: Annotated[str | None, Query(max_length=40, description="As the header Last-Event-ID.")] = None,
) -> StreamingResponse:
    """What happens to a run, as server-sent events, from the last one that was seen."""
    is_coming = any(job.run == run for job in parts.jobs.all())
    path = parts.settings.root / run if is_coming else await run_in_threadpool(folder_of, parts, run)
    stream = parts.streams.of(path, last_event_id or after)
    return StreamingResponse(stream, media_type="text/event-stream", headers={"x-accel-buffering": "no"})


@router.get("/runs/{run}/config")
def configuration(run: Run, parts: Parts) -> Document:
    """The run's resolved configuration."""
    found: Document = plain(parts.feeds.begun(folder_of(parts, run)).config())
    return found


@router.get("/runs/{run}/log")
def log(
    run: Run,
    parts: Parts,
    which: Literal["job", "debug", "critical"] = "job",
    start: Annotated[int, Query(ge=-1, le=2**53, description="Byte to begin at; -1: near the end.")] = -1,
    limit: Annotated[int, Query(ge=1, le=1 << 20, description="At most so many bytes.")] = 65_536,
) -> LogPiece:
    """A piece of a log: what the newest job printed, all that was logged, or failures only."""
    if which == "job":
        jobs = [job for job in parts.jobs.of(run) if job.started is not None]
        if not jobs:
            raise NotThereError(f"this server started no job of the run {run!r}.")
        path = parts.jobs.log_path(jobs[-1].number)
        return piece(path.parent, path.name, start, limit)
    return piece(folder_of(parts, run), f"{which}.log", start, limit)


@router.get("/runs/{run}/results")
def run_results(run: Run, parts: Parts) -> RunResults:
    """The front, the trained networks, and the report."""
    return results.results_of(parts.feeds.of(folder_of(parts, run)).data())


@router.get("/runs/{run}/quality")
def quality(run: Run, parts: Parts) -> Quality:
    """How good the predictors were, and where time went."""
    return results.quality_of(parts.feeds.of(folder_of(parts, run)).data())


@router.get("/compare")
def compare(
    parts: Parts, run: Annotated[list[str], Query(min_length=1, max_length=8, description="Names of runs.")]
) -> ComparedRuns:
    """Several runs on one scale: fronts and hypervolumes."""
    names = list(dict.fromkeys(run))
    if wrong := [name for name in names if not is_run_name(name)]:
        raise NotThereError(f"there is no run {printable(wrong[0][:60])!r}.")
    return results.compared([parts.feeds.of(folder_of(parts, name)).data() for name in names])


@router.get("/drawing", response_class=Response, responses={200: {"content": {"image/svg+xml": {}}}})
def drawing(cell: CellText, joins_only_unused: bool = True) -> Response:
    """A cell's drawing as SVG."""
    found = Cell.parse(cell)
    if not 0 < len(found.blocks) <= _MOST_BLOCKS:
        raise UserError(f"`cell` must have 1 to {_MOST_BLOCKS} blocks to be drawn.")
    text = svg_text(lay_out(found, concatenates_only_unused=joins_only_unused))
    headers = {
        "cache-control": "private, max-age=86400",
        "content-security-policy": "default-src 'none'; sandbox",
    }
    return Response(text, media_type="image/svg+xml", headers=headers)
