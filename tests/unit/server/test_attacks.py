"""What must be refused, whoever sends it; and that nothing has changed afterwards."""

from __future__ import annotations

import os
import re
import socket
import time
from pathlib import Path

import pytest

from popnas.server.access import guard

from .conftest import TOKEN, Served, make_run

METHODS_AND_PATHS = [
    ("GET", "/api/runs"),
    ("GET", "/api/jobs"),
    ("GET", "/api/runs/first"),
    ("GET", "/api/runs/first/candidates"),
    ("GET", "/api/runs/first/events"),
    ("GET", "/api/runs/first/config"),
    ("GET", "/api/runs/first/log"),
    ("GET", "/api/runs/first/results"),
    ("GET", "/api/runs/first/quality"),
    ("GET", "/api/runs/first/files"),
    ("GET", "/api/runs/first/files/restore/run.json"),
    ("GET", "/api/compare?run=first"),
    ("GET", "/api/drawing?cell=%5B%5D"),
    ("GET", "/api/config/schema"),
    ("GET", "/api/config/presets"),
    ("GET", "/api/openapi.json"),
    ("GET", "/tensorboard/first/"),
    ("POST", "/api/runs"),
    ("POST", "/api/runs/first/resume"),
    ("POST", "/api/runs/first/stop"),
    ("POST", "/api/runs/first/select"),
    ("POST", "/api/runs/first/train"),
    ("POST", "/api/runs/first/evaluate"),
    ("POST", "/api/runs/first/tensorboard"),
    ("POST", "/api/config/check"),
    ("POST", "/tensorboard/first/data"),
    ("DELETE", "/api/runs/first"),
    ("DELETE", "/api/runs/first/tensorboard"),
    ("DELETE", "/api/session"),
    ("PUT", "/api/runs/first"),
    ("PATCH", "/api/runs/first"),
    ("OPTIONS", "/api/runs/first"),
]
NAMED = [f"{method} {path}" for method, path in METHODS_AND_PATHS]


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
@pytest.mark.parametrize("given", ["", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN} x"])
def test_without_the_token_nothing_is_told_or_done(attacked, method, path, given):
    answer = attacked.ask(method, path, headers={"Authorization": given})
    assert answer.status == 401
    assert b"first" not in answer.body and b"digits" not in answer.body


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "evil.example:{port}",
        "localhost",
        "localhost:1",
        "127.0.0.1.nip.io:{port}",
        "{host} x",
    ],
)
@pytest.mark.parametrize(("method", "path"), [("GET", "/api/health"), ("GET", "/"), *METHODS_AND_PATHS[::7]])
def test_a_host_that_is_another_is_refused_even_with_the_token(attacked, method, path, host):
    given = host.format(port=attacked.port, host=f"localhost:{attacked.port}")
    assert attacked.ask(method, path, headers={"Host": given}).status in (400, 421)


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "https://localhost", "http://localhost:1", "file://"]
)
@pytest.mark.parametrize(("method", "path"), METHODS_AND_PATHS[::6])
def test_a_page_of_another_site_is_refused_even_with_the_token(attacked, method, path, origin):
    assert attacked.ask(method, path, headers={"Origin": origin}).status == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_browser_that_says_that_another_site_asks_is_refused(attacked, site):
    assert attacked.ask("GET", "/api/runs", headers={"Sec-Fetch-Site": site}).status == 403


def cookie_of(served: Served) -> str:
    answer = served.ask("POST", "/api/session", {"token": TOKEN}, headers={"Authorization": ""})
    assert answer.status == 204
    return answer.headers["set-cookie"].partition(";")[0]


@pytest.mark.parametrize(
    ("method", "path"), [item for item in METHODS_AND_PATHS if item[0] not in ("GET", "OPTIONS")]
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


def test_who_guesses_tokens_keeps_nobody_out_who_is_in(attacked):
    known = {"Authorization": "", "Cookie": cookie_of(attacked)}
    for i in range(40):
        attacked.ask("GET", "/api/runs", headers={"Authorization": f"Bearer {i}"})
    assert attacked.ask("GET", "/api/runs", headers={"Authorization": f"Bearer {TOKEN}"}).status == 429
    assert attacked.ask("GET", "/api/runs", headers=known).status == 200


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
        ("Host: evil.example", "Content-Length: 0"),
        ("X: " + "a" * 70_000, "Content-Length: 0"),
    ],
)
def test_headers_that_do_not_agree_are_refused(attacked, lines):
    answer = raw(attacked, head(attacked, *lines) + b"0\r\n\r\n")
    assert answer == b"" or int(answer.split()[1]) in (400, 413, 421, 422, 431)


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


def test_a_run_whose_data_lie_elsewhere_is_not_gone_on_with(server):
    make_run(server.root / "other", path="/etc")
    for stage, body in [("resume", None), ("train", {}), ("evaluate", {})]:
        answer = server.ask("POST", f"/api/runs/other/{stage}", body)
        assert answer.status == 400 and "dataset.path" in answer.json()["detail"]
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
