"""Headless Chromium, driven as somebody would use the page."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("selenium")
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")

MARKS = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not CHROMIUM or not DRIVER, reason="needs Chromium and its driver"),
    # Selenium's own, about its driver's pipes.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
"""Of every test in a browser."""

SHOTS = os.environ.get("POPNAS_SCREENSHOTS")
"""A folder in which pictures of the page are left, for people to look at."""


class Browser:
    """What a person does: looks for words and fields, clicks, types, waits."""

    def __init__(self, address: str) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = str(CHROMIUM)
        for switch in (
            "headless=new",
            "no-sandbox",
            "disable-gpu",
            "disable-dev-shm-usage",
            "window-size=1280,900",
        ):
            options.add_argument(f"--{switch}")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(DRIVER))
        self.address = address

    def open(self, place: str) -> None:
        self.driver.get(f"{self.address}/{place}")

    def all(self, css: str) -> list[Any]:
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def the(self, css: str, words: str = "", seconds: float = 30.0) -> Any:
        """The element that a selector and words on it say, when it is there."""

        def found() -> Any:
            return next((e for e in self.all(css) if words in e.text and e.is_displayed()), None)

        return self.until(found, f"{css} with {words!r}", seconds)

    def until(self, is_so: Callable[[], Any], what: str, seconds: float = 30.0) -> Any:
        end = time.monotonic() + seconds
        while True:
            try:
                if found := is_so():
                    return found
            except StaleElementReferenceException:
                pass
            assert time.monotonic() < end, (
                f"{what} is not there: {self.driver.find_element(By.ID, 'main').text[:800]}"
            )
            time.sleep(0.1)

    def click(self, css: str, words: str = "", seconds: float = 30.0) -> None:
        for _ in range(20):
            try:
                self.the(css, words, seconds).click()
                return
            except StaleElementReferenceException:
                continue
        raise AssertionError(f"{css} {words} never holds still")

    def fill(self, css: str, text: str) -> None:
        field = self.the(css)
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(text)

    def run(self, script: str, *given: Any) -> Any:
        return self.driver.execute_script(script, *given)

    def sized(self, width: int, height: int, *, is_dark: bool = False) -> None:
        scheme = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def shoot(self, name: str) -> None:
        if SHOTS:
            Path(SHOTS).mkdir(parents=True, exist_ok=True)
            self.driver.save_screenshot(f"{SHOTS}/{name}.png")

    def complaints(self) -> list[str]:
        """What the browser has to say against the page: errors of scripts, violations of its policy."""
        entries = self.driver.get_log("browser")
        return [
            entry["message"]
            for entry in entries
            if entry["level"] == "SEVERE" and "401" not in entry["message"]
        ]
