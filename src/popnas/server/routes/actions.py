"""Doing something with runs: an answer comes when it is on disk, and child processes do the work."""

from __future__ import annotations

from fastapi import APIRouter

from popnas.server.access.places import NotThereError, run_names
from popnas.server.answers import JobAnswer, NewEvaluation, NewRun, NewSelection, NewTraining
from popnas.server.jobs.queue import move_to_trash
from popnas.server.routes._base import Parts, Run, folder_of

router = APIRouter(tags=["actions"])


@router.post("/runs", status_code=201)
def start(asked: NewRun, parts: Parts) -> JobAnswer:
    """Start a search, or queue it if as many run as may."""
    return JobAnswer.of(parts.commands.search(asked))


@router.post("/runs/{run}/resume", status_code=202)
def resume(run: Run, parts: Parts) -> JobAnswer:
    """Go on with a search that was interrupted."""
    return JobAnswer.of(parts.commands.resume(run))


@router.post("/runs/{run}/stop", status_code=202)
def stop(run: Run, parts: Parts) -> list[JobAnswer]:
    """End what works on a run: it finishes writing; after half a minute it is ended by force. What is
    finished is kept."""
    if not parts.jobs.of(run):
        folder_of(parts, run)
    return [JobAnswer.of(job) for job in parts.jobs.stop(run)]


@router.delete("/runs/{run}", status_code=204)
def delete(run: Run, parts: Parts) -> None:
    """Move a run into the trash, a folder beside the queue's from which nothing is ever removed."""
    has_folder = run in run_names(parts.settings.root)
    if not has_folder and not parts.jobs.of(run):
        raise NotThereError(f"there is no run {run!r}.")

    def move() -> None:
        if has_folder:
            folder_of(parts, run)
            move_to_trash(parts.settings.root, parts.settings.state / "trash", run)
        parts.jobs.forget(run)

    parts.jobs.reserve(run, move)
    parts.boards.stop(run)
    parts.feeds.forget(run)


@router.post("/runs/{run}/select", status_code=202)
def select(run: Run, asked: NewSelection, parts: Parts) -> JobAnswer:
    """Model selection: the best cells, trained longer."""
    return JobAnswer.of(parts.commands.select(run, asked))


@router.post("/runs/{run}/train", status_code=202)
def train(run: Run, asked: NewTraining, parts: Parts) -> JobAnswer:
    """Final training of one network, with its deployment folder."""
    return JobAnswer.of(parts.commands.train(run, asked))


@router.post("/runs/{run}/evaluate", status_code=202)
def evaluate(run: Run, asked: NewEvaluation, parts: Parts) -> JobAnswer:
    """Trained networks on test data."""
    return JobAnswer.of(parts.commands.evaluate(run, asked))
