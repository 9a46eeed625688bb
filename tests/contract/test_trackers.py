"""What every registered tracker promises, and that nothing which one raises gets out."""

from __future__ import annotations

import pytest

from popnas import search
from popnas.errors import UserError
from popnas.events import Warned
from popnas.runs import RunFolder
from popnas.trackers import EPOCHS_FILE, REGISTRY, Scope, TrackedNetwork, Tracker, Trackers


def works_here(name: str) -> bool:
    try:
        REGISTRY.get(name).check()
    except UserError:
        return False
    return True


NAMES = [name for name in REGISTRY.names() if works_here(name)]
CALLS = ("params", "metrics", "network", "artifact", "status", "close")


def raising(*where: str) -> type[Tracker]:
    """A tracker that raises in these methods ("open" when it is made), and counts what it is told."""
    told: list[str] = []

    def method(name: str):
        def call(self, *arguments):
            told.append(name)
            if name in where:
                raise RuntimeError(f"no {name}")

        return call

    def init(self, scope):
        Tracker.__init__(self, scope)
        told.append("open")
        if "open" in where:
            raise RuntimeError("no open")

    methods = {name: method(name) for name in CALLS}
    return type("Raising", (Tracker,), {**methods, "__init__": init, "told": told})


@pytest.fixture
def register(monkeypatch):
    REGISTRY.names()

    def add(name, tracker):
        monkeypatch.setattr(REGISTRY, "_parts", {**REGISTRY._parts, name: (tracker, "")})

    return add


def tell_all(trackers: Trackers, path) -> None:
    trackers.params({"cell": "[]", "nested": {"a": [1, None]}})
    trackers.metrics({"loss": 1.0, "validation/accuracy": float("nan")}, 1)
    (path / EPOCHS_FILE).write_text("loss,validation/accuracy\n1.0,0.5\n0.5,\n")
    network = TrackedNetwork(1, "B1/0", {"cell": "[]"}, {"score": 0.5}, path)
    trackers.networks([network], lambda item: item)
    (path / "plots").mkdir(exist_ok=True)
    for name in ("plots/front.png", "summary.txt"):
        (path / name).write_bytes(b"x")
        trackers.artifact(path / name)
    trackers.status("completed")


@pytest.mark.parametrize("kind", ["run", "training"])
@pytest.mark.parametrize("name", NAMES)
def test_it_takes_everything_in_both_scopes_and_again(name, kind, tmp_path):
    for _ in range(2):  # a training that goes on tells its epochs again
        with Trackers([name], Scope(kind, tmp_path, "fold_0")) as trackers:
            tell_all(trackers, tmp_path)
        assert trackers.failures == {}
        trackers.close()


@pytest.mark.parametrize("name", NAMES)
def test_nothing_told_is_no_fault(name, tmp_path):
    with Trackers([name], Scope("training", tmp_path / "none")) as trackers:
        pass
    assert trackers.failures == {}


@pytest.mark.parametrize("where", ["open", *CALLS])
def test_one_that_raises_is_told_once_closed_and_the_others_go_on(where, register, tmp_path, caplog):
    broken, whole = raising(where, "close"), raising()
    register("broken", broken)
    register("whole", whole)
    with Trackers(["broken", "whole"], Scope("training", tmp_path)) as trackers:
        tell_all(trackers, tmp_path)
    assert trackers.failures == {"broken": f"RuntimeError: no {where}"}
    assert len(caplog.records) == 1
    told = ["params", "metrics", "metrics", "network", "artifact", "artifact", "status", "close"]
    assert whole.told == ["open", *told]
    assert broken.told.count(where) == (1 if where != "close" else 2)


def test_what_ends_a_training_is_its_status(register, tmp_path):
    seen = []
    tracker = type("Seen", (raising(),), {"status": lambda self, status: seen.append(status)})
    register("seen", tracker)
    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error), Trackers(["seen"], Scope("run", tmp_path)):
            raise error
    assert seen == ["failed", "interrupted"]


def test_a_search_is_the_same_with_one_that_raises_everywhere(register, tmp_path):
    broken = raising("open", *CALLS)
    register("broken", broken)
    told = []

    document = {
        "search_space": {"blocks": 1, "lookback_depth": 1, "operators": ["identity"]},
        "training_hyperparameters": {"epochs": 1, "optimizer": {"scheduler": None}},
        "architecture_hyperparameters": {"filters": 2, "motifs": 1, "normal_cells_per_motif": 1},
        "dataset": {
            "type": "image_classification",
            "name": "digits",
            "samples": 80,
            "batch_size": 16,
            "validation_size": 0.25,
        },
        "others": {"timing": "simulated", "executor": {"kind": "inline"}, "trackers": ["broken"]},
    }
    run = search(document, logs=tmp_path, name="run", tell=told.append).folder
    assert RunFolder(run).state().is_finished
    texts = [event.text for event in told if isinstance(event, Warned)]
    # Once of the run, once of the first candidate, once how many more: none ends anything.
    assert {text.count("RuntimeError: no open") for text in texts if "log of broken" in text} == {1}
    assert broken.told
