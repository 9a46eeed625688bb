"""The API under requests that schemathesis makes of its own description: none is answered by an error of the
server's, or by what the description does not say."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from popnas import config
from popnas.errors import ConfigError
from popnas.server import boards
from popnas.server.access.settings import ServerSettings
from popnas.server.answers import Checked, ProblemAnswer
from popnas.server.jobs import process

from .conftest import TOKEN, make_run, served

schemathesis = pytest.importorskip("schemathesis")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

REAL_POPEN = subprocess.Popen


def check(document: Any) -> Checked:
    """In this process, without the names of parts: a process for each would take seconds."""
    try:
        config.load(document)
    except ConfigError as error:
        problems = [
            ProblemAnswer(place=item.place, value=item.value, message=item.message) for item in error.problems
        ]
        return Checked(is_valid=False, problems=problems, warnings=[])
    return Checked(is_valid=True, problems=[], warnings=[])


def started(run: str, path: Path) -> boards._Board:
    """In place of a TensorBoard: a process that answers nothing."""
    return boards._Board(REAL_POPEN(["sleep", "600"], start_new_session=True), 9, "/secret")


async def beginning(whole: Callable[..., AsyncIterator[bytes]], *given: Any) -> AsyncIterator[bytes]:
    """What a stream begins with; it would go on until its reader goes away."""
    async for piece in whole(*given):
        yield piece
        if b"event: status" in piece:
            return


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    root = tmp_path_factory.mktemp("described") / "logs"
    with pytest.MonkeyPatch.context() as patch:
        # Commands end at once, having done nothing.
        end_at_once = ["true"]
        patch.setattr(process.subprocess, "Popen", lambda _, **given: REAL_POPEN(end_at_once, **given))
        patch.setattr(boards, "_started", started)
        for server in served(ServerSettings(root, num_jobs=4)):
            make_run(root / "one", 20)
            patch.setattr(server.services.checker, "check", check)
            server.services.checker._schema = "{}"
            whole = server.services.streams.of
            patch.setattr(server.services.streams, "of", partial(beginning, whole))
            server.guard._requests.burst = server.guard._requests.per_second = 1e9
            url = f"http://localhost:{server.port}/api/openapi.json"
            yield schemathesis.openapi.from_url(url, headers={"Authorization": f"Bearer {TOKEN}"})


KNOWN = {"Authorization": f"Bearer {TOKEN}"}


def test_no_request_is_answered_by_an_error_of_the_servers(loaded):
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

    checks = [
        not_a_server_error,
        status_code_conformance,
        content_type_conformance,
        response_schema_conformance,
    ]
    tried: Counter[str] = Counter()
    for found in loaded.get_all_operations():
        operation = found.ok()

        @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        @given(case=operation.as_strategy())
        def ask(case):
            tried[case.operation.label] += 1
            case.call_and_validate(headers=KNOWN, checks=checks)

        ask()
    assert len(tried) >= 26 and min(tried.values()) >= 1, tried
    assert "GET /api/runs/{run}/events" in tried


def test_nothing_was_made_outside_of_the_servers_own_folder(tmp_path_factory):
    for root in Path(tmp_path_factory.getbasetemp()).glob("described*/logs"):
        assert {path.name for path in root.iterdir()} <= {"one", ".popnas-server"}
