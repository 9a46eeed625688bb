"""Links inside of the documentation lead somewhere, headings included; no network is asked."""

from __future__ import annotations

import re

import pytest

from popnas.cli.main import COMMANDS

from .pages import ROOT, name_of, pages

_LINK = re.compile(r"(?<!\!)\[[^\]]+\]\(([^)\s]+)\)")
_FENCED = re.compile(r"^(`{3,}).*?^\1\s*$", re.MULTILINE | re.DOTALL)
# Headings that are made while the site is built.
_GENERATED = "% generated:"


def _anchors(text: str) -> set[str]:
    found = set()
    for heading in re.findall(r"^#+ (.+)$", _FENCED.sub("", text), re.MULTILINE):
        words = re.sub(r"[^\w\s-]", "", heading.lower().replace("`", ""))
        found.add(re.sub(r"\s", "-", words.strip()))
    return found


def _broken(path, text):
    for target in _LINK.findall(_FENCED.sub("", text)):
        if re.match(r"https?://|mailto:", target):
            continue
        place, _, anchor = target.partition("#")
        file = (path.parent / place).resolve() if place else path
        if not file.exists():
            yield f"{target}: no such file"
        elif anchor and file.suffix == ".md":
            there = file.read_text(encoding="utf-8")
            if _GENERATED not in there and anchor not in _anchors(there):
                yield f"{target}: no such heading"


@pytest.mark.parametrize("path", [*pages(), ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"], ids=name_of)
def test_links_lead_somewhere(path):
    assert [*_broken(path, path.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[a](start.md)", []),
        ("[a](start.md#1-install)", []),
        ("[a](nowhere.md)", ["nowhere.md: no such file"]),
        ("[a](start.md#nothing)", ["start.md#nothing: no such heading"]),
        ("```\n[a](nowhere.md)\n```", []),
    ],
)
def test_the_check_sees_what_leads_nowhere(text, complaint):
    assert [*_broken(ROOT / "docs" / "index.md", text)] == complaint


def test_every_page_is_reached_from_the_first():
    """By the tables of contents, whose names are relative to the page that has them."""
    start = ROOT / "docs" / "index.md"
    reached, pending = {start}, [start]
    while pending:
        page = pending.pop()
        for tree in re.findall(
            r"^```\{toctree\}\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
        ):
            for line in tree.splitlines():
                if line and not line.startswith(":"):
                    found = {*page.parent.glob(f"{line}.md")} - reached
                    reached |= found
                    pending += found
    included = {ROOT / "docs" / "search.md"}  # algorithm.md shows it
    assert {path for path in pages() if path.name != "README.md"} - included == reached


def test_ten_questions_of_a_new_user_are_answered_within_two_clicks():
    """The start page leads to the questions, these to their answers."""
    start = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    assert re.search(r"^questions$", start, re.MULTILINE), "one click"
    page = ROOT / "docs" / "questions.md"
    rows = re.findall(
        r"^## ([^\n]+\?)\n(.+?)(?=^##|\Z)", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    assert len(rows) == 10
    for question, answer in rows:
        targets = _LINK.findall(answer)
        assert targets, question
        assert [*_broken(page, answer)] == [], question
        for place, _, anchor in (target.partition("#") for target in targets):
            assert (page.parent / place).is_file(), question
            # Headings of generated pages are those of their declarations.
            assert not anchor.startswith("popnas-") or anchor.removeprefix("popnas-") in COMMANDS, question
