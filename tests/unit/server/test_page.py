"""The page in a real browser: headless Chromium, driven as somebody would use it."""

from __future__ import annotations

import re
import shutil
import time

import pytest

from .conftest import make_run

selenium = pytest.importorskip("selenium")
from selenium import webdriver  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

from .browser import MARKS, Browser  # noqa: E402

pytestmark = MARKS


def test_the_token_is_asked_for_and_leaves_the_address(process):
    browser = Browser(process.address)
    try:
        browser.open("")
        browser.the("h1", "Token")
        browser.fill("#token", "not the token")
        browser.click("button", "Come in")
        browser.the(".mistake", "not this server's token")
        browser.open(f"#token={process.token}")
        browser.the("h2", "one")
        assert process.token not in browser.driver.current_url
        assert browser.run("return document.cookie") == ""
        browser.click("#log-out")
        browser.the("h1", "Token")
        browser.driver.refresh()
        browser.the("h1", "Token")
    finally:
        browser.driver.quit()


def test_the_front_shows_and_pins_cells(page):
    page.open("#/runs/one")
    page.the(".chart canvas")
    page.until(lambda: "60 cells" in page.the("section").text, "the count of cells")
    chart = page.the(".chart")
    chart.send_keys(Keys.ARROW_RIGHT)
    page.the(".tip img")
    page.until(lambda: page.run("return document.querySelector('.tip img').naturalWidth > 0"), "the drawing")
    page.shoot("front")
    chart.send_keys(Keys.ENTER, Keys.ARROW_RIGHT, Keys.ENTER)
    page.until(lambda: len(page.all("section .cards .card")) == 2, "two pinned cells")
    page.shoot("pinned")
    page.click("button", "Unpin")
    page.until(lambda: len(page.all("section .cards .card")) == 1, "one pinned cell")


def test_a_click_on_a_point_pins_it_and_dragging_zooms(page):
    page.open("#/runs/two")
    page.until(lambda: "60 cells" in page.the("section").text, "the count of cells")
    page.open("#/runs/two/front")
    page.the(".chart canvas")
    over = page.the(".u-over")
    actions = webdriver.ActionChains(page.driver)
    actions.drag_and_drop_by_offset(over, 150, 100).perform()
    page.click("button", "Show all")
    for control in ("Zoom in", "Zoom out"):
        page.click(f"button[aria-label='{control}']")


def test_the_front_grows_while_a_journal_does(page, process):
    run = make_run(process.root / "growing", 5, seed=3)
    page.open("#/runs/growing")
    page.until(lambda: "5 cells" in page.the("section").text, "five cells")
    more = make_run(process.root.parent / "elsewhere", 30, seed=3).state().arrived
    with run.lock(), run.journal as journal:
        for item in more[5:]:
            journal.append("evaluation", item.content(), dict(item.volatile))
        page.until(lambda: "30 cells" in page.the("section").text, "thirty cells", 15)
        page.the(".badge", "started elsewhere")
    # What came bit by bit is drawn as if it had come at once.
    words = page.the("section > p.note").text
    page.driver.refresh()
    page.until(lambda: page.the("section > p.note").text == words, words)
    page.open("#/runs/growing/candidates")
    page.until(lambda: "30 of 30" in page.the("section").text, "thirty rows")


def test_the_table_sorts_filters_and_shows_a_cell(page):
    page.open("#/runs/one/candidates")
    page.the("tbody tr td")
    page.click("th button", "validation score")
    page.the("th[aria-sort=ascending]", "validation score")
    page.fill("input[type=search]", "3x3 conv, identity")
    page.until(lambda: 0 < int(page.the(".controls .note").text.split()[0]) < 60, "fewer rows")
    page.click("td button")
    page.the(".detail img")
    page.shoot("candidates")


@pytest.mark.parametrize(
    ("look", "shown"),
    [
        ("scores", ".chart canvas"),
        ("time", "td .bar"),
        ("predictors", "section p"),
        ("results", "section td code"),
        ("log", "pre.log"),
        ("config", "dd code"),
        ("files", "td button"),
    ],
)
def test_every_look_shows_something(page, look, shown):
    page.open(f"#/runs/one/{look}")
    page.the(shown, seconds=60)
    page.shoot(look)
    expected_404 = [message for message in page.complaints() if "/log?" not in message]
    assert expected_404 == []


def test_runs_are_compared(page):
    page.open("#/runs")
    for name in ("one", "two"):
        page.click(f"input[aria-label='Compare {name}']")
    page.click("a.button", "Compare 2 runs")
    page.the("h2", "Hypervolume")
    page.until(lambda: len(page.all(".chart canvas")) == 2, "two charts")
    page.shoot("compare")


def test_a_run_that_is_not_shown_is_named_as_text(page, process):
    folder = process.root / "<b>bold & more"
    (folder / "restore").mkdir(parents=True)
    page.open("#/runs")
    page.the("p", "Not shown: <b>bold & more. A run's name here has up to 100 letters")
    assert page.all("p b") == []
    shutil.rmtree(folder)
    page.until(lambda: not any("Not shown" in item.text for item in page.all("p")), "nothing left out")


def test_mistakes_stand_at_their_fields(page):
    page.open("#/new")
    page.the("summary", "dataset", 90)
    page.fill("[id='field-search_space.blocks']", "99")
    field = page.the("[id='field-search_space.blocks'][aria-invalid=true]", seconds=60)
    mistake = page.the("[id='mistake-search_space.blocks']")
    assert "32" in mistake.text
    assert "mistake-search_space.blocks" in field.get_attribute("aria-describedby")
    page.shoot("form")
    page.fill("[id='field-search_space.blocks']", "2")
    page.until(lambda: not page.all("[aria-invalid=true]"), "no mistake", 60)


def test_a_screen_reader_finds_its_way(page):
    page.open("#/runs/one")
    page.the(".chart canvas")
    for landmark in ("header", "main", "nav[aria-label]", "section[aria-label]", "[role=status]"):
        assert page.all(landmark), landmark
    unnamed = page.run(
        """const found = [...document.querySelectorAll("button, a, input, select, textarea")];
        const isNamed = (e) => e.textContent.trim() || e.labels?.length || e.title || e.ariaLabel;
        return found.filter((e) => e.checkVisibility() && !isNamed(e)).map((e) => e.outerHTML);"""
    )
    assert unnamed == []
    assert page.run("return document.documentElement.lang") == "en"


@pytest.mark.parametrize(
    ("name", "width", "height", "is_dark"),
    [("phone", 390, 844, False), ("dark", 1280, 900, True), ("dark_phone", 390, 844, True)],
)
@pytest.mark.parametrize("place", ["runs", "runs/one", "runs/one/candidates", "compare/one,two", "new"])
def test_it_fits_a_phone_and_the_dark(page, name, width, height, is_dark, place):
    page.sized(width, height, is_dark=is_dark)
    page.open("#/" + place)
    page.until(lambda: page.all("main h1") and "Loading" not in page.the("main").text, place, 60)
    time.sleep(0.7)
    # Nothing is wider than the screen; what must be scrolls by itself.
    assert page.run("return document.documentElement.scrollWidth") <= width
    page.shoot(f"{name}_{place.replace('/', '_').replace(',', '_')}")


def test_on_a_phone_what_is_told_of_a_point_hides_no_other(page):
    page.sized(390, 844)
    page.driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})
    for place in ("runs/one", "compare/one,two"):
        page.open("#/" + place)
        page.the(".chart canvas")
        page.the(".chart").send_keys(Keys.ARROW_RIGHT)
        page.until(lambda: page.run("return document.querySelector('.tip img').complete"), "the drawing")
        below, bottom, height = page.run(
            """const of = (css) => document.querySelector(css).getBoundingClientRect();
            const [chart, tip] = [of(".chart"), of(".tip")];
            return [tip.top - chart.bottom, tip.bottom, innerHeight];"""
        )
        assert below >= 0 and bottom <= height + 1
        page.shoot(f"phone_tip_{place.partition('/')[0]}")
    page.driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})


def test_ten_thousand_rows_scroll_smoothly(page, process):
    make_run(process.root / "many", 10_000, seed=4)
    page.open("#/runs/many/candidates")
    page.until(lambda: "10,000 of 10,000" in page.the("section").text, "all rows", 60)
    spent = page.run(
        """const box = document.querySelector(".scroll"); const times = [];
        for (let i = 0; i < 30; i += 1) { box.scrollTop = i * 10000; const then = performance.now();
          box.dispatchEvent(new Event("scroll")); box.offsetHeight; times.push(performance.now() - then); }
        return times.sort((a, b) => a - b)[27];"""
    )
    assert spent < 100
    assert len(page.all("tbody tr")) < 120
    page.open("#/runs/many")
    page.until(lambda: "10,000 cells" in page.the("section").text, "all points", 60)
    page.shoot("many")


def num_cells(page: Browser) -> int:
    found = re.search(r"(\d+) cells", page.the("section").text)
    return int(found[1]) if found else 0


def test_a_search_is_started_watched_stopped_resumed_trained_and_downloaded(page, process, tmp_path):
    """All of it by hand, so to say."""
    page.open("#/new")
    page.driver.refresh()  # what other tests have changed in the form is not kept
    page.the("summary", "dataset", 90)
    preset = page.the("#preset")
    preset.send_keys("run_debug")
    page.fill("#name", "by_hand")
    page.click("button", "Start the search", 60)
    page.the("h1", "by_hand", 120)
    page.the(".badge", "runs", 60)
    page.until(lambda: num_cells(page) >= 2, "two cells on the front", 300)
    page.shoot("running")
    page.click(".actions button", "Stop")
    page.the(".badge", "stopped", 90)
    page.click(".actions button", "Resume", 30)
    page.the(".badge", "finished", 400)
    page.shoot("finished")
    page.click(".actions button", "Train")
    page.the("dialog select")
    page.run(
        "const box = document.querySelector('dialog select'); box.selectedIndex = [...box.options]"
        ".findIndex((o) => o.textContent.endsWith('debug')); return box.value"
    )
    page.click("dialog button", "Train")
    page.open("#/runs/by_hand/results")
    page.the(".card h3", "Final training", 300)
    link = page.the("a[download='model.onnx']")
    assert [card.text for card in page.all(".card h3")].count("Final training") == 1
    assert "final_training" in link.get_attribute("href")
    page.driver.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)}
    )
    link.click()
    page.until(lambda: (tmp_path / "model.onnx").is_file(), "the model", 60)
    page.shoot("results_trained")
    import onnx

    assert onnx.load(tmp_path / "model.onnx").graph.input[0].name == "input"
