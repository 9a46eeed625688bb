"""A search that trains where workers see no run folder leaves what one leaves whose workers do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from popnas import executors
from popnas.events import JobEvent, Told, Warned
from popnas.executors.inline import InlineExecutor
from popnas.executors.processes import ProcessesExecutor
from popnas.runs import RunFolder, search_content
from popnas.trackers import REGISTRY, Tracker
from popnas.workflows.searching.search import resume, search


class Elsewhere(InlineExecutor):
    """Whose workers see no run folder."""

    shares_disk = False


class Afar(ProcessesExecutor):
    """The same in processes, as those of a cluster are."""

    shares_disk = False


class Broken(Tracker):
    """Whose log is missing from the beginning."""

    def __init__(self, scope: Any) -> None:
        raise RuntimeError("no log here")

    def metrics(self, values: Any, step: int) -> None:
        raise AssertionError

    def close(self) -> None:
        raise AssertionError


@pytest.fixture(autouse=True)
def parts(monkeypatch: pytest.MonkeyPatch) -> None:
    for registry, name, part in (
        (executors.REGISTRY, "elsewhere", Elsewhere),
        (executors.REGISTRY, "afar", Afar),
        (REGISTRY, "broken", Broken),
    ):
        registry.names()
        monkeypatch.setattr(registry, "_parts", registry._parts | {name: (part, "of the tests")})


def files_of(run: Path) -> dict[str, bytes]:
    """The files of the candidates and the best model's weights; logs have the time in them."""
    found = {}
    for folder in ("sampled_models", "restore/weights", "best_model"):
        for path in sorted((run / folder).rglob("*")):
            if path.is_file() and "tfevents" not in path.name and path.name != "model.json":
                found[str(path.relative_to(run))] = path.read_bytes()
    return found


def test_all_that_workers_write_comes_home(config: Any, tmp_path: Path) -> None:
    runs, told = {}, {}
    for kind in ("inline", "elsewhere"):
        heard: list[JobEvent] = []
        changes = {
            "search_space.blocks": 1,
            "others.executor": {"kind": kind},
            "others.trackers": ["tensorboard", "broken"],
        }
        runs[kind] = search(config(**changes), name=kind, logs=tmp_path, tell=heard.append).folder
        texts = [event.text for event in heard if isinstance(event, Told | Warned)]
        told[kind] = [text.replace(str(runs[kind].resolve()), "RUN") for text in texts]
    contents = [search_content(RunFolder.open(run).journal.events()) for run in runs.values()]
    assert contents[0] == contents[1]
    here, there = (files_of(run) for run in runs.values())
    assert here == there
    assert any(name.startswith("restore/weights/") for name in here) and "best_model/model.onnx" in here
    logs = [len(list((run / "sampled_models").rglob("*tfevents*"))) for run in runs.values()]
    assert logs[0] == logs[1] > 0
    # Where a log is missing is told by the place in the run folder, wherever it was to be written.
    assert any("the log of broken of RUN/sampled_models/B0/0 is missing" in text for text in told["inline"])
    assert told["inline"] == told["elsewhere"]


def installed_for_workers(folder: Path) -> None:
    """`afar` as a package brings it, for processes that have the folder on their path: a worker asks for the
    executor, too."""
    described = folder / "afar-1.dist-info"
    described.mkdir(parents=True)
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: afar\nVersion: 1\n")
    (described / "entry_points.txt").write_text("[popnas.executors]\nafar = afar_plugin\n")
    (folder / "afar_plugin.py").write_text(
        "from popnas.executors import REGISTRY\n"
        "from popnas.executors.processes import ProcessesExecutor\n"
        "@REGISTRY.register('afar', description='of the tests')\n"
        "class Afar(ProcessesExecutor):\n"
        "    shares_disk = False\n"
    )


@pytest.mark.slow
def test_processes_that_see_no_disk_hand_over_the_same(
    config: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed_for_workers(tmp_path / "packages")
    monkeypatch.syspath_prepend(tmp_path / "packages")
    runs = {}
    for kind in ("inline", "afar"):
        changes = {"search_space.blocks": 1, "others.executor": {"kind": kind, "workers": None}}
        if kind == "afar":
            changes["others.executor"]["workers"] = 2
        runs[kind] = search(config(**changes), name=kind, logs=tmp_path).folder
    contents = [search_content(RunFolder.open(run).journal.events()) for run in runs.values()]
    assert contents[0] == contents[1]
    here, there = (files_of(run) for run in runs.values())
    assert here == there


def test_lost_weights_are_trained_again_elsewhere_too(config: Any, tmp_path: Path) -> None:
    changes = {"search_space.blocks": 1, "others.executor": {"kind": "elsewhere"}}
    run = search(config(**changes), name="run", logs=tmp_path).folder
    before = files_of(run)
    for path in [*(run / "restore" / "weights").iterdir(), *(run / "best_model").iterdir()]:
        path.unlink()
    resume(run)
    assert files_of(run) == before
