"""A registry is loaded whole or not at all, and what keeps it from that is told each time."""

from __future__ import annotations

import importlib
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from popnas.errors import PopnasError
from popnas.registry import Registry

GROUP = "popnas.testing"
SLOW = """import time
from family import REGISTRY

time.sleep(0.05)
REGISTRY.register({0!r}, description="")({0!r})
"""


@pytest.fixture
def family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry[str]]:
    """A package with two slow parts."""
    package = tmp_path / "family"
    package.mkdir()
    (package / "__init__.py").write_text(
        f"from popnas.registry import Registry\nREGISTRY = Registry('part', 'family', '{GROUP}')\n"
    )
    for name in ("one", "two"):
        (package / f"{name}.py").write_text(SLOW.format(name))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("family").REGISTRY
    for name in [name for name in sys.modules if name.split(".")[0] in ("family", "broken_plugin")]:
        del sys.modules[name]


def test_threads_that_ask_first_get_the_same_answer(family):
    found: list[list[str]] = []
    threads = [threading.Thread(target=lambda: found.append(family.names())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [["one", "two"]] * 8


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """The module of an installed plug-in, broken after its declaration."""
    installed = tmp_path / "broken_plugin-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-plugin\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text(f"[{GROUP}]\nthree = broken_plugin\n")
    module = tmp_path / "broken_plugin.py"
    module.write_text(SLOW.format("three") + "1 / 0\n")
    return module


def test_a_broken_figure_of_a_plug_in_is_missing_and_told(family, broken):
    figures: Registry[str] = Registry("figure", "family", GROUP, is_of_views=True)
    figures.register("own", description="")("own")
    assert figures.names() == ["own"] and figures.names() == ["own"]
    assert len(figures.broken) == 1 and figures.broken[0].endswith("pip uninstall broken-plugin")


def test_a_broken_plug_in_is_told_each_time_until_it_is_mended(family, broken, tmp_path):
    for _ in range(2):
        for ask in (family.names, lambda: family.get("one"), lambda: list(family.items())):
            with pytest.raises(PopnasError, match=f"entry point 'three' of the group '{GROUP}'.*by zero"):
                ask()
    broken.write_text(SLOW.format("three"))
    shutil.rmtree(tmp_path / "__pycache__", ignore_errors=True)  # both versions were written in one second
    importlib.invalidate_caches()
    assert family.names() == ["one", "three", "two"]
