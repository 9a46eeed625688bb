"""Networks of a selection that are trained for equally long, however unequal their epochs are."""

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from popnas import tasks
from popnas.cells import Cell
from popnas.config import TrainingConfig, bounds
from popnas.errors import CandidateFailed
from popnas.evaluation import Evaluation
from popnas.events import TrainingsStarted
from popnas.networks.spec import NetworkSpec
from popnas.report.sections import references
from popnas.runs import RunFolder
from popnas.storage import write_bytes
from popnas.workflows.models import training
from popnas.workflows.models.choices import CellChoice
from popnas.workflows.models.folder import ModelFolder
from popnas.workflows.models.selection import read_selection, select
from popnas.workflows.models.stored import selection_plan
from popnas.workflows.models.timing import epoch_time, equal
from popnas.workflows.settings import load_config

SPEC = NetworkSpec("classification", (8, 8, 1), 10)
NETWORK = (Cell.parse("[(-1, identity, -1, identity)]"), SPEC)
MOST = bounds(TrainingConfig, "epochs")[1]


@pytest.fixture(autouse=True)
def cheap_files(monkeypatch):
    monkeypatch.setattr(training.files, "export_onnx", lambda network, how, path: write_bytes(path, b"onnx"))
    monkeypatch.setattr(training.files, "write_confusion", lambda *arguments: None)


@pytest.fixture(scope="module")
def epochs_of():
    """Epochs of networks whose examples take so many seconds."""

    def reckon(epochs, seconds, config):
        known = iter(seconds)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(equal, "_seconds", lambda *_: next(known))
            return equal.epochs_of_each(config, None, [NETWORK] * len(seconds))

    return reckon


@given(
    st.integers(1, 10_000),
    st.lists(st.none() | st.floats(1e-6, 1e3), min_size=1, max_size=6),
)
def test_all_take_as_long_as_the_first_within_bounds(epochs_of, equal_config, epochs, seconds):
    found = epochs_of(epochs, seconds, equal_config(epochs))
    assert found[0] == epochs and all(1 <= each <= MOST for each in found)
    first = next((own for own in seconds if own is not None), None)
    for number, own in zip(found, seconds, strict=True):
        if own is None:
            assert number == epochs, "what is fitted at once, or fails, has no epochs that take longer"
            continue
        exact = epochs * first / own
        nearest = min(max(exact, epochs / equal.MOST_TIMES), epochs * equal.MOST_TIMES)
        assert abs(number - nearest) <= 0.5 or number in (1, MOST)


@pytest.fixture(scope="module")
def equal_config():
    """A configuration of so many epochs."""
    base = load_config({"dataset": {"type": "image_classification", "name": "digits"}})

    def make(epochs):
        changed = base.training_hyperparameters.model_copy(update={"epochs": epochs})
        return base.model_copy(update={"training_hyperparameters": changed})

    return make


def test_a_selection_of_equal_time_trains_the_cheap_for_more_epochs(run, partial, monkeypatch):
    """By simulated times, so that they repeat; the plan holds them."""
    partial["others"] = {"selection_budget": "seconds"}
    partial["training_hyperparameters"]["epochs"] = 8
    partial["training_hyperparameters"]["optimizer"]["warmup"] = 4
    begun = []

    def hear(event):
        if isinstance(event, TrainingsStarted):
            begun.append(event.epochs_of_each)

    result = select(run, CellChoice(3, has_references=True), partial=partial, tell=hear)
    epochs = [model.trained.num_epochs for model in result.models]
    assert begun == [tuple(epochs)] and epochs[0] == 8 and len(set(epochs)) > 1
    seconds = [model.training_seconds for model in result.models]
    for number, taken in zip(epochs, seconds, strict=True):
        # As near as whole epochs allow, and no more than four times as many or as few.
        assert abs(taken - seconds[0]) <= 0.51 * taken / number or number in (2, 32)
    for model in result.models:
        config = json.loads((model.folder / "config.json").read_text())["training_hyperparameters"]
        assert config["epochs"] == model.epochs == model.trained.num_epochs
        assert config["optimizer"]["warmup"] == model.epochs // 2
    compared = references.read(run / "model_selection")
    assert compared is not None and not compared.found.is_cut

    def fail(*arguments):
        raise AssertionError("what is planned is not reckoned again")

    monkeypatch.setattr(equal, "epochs_of_each", fail)
    again = select(run, CellChoice(3, has_references=True), partial=partial)
    assert [model.trained.num_epochs for model in again.models] == epochs
    assert [model.epochs for model in read_selection(run / "model_selection")] == epochs


def test_what_was_begun_keeps_its_epochs_when_others_join(searched, partial, monkeypatch):
    run = searched.make({"[(-1, identity, -1, identity)]": 0.5})
    partial["others"] = {"selection_budget": "seconds"}
    select(run, CellChoice(2), partial=partial)
    better = Evaluation(
        cell="[(-1, 3x3 conv, -1, 3x3 conv)]", step=1, index=9, is_exploration=False, seed=0, score=0.95,
        metrics={"accuracy": 0.95}, training_seconds=1.0, inference_seconds=0.01, params=100, flops=1000,
    )  # fmt: skip
    with RunFolder.open(run).journal as journal:
        journal.append("evaluation", better.content(), {})
    monkeypatch.setattr(equal, "epochs_of_each", lambda *_: [7, 2])  # of another moment
    select(run, CellChoice(2), partial=partial, renew=True)
    before, fresh = read_selection(run / "model_selection")
    assert before.epochs == before.trained.num_epochs == 3
    assert fresh.epochs == fresh.trained.num_epochs == 2


def test_measured_times_are_those_of_a_few_steps(config, monkeypatch):
    """Of the network as it is trained: its own macro-architecture, as one after the search."""
    asked = []

    def probed(found, dataset, cell):
        shape = found.architecture_hyperparameters
        asked.append((shape.motifs, shape.normal_cells_per_motif, shape.filters, cell))
        return 1.0 / len(asked)

    monkeypatch.setattr(epoch_time, "probed", probed)
    changes = {"others.timing": "measured", "training_hyperparameters.epochs": 10}
    made = load_config(config(**changes))
    wide = SPEC.replace(motifs=3, normal_cells_per_motif=2, filters=16)
    assert equal.epochs_of_each(made, None, [NETWORK, (NETWORK[0], wide)]) == [10, 20]
    assert asked[1] == (3, 2, 16, NETWORK[0])


@pytest.mark.parametrize("kind", ["nan", "out_of_memory"])
def test_a_network_that_fails_its_probe_ends_no_selection(config, monkeypatch, kind):
    """It has the epochs of the configuration, and fails in its training if it must."""
    real, released = epoch_time.probing.probe_epochs, []

    def probe_epochs(context, cell, splits, clock):
        if context.spec.filters == 16 and kind == "nan":
            raise CandidateFailed("nan", "the training diverged")
        if context.spec.filters == 16:  # where a batch is brought to the device: not in `fit`
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.50 GiB. GPU")
        return real(context, cell, splits, clock)

    monkeypatch.setattr(epoch_time.probing, "probe_epochs", probe_epochs)
    monkeypatch.setattr(epoch_time, "release", lambda device: released.append(device.type))
    made = load_config(config(**{"others.timing": "measured", "training_hyperparameters.epochs": 10}))
    dataset = tasks.get(made.dataset.type).load(made)
    wide = (NETWORK[0], SPEC.replace(filters=16))
    small = (NETWORK[0], SPEC.replace(filters=2))
    assert equal.epochs_of_each(made, dataset, [small, wide]) == [10, 10]
    assert equal.epochs_of_each(made, dataset, [wide, small]) == [10, 10]
    # What a probe took of a GPU goes back: those who train are other processes.
    assert released == ["cpu"] * 4


def test_a_plan_of_before_has_the_epochs_of_its_configuration(run, partial):
    result = select(run, CellChoice(1), partial=partial)
    assert result.best.epochs is None
    path = run / "model_selection" / selection_plan.NAME
    content = json.loads(path.read_text())
    del content["sha256"]
    for model in content["models"]:
        del model["epochs"]
    path.write_text(json.dumps(content))
    assert selection_plan.read(run / "model_selection").models[0].epochs is None
    assert ModelFolder(result.best.folder).is_finished
