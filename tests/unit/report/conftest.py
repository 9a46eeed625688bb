from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from popnas.runs import RunFolder


def _builder() -> Any:
    path = Path(__file__).with_name("synthetic_run.py")
    spec = importlib.util.spec_from_file_location("synthetic_run", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.SyntheticRun


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., RunFolder]:
    """Builds a run folder with made-up numbers; see synthetic_run.py for the options."""

    def make(name: str = "run", **options: Any) -> RunFolder:
        return _builder()(tmp_path / name, **options).folder

    return make
