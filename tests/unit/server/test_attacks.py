"""What must be refused, whoever sends it; and that nothing has changed afterwards."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from popnas.server.access import connections, guard
from popnas.server.access.sessions import Sessions
from popnas.server.access.settings import ServerSettings
from popnas.server.app import create

from .conftest import TOKEN, Served, make_run, served

OPEN = {
    ("GET", "/"),
    ("GET", "/favicon.ico"),
    ("GET", "/page/x"),
    ("GET", "/api/health"),
    ("POST", "/api/session"),
}
"""What nobody has to show a token for."""


def _all_routes(routes: Iterable[Any], before: str = "") -> Iterator[tuple[str, str]]:
    for route in routes:
        if hasattr(route, "original_router"):  # as newer versions of FastAPI keep routers
            yield from _all_routes(route.original_router.routes, before + route.include_context.prefix)
        else:
            path = before + route.path.replace("{run}", "first").replace("{path:path}", "x")
            yield from ((method, path) for method in sorted(route.methods - {"HEAD"}))


def _routes() -> list[tuple[str, str]]:
    """Every method of every route that the application has, of a run that is there."""
    app = cast(Any, create(cast(Any, SimpleNamespace(sessions=None)), frozenset()).app)
    return list(_all_routes(app.routes))


ROUTES = _routes()
METHODS_AND_PATHS = [
    *(route for route in ROUTES if route not in OPEN),
    ("GET", "/api/compare?run=first"),
    ("GET", "/api/drawing?cell=%5B%5D"),
    ("GET", "/api/runs/first/files/restore/run.json"),
    ("PUT", "/api/runs/first"),
    ("PATCH", "/api/runs/first"),
    ("OPTIONS", "/api/runs/first"),
    ("HEAD", "/api/runs"),
]
NAMED = [f"{method} {path}" for method, path in METHODS_AND_PATHS]


def test_the_routes_are_all_there():
    assert set(ROUTES) >= OPEN | {("GET", "/api/runs/first/events"), ("POST", "/tensorboard/first/x")}
    assert len(METHODS_AND_PATHS) > 32 and not any("{" in path for _, path in METHODS_AND_PATHS)


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder but those that time alone changes."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "lock"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.fixture
def attacked(shared_server: Served, monkeypatch):
    """A server with a run; whatever a test sends, nothing of it changes and nothing is started."""
    server = shared_server
    # Each test has the wrong tries that it needs.
    app_guard: guard.Guard = server.guard
    monkeypatch.setattr(app_guard, "_failures", guard.Rate(per_second=0.5, burst=30.0))
    secret = server.root.parent / "secret.txt"
    secret.write_text("SECRET")
    before = contents(server.root)
    yield server
    assert contents(server.root) == before
    assert server.services.jobs.all() == []
    assert secret.read_text() == "SECRET"
    # It still answers, too.
    assert server.ask("GET", "/api/health").status == 200


@pytest.mark.parametrize(("method", "path"), METHODS_AND_PATHS, ids=NAMED)
def test_without_the_token_nothing_is_told_or_done(attacked, method, path):
    for given in ("", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN} x", "Bearer"):
        answer = attacked.ask(method, path, headers={"Authorization": given})
        assert answer.status == 401, given
        assert b"first" not in answer.body and b"digits" not in answer.body


HOSTS = [
    "",
    "evil.example",
    "evil.example:{port}",
    "localhost",
    "localhost:1",
    "127.0.0.1.nip.io:{port}",
    "localhost:{port} x",
]


@pytest.mark.parametrize(("method", "path"), [*sorted(OPEN), *METHODS_AND_PATHS])
def test_a_host_that_is_another_is_refused_even_with_the_token(attacked, method, path):
    for host in HOSTS:
        answer = attacked.ask(method, path, headers={"Host": host.format(port=attacked.port)})
        assert answer.status in (400, 421), host


@pytest.mark.parametrize(("method", "path"), [*sorted(OPEN), *METHODS_AND_PATHS])
def test_a_page_of_another_site_is_refused_even_with_the_token(attacked, method, path):
    sites = [
        "http://evil.example",
        "null",
        "https://localhost",
        "http://localhost:1",
        "file://",
        "http://[",
        "//",
    ]
    for origin in sites:
        assert attacked.ask(method, path, headers={"Origin": origin}).status == 403, origin
    for site in ("cross-site", "same-site"):
        assert attacked.ask(method, path, headers={"Sec-Fetch-Site": site}).status == 403


def cookie_of(served: Served) -> str:
    answer = served.ask("POST", "/api/session", {"token": TOKEN}, headers={"Authorization": ""})
    assert answer.status == 204
    return answer.headers["set-cookie"].partition(";")[0]


@pytest.mark.parametrize(
    ("method", "path"), [item for item in METHODS_AND_PATHS if item[0] not in ("GET", "OPTIONS", "HEAD")]
)
def test_a_cookie_alone_changes_nothing(attacked, method, path):
    """What a form of another site could send: the cookie, a body, no header of the page's own."""
    headers = {"Authorization": "", "Cookie": cookie_of(attacked), "Content-Type": "text/plain"}
    assert attacked.ask(method, path, b"{}", headers=headers).status == 403


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(attacked):
    answer = attacked.ask("POST", "/api/session", {"token": TOKEN}, headers={"Authorization": ""})
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(answer.headers["set-cookie"].split("; "))
    assert TOKEN not in answer.headers["set-cookie"]


@pytest.mark.parametrize(
    "change",
    [
        lambda value: value[:-1] + ("0" if value[-1] != "0" else "1"),
        lambda value: str(10**11) + value[10:],
        lambda value: value.rpartition(".")[0],
        lambda value: "",
        lambda value: "x" * 5000,
    ],
)
def test_a_forged_cookie_is_none(attacked, change):
    name, _, value = cookie_of(attacked).partition("=")
    headers = {"Authorization": "", "Cookie": f"{name}={change(value)}"}
    assert attacked.ask("GET", "/api/runs", headers=headers).status == 401


def test_who_guesses_tokens_has_to_wait(attacked):
    statuses = [
        attacked.ask("POST", "/api/session", {"token": f"guess {i}"}, headers={"Authorization": ""}).status
        for i in range(40)
    ]
    assert statuses[0] == 401 and statuses[-1] == 429


def test_who_guesses_tokens_keeps_nobody_out(attacked):
    """Behind a proxy all have its address: the right token passes however many guess there."""
    known = {"Authorization": "", "Cookie": cookie_of(attacked)}
    for i in range(40):
        guessed = attacked.ask("GET", "/api/runs", headers={"Authorization": f"Bearer {i}"})
    assert guessed.status == 429
    assert attacked.ask("GET", "/api/runs").status == 200
    assert attacked.ask("GET", "/api/runs", headers=known).status == 200
    assert cookie_of(attacked)
    assert attacked.ask("POST", "/api/session", {"token": "x"}, headers={"Authorization": ""}).status == 429


def test_who_asks_without_the_token_takes_no_tickets_of_those_who_have_it(attacked, monkeypatch):
    monkeypatch.setattr(attacked.guard, "_requests", guard.Rate(per_second=0.1, burst=3.0))
    nobody = [attacked.ask("GET", "/api/health", headers={"Authorization": ""}).status for _ in range(5)]
    assert nobody == [200, 200, 200, 429, 429]
    assert attacked.ask("GET", "/api/jobs").status == 200
    monkeypatch.undo()


def test_who_has_logged_out_is_out_with_every_copy_of_the_cookie(server):
    known = {"Authorization": "", "Cookie": cookie_of(server), guard.PAGE_HEADER: "1"}
    other = {**known, "Cookie": cookie_of(server)}
    assert server.ask("GET", "/api/runs", headers=known).status == 200
    assert server.ask("DELETE", "/api/session", headers=known).status == 204
    assert server.ask("GET", "/api/runs", headers=known).status == 401
    assert server.ask("GET", "/api/runs", headers=other).status == 200


def test_ended_sessions_are_kept_and_are_never_too_many(tmp_path, quick_disk, monkeypatch):
    monkeypatch.setattr("popnas.server.access.sessions._MOST_ENDED", 4)
    clock = iter(range(10**9, 10**9 + 10**6, 100))
    monkeypatch.setattr("popnas.server.access.sessions.time.time", lambda: next(clock))
    sessions = Sessions(TOKEN, 1, tmp_path / "sessions.json")
    given = [sessions.cookie() for _ in range(12)]
    for cookie in given[:9]:
        assert sessions.is_cookie(cookie)
        sessions.end(cookie)
        again = Sessions(TOKEN, 1, tmp_path / "sessions.json")
        assert not sessions.is_cookie(cookie) and not again.is_cookie(cookie)
    assert not any(again.is_cookie(cookie) for cookie in given[:9])
    assert again.is_cookie(given[11])
    (tmp_path / "sessions.json").write_text("{")  # nobody knows who is out: all are
    assert not Sessions(TOKEN, 1, tmp_path / "sessions.json").is_cookie(given[11])


def test_behind_tls_the_cookie_never_goes_without(tmp_path, quick_disk):
    for one in served(ServerSettings(tmp_path / "logs", names=("gpu.example",))):
        for origin, is_secure in (("https://gpu.example", True), ("http://gpu.example", False), ("", False)):
            headers = {"Authorization": "", "Host": "gpu.example", "Origin": origin}
            answer = one.ask("POST", "/api/session", {"token": TOKEN}, headers=headers)
            assert answer.status == 204
            assert ("Secure" in answer.headers["set-cookie"].split("; ")) == is_secure


def test_a_token_that_is_no_text_is_none(attacked):
    body = b'{"token": "\\ud800"}'
    assert attacked.ask("POST", "/api/session", body, headers={"Authorization": ""}).status in (401, 422)


@pytest.fixture
def idle_connections(attacked, monkeypatch):
    """Opens so many that send what is given and nothing more."""
    opened: list[socket.socket] = []

    def open_some(count: int, sent: bytes = b"") -> list[socket.socket]:
        found = [socket.create_connection(("127.0.0.1", attacked.port), timeout=20) for _ in range(count)]
        for one in found:
            one.sendall(sent)
        opened.extend(found)
        return found

    yield open_some
    for one in opened:
        one.close()


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /api/health HTTP/1.1\r\nHost: x",
        b"GET /api/health HTTP/1.1\r\nHost: x\r\n\r\nGET /",
        b"PUT /api/runs HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
    ],
    ids=["nothing", "half a header", "half of a second", "a body after the answer"],
)
def test_who_sends_no_whole_header_is_let_go(attacked, idle_connections, monkeypatch, sent):
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.4)
    found = idle_connections(100, sent)
    assert attacked.ask("GET", "/api/health").status == 200
    start = time.monotonic()
    for one in found:
        with contextlib.suppress(ConnectionResetError):
            while one.recv(4096):
                pass
    assert time.monotonic() - start < 5.0


def test_who_is_answered_is_kept_however_long_that_takes(attacked, idle_connections, monkeypatch):
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.2)
    lines = ["GET /api/runs/first/events HTTP/1.1", f"Host: localhost:{attacked.port}"]
    (stream,) = idle_connections(1, "\r\n".join([*lines, f"Authorization: Bearer {TOKEN}", "", ""]).encode())
    stream.settimeout(0.8)
    found = b""
    with contextlib.suppress(TimeoutError):
        while piece := stream.recv(65536):
            found += piece
        raise AssertionError("it was let go")
    assert b"event: status" in found


def test_a_thousand_who_wait_keep_nobody_out(attacked, idle_connections, monkeypatch):
    """The oldest that wait make room for others at once."""
    monkeypatch.setattr(attacked.server.config, "limit_concurrency", 40)
    found = idle_connections(120)
    for _ in range(5):
        assert attacked.ask("GET", "/api/health").status == 200
    found[0].settimeout(5)
    with contextlib.suppress(ConnectionResetError):
        assert found[0].recv(1) == b""
    assert len(attacked.server.server_state.connections) <= 21


def test_slow_bodies_of_the_unknown_hold_up_log_ins_alone(attacked, idle_connections, monkeypatch):
    monkeypatch.setattr(guard, "_MOST_UNKNOWN_BODIES", 5)
    sent = f"POST /api/session HTTP/1.1\r\nHost: localhost:{attacked.port}\r\nContent-Length: 9\r\n\r\n{{"
    idle_connections(5, sent.encode())
    deadline = time.monotonic() + 10
    while attacked.guard._num_unknown_bodies < 5:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    answer = attacked.ask("POST", "/api/session", {"token": TOKEN}, headers={"Authorization": ""})
    assert answer.status == 503
    assert attacked.ask("GET", "/api/health", headers={"Authorization": ""}).status == 200
    assert attacked.ask("GET", "/api/runs").status == 200


def test_who_asks_too_often_has_to_wait(attacked, monkeypatch):
    monkeypatch.setattr(attacked.guard, "_requests", guard.Rate(per_second=0.1, burst=3.0))
    statuses = [attacked.ask("GET", "/api/jobs").status for _ in range(6)]
    assert statuses[:3] == [200, 200, 200] and statuses[-1] == 429
    monkeypatch.undo()


def test_every_address_has_its_own_tickets():
    bucket = guard.Rate(per_second=0.0, burst=3.0)
    assert [bucket.take("a") for _ in range(5)] == [True, True, True, False, False]
    assert bucket.take("b")


ESCAPES = [
    "../../secret.txt",
    "..%2f..%2fsecret.txt",
    "%2e%2e/%2e%2e/secret.txt",
    "%2e%2e%2f%2e%2e%2fsecret.txt",
    "..%252f..%252fsecret.txt",
    "%252e%252e%252fsecret.txt",
    "..%5c..%5csecret.txt",
    "..\\..\\secret.txt",
    "%c0%ae%c0%ae/%c0%ae%c0%ae/secret.txt",
    "%ef%bc%8e%ef%bc%8e/secret.txt",
    "restore/../../../secret.txt",
    "restore/%2e%2e/%2e%2e/%2e%2e/secret.txt",
    "./../../secret.txt",
    "....//....//secret.txt",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    "//etc/passwd",
    "restore/run.json%00.txt",
    "%00",
    "restore%0a",
    "file:///etc/passwd",
    "~/secret.txt",
    "a/" * 40,
    "x" * 4000,
    "restore",
    "",
]


@pytest.mark.parametrize("path", ESCAPES)
def test_no_path_leads_out_of_a_run(attacked, path):
    answer = attacked.ask("GET", f"/api/runs/first/files/{path}")
    assert answer.status in (400, 404) and b"SECRET" not in answer.body and b"root:" not in answer.body
    listing = attacked.ask("GET", f"/api/runs/first/files?path={path}")
    assert listing.status == (200 if path in ("restore", "") else 404)


NAMES = [
    "..",
    ".",
    "%2e%2e",
    "..%2f..",
    ".popnas-server",
    "-rf",
    "--help",
    "a%2fb",
    "a%00",
    "a%0ab",
    "first%20",
    "$(touch%20x)",
    "`touch%20x`",
    "a;touch%20x",
    "a|b",
    "a&b",
    "%3Cscript%3E",
    "x" * 101,
    "con",
    "nul.txt",
    "caf%C3%A9",
]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_runs_name_names_none(attacked, name):
    for method, path in [
        ("GET", ""),
        ("GET", "/files"),
        ("POST", "/stop"),
        ("POST", "/resume"),
        ("DELETE", ""),
    ]:
        answer = attacked.ask(method, f"/api/runs/{name}{path}")
        assert answer.status in (400, 404, 405, 422), (method, path, answer.status)


@pytest.mark.parametrize(
    "name", ["../out", "a b", "$(id)", "-x", "", "x" * 101, "a/b", "nul", "a.", None, 7, ["a"]]
)
def test_no_search_starts_under_such_a_name(attacked, name):
    if name is None:
        name = {"a": 1}
    answer = attacked.ask("POST", "/api/runs", {"name": name, "config": {}})
    assert answer.status in (400, 422)


@pytest.mark.parametrize(
    "place",
    [
        "/etc",
        "../secret.txt",
        "../../secret.txt",
        "~",
        "$HOME",
        "file:///etc",
        "http://evil.example/x",
        "\0",
        "",
    ],
)
def test_data_are_read_below_the_configured_folders_alone(attacked, tmp_path, place):
    config = {"dataset": {"type": "image_classification", "path": place}}
    for path, body in [("/api/runs", {"config": config}), ("/api/config/check", {"config": config})]:
        answer = attacked.ask("POST", path, body)
        assert answer.status == 422
        assert answer.json()["problems"][0]["place"] == "dataset.path"


@pytest.mark.parametrize(
    "name", ["../first", "first/../..", "/etc", "a/b/c", "~/x", ".", "a\nb", "$(id)", "C:\\x"]
)
def test_a_data_sets_name_is_no_place(attacked, name):
    answer = attacked.ask("POST", "/api/config/check", {"config": {"dataset": {"name": name}}})
    assert answer.status == 422 and answer.json()["problems"][0]["place"] == "dataset.name"


def test_links_in_a_run_lead_nowhere(attacked):
    run = attacked.root / "first"
    (run / "csv").mkdir()
    places = [run / "csv" / "file.csv", run / "csv" / "folder", run / "debug.log"]
    try:
        places[0].symlink_to(attacked.root.parent / "secret.txt")
        places[1].symlink_to("/etc")
        places[2].symlink_to(attacked.root.parent / "secret.txt")
        for path in (
            "files/csv/file.csv",
            "files/csv/folder/passwd",
            "log?which=debug",
            "files?path=csv/folder",
        ):
            assert attacked.ask("GET", f"/api/runs/first/{path}").status == 404
        assert attacked.ask("GET", "/api/runs/first/files?path=csv").json()["entries"] == []
    finally:
        for place in places:
            place.unlink()
        (run / "csv").rmdir()


def test_a_link_is_no_run(attacked):
    link = attacked.root / "link"
    link.symlink_to(attacked.root / "first")
    try:
        assert attacked.ask("GET", "/api/runs/link").status == 404
        assert [run["name"] for run in attacked.ask("GET", "/api/runs").json()["runs"]] == ["first"]
    finally:
        link.unlink()


def test_a_pipe_in_a_run_holds_nobody_up(attacked):
    pipe = attacked.root / "first" / "debug.log"
    os.mkfifo(pipe)
    try:
        assert attacked.ask("GET", "/api/runs/first/log?which=debug").status == 404
    finally:
        pipe.unlink()


def test_a_body_that_is_too_large_is_refused(attacked):
    body = b'{"config": {"x": "' + b"a" * guard.MOST_BYTES + b'"}}'
    answer = raw(attacked, head(attacked, f"Content-Length: {len(body)}") + body, pieces=4)
    assert b" 413 " in answer.split(b"\r\n")[0]


def raw(served: Served, data: bytes, pieces: int = 1, pause: float = 0.0) -> bytes:
    """What the server answers to bytes, sent in pieces."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as connection:
        size = -(-len(data) // pieces)
        for start in range(0, len(data), size):
            try:
                connection.sendall(data[start : start + size])
            except OSError:
                break
            time.sleep(pause)
        found = b""
        try:
            while piece := connection.recv(65536):
                found += piece
                if b"\r\n\r\n" in found and b"}" in found:
                    break
        except OSError:
            pass
        return found


def head(served: Served, *lines: str) -> bytes:
    fixed = [
        f"Host: localhost:{served.port}",
        f"Authorization: Bearer {TOKEN}",
        "Content-Type: application/json",
    ]
    return "\r\n".join(["POST /api/runs HTTP/1.1", *fixed, *lines, "", ""]).encode()


def test_a_body_without_a_length_is_counted_as_it_comes(attacked):
    chunk = b"10000\r\n" + b"a" * 0x10000 + b"\r\n"
    answer = raw(attacked, head(attacked, "Transfer-Encoding: chunked") + chunk * 20 + b"0\r\n\r\n", pieces=8)
    assert b" 413 " in answer.split(b"\r\n")[0]


def test_a_slow_body_is_given_up(attacked, monkeypatch):
    monkeypatch.setattr(guard, "_BODY_SECONDS", 0.3)
    answer = raw(attacked, head(attacked, "Content-Length: 100") + b"{", pieces=1)
    assert b" 408 " in answer.split(b"\r\n")[0]


@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Length: 5", "Transfer-Encoding: chunked"),
        ("Content-Length: -1",),
        ("Content-Length: 1e3",),
        ("Content-Length: " + "9" * 5000,),
        ("Host: evil.example", "Content-Length: 0"),
        ("X: " + "a" * 70_000, "Content-Length: 0"),
    ],
)
def test_headers_that_do_not_agree_are_refused(attacked, lines):
    answer = raw(attacked, head(attacked, *lines) + b"0\r\n\r\n")
    assert answer == b"" or int(answer.split()[1]) in (400, 413, 421, 422, 431)


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize(
    "other",
    [
        "Authorization: Bearer wrong",
        "Origin: http://evil.example",
        "Origin: null",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Mode: navigate",
        "X-Popnas-Page: 0",
        "Host: evil.example",
    ],
)
def test_a_header_that_decides_stands_there_once(attacked, other, is_first):
    """Of two, a proxy in front could look at one and the server at the other."""
    host = f"localhost:{attacked.port}"
    good = {"Host": host, "Authorization": f"Bearer {TOKEN}", "Origin": f"http://{host}"}
    good |= {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "X-Popnas-Page": "1"}
    lines = [f"{name}: {value}" for name, value in good.items()]
    asked = b"GET /api/runs HTTP/1.1\r\n"
    assert raw(attacked, asked + "\r\n".join([*lines, "", ""]).encode()).split()[1] == b"200"
    both = [other, *lines] if is_first else [*lines, other]
    answer = raw(attacked, asked + "\r\n".join([*both, "", ""]).encode())
    assert answer.split()[1] in (b"400", b"421") and b"first" not in answer


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"[" * 100_000,
        b'{"config": ' + b'{"a":' * 50_000,
        b'{"config": {}, "shell": "id"}',
        b'{"config": "/etc/passwd"}',
        b'{"config": {"__proto__": 1}, "__class__": "x"}',
        b'{"name": "a", "config": {"a": ' + b"9" * 5000 + b"}}",
        b'{"name": "\\ud800", "config": {}}',
        b"\xff\xfe\x00",
        b"!!python/object/apply:os.system ['id']",
        b"\x80\x04\x95cos\nsystem\n(S'id'\ntR.",
    ],
)
def test_a_body_of_another_form_is_refused(attacked, body):
    answer = attacked.ask("POST", "/api/runs", body)
    assert answer.status in (400, 422)


@pytest.mark.parametrize(
    ("stage", "body"),
    [
        ("select", {"cell": "--help"}),
        ("select", {"cell": "[(-1, $(id), -1, identity)]"}),
        ("select", {"num_cells": "5; id"}),
        ("select", {"params": [1, "x"]}),
        ("select", {"source": "../best"}),
        ("train", {"cell": "x" * 5000}),
        ("train", {"filters": "1 --json"}),
        ("train", {"config": "/etc/passwd"}),
        ("train", {"config": {"dataset": {"path": "/etc"}}}),
        ("evaluate", {"model": "../../.."}),
        ("evaluate", {"model": "-h"}),
        ("evaluate", {"model": "/etc"}),
        ("evaluate", {"model": "restore/../.."}),
        ("evaluate", {"model": "best_model", "all_selected": True}),
    ],
)
def test_options_of_stages_are_values_and_nothing_else(attacked, stage, body):
    answer = attacked.ask("POST", f"/api/runs/first/{stage}", body)
    assert answer.status in (400, 404, 422), answer.body


@pytest.mark.parametrize("field", ["path", "name"])
def test_a_run_whose_data_lie_elsewhere_is_not_gone_on_with(server, field):
    make_run(server.root / "other", **{field: "/etc"})
    for stage, body in [("resume", None), ("train", {}), ("evaluate", {})]:
        answer = server.ask("POST", f"/api/runs/other/{stage}", body)
        assert answer.status == 400 and f"dataset.{field}" in answer.json()["detail"]
    assert server.services.jobs.all() == []


HOSTILE = "<script>alert(1)</script>"


def test_script_in_files_of_a_run_does_nothing(attacked):
    page = attacked.root / "first" / "evil.html"
    page.write_text(HOSTILE)
    try:
        answer = attacked.ask("GET", "/api/runs/first/files/evil.html")
        assert "sandbox" in answer.headers["content-security-policy"]
        assert "script-src" not in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        (page.parent / "evil.js").write_text("alert(1)")
        kept = attacked.ask("GET", "/api/runs/first/files/evil.js").headers
        assert kept["content-disposition"].startswith("attachment")
        (page.parent / "evil.js").unlink()
    finally:
        page.unlink()


def test_script_in_a_cell_is_no_cell_and_in_an_operators_name_is_text(attacked):
    assert attacked.ask("GET", f"/api/drawing?cell={HOSTILE.replace('<', '%3C')}").status == 422
    cell = "%5B(-1,%20%3Cscript%3Ex%3C/script%3E,%20-1,%20identity)%5D"
    answer = attacked.ask("GET", f"/api/drawing?cell={cell}")
    assert answer.status in (200, 422) and b"<script" not in answer.body
    assert (
        "sandbox"
        in attacked.ask("GET", "/api/drawing?cell=%5B(-1,%20identity,%20-1,%20identity)%5D").headers[
            "content-security-policy"
        ]
    )


def test_the_page_loads_nothing_from_elsewhere_and_has_no_script_of_its_own(attacked):
    answer = attacked.ask("GET", "/", headers={"Authorization": ""})
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    assert b"first" not in answer.body
    assert re.findall(rb"<script(?![^>]*\bsrc=)|\bon[a-z]+=|\bstyle=|https?://", answer.body) == []


@pytest.mark.parametrize("path", ["../app.py", "%2e%2e/app.py", "vendor/../../app.py", "x", "vendor", ""])
def test_the_pages_files_are_those_of_the_package_alone(attacked, path):
    answer = attacked.ask("GET", f"/page/{path}", headers={"Authorization": ""})
    assert answer.status in (401, 404) and b"import" not in answer.body
