"""The examples in docstrings, which the page of the API shows, are run where a run and data are at hand."""

from __future__ import annotations

import doctest
import importlib
import inspect
import re
from pathlib import Path

import numpy as np
import pytest

import popnas

from . import made_data
from .pages import ROOT

SOURCE = ROOT / "src" / "popnas"
FILES = sorted(path for path in SOURCE.rglob("*.py") if ">>> " in path.read_text(encoding="utf-8"))
SLOW = ("PopnasClassifier",)


class _Shown(doctest.OutputChecker):
    """What an example shows must come; one that shows nothing may print anything."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        return not want or super().check_output(want, got, optionflags)


def _examples(*, slow: bool) -> list[doctest.DocTest]:
    found = []
    for path in FILES:
        name = ".".join(["popnas", *path.relative_to(SOURCE).with_suffix("").parts])
        module = importlib.import_module(name.removesuffix(".__init__"))
        tests = doctest.DocTestFinder(exclude_empty=True).find(module)
        found += [test for test in tests if test.examples and (test.name.split(".")[-1] in SLOW) == slow]
    return found


def _run(test: doctest.DocTest, folder: Path) -> None:
    made_data.copied(made_data.run_on_digits(), folder / "logs" / "my_run")
    made_data.series(folder)
    test.globs |= {"popnas": popnas, "images": np.zeros((2, 8, 8), dtype=np.uint8), "SMALL": made_data.SMALL}
    for name in ("train", "test"):
        with np.load(folder / "series" / f"{name}.npz") as file:
            test.globs |= {f"x_{name}": file["x"].transpose(0, 2, 1), f"y_{name}": file["y"]}
    for example in test.examples:
        example.source = example.source.replace("max_hours=", "**SMALL, max_hours=")
    said: list[str] = []
    failed, tried = doctest.DocTestRunner(checker=_Shown()).run(test, out=said.append)
    assert tried and not failed, "".join(said)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("test", _examples(slow=False), ids=lambda test: test.name)
def test_examples_work(test, folder):
    pytest.importorskip("pandas")
    _run(test, folder)


@pytest.mark.slow
@pytest.mark.parametrize("test", _examples(slow=True), ids=lambda test: test.name)
def test_examples_that_train_work(test, folder):
    _run(test, folder)


def test_no_example_is_left_out():
    texts = [path.read_text(encoding="utf-8") for path in FILES]
    assert not any("+SKIP" in text for text in texts)
    counted = sum(len(re.findall(r"^ *>>> ", text, re.MULTILINE)) for text in texts)
    tests = [*_examples(slow=False), *_examples(slow=True)]
    assert sum(len(test.examples) for test in tests) == counted
    public = {inspect.getdoc(getattr(popnas, name)) for name in popnas.__all__}
    assert all(test.docstring and inspect.cleandoc(test.docstring) in public for test in tests)


def test_an_example_that_fails_is_seen(folder):
    parser = doctest.DocTestParser()
    for text in ('>>> popnas.Run("nowhere")\n', ">>> 1 + 1\n3\n"):
        with pytest.raises(AssertionError):
            _run(parser.get_doctest(text, {}, "wrong", None, 0), folder / str(len(text)))
