"""The pages of the documentation as blocks that can be run, and the data that they speak of.

HTML comments before a block say what the block needs:

- `<!-- data: photos -->` makes data in the page's folder first (`made_data.MAKERS`; "a run in PLACE" is a
  finished search).
- `<!-- slow -->` is run with the slow tests only; `<!-- slow, else: a run in PLACE -->` gives the blocks
  after it such a run where it is not.
- `<!-- small -->` gives commands that train the sizes of a test (`made_data.SIZES`).
- `<!-- with: A -> B; C -> D -->` is run with these texts in the place of others: numbers that would take
  hours, places that are the reader's.
- `<!-- in: a clone -->` is run in a copy of this checkout, where pip finds what this environment has and asks
  no index; `a clone with an index` lets it download.
- `<!-- listens: URL -->` is started as typed, must answer at the URL, and goes on while the rest of the page
  is run, until the next one that listens; then it is ended as by Ctrl-C.
- `<!-- stand-in: docker -->` has that command from `stand_ins/`, which says what it does instead.
- `<!-- fails: 2 -->` must end with that status, and print the text of the `text` block after it.
- `<!-- needs: MODULE -->` is run only where that can be imported.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

OF_OTHERS = {
    "benchmarks/README.md": (
        ("slow", ""),
        ("data", "small.json"),
        # The real ones take hours, and data that are not in this repository.
        (
            "with",
            "benchmarks/tables/fashion_mnist.json -> small.json; "
            "benchmarks/tables/swedish_leaf.json -> small.json; 3=400 -> 3=6; 3=2300 -> 3=6; 520 -> 4",
        ),
    )
}
"""What is said before the first block of pages that are not of the documentation, by page."""

KINDS = ("data", "slow", "small", "with", "in", "listens", "stand-in", "fails", "needs")
_COMMENT = re.compile(r"<!-- ([a-z-]+)(?:, else)?:? ?(.*?) -->")
_FENCE = re.compile(r"(`{3,})(\S*)")


@dataclass
class Block:
    """A fenced block: `language`, `text`, the `line` it begins in, and what comments before it say."""

    language: str
    text: str
    line: int
    data: tuple[str, ...] = ()
    is_slow: bool = False
    instead: str = ""
    fails: int | None = None
    needs: str = ""
    is_small: bool = False
    replaced: tuple[tuple[str, str], ...] = ()
    place: str = ""
    listens: str = ""
    stand_in: str = ""
    output: str = ""


def pages() -> list[Path]:
    """All pages: the README, those that the site includes from elsewhere, and the site's own."""
    return [ROOT / "README.md", *(ROOT / name for name in OF_OTHERS), *sorted(DOCS.rglob("*.md"))]


def name_of(path: Path) -> str:
    """Where a page is, for messages."""
    return str(path.relative_to(ROOT))


def blocks(path: Path) -> list[Block]:
    """The blocks of a page in order; `text` blocks only as the output of the one before."""
    found: list[Block] = []
    notes: dict[str, list[str]] = {}
    for word, note in OF_OTHERS.get(name_of(path), ()):
        notes.setdefault(word, []).append(note)
    for kind, language, text, line in _pieces(path.read_text(encoding="utf-8").splitlines()):
        if kind == "comment":
            assert language in KINDS, f"{name_of(path)}, line {line}: what is {language!r}?"
            notes.setdefault(language, []).append(text)
        elif language in ("sh", "bash", "python"):
            found.append(_block(language, text, line, notes))
            notes = {}
        elif language == "text":
            if found and found[-1].fails is not None and not found[-1].output:
                found[-1].output = text
            elif "data" in notes:  # a layout that is shown: the data are there from here on
                found.append(Block("data", "", line, tuple(notes.pop("data"))))
    return found


def _pieces(lines: list[str]) -> Iterator[tuple[str, str, str, int]]:
    number = 0
    while number < len(lines):
        comment = _COMMENT.fullmatch(lines[number].strip())
        fence = _FENCE.match(lines[number])
        if comment:
            yield "comment", comment[1], comment[2], number + 1
        elif fence:
            begin = number + 1
            number = begin
            while number < len(lines) and not lines[number].startswith(fence[1]):
                number += 1
            yield "block", fence[2], "\n".join(lines[begin:number]), begin
        number += 1


def _block(language: str, text: str, line: int, notes: dict[str, list[str]]) -> Block:
    def of(kind: str) -> str:
        return (notes.get(kind) or [""])[0]

    pairs = [pair.split(" -> ") for pair in of("with").split("; ") if pair]
    assert all(len(pair) == 2 and pair[0] in text for pair in pairs), f"line {line}: {of('with')}"
    return Block(
        language,
        text,
        line,
        tuple(notes.get("data", ())),
        "slow" in notes,
        of("slow"),
        int(of("fails")) if of("fails") else None,
        of("needs"),
        "small" in notes,
        tuple((old, new) for old, new in pairs),
        of("in"),
        of("listens"),
        of("stand-in"),
    )


def commands(text: str) -> list[str]:
    """The commands of a shell block, one a line: continued lines joined, comments and `sh` syntax left in."""
    joined = re.sub(r"\\\n\s*", " ", text)
    return [
        line.strip() for line in joined.splitlines() if line.strip() and not line.lstrip().startswith("#")
    ]
