"""What pages with scripts of others can do in a real browser: nothing with the API."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from popnas.server.boards import Passed

from .conftest import TOKEN, Served, make_run
from .test_page import Browser, pytestmark

__all__ = ["pytestmark"]


@pytest.fixture
def browser(server: Served) -> Iterator[Browser]:
    """One that is logged in, by the address that is printed at the start."""
    found = Browser(f"http://127.0.0.1:{server.port}")
    found.open(f"#token={TOKEN}")
    found.the("h1", "Runs")
    yield found
    found.driver.quit()


# Tries each way to the API that a script has, and the one that TensorBoard's own needs.
SCRIPT = """<!doctype html><title>TensorBoard</title><body><p id=main></p><script>
async function reach(path, method = "GET") {
  try { return (await fetch(path, {method, credentials: "same-origin"})).status; } catch { return "refused"; }
}
async function picture(path) {
  return new Promise((done) => {
    const image = new Image(); image.onload = () => done("loaded"); image.onerror = () => done("refused");
    image.src = path;
  });
}
(async () => {
  const frame = document.createElement("iframe");
  frame.src = "/";
  document.body.append(frame);
  const found = {
    own: await reach("data/x"), asked: await reach("data/x", "POST"),
    api: await reach("/api/runs"), away: await reach("../../api/runs"),
    other: await reach("/tensorboard/two/data/x"), picture: await picture("/favicon.ico"),
    window: String(window.open("/", "_blank")), eval: eval("1 + 1"),
  };
  await new Promise((done) => setTimeout(done, 300));
  try { found.frame = String(frame.contentWindow.document.body.children.length); }
  catch { found.frame = "refused"; }
  document.getElementById("main").textContent = JSON.stringify(found);
})();
</script>"""


def test_a_script_in_tensorboards_page_does_not_reach_the_api(server, browser, monkeypatch):
    for name in ("one", "two"):
        make_run(server.root / name)

    def passed(run, method, path, headers, body):
        return Passed(200, {"content-type": "text/html"}, SCRIPT.encode() if not path else b"{}")

    monkeypatch.setattr(server.services.boards, "passed", passed)
    assert browser.run("return fetch('/api/runs').then((found) => found.status)") == 200
    browser.open("tensorboard/one/")
    said = browser.the("#main", "{").text
    assert '"own":200' in said and '"asked":200' in said and '"eval":2' in said, said
    for way in ("api", "away", "other", "picture"):
        assert f'"{way}":"refused"' in said, said
    assert '"window":"null"' in said, said
    assert '"frame":"refused"' in said or '"frame":"0"' in said, said


def test_the_pages_of_a_run_lead_to_each_other_and_run_no_script(server, browser):
    run = make_run(server.root / "one").path
    link = '<a href="best_model/masks.html">the predicted masks</a>'
    script = "<script>main.textContent = 'after'</script>"
    (run / "report.html").write_text(f"<p id=main>before</p>{link}{script}")
    (run / "best_model").mkdir()
    (run / "best_model" / "masks.html").write_text("<p id=main>worst images first</p>")
    browser.open("api/runs/one/files/report.html")
    browser.the("#main", "before")
    browser.click("a", "the predicted masks")
    browser.the("#main", "worst images first")
