"""Every page of the site on a phone and on paper: nothing is wider than the screen, nothing is cut off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .pages import DOCS

if TYPE_CHECKING:
    from selenium import webdriver

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    # Selenium's own, about its driver's pipes.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

PAGES = sorted(
    str(path.relative_to(DOCS).with_suffix(".html"))
    for path in DOCS.rglob("*.md")
    if "_site" not in path.parts and path != DOCS / "search.md"
)
# An A4 page within the margins that browsers print.
_PHONE, _PAPER = 390, 717

_CUT_OFF = """
return [...document.querySelectorAll('article pre, article .table-wrapper')]
    .filter(each => each.scrollWidth > each.clientWidth + 1 && getComputedStyle(each).overflowX != 'visible')
    .map(each => each.textContent.slice(0, 80));
"""


def see(browser: webdriver.Chrome, width: int, medium: str) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": medium == "screen"}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": medium})


def test_no_page_is_wider_than_a_phone_and_commands_are_whole(address, browser):
    see(browser, _PHONE, "screen")
    for page in PAGES:
        browser.get(f"{address}/{page}")
        assert browser.execute_script("return document.documentElement.scrollWidth") == _PHONE, page
        commands = browser.execute_script(
            "return [...document.querySelectorAll('.highlight-sh pre, .highlight-text pre')]"
            ".filter(each => each.scrollWidth > each.clientWidth + 1).map(each => each.textContent)"
        )
        assert commands == [], page


def test_on_paper_nothing_is_cut_off_and_no_control_is_printed(address, browser):
    see(browser, _PAPER, "print")
    for page in PAGES:
        browser.get(f"{address}/{page}")
        assert browser.execute_script(_CUT_OFF) == [], page
        assert browser.execute_script("return document.documentElement.scrollWidth") <= _PAPER, page
        controls = browser.execute_script(
            "return [...document.querySelectorAll('.skip-to-content, .sidebar-drawer, .toc-drawer')]"
            ".filter(each => getComputedStyle(each).display != 'none').length"
        )
        assert controls == 0, page
