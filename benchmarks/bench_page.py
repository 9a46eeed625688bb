"""The page with a run of 50,000 evaluations in headless Chromium: opening it, and what a new event costs.

    python benchmarks/bench_page.py [--evaluations N] [--events N]

Needs Chromium, its driver and Selenium (extra `test`). Opening: seconds from the address until the chart or
the table is there with all rows, of a server that has read the journal. A new event: the page's only
thread, as the browser counts it, less what it does in the same time without events; and its longest
task, which is as long as the page answers to nobody.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from bench_journal import cells, evaluation, make
from bench_server import Server
from popnas.runs import RunFolder

LOOKS = {"front": "{} cells", "candidates": "{} of {}", "scores": ""}
EVENT_SECONDS = 1.0
SEEN = """
window.tasks = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.tasks.push(entry.duration);
}).observe({ type: "longtask" });
const timer = setInterval(() => {
  const section = document.querySelector("section");
  if (!section?.querySelector("canvas, tbody button")) return;
  window.first ??= performance.now();
  if (!section.textContent.includes(WORDS)) return;
  window.whole = performance.now();
  clearInterval(timer);
}, 5);
"""


def chromium() -> webdriver.Chrome:
    """A browser without a window."""
    options = webdriver.ChromeOptions()
    options.binary_location = next(
        found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))
    )
    for switch in (
        "headless=new",
        "no-sandbox",
        "disable-gpu",
        "disable-dev-shm-usage",
        "window-size=1280,900",
    ):
        options.add_argument(f"--{switch}")
    return webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))


def opened(browser: webdriver.Chrome, address: str, words: str) -> str:
    """Milliseconds until a part of a look, and until all of it is there."""
    browser.get("about:blank")
    source = SEEN.replace("WORDS", repr(words))
    added = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": source})
    browser.get(address)
    end = time.monotonic() + 120
    while not (whole := browser.execute_script("return window.whole")) and time.monotonic() < end:
        time.sleep(0.05)
    browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)
    first = browser.execute_script("return window.first")
    return f"first points or rows after {first / 1e3:.2f} s, all after {whole / 1e3:.2f} s"


def busy(browser: webdriver.Chrome) -> float:
    """Seconds that the page's thread has worked so far."""
    found = browser.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    return next(float(item["value"]) for item in found if item["name"] == "TaskDuration")


def events(browser: webdriver.Chrome, run: RunFolder, texts: list[str]) -> str:
    """What events cost that come one by one, of a step of their own."""
    browser.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
    time.sleep(3)
    before = busy(browser)
    time.sleep(EVENT_SECONDS * len(texts))
    idle = busy(browser) - before
    browser.execute_script("window.tasks.length = 0")
    before, rng = busy(browser), np.random.default_rng(1)
    with run.lock(), run.journal as journal:
        for number, text in enumerate(texts):
            item = evaluation(text, number, rng)
            journal.append("evaluation", {**item.content(), "step": 6}, item.volatile)
            time.sleep(EVENT_SECONDS)
    spent = (busy(browser) - before - idle) / len(texts)
    tasks = browser.execute_script("return window.tasks")
    longest = f"{max(tasks):.0f} ms" if tasks else "under 50 ms"
    return f"a new event {1e3 * spent:.0f} ms of the page's thread, longest task {longest}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--evaluations", type=int, default=50_000)
    parser.add_argument("--events", type=int, default=15)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root, count = Path(folder) / "logs", arguments.evaluations
        make(root / "run", count)
        run = RunFolder.open(root / "run")
        have = {item.cell for item in run.state().arrived}
        new = [text for text in cells(1000, np.random.default_rng(3)) if text not in have]
        server, browser = Server(root), chromium()
        try:
            address = f"http://127.0.0.1:{server.port}/"
            browser.get(f"{address}#token={server.token}")
            shown = LOOKS["front"].format(f"{count:,}", f"{count:,}")
            cold = opened(browser, f"{address}#/runs/run/front", shown)
            print(f"front, while the server reads the journal: {cold}")
            for look, words in LOOKS.items():
                shown = words.format(f"{count:,}", f"{count:,}")
                print(
                    f"{look}: {opened(browser, f'{address}#/runs/run/{look}', shown)}; ", end="", flush=True
                )
                texts, new = new[: arguments.events], new[arguments.events :]
                print(f"{events(browser, run, texts)}; load {os.getloadavg()[0]:.0f}")
                count += len(texts)
        finally:
            browser.quit()
            server.process.terminate()
            server.process.wait()


if __name__ == "__main__":
    main()
