"""The API under requests that schemathesis makes of its own description: none is answered by an error of the
server's, or by what the description does not say."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from popnas.server.access.settings import ServerSettings
from popnas.server.answers import Checked

from .conftest import TOKEN, make_run, served

schemathesis = pytest.importorskip("schemathesis")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

RIGHT = Checked(is_valid=True, problems=[], warnings=[])
ENDLESS = "/api/runs/{run}/events"
"""Streams end when their reader goes away; `test_api` reads them."""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    root = tmp_path_factory.mktemp("described") / "logs"
    for server in served(ServerSettings(root)):
        make_run(root / "one", 20)
        # What it queues is not started, and configurations are checked elsewhere.
        server.services.jobs.tick = lambda: None
        server.services.checker.check = lambda document: RIGHT
        server.services.checker._schema = "{}"
        server.services.boards.start = lambda run, path: False
        server.guard._requests.burst = server.guard._requests.per_second = 1e9
        url = f"http://localhost:{server.port}/api/openapi.json"
        found = schemathesis.openapi.from_url(url, headers={"Authorization": f"Bearer {TOKEN}"})
        yield found.exclude(path=ENDLESS)


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
    assert len(tried) >= 25 and min(tried.values()) >= 1, tried


def test_nothing_was_made_outside_of_the_servers_own_folder(tmp_path_factory):
    for root in Path(tmp_path_factory.getbasetemp()).glob("described*/logs"):
        assert {path.name for path in root.iterdir()} <= {"one", ".popnas-server"}
