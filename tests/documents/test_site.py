"""The site builds without a warning and asks no other host for anything."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from .pages import DOCS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("sphinx")
    pytest.importorskip("furo")
    pytest.importorskip("myst_parser")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", str(DOCS), str(folder)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_nothing_comes_from_another_host(site):
    pages = [*site.rglob("*.html")]
    assert len(pages) >= 40
    for page in pages:
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(
            r"<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=\"((?:https?:)?//[^\"]+)\"", text
        )
        assert loaded == [], page.name
    for style in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?(?:https?:)?//|@import", style.read_text(encoding="utf-8")), (
            style.name
        )


def test_search_finds_pages(site):
    index = (site / "searchindex.js").read_text(encoding="utf-8")
    for page in ("howto/images", "reference/fields", "troubleshooting", "reference/commands"):
        assert page in index


def test_every_link_inside_of_the_site_has_its_target(site):
    """Headings that are generated, too."""
    ids = {
        page: set(re.findall(r'\bid="([^"]+)"', page.read_text(encoding="utf-8")))
        for page in site.rglob("*.html")
    }
    checked = 0
    for page in ids:
        for target in re.findall(r'<a [^>]*href="([^":?]+)"', page.read_text(encoding="utf-8")):
            place, _, anchor = target.partition("#")
            file = (page.parent / place).resolve() if place else page
            if file.suffix != ".html":
                continue
            assert file in ids, f"{page.name}: {target}"
            assert not anchor or anchor in ids[file], f"{page.name}: {target}"
            checked += 1
    assert checked > 500
