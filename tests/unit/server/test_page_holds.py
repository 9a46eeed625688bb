"""What a page keeps while things change or fail: its server, the network, its session, the run itself."""

from __future__ import annotations

import http.server
import json
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from popnas.runs import RunFolder
from popnas.storage import write_json

from .conftest import OPERATORS, ServeProcess, evaluations, make_run

selenium = pytest.importorskip("selenium")
from selenium.webdriver.common.keys import Keys  # noqa: E402

from .browser import MARKS, Browser  # noqa: E402

pytestmark = MARKS

WATCHED = """
window.streams ??= [];
window.asked ??= [];
window.answers ??= {};  // by what a path holds: [status, text, milliseconds] instead of the server's answer
if (!window.isWatched) {
  window.isWatched = true;
  const [Source, real] = [window.EventSource, window.fetch];
  window.EventSource = class extends Source { constructor(path) { super(path); window.streams.push(this); } };
  window.fetch = async (path, given) => {
    const asked = { path, given };
    window.asked.push(asked);
    const own = Object.entries(window.answers).find(([part]) => path.includes(part))?.[1];
    if (!own) return real(path, given);
    await new Promise((done) => { setTimeout(done, own[2] ?? 0); });
    return own[0] ? new Response(own[1], { status: own[0] }) : real(path, given);
  };
}
window.streams.length = 0;
window.asked.length = 0;
window.answers = {};
"""


@pytest.fixture
def watched(page: Browser) -> Browser:
    """A page whose requests are seen, and whose answers can be chosen."""
    page.open("#/runs")
    page.run(WATCHED)
    yield page
    page.run("window.answers = {}")


def grow(place: Path, more: int, seed: int) -> None:
    """So many more evaluations in a run's journal."""
    run = RunFolder(place)
    have = {item.cell for item in run.state().arrived}
    new = [item for item in evaluations(3 * more + 40, seed) if item.cell not in have][:more]
    with run.lock(), run.journal as journal:
        for item in new:
            journal.append("evaluation", item.content(), dict(item.volatile))


class _Proxy(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"<html><h1>502 Bad Gateway</h1></html>"
        self.send_response(502)
        self.send_header("content-type", "text/html")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 - the library's names

    def log_message(self, *given: Any) -> None:
        pass


@contextmanager
def only_a_proxy(port: int) -> Iterator[None]:
    """As when the server behind a proxy is down."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), _Proxy) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield
        server.shutdown()
        thread.join()


def test_a_page_outlives_its_server(tmp_path):
    root = tmp_path / "logs"
    make_run(root / "one", 40, seed=1)
    process = ServeProcess(root)
    port = int(process.address.rpartition(":")[2])
    browser = Browser(process.address)
    try:
        browser.open(f"#token={process.token}")
        browser.click("h2 a", "one")
        browser.until(lambda: "40 cells" in browser.the("section").text, "40 cells")
        browser.the(".chart").send_keys(Keys.ARROW_RIGHT, Keys.ENTER)
        browser.the("section .cards .card")
        process.end(signal.SIGTERM)
        with only_a_proxy(port):
            browser.the(".mistake", "goes on when it does")
            time.sleep(3)  # so that it has tried again, in vain
        grow(root / "one", 5, seed=2)
        process = ServeProcess(root, "--port", str(port))
        browser.until(lambda: "45 cells" in browser.the("section").text, "45 cells", 60)
        assert not [item for item in browser.all(".mistake") if item.is_displayed()]
        assert (
            len(browser.all("section .cards .card")) == 1
        )  # pinned as before, though rows are numbered anew
        browser.click("header nav a", "Runs")
        browser.the("h2", "one")
        process.end(signal.SIGTERM)
        browser.the("main > div > .mistake", "does not answer")
        with only_a_proxy(port):
            browser.the("main > div > .mistake", "such as a proxy, answered 502")
        browser.the("h2", "one")
        make_run(root / "later", 3, seed=3)
        process = ServeProcess(root, "--port", str(port))
        browser.the("h2", "later", 60)
        assert not [item for item in browser.all(".mistake") if item.is_displayed()]
        forgotten(browser)
        browser.open("#/runs/one")  # with the question still there, which leads on to where one wanted to go
        browser.fill("#token", process.token)
        browser.click("button", "Come in")
        browser.until(lambda: "45 cells" in browser.the("section").text, "45 cells")
        browser.driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
        process.end(signal.SIGTERM)
        process = ServeProcess(root, "--port", str(port))
        browser.fill("#token", process.token)
        browser.click("button", "Come in")
        browser.until(lambda: "45 cells" in browser.the("section").text, "45 cells")
    finally:
        browser.driver.quit()
        process.end(signal.SIGTERM)


def forgotten(browser: Browser) -> None:
    """The session ends while the list of runs is shown: what is typed into the question stays."""
    token = "half of a token"
    browser.driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
    browser.fill("#token", token)
    time.sleep(5)
    assert browser.the("#token").get_attribute("value") == token
    assert len(browser.all("form")) == 1


def test_a_view_that_failed_is_tried_again_by_its_own_link(watched):
    watched.run("window.answers = { '/runs': [503, '', 0] }")
    watched.open("#/new")
    watched.the("h1", "New search", 90)
    watched.open("#/runs")
    watched.the("h1", "That did not work")
    watched.run("window.answers = {}")
    watched.click("header nav a", "Runs")
    watched.the("h2", "one")


def test_what_is_in_use_stays_while_a_run_goes_on(page, process):
    run = make_run(process.root / "busy", 5, seed=7)
    progress = {"format": 1, "stage": "search", "state": "running", "pid": 1, "started": "", "updated": ""}
    progress |= {"phase": "step 1", "done": 1, "total": 9, "warnings": ["The first.", "The second."]}
    with run.lock(), run.journal as journal:
        new = evaluations(80, 8)[:12]
        page.open("#/runs/busy/candidates")
        write_json(run.path / "progress.json", progress)
        page.click("summary", "2 warnings")
        button = page.the("th button", "step")
        page.run("arguments[0].focus()", button)
        rows = page.all("tbody tr[aria-rowindex]")
        for done, item in enumerate(new[:6]):
            journal.append("evaluation", item.content(), dict(item.volatile))
            write_json(run.path / "progress.json", progress | {"done": done})
            time.sleep(0.3)
        page.until(lambda: "11 of 11" in page.the("section").text, "11 rows")
        assert page.run("return document.activeElement") == button
        scores = [float(item.text) for item in page.all("td.score")]
        assert scores == sorted(scores, reverse=True)
        assert page.the("details[open] li", "The second.")
        assert set(rows) <= set(page.all("tbody tr[aria-rowindex]"))
        board = page.the(".actions button", "TensorBoard")
        page.run("arguments[0].focus()", board)
        for item in new[6:9]:
            journal.append("evaluation", item.content(), dict(item.volatile))
        page.until(lambda: "14" in page.the(".head .tiles").text, "14 networks")
        assert page.run("return document.activeElement") == board
        page.click("header nav a", "Runs")
        box = page.the("input[aria-label='Compare busy']")
        box.click()
        for item in new[9:]:
            journal.append("evaluation", item.content(), dict(item.volatile))
        page.until(lambda: any("17" in card.text for card in page.all(".run")), "17 networks")
        assert page.run("return document.activeElement") == box
        assert box.is_selected()


def test_looks_share_one_stream_and_keep_what_is_pinned(watched):
    watched.open("#/runs/one")
    watched.until(lambda: "60 cells" in watched.the("section").text, "all cells")
    watched.the(".chart").send_keys(Keys.ARROW_RIGHT, Keys.ENTER)
    watched.the("section .cards .card")
    tab = watched.the(".tabs a", "Candidates")
    tab.click()
    watched.until(lambda: "60 of 60" in watched.the("section").text, "all rows")
    assert watched.run("return document.activeElement") == tab
    watched.run("window.answers = { '/config': [404, '{\"detail\": \"there is no run here.\"}', 0] }")
    watched.click(".tabs a", "Configuration")
    watched.the("section p", "not there (yet)")
    assert watched.the("h1", "one")
    watched.run("window.answers = {}")
    watched.click("section button", "Try again")
    watched.the("dd code")
    watched.click(".tabs a", "Front")
    watched.the("section .cards .card")
    assert watched.run("return streams.length") == 1
    expected = [message for message in watched.complaints() if "404" not in message]
    assert expected == []


def test_a_page_out_of_sight_lets_go_of_its_stream_and_catches_up(watched, process):
    make_run(process.root / "unseen", 6, seed=11)
    watched.open("#/runs/unseen")
    watched.until(lambda: "6 cells" in watched.the("section").text, "all cells")
    turn = """Object.defineProperty(document, "hidden", { value: arguments[0], configurable: true });
    document.dispatchEvent(new Event("visibilitychange")); return streams.map((each) => each.readyState);"""
    assert watched.run(turn, True) == [2]
    grow(process.root / "unseen", 4, seed=12)
    watched.run(turn, False)
    watched.until(lambda: "10 cells" in watched.the("section").text, "what came meanwhile")
    assert ".6" in watched.run("return streams[1].url")
    watched.run("delete document.hidden")
    watched.open("#/runs")
    watched.the("h2", "unseen")
    watched.until(
        lambda: watched.run("return streams.every((each) => each.readyState === 2)"), "no stream left"
    )


def test_a_slow_view_does_not_write_over_a_later_one(watched):
    watched.run("window.answers = { '/runs/one': [0, '', 1500] }")
    watched.open("#/runs/one")
    watched.open("#/runs/two")
    watched.the("h1", "two")
    time.sleep(2)
    assert [item.text for item in watched.all("h1")] == ["two"]
    assert watched.run("return streams.filter((each) => each.readyState !== 2).length") == 1


def test_addresses_that_lead_nowhere(page):
    page.open("#/runs/%")
    page.the("h1", "That did not work")
    page.open(f"#/compare/{','.join(f'r{number}' for number in range(9))}")
    page.the(".mistake", "at most 8 items")
    page.click("header nav a", "Runs")
    heading = page.the("h1", "Runs")
    page.until(lambda: page.run("return document.activeElement") == heading, "the focus at the heading")
    page.run("document.querySelector('.skip').focus()")
    page.the(".skip").send_keys(Keys.ENTER)
    assert page.run("return document.activeElement.id") == "main"
    assert page.driver.current_url.endswith("#/runs")
    page.open("#main")
    page.driver.refresh()
    page.the("h2", "one")
    page.driver.get_log("browser")  # of the refused name


def test_the_form_suggests_and_takes_what_is_written_as_json(watched):
    watched.driver.refresh()
    watched.open("#/new")
    watched.the("summary", "dataset", 90)
    watched.run(WATCHED)
    lists = watched.run(
        "return [...document.querySelectorAll('input[list]')].map((e) => e.list?.options.length)"
    )
    assert lists and all(lists)
    watched.run("arguments[0].scrollIntoView({ block: 'center' })", watched.the("summary", "As JSON"))
    watched.click("summary", "As JSON")
    text = watched.the("textarea")
    config = json.loads(text.get_attribute("value"))
    text.send_keys(Keys.END, "{")
    watched.the("#json-mistake", "no JSON")
    watched.click("button", "Start the search")
    time.sleep(0.5)
    assert watched.run("return asked.filter((each) => each.path === '/api/runs').length") == 0
    config["search_space"]["blocks"] = 77
    put = (
        "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input', { bubbles: true }))"
    )
    watched.run("window.answers = { '/check': [0, '', 3000] }")
    watched.run(put, text, json.dumps(config))
    watched.until(
        lambda: watched.the("[id='field-search_space.blocks']").get_attribute("value") == "77",
        "the field's value",
    )
    watched.until(lambda: watched.run("return asked.some((each) => each.path.includes('/check'))"), "a check")
    blocks = watched.the("[id='field-search_space.blocks']")
    blocks.send_keys(Keys.CONTROL, "a")
    blocks.send_keys("3")
    assert watched.run("return asked.find((each) => each.path.includes('/check')).given.signal.aborted")
    watched.run("window.answers = {}")
    config["others"] = {"seed": 12345}
    config["search_space"]["blocks"] = 3
    watched.run(put, text, json.dumps(config))
    seed = "return document.querySelector(\"[id='field-others.seed']\").value"
    watched.until(lambda: watched.run(seed) == "12345", "the field's value")
    watched.the("#preset").send_keys("run_debug")
    watched.the("dialog h2", "Drop your changes?")
    watched.click("dialog button", "Cancel")
    assert watched.the("#preset").get_attribute("value") == "run"
    watched.open("#/runs")
    watched.the("h2", "one")
    watched.open("#/new")
    watched.until(
        lambda: watched.run(f"{seed.replace(').value', ')?.value')}") == "12345", "what was written"
    )
    watched.click("button", "Drop the changes")
    watched.click("dialog button", "Drop them")
    assert watched.run(seed) != "12345"


def test_cells_are_drawn_as_the_run_joins_them(page, process):
    config = {
        "search_space": {"blocks": 3, "operators": list(OPERATORS), "lookback_depth": 2},
        "search_strategy": {"score_metric": "accuracy", "additional_pareto_objectives": ["time"]},
        "dataset": {"type": "image_classification", "name": "digits"},
        "architecture_hyperparameters": {"concat_only_unused_blocks": False},
    }
    run = RunFolder.create(process.root / "joined", config)
    with run.journal as journal:
        for item in evaluations(20, 5):
            journal.append("evaluation", item.content(), dict(item.volatile))
    for place in ("runs/joined", "compare/joined,one"):
        page.open(f"#/{place}")
        page.the(".chart canvas")
        page.until(lambda: page.all(".chart[tabindex]"), "the chart")
        drawn: set[str] = set()
        for _ in range(12):
            page.the(".chart[tabindex]").send_keys(Keys.ARROW_RIGHT)
            name = page.run("return document.querySelector('.tip').textContent")
            link = page.the(".tip img").get_attribute("src")
            drawn.add(f"{'one' if name.startswith('one') else 'joined'} {link.rpartition('=')[2]}")
        assert "joined false" in drawn
        assert drawn <= {"joined false", "one true"}
    page.open("#/runs/joined/candidates")
    page.click("td button")
    assert page.the(".detail img").get_attribute("src").endswith("=false")


LOG = """const told = (text, next) => [200, JSON.stringify({ text, start: 0, next, size: next }), 0];
window.answers = { "/log?": told(arguments[0], arguments[1]) };
window.asked.length = 0;"""
NEW_JOB = """const summary = await (await fetch("/api/runs/one")).json();
const job = { number: 7, run: "one", stage: "train", state: "running", created: 1, started: 2, ended: null };
const data = JSON.stringify({ ...summary, jobs: [job] });
streams[0].dispatchEvent(new MessageEvent("status", { data }));"""


def test_the_log_of_a_new_job_begins_at_its_beginning(watched):
    watched.run(LOG, "first\n", 6)
    watched.open("#/runs/one/log")
    watched.the("pre.log", "first")
    time.sleep(1.5)  # until the server has told how the run stands, which what follows replaces
    watched.run(LOG, "second\n", 700)
    watched.run(NEW_JOB)
    watched.the("pre.log", "second")
    assert "first" not in watched.the("pre.log").text
    asked = "return asked.some((each) => each.path.endsWith('which=job&start=-1'))"
    watched.until(lambda: watched.run(asked), "a question for the whole log")


@pytest.mark.parametrize("look", ["time", "predictors"])
def test_a_look_that_cannot_be_computed_says_so(watched, look):
    watched.run("window.answers = { '/quality': [503, '{\"detail\": \"the disk refuses.\"}', 0] }")
    watched.open(f"#/runs/one/{look}")
    watched.the("section .mistake", "the disk refuses.")
    watched.run("window.answers = {}")
    watched.click("section button", "Try again")
    watched.the(
        "section p" if look == "predictors" else "td .bar", "Nothing was predicted" * (look == "predictors")
    )


def test_no_more_runs_are_chosen_than_can_be_compared(page, process):
    for number in range(9):
        make_run(process.root / f"few{number}", 3, seed=20 + number)
    page.open("#/runs")
    page.the("h2", "few8")
    for number in range(8):
        page.click(f"input[aria-label='Compare few{number}']")
    page.the("a.button", "Compare 8 runs")
    assert not page.the("input[aria-label='Compare few8']").is_enabled()
    page.click("input[aria-label='Compare few0']")
    assert page.the("input[aria-label='Compare few8']").is_enabled()
    page.click("a.button", "Compare 7 runs")
    page.the("h2", "Hypervolume")
    chart = page.the(".chart[tabindex]")
    chart.send_keys(Keys.ARROW_RIGHT)
    assert page.the(".tip img")
    said = page.run("return document.querySelector('.wide [aria-live]').textContent")
    assert said.startswith("few")
    assert "score" in said
