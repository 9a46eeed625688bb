"""What the API answers, and what it starts."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from click.testing import CliRunner

from popnas.cli.main import cli
from popnas.errors import StorageError, UserError
from popnas.printable import one_line
from popnas.server import app
from popnas.server.access.settings import ServerSettings, Webhook, make_state_folder, names_of, own_token
from popnas.server.answers import Checked, ProblemAnswer, RunSummary
from popnas.server.boards import _Board
from popnas.server.jobs.record import RunJob
from popnas.server.watching.feeds import Feed
from popnas.server.watching.logs import piece
from popnas.server.watching.streams import _Watch
from popnas.server.webhooks import Webhooks, signature

from .conftest import Answer, Served, evaluations, make_run, served, streamed, until


@pytest.fixture
def idle(server: Served, monkeypatch) -> Served:
    """A server that queues jobs and starts none, and takes every configuration for right."""
    monkeypatch.setattr(server.services.jobs, "tick", lambda: None)
    checked = Checked(is_valid=True, problems=[], warnings=[])
    monkeypatch.setattr(server.services.checker, "check", lambda document: checked)
    return server


def test_runs_are_listed_with_what_they_came_to(server):
    make_run(server.root / "one", 12)
    make_run(server.root / "a name with spaces", 3)
    (server.root / "no_run").mkdir()
    found = server.ask("GET", "/api/runs").json()
    (run,) = found["runs"]
    best = max(evaluations(12), key=lambda item: item.score)
    assert run["name"] == "one" and run["state"] == "stopped" and run["can_resume"]
    assert (run["num_networks"], run["best_score"], run["best_cell"]) == (12, best.score, best.cell)
    assert (run["data"], run["task"], run["num_steps"]) == ("digits", "image_classification", 4)


def test_runs_that_are_not_shown_are_named_with_what_helps(server, tmp_path):
    odd = [
        "a b;c",
        "\u00e9",
        "$HOME",
        "a'b",
        "<b>x",
        "x" * 101,
        "nul",
        "line\nend",
        b"byte\xff".decode(errors="surrogateescape"),
    ]
    make_run(server.root / "one", 3)
    for name in odd:
        (server.root / name / "restore").mkdir(parents=True)
    (server.root / "no_run").mkdir()
    (server.root / ".trash" / "restore").mkdir(parents=True)
    (tmp_path / "elsewhere" / "restore").mkdir(parents=True)
    (server.root / "led").symlink_to(tmp_path / "elsewhere")
    (server.root / "half").mkdir()
    (server.root / "half" / "restore").symlink_to(tmp_path / "elsewhere")
    found = server.ask("GET", "/api/runs").json()
    assert [run["name"] for run in found["runs"]] == ["one"]
    reasons = {item["name"]: item["reason"] for item in found["not_shown"]}
    assert reasons.keys() == {one_line(name) for name in odd} | {"led", "half"}
    assert all("rename its folder" in reasons[one_line(name)] for name in odd)
    assert "is the name of a device" in reasons["nul"]
    assert reasons["led"] == reasons["half"] == "links are not followed; move the folder itself here"
    for name in ("led", "half"):
        assert server.ask("GET", f"/api/runs/{name}").status == 404
    (server.root / "a'b").rename(server.root / "renamed")  # the remedy
    assert {run["name"] for run in server.ask("GET", "/api/runs").json()["runs"]} == {"one", "renamed"}


def test_the_start_names_what_is_not_shown(tmp_path, monkeypatch):
    for name in ("a b", "c d", "fine"):
        (tmp_path / "logs" / name / "restore").mkdir(parents=True)
    monkeypatch.setattr(app, "serve", lambda settings, tell: tell("http://here/", "token"))
    told = CliRunner().invoke(cli, ["serve", str(tmp_path / "logs")]).output
    assert told.startswith("Open:  http://here/")  # which programs read
    assert "Not shown: 'a b', 'c d': a run's name here has up to 100 letters" in " ".join(told.split())
    assert "fine" not in told


def test_candidates_are_read_from_where_the_reader_is(server):
    make_run(server.root / "one", 25)
    first = server.ask("GET", "/api/runs/one/candidates?limit=10").json()
    rest = server.ask("GET", f"/api/runs/one/candidates?after={first['next']}").json()
    assert (first["next"], first["total"], len(rest["rows"])) == (10, 25, 15)
    assert first["epoch"] == rest["epoch"]
    rows = [dict(zip(first["columns"], row, strict=True)) for row in first["rows"] + rest["rows"]]
    assert [row["cell"] for row in rows] == [item.cell for item in evaluations(25)]
    assert [row["score"] for row in rows] == [item.score for item in evaluations(25)]
    assert [row["number"] for row in rows] == list(range(25))


def test_who_follows_a_run_does_not_hold_up_the_end_of_the_server(tmp_path, quick_disk):
    serving = served(ServerSettings(tmp_path / "logs"))
    server = next(serving)
    make_run(server.root / "one")
    events = streamed(server, "/api/runs/one/events")
    until(events, "status")
    server.server.config.timeout_graceful_shutdown = 30
    began = time.monotonic()
    assert list(serving) == []  # its end, which asks whether the server had anything to complain of
    assert time.monotonic() - began < 10
    assert [kind for kind, _, _ in events if kind == "gone"] == []


def test_a_stream_loses_nothing_when_it_breaks_off(server):
    run = make_run(server.root / "one", 5)
    events = streamed(server, "/api/runs/one/events")
    start = until(events, "start")[1]
    mark, rows = until(events, "candidates")
    assert [row[0] for row in rows] == [0, 1, 2, 3, 4]
    events.close()
    more = evaluations(9)[5:]
    with run.journal as journal:
        for item in more[:2]:
            journal.append("evaluation", item.content(), {})
    again = streamed(server, "/api/runs/one/events", {"Last-Event-ID": mark})
    kind, _, rows = next(again)
    assert kind == "candidates" and [row[0] for row in rows] == [5, 6]
    with run.journal as journal:
        for item in more[2:]:
            journal.append("evaluation", item.content(), {})
    seen: list[int] = []
    while len(seen) < 2:
        seen += [row[0] for row in until(again, "candidates")[1]]
    assert seen == [7, 8]
    again.close()
    # A mark of another journal, or none at all, begins anew.
    for wrong in ("1.3", "x", f"{start['epoch']}.999"):
        other = streamed(server, "/api/runs/one/events", {"Last-Event-ID": wrong})
        assert next(other)[0] == "start"
        other.close()


def test_many_watch_one_run_and_all_see_all(server):
    run = make_run(server.root / "one", 3)
    items = evaluations(40)[3:]
    counts: list[int] = []

    def watch() -> None:
        events, seen = streamed(server, "/api/runs/one/events"), list[int]()
        for kind, _, rows in events:
            seen += [row[0] for row in rows] if kind == "candidates" else []
            if len(seen) >= 40:
                break
        events.close()
        assert seen == list(range(40))
        counts.append(len(seen))

    threads = [threading.Thread(target=watch) for _ in range(12)]
    for thread in threads:
        thread.start()
    with run.journal as journal:
        for item in items:
            journal.append("evaluation", item.content(), {})
            time.sleep(0.01)
    for thread in threads:
        thread.join(30)
    assert counts == [40] * 12


def test_a_journal_that_is_damaged_is_told_and_harms_no_other(server):
    make_run(server.root / "good")
    bad = make_run(server.root / "bad")
    lines = bad.journal_path.read_bytes().splitlines(keepends=True)
    bad.journal_path.write_bytes(b"".join([*lines[:3], b"{}\n", *lines[4:]]))
    states = {run["name"]: run["state"] for run in server.ask("GET", "/api/runs").json()["runs"]}
    assert states == {"good": "stopped", "bad": "damaged"}
    assert "line 4" in server.ask("GET", "/api/runs/bad").json()["problem"]
    for look in ("results", "quality", "config"):
        answer = server.ask("GET", f"/api/runs/bad/{look}")
        assert answer.status == 400 and "line 4" in answer.json()["detail"]


def test_numbers_that_none_are_harm_no_other_run(server):
    make_run(server.root / "good")
    bad = make_run(server.root / "bad").path
    said = {"format": 1, "stage": "search", "state": "running", "pid": 1, "started": "-", "updated": "-"}
    (bad / "progress.json").write_text(json.dumps({**said, "best_score": 10**400}))
    runs = {run["name"]: run for run in server.ask("GET", "/api/runs").json()["runs"]}
    assert {name: run["state"] for name, run in runs.items()} == {"good": "stopped", "bad": "stopped"}
    assert runs["bad"]["progress"] is None and runs["bad"]["num_networks"] == 12


def test_a_run_that_cannot_be_shown_is_damaged_and_harms_no_other(server, monkeypatch, caplog):
    for name in ("good", "bad"):
        make_run(server.root / name)
    real = server.services.summaries._of

    def of(name: str, until: float) -> RunSummary:
        if name == "bad":
            raise ZeroDivisionError("what nobody has thought of")
        return real(name, until)

    monkeypatch.setattr(server.services.summaries, "_of", of)
    for _ in range(3):
        runs = {run["name"]: run for run in server.ask("GET", "/api/runs").json()["runs"]}
    assert {name: run["state"] for name, run in runs.items()} == {"good": "stopped", "bad": "damaged"}
    assert "ZeroDivisionError" in runs["bad"]["problem"]
    assert caplog.text.count("the run bad cannot be shown") == 1


def test_a_stream_goes_on_after_what_nobody_has_thought_of(server, monkeypatch, caplog):
    run = make_run(server.root / "one", 3)
    events = streamed(server, "/api/runs/one/events")
    assert len(until(events, "candidates")[1]) == 3
    troubles = [ZeroDivisionError("odd")] * 3
    real = _Watch._look_once

    async def look_once(watch: _Watch, *, has_time: bool) -> None:
        if troubles:
            raise troubles.pop()
        await real(watch, has_time=has_time)

    monkeypatch.setattr(_Watch, "_look_once", look_once)
    end = time.monotonic() + 10
    while troubles:
        assert time.monotonic() < end
        time.sleep(0.02)
    with run.journal as journal:
        journal.append("evaluation", evaluations(4)[3].content(), {})
    assert [row[0] for row in until(events, "candidates")[1]] == [3]
    events.close()
    assert caplog.text.count("looking at the run one failed") == 1


def test_what_is_read_of_a_run_stays_as_it_was_read(tmp_path, quick_disk):
    run = make_run(tmp_path / "one", 5)
    feed = Feed(run.path)
    data = feed.data()
    with run.journal as journal:
        journal.append("evaluation", evaluations(6)[5].content(), {})
        journal.append("proposals", {"step": 1, "cells": [{"cell": "[]"}]}, {})
        journal.append("run_finished", {"reason": "completed"}, {})
    feed.refresh()
    assert len(feed.rows) == 6 and feed.state is not None and feed.state.is_finished
    assert len(data.state.arrived) == len(data.cells) == 5
    assert data.state.proposals == {} and not data.state.is_finished


def test_a_failed_search_that_went_on_elsewhere_is_what_became_of_it(idle):
    run = make_run(idle.root / "one")
    jobs = idle.services.jobs

    def state() -> str:
        return idle.ask("GET", "/api/runs/one").json()["state"]

    jobs._keep(RunJob(1, "one", "search", (), "failed", 0.0, ended=time.time()))
    assert state() == "failed"
    with run.journal as journal:
        journal.append("run_resumed", {}, {})
    assert state() == "stopped"
    with run.journal as journal:
        journal.append("run_finished", {"reason": "completed"}, {})
    assert state() == "finished"
    jobs._keep(RunJob(2, "one", "evaluate", (), "failed", 0.0, ended=time.time()))
    assert state() == "finished"  # the search is; the job says what it came to
    jobs._keep(RunJob(3, "one", "search", (), "failed", 0.0, ended=time.time()))
    assert state() == "failed"  # in what comes after its finish


def test_a_replaced_journal_begins_anew(tmp_path, quick_disk):
    run = make_run(tmp_path / "one", 5)
    feed = Feed(run.path)
    feed.refresh()
    epoch = feed.epoch
    other = make_run(tmp_path / "two", 3, seed=1)
    run.journal_path.write_bytes(other.journal_path.read_bytes())
    feed.refresh()
    assert feed.epoch != epoch and len(feed.rows) == 3


def test_what_a_search_is_started_with(idle):
    config = {"dataset": {"type": "image_classification", "name": "digits"}}
    answer = idle.ask("POST", "/api/runs", {"name": "new", "config": config, "confirm": True})
    assert answer.status == 201 and answer.json()["state"] == "queued"
    (job,) = idle.services.jobs.all()
    assert job.arguments[:4] == ("search", f"--logs={idle.root}", "--name=new", "--confirm")
    assert job.arguments[4] == "-j" and json.loads(Path(job.arguments[5]).read_text()) == config
    assert idle.ask("GET", "/api/runs/new").json()["state"] == "queued"
    assert idle.ask("POST", "/api/runs", {"name": "new", "config": config}).status == 409
    make_run(idle.root / "there")
    assert idle.ask("POST", "/api/runs", {"name": "there", "config": config}).status == 409
    assert [job["state"] for job in idle.ask("POST", "/api/runs/new/stop").json()] == ["stopped"]


def test_a_search_without_a_name_gets_one_of_its_own(idle):
    names = [idle.ask("POST", "/api/runs", {"config": {}}).json()["run"] for _ in range(3)]
    ask = partial(idle.ask, "POST", "/api/runs", {"config": {}})
    with ThreadPoolExecutor(8) as pool:  # in the same second
        names += [found.result().json()["run"] for found in [pool.submit(ask) for _ in range(8)]]
    assert len(set(names)) == len(names) == 11


@pytest.mark.parametrize(
    ("stage", "body", "expected"),
    [
        ("select", {"num_cells": 3, "source": "front"}, ["-k3", "--from=front"]),
        ("select", {"params": [1000, 2e6]}, ["--params=1000;2000000"]),
        ("train", {"motifs": 2, "normal_cells": 1, "filters": 8}, ["-m2", "-n1", "-f8"]),
        ("train", {"cell": "[(-1,identity,-1,identity)]"}, ["--spec=[(-1, identity, -1, identity)]"]),
        ("evaluate", {"all_selected": True}, ["--top"]),
        ("resume", None, None),
    ],
)
def test_what_the_stages_are_started_with(idle, stage, body, expected):
    run = make_run(idle.root / "one")
    a_model(run.path / "model_selection" / "1")
    answer = idle.ask("POST", f"/api/runs/one/{stage}", body)
    assert answer.status == 202, answer.body
    (job,) = idle.services.jobs.all()
    if stage == "resume":
        assert job.arguments == ("search", f"-r{run.path}")
    else:
        assert list(job.arguments) == [stage, f"-p{run.path}", *expected]
    assert idle.ask("POST", f"/api/runs/one/{stage}", body).status == 409


def test_the_commands_are_understood_by_the_command_line(idle):
    """Each option of the lists above is one that the command has."""
    from popnas.cli.main import cli

    run = make_run(idle.root / "one")
    a_model(run.path / "best_model")
    bodies = {
        "select": {"num_cells": 3, "source": "best", "params": [1, 2], "config": {}},
        "train": {"cell": "[(-1, identity, -1, identity)]", "motifs": 1, "normal_cells": 1, "filters": 1},
        "evaluate": {"model": "best_model"},
        "resume": None,
    }
    for stage, body in bodies.items():
        assert idle.ask("POST", f"/api/runs/one/{stage}", body).status == 202
    idle.ask("POST", "/api/runs", {"name": "two", "config": {}, "confirm": True})
    assert len(idle.services.jobs.all()) == 5
    for job in idle.services.jobs.all():
        name, *rest = job.arguments
        command = cli.get_command(None, name)
        command.make_context(name, list(rest))


def test_a_removed_run_is_in_the_trash(idle):
    make_run(idle.root / "one")
    assert idle.ask("DELETE", "/api/runs/one").status == 204
    assert idle.ask("GET", "/api/runs/one").status == 404
    assert idle.ask("DELETE", "/api/runs/one").status == 404
    (kept,) = (idle.root / ".popnas-server" / "trash").iterdir()
    assert kept.name.startswith("one.") and (kept / "restore" / "journal.jsonl").is_file()


def test_a_run_that_is_worked_on_is_not_removed(idle):
    run = make_run(idle.root / "one")
    with run.lock():
        assert idle.ask("GET", "/api/runs/one").json()["state"] == "elsewhere"
        assert idle.ask("DELETE", "/api/runs/one").status == 409
        assert idle.ask("POST", "/api/runs/one/stop").status == 409
    idle.ask("POST", "/api/runs/one/resume")
    assert idle.ask("DELETE", "/api/runs/one").status == 409
    assert (idle.root / "one" / "restore").is_dir()


def test_files_are_listed_and_read(server):
    run = make_run(server.root / "one")
    (run.path / "csv").mkdir()
    (run.path / "csv" / "a.csv").write_text("x,y\n")
    listed = server.ask("GET", "/api/runs/one/files").json()["entries"]
    assert [(entry["name"], entry["is_folder"]) for entry in listed] == [("csv", True), ("restore", True)]
    answer = server.ask("GET", "/api/runs/one/files/csv/a.csv")
    assert answer.body == b"x,y\n" and answer.headers["content-type"].startswith("text/plain")


def test_a_log_is_read_piece_by_piece(tmp_path):
    log = tmp_path / "debug.log"
    log.write_bytes(b"one\ntwo\nthr")
    first = piece(tmp_path, "debug.log", 0, 100)
    assert (first.text, first.next) == ("one\ntwo\n", 8)
    log.write_bytes(b"one\ntwo\nthree\n\x1b[31mred\xff\n")
    second = piece(tmp_path, "debug.log", first.next, 100)
    assert second.text.startswith("three\n\\x1b[31mred") and second.next == log.stat().st_size
    assert piece(tmp_path, "debug.log", -1, 10).text.endswith("red\ufffd\n")
    assert piece(tmp_path, "debug.log", 10**9, 100).start == 0
    log.write_bytes(b"x" * 500)
    assert piece(tmp_path, "debug.log", 0, 100).next == 100


def test_results_and_qualities_of_a_run(server):
    make_run(server.root / "one", 20)
    results = server.ask("GET", "/api/runs/one/results").json()
    scores = [point["figures"]["score"] for point in results["front"]]
    assert scores == sorted(scores, reverse=True) and results["front"][0]["command"].count("--spec") == 1
    times = server.ask("GET", "/api/runs/one/quality").json()["times"]
    assert sum(item["num_networks"] for item in times) == 20
    assert sum(item["training"] for item in times) == pytest.approx(20.0)


def test_runs_are_compared_on_one_scale(server):
    make_run(server.root / "one", 20, seed=1)
    make_run(server.root / "two", 30, seed=2)
    found = server.ask("GET", "/api/compare?run=one&run=two").json()
    assert [item["name"] for item in found["objectives"]] == ["score", "time"]
    for run in found["runs"]:
        volumes = [volume for _, _, volume in run["hypervolumes"]]
        assert volumes == sorted(volumes) and 0 < volumes[-1] <= 1
    assert server.ask("GET", "/api/compare?run=one&run=none").status == 404


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"host": "0.0.0.0"}, "POPNAS_SERVER_TOKEN"),
        ({"host": "192.168.1.2"}, "POPNAS_SERVER_TOKEN"),
        ({"host": "::"}, "POPNAS_SERVER_TOKEN"),
        ({"host": "example.org"}, "POPNAS_SERVER_TOKEN"),
        ({"host": "0.0.0.0", "token": "x" * 20}, "under which name"),
        ({"token": "short"}, "16 to 512"),
        ({"token": "x" * 30 + "é"}, "16 to 512"),
        ({"data_roots": (Path("/there/is/no/such"),)}, "folder of data"),
        ({"webhook": Webhook("ftp://x", "s" * 20)}, "https"),
        ({"webhook": Webhook("https://x", "")}, "POPNAS_WEBHOOK_SECRET"),
    ],
)
def test_what_would_be_unsafe_is_refused(tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        ServerSettings(tmp_path, **changes).check()


def test_hosts_that_may_be_asked_for(tmp_path):
    assert ServerSettings(tmp_path).allowed_hosts(80) == {"localhost:80", "127.0.0.1:80", "[::1]:80"}
    public = ServerSettings(tmp_path, host="10.0.0.5", token="x" * 20, names=("gpu.example",))
    assert public.allowed_hosts(80) == {"10.0.0.5:80", "gpu.example:80", "gpu.example"}
    named = ServerSettings(tmp_path, names=names_of(["Localhost:9000", "gpu.example:443", "[::1]:9001"]))
    assert named.allowed_hosts(80) - ServerSettings(tmp_path).allowed_hosts(80) == {
        "localhost:9000",  # a tunnel to another port
        "gpu.example:443",
        "gpu.example",  # as browsers write the usual ports
        "[::1]:9001",
    }
    # Whoever is on the machine itself asks so, such as a container's check of its health.
    everywhere = replace(public, host="0.0.0.0").allowed_hosts(80)
    assert everywhere == {"localhost:80", "127.0.0.1:80", "[::1]:80", "gpu.example:80", "gpu.example"}
    for wrong in ("http://x", "a b", "a:", "a:0", "a:70000", "a:8x", "::1", "a;b", ""):
        with pytest.raises(UserError):
            names_of([wrong])


def test_another_port_before_the_server_is_named(tmp_path, quick_disk):
    settings = ServerSettings(tmp_path / "logs", names=names_of(["localhost:9000"]))
    for one in served(settings):
        through = {"Host": "localhost:9000", "Origin": "http://localhost:9000"}
        assert one.ask("GET", "/api/runs", headers=through).status == 200
        assert one.ask("GET", "/api/runs", headers={"Host": "localhost:9001"}).status == 421
        mixed = {"Host": "localhost:9000", "Origin": f"http://localhost:{one.port}"}
        assert one.ask("GET", "/api/runs", headers=mixed).status == 403


def test_the_token_is_random_private_and_kept(tmp_path):
    settings = ServerSettings(tmp_path / "a")
    make_state_folder(settings)
    token = own_token(settings)
    assert len(token) >= 40 and own_token(settings) == token
    assert (settings.state / "token").stat().st_mode & 0o077 == 0
    assert settings.state.stat().st_mode & 0o077 == 0
    other = ServerSettings(tmp_path / "b")
    make_state_folder(other)
    assert own_token(other) != token


def test_data_below_a_configured_folder_are_read(tmp_path, monkeypatch):
    (tmp_path / "data" / "set").mkdir(parents=True)
    (tmp_path / "data" / "away").symlink_to("/etc")
    seen: list[Any] = []

    def check(document: Any) -> Checked:
        seen.append(document)
        return Checked(is_valid=True, problems=[], warnings=[])

    for one in served(ServerSettings(tmp_path / "logs", data_roots=(tmp_path / "data",))):
        monkeypatch.setattr(one.services.checker, "check", check)
        for given in ("set", str(tmp_path / "data" / "set"), "set/../set"):
            assert (
                one.ask("POST", "/api/config/check", {"config": {"dataset": {"path": given}}}).status == 200
            )
        assert {document["dataset"]["path"] for document in seen} == {str(tmp_path / "data" / "set")}
        for given in ("away", "../logs", "/etc", "nothing", "\ud800", "a\0b", "x" * 5000):
            assert (
                one.ask("POST", "/api/config/check", {"config": {"dataset": {"path": given}}}).status == 422
            )


def test_earlier_runs_are_those_of_the_server_by_name(tmp_path, monkeypatch):
    for place in (tmp_path / "logs" / "first", tmp_path / "elsewhere"):
        (place / "restore").mkdir(parents=True)
        (place / "restore" / "journal.jsonl").touch()
    (tmp_path / "logs" / "away").symlink_to(tmp_path / "elsewhere")
    seen: list[Any] = []

    def check(document: Any) -> Checked:
        seen.append(document)
        return Checked(is_valid=True, problems=[], warnings=[])

    def asked(one: Any, *runs: Any) -> int:
        config = {"others": {"predictors": {"score": "trees", "earlier_runs": [*runs]}}}
        return int(one.ask("POST", "/api/config/check", {"config": config}).status)

    for one in served(ServerSettings(tmp_path / "logs")):
        monkeypatch.setattr(one.services.checker, "check", check)
        assert asked(one, "first") == 200
        others = seen[-1]["others"]["predictors"]
        assert others == {"score": "trees", "earlier_runs": [str(tmp_path / "logs" / "first")]}
        for given in ("away", "../elsewhere", str(tmp_path / "elsewhere"), "nothing", "\ud800", "a\0b"):
            assert asked(one, "first", given) == 422


class _Receiver(BaseHTTPRequestHandler):
    got: ClassVar[list[tuple[str, bytes]]] = []
    fails = 1

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        type(self).got.append((self.headers["X-Popnas-Signature"], body))
        self.send_response(500 if len(self.got) <= self.fails else 204)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


def test_a_webhook_is_signed_and_tried_again(tmp_path, monkeypatch, quick_disk):
    monkeypatch.setattr("popnas.server.webhooks._PAUSES", (0.01, 0.01))
    _Receiver.got = []
    with HTTPServer(("127.0.0.1", 0), _Receiver) as receiver:
        threading.Thread(target=receiver.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        hook = Webhook(f"http://127.0.0.1:{receiver.server_port}/x", "s" * 20)
        hooks = Webhooks(hook, tmp_path / "webhook")
        hooks.tell(RunJob(1, "one", "search", ("search", "--secret"), "running", 0.0))
        end = time.monotonic() + 10
        while len(_Receiver.got) < 2 and time.monotonic() < end:
            time.sleep(0.02)
        hooks.close()
        receiver.shutdown()
    (_, first), (header, second) = _Receiver.got
    assert first == second and b"--secret" not in second
    assert json.loads(second)["job"]["state"] == "running"
    stamp, _, digest = header.removeprefix("t=").partition(",sha256=")
    assert digest == signature("s" * 20, int(stamp), second)
    assert digest != signature("t" * 20, int(stamp), second)


def test_what_tensorboard_is_asked_may_be_any_text(server):
    """A path is passed on as it came: encoded."""
    asked: list[str] = []

    class Board(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"found")

        def log_message(self, *_: object) -> None: ...

    make_run(server.root / "one")
    with HTTPServer(("127.0.0.1", 0), Board) as answering:
        threading.Thread(target=answering.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        process = SimpleNamespace(poll=lambda: None, pid=2**22 + 1, wait=lambda: None)
        server.services.boards._boards["one"] = _Board(process, answering.server_port, "/secret")
        for path in ("%C3%A9", "a%20b?tag=%C3%A9&x=1", "data/plugins_listing", ""):
            assert server.ask("GET", f"/tensorboard/one/{path}").body == b"found"
        answering.shutdown()
    assert asked == [
        f"/secret/{path}" for path in ("%C3%A9", "a%20b?tag=%C3%A9&x=1", "data/plugins_listing", "")
    ]


def test_what_a_server_could_not_deliver_the_next_one_does(tmp_path, monkeypatch, quick_disk, caplog):
    monkeypatch.setattr("popnas.server.webhooks._MOST_WAITING", 3)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    folder = tmp_path / "webhook"
    jobs = [RunJob(number, "one", "search", (), "queued", 0.0) for number in range(1, 6)]
    first = Webhooks(Webhook(f"http://127.0.0.1:{port}/x", "s" * 20), folder)
    for job in jobs[:4]:
        first.tell(job)
    first.close()
    assert "a change of job 4 was dropped" in caplog.text
    (folder / "000000000.json").write_text("{")  # cut off
    monkeypatch.setattr(_Receiver, "got", [])
    monkeypatch.setattr(_Receiver, "fails", 0)
    with HTTPServer(("127.0.0.1", 0), _Receiver) as receiver:
        threading.Thread(target=receiver.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        second = Webhooks(Webhook(f"http://127.0.0.1:{receiver.server_port}/x", "s" * 20), folder)
        end = time.monotonic() + 10
        while list(folder.iterdir()) and time.monotonic() < end:
            time.sleep(0.02)
        second.tell(jobs[4])
        while len(_Receiver.got) < 4 and time.monotonic() < end:
            time.sleep(0.02)
        second.close()
        receiver.shutdown()
    assert [json.loads(body)["job"]["number"] for _, body in _Receiver.got] == [1, 2, 3, 5]


@pytest.mark.parametrize("stage", ["select", "train"])
def test_a_partial_configuration_is_checked_before_it_is_taken(idle, monkeypatch, stage):
    make_run(idle.root / "one")
    wrong = {"training_hyperparameters": {"epochs": -1}}
    answer = idle.ask("POST", f"/api/runs/one/{stage}", {"config": wrong})
    assert answer.status == 422
    assert [item["place"] for item in answer.json()["problems"]] == ["training_hyperparameters.epochs"]
    seen: list[Any] = []

    def check(document: Any) -> Checked:
        seen.append(document)
        problem = ProblemAnswer(place="others.trackers", value="x", message="no such tracker.")
        return Checked(is_valid=False, problems=[problem], warnings=[])

    monkeypatch.setattr(idle.services.checker, "check", check)
    given = {"training_hyperparameters": {"epochs": 3}}
    answer = idle.ask("POST", f"/api/runs/one/{stage}", {"config": given})
    assert answer.status == 422 and answer.json()["problems"][0]["place"] == "others.trackers"
    # What is checked is the whole: the run's own with the partial one over it.
    assert seen[0]["training_hyperparameters"]["epochs"] == 3 and seen[0]["dataset"]["name"] == "digits"
    assert idle.services.jobs.all() == []


@pytest.mark.parametrize("model", ["restore", "best_model", "nothing"])
def test_what_is_no_trained_network_is_not_evaluated(idle, model):
    run = make_run(idle.root / "one")
    (run.path / "best_model").mkdir()
    answer = idle.ask("POST", "/api/runs/one/evaluate", {"model": model})
    assert answer.status in (400, 404) and model in answer.json()["detail"]
    assert idle.services.jobs.all() == []


@pytest.mark.parametrize(
    ("body", "place", "maker", "remedy"),
    [
        ({}, "best_model", "resume", "Go on with the search"),
        ({"all_selected": True}, "model_selection/1", "select", "start one first"),
    ],
)
def test_where_there_is_nothing_to_evaluate_nothing_is_started(idle, body, place, maker, remedy):
    run = make_run(idle.root / "one")
    (run.path / place).mkdir(parents=True)
    answer = idle.ask("POST", "/api/runs/one/evaluate", body)
    assert answer.status == 400 and remedy in answer.json()["detail"], answer.body
    assert idle.services.jobs.all() == []
    # What is to make it comes before.
    assert idle.ask("POST", f"/api/runs/one/{maker}", {} if maker == "select" else None).status == 202
    assert idle.ask("POST", "/api/runs/one/evaluate", body).status == 202
    idle.ask("POST", "/api/runs/one/stop")
    assert idle.ask("POST", "/api/runs/one/evaluate", body).status == 400
    a_model(run.path / place)
    assert idle.ask("POST", "/api/runs/one/evaluate", body).status == 202


def a_model(place: Path) -> None:
    """What stands for a trained network."""
    place.mkdir(parents=True, exist_ok=True)
    (place / "model.json").write_text("{}")


def test_a_disk_that_stays_full_is_told_once(server, monkeypatch, caplog):
    """Every half second, a traceback would fill it further."""
    beats = []

    def fails() -> None:
        beats.append(1)
        raise StorageError("no space left on device." if len(beats) != 4 else "it was removed.")

    monkeypatch.setattr("popnas.server.services._TICK_SECONDS", 0.01)
    monkeypatch.setattr(server.services.jobs, "tick", fails)
    deadline = time.monotonic() + 10
    while len(beats) < 8:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert caplog.text.count("looking after jobs failed") == 3  # the first, another, and the first again


def test_many_configurations_to_check_keep_nothing_else_waiting(server, monkeypatch):
    make_run(server.root / "one")
    release = threading.Event()

    def run(*_: str) -> str:
        assert release.wait(30)
        return '{"is_valid": true, "problems": [], "warnings": []}'

    monkeypatch.setattr(server.services.checker, "_run", run)
    found: list[Answer] = []

    def check(path: str = "/api/config/check", method: str = "POST") -> None:
        found.append(server.ask(method, path, {"config": {}} if method == "POST" else None))

    threads = [threading.Thread(target=check) for _ in range(60)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 20
    while len(found) < 54:
        assert time.monotonic() < end
        time.sleep(0.02)
    assert {answer.status for answer in found} == {429}
    assert all(answer.headers["retry-after"] == "5" for answer in found)
    check("/api/config/schema", "GET")
    assert found.pop().status == 429
    start = time.monotonic()
    for path in ("/api/health", "/api/runs", "/api/runs/one/candidates"):
        assert server.ask("GET", path).status == 200
    assert time.monotonic() - start < 5.0
    release.set()
    for thread in threads:
        thread.join(30)
    assert sorted(answer.status for answer in found) == [200] * 6 + [429] * 54


@pytest.mark.slow
def test_tensorboard_answers_behind_the_token_alone(server):
    make_run(server.root / "one")
    end = time.monotonic() + 120
    while not server.ask("POST", "/api/runs/one/tensorboard").json()["is_ready"]:
        assert time.monotonic() < end
        time.sleep(0.5)
    page = server.ask("GET", "/tensorboard/one/")
    assert page.status == 200 and b"TensorBoard" in page.body
    assert server.ask("GET", "/tensorboard/one/data/environment").json()["data_location"].endswith("one")
    assert server.ask("GET", "/tensorboard/one/", headers={"Authorization": ""}).status == 401
    board = server.services.boards._boards["one"]
    connection = http.client.HTTPConnection("127.0.0.1", board.port, timeout=20)
    connection.request("GET", "/data/environment")
    assert connection.getresponse().status == 404
    connection.close()
    board.used -= 10_000
    server.services.boards.tick()
    assert board.process.returncode is not None
    assert server.ask("GET", "/tensorboard/one/").status == 400


def test_the_api_describes_itself(server):
    found = server.ask("GET", "/api/openapi.json").json()
    assert found["openapi"].startswith("3.")
    for path, methods in found["paths"].items():
        for method, described in methods.items():
            assert described["description"], (method, path)
            assert {"401", "422", "429"} <= described["responses"].keys()
