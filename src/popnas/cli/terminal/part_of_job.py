"""What this process knows of the whole job that it is a stage of."""

from __future__ import annotations

from typing import Any

from popnas.events import JobLeft, Listen

TOLD_BY_JOB: set[str] = set()
"""Warnings that the job which started this process has told: its stages do not tell them again."""

EXPECTED: dict[str, Any] = {}
"""What the job which started this process expects, as `Ahead` has it in JSON; empty without a job, and where
nothing was measured."""


def clocked(tell: Listen) -> Listen:
    """The listener to a stage, which also hears how long the whole job still takes, if there is one."""
    if not EXPECTED:
        return tell
    from popnas.runs.stored.job_clock import Ahead, JobClock

    ahead = Ahead.from_json(EXPECTED)
    tell(JobLeft(ahead.seconds))  # what loads before the first event takes seconds
    return JobClock(ahead, tell)
