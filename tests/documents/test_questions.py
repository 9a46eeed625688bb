"""A new user types a question into the site's search, in a browser: its answer is two clicks away."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

import pytest

from .pages import DOCS

pytest.importorskip("selenium")
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

if TYPE_CHECKING:
    from selenium import webdriver

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    # Selenium's own, about its driver's pipes.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

_SEEN = 5
"""Results that one sees without scrolling, on a laptop's screen."""


def results(browser: webdriver.Chrome) -> list[Any]:
    """Of a search that has ended, the first ones."""
    until = time.monotonic() + 60
    while not browser.find_elements(By.CSS_SELECTOR, "#search-results .search-summary"):
        assert time.monotonic() < until, browser.find_element(By.TAG_NAME, "body").text[:800]
        time.sleep(0.1)
    time.sleep(1)  # they are shown one after the other, the best first
    return browser.find_elements(By.CSS_SELECTOR, "#search-results ul.search li a")[:_SEEN]


def follow(link: Any) -> None:
    """By the keyboard: results that are still being added move under a pointer."""
    link.send_keys(Keys.ENTER)


def test_each_question_is_answered_within_two_clicks(address: str, browser: webdriver.Chrome) -> None:
    """The question is among the results that one sees; its section names the page, which is there with its
    heading."""
    text = (DOCS / "questions.md").read_text(encoding="utf-8")
    questions = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert len(questions) == 10
    for question in questions:
        browser.get(f"{address}/search.html?q={quote_plus(question)}")
        found = {result.get_attribute("href"): result for result in results(browser)}
        own = [
            place
            for place, result in found.items()
            if "/questions.html#" in place and question in result.text
        ]
        assert own, (question, list(found))
        follow(found[own[0]])
        anchor = browser.current_url.partition("#")[2]
        section = browser.find_element(By.ID, anchor)
        assert question in section.text and section.is_displayed()
        follow(section.find_element(By.CSS_SELECTOR, "p a.reference"))
        page, _, anchor = browser.current_url.partition("#")
        assert page != f"{address}/questions.html", question
        there = browser.find_element(By.ID, anchor) if anchor else browser.find_element(By.TAG_NAME, "h1")
        assert there.is_displayed() and there.text, question
