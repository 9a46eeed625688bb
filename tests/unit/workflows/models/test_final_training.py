"""Final training: which network, on which data, and the way it goes on."""

import json

import pytest
import torch

from popnas.errors import ExportError, RunFolderError, UserError
from popnas.events import Told, Warned
from popnas.export.model_values import OnnxCheck
from popnas.report.sections import ensembles
from popnas.runs import RunFolder
from popnas.runs.folder import same_search
from popnas.storage import write_bytes, write_json
from popnas.workflows.models import final_training, requests, selection, training
from popnas.workflows.models.choices import CellChoice, NetworkChoice, StageChanges
from popnas.workflows.models.final_training import train
from popnas.workflows.models.folder import ModelFolder

BEST = "[(-2, 3x3 conv, -1, 3x3 conv)]"
OTHER = "[(-1, 3x3 conv, -1, identity)]"


@pytest.fixture(autouse=True)
def cheap_files(monkeypatch):
    """Exports have tests of their own; `deployed` counts the deployment folders that were written."""
    deployed = []

    def export(network, preprocessing, path):
        write_bytes(path, b"onnx")
        return OnnxCheck(0.0, [1], [[8, 8]], False, "trace", 18)

    def deploy(model, tell, told):
        deployed.append(model.path)
        write_json(model.deploy / "model.json", {})

    monkeypatch.setattr(training.files, "export_onnx", export)
    monkeypatch.setattr(training.files, "write_confusion", lambda *arguments: None)
    monkeypatch.setattr(final_training.deployment, "deploy", deploy)
    return deployed


def shape_of(folder):
    spec = ModelFolder(folder).description().network
    return spec.motifs, spec.normal_cells_per_motif, spec.filters


def test_without_a_selection_the_best_of_the_search_is_trained(run, partial, cheap_files):
    heard = []
    trained = train(run, partial=partial, tell=heard.append)
    assert any(
        isinstance(told, Told) and "augmented otherwise than in the search" in told.text for told in heard
    )
    assert trained.folder == run / "final_training"
    assert ModelFolder(trained.folder).description().cell == BEST
    assert shape_of(trained.folder) == (2, 1, 4)
    assert trained.num_epochs == trained.best_epoch == 3
    assert cheap_files == [trained.folder]


def test_the_best_of_the_selection_comes_with_its_macro_architecture(run, partial):
    selected = selection.select(run, CellChoice(cell=OTHER, params="700;1400"), partial=partial)
    trained = train(run, partial=partial)
    assert ModelFolder(trained.folder).description().cell == OTHER
    best = selected.best
    assert shape_of(trained.folder) == (best.motifs, best.normal_cells, best.filters)


def test_who_had_no_time_gets_the_weights_that_were_trained_longer(run, partial):
    def weights(folder):
        return ModelFolder(folder).load_network().state_dict()

    def are_equal(one, other):
        return all(torch.equal(one[name], other[name]) for name in one)

    (selected,) = selection.select(run, CellChoice(cell=OTHER), partial=partial).models
    no_time = {**partial, "others": {"max_hours": 1e-9}}
    heard = []
    trained = train(run, partial=no_time, tell=heard.append)
    assert (trained.num_epochs, trained.stopped) == (1, "max_hours")
    assert trained.weights_of == f"model_selection/{selected.folder.name}"
    assert are_equal(weights(trained.folder), weights(selected.folder))
    told = [event.text for event in heard if isinstance(event, Warned)]
    assert any("after 1 of 3 epochs: the weights of model_selection/" in text for text in told)
    longer = train(run, partial=partial)
    assert (longer.num_epochs, longer.weights_of) == (3, None)
    calm = train(run, partial=partial, name="calm")
    assert are_equal(weights(longer.folder), weights(calm.folder))


def test_members_that_had_no_time_are_no_copies_of_one_training(run, partial):
    (selected,) = selection.select(run, CellChoice(cell=OTHER), partial=partial).models
    no_time = {**partial, "others": {"max_hours": 1e-9}}
    network, heard = NetworkChoice(cell=OTHER, ensemble=3), []
    trained = train(run, network, partial=no_time, tell=heard.append)
    single = ModelFolder(selected.folder).description()
    found = ModelFolder(trained.folder).description()
    assert (found.members, found.params) == (None, single.params)
    assert trained.weights_of == f"model_selection/{selected.folder.name}"
    told = [event.text for event in heard if isinstance(event, Warned)]
    assert any("Left out for now: members 2, 3. The time was up" in text for text in told)
    plan = ensembles.read(trained.folder)
    assert list(plan.left_out) == [2, 3] and found.training.origin == plan.verdict
    train(run, network, partial=partial)
    found, plan = ModelFolder(trained.folder).description(), ensembles.read(trained.folder)
    assert (len(found.members), found.params) == (3, 3 * single.params)
    assert plan.left_out == () and "Left out" not in plan.verdict


def test_weights_of_another_network_are_no_help(run, partial):
    selection.select(run, CellChoice(cell=OTHER), partial=partial)
    no_time = {**partial, "others": {"max_hours": 1e-9}}
    trained = train(run, NetworkChoice(cell=OTHER, filters=5), partial=no_time)
    assert (trained.num_epochs, trained.weights_of) == (1, None)


def test_what_is_given_overrides_what_the_cell_comes_with(run, partial):
    selection.select(run, CellChoice(cell=OTHER, params="700;1400"), partial=partial)
    trained = train(
        run,
        NetworkChoice(cell=BEST, motifs=1, normal_cells=2, filters=5),
        partial=partial,
        name="mine",
        changes=StageChanges(batch_size=16, test_batch_size=50),
    )
    folder = ModelFolder(trained.folder)
    assert trained.folder == run / "final_training" / "mine"
    assert folder.description().cell == BEST
    assert shape_of(trained.folder) == (1, 2, 5)
    config = folder.config()
    assert config.dataset.batch_size == 16
    assert config.dataset.val_test_batch_size == 50
    assert config.training_hyperparameters.learning_rate == pytest.approx(0.005)


@pytest.mark.parametrize(
    ("partial", "changes"),
    [
        (None, StageChanges()),
        (None, StageChanges(batch_size=48, test_batch_size=50)),
        ({"training_hyperparameters": {"optimizer": {"type": "SGD", "warmup": 0}}}, StageChanges()),
        ({"training_hyperparameters": {"optimizer": {"scheduler": None}}}, StageChanges()),
        (
            {"dataset": {"batch_size": 8}, "training_hyperparameters": {"learning_rate": 0.3}},
            StageChanges(sets=["training_hyperparameters.epochs=7", "others.max_hours=1"]),
        ),
    ],
)
def test_what_was_asked_for_can_be_asked_for_again(run, partial, changes):
    base = requests.run_config(RunFolder.open(run))
    preset, asked = requests.training_partial(base, None), requests.training_partial(base, partial)
    settings = requests.settings_of(base, asked, changes)
    again = requests.stage_config(base, preset, StageChanges(sets=settings))
    assert same_search(again.to_json(), requests.stage_config(base, asked, changes).to_json())
    assert (settings == []) is (partial is None and changes == StageChanges())
    assert not any(setting.startswith("others.max_hours") for setting in settings)


def test_a_number_that_is_the_run_s_own_counts_as_given(run, partial):
    selected = selection.select(run, CellChoice(cell=OTHER, params="700;1400"), partial=partial)
    own = RunFolder(run).config_json()["architecture_hyperparameters"]
    assert selected.best.filters != own["filters"]
    trained = train(run, NetworkChoice(filters=own["filters"]), partial=partial)
    best = selected.best
    assert shape_of(trained.folder) == (best.motifs, best.normal_cells, own["filters"])


def test_it_trains_on_training_and_validation_data_together(run, partial, monkeypatch):
    seen = []
    original = training.training.fit

    def fit(network, train_loader, validation_loader, *arguments, **keywords):
        seen.append((train_loader.num_samples, validation_loader))
        return original(network, train_loader, validation_loader, *arguments, **keywords)

    monkeypatch.setattr(training.training, "fit", fit)
    train(run, partial=partial)
    dataset = ModelFolder(run / "final_training").load_dataset()
    assert seen == [(len(dataset.full_train), None)]
    assert len(dataset.full_train) == len(dataset.train) + len(dataset.validation)


def test_a_finished_training_is_only_read(run, partial, cheap_files):
    first = train(run, partial=partial)
    assert train(run, partial=partial) == first
    assert len(cheap_files) == 1


def test_a_deployment_that_was_interrupted_is_written_again(run, partial, cheap_files):
    train(run, partial=partial)
    (run / "final_training" / "deploy" / "model.json").unlink()
    train(run, partial=partial)
    assert len(cheap_files) == 2


def test_a_training_of_other_settings_needs_a_name(run, partial):
    train(run, partial=partial)
    with pytest.raises(RunFolderError, match="`name`"):
        train(run, NetworkChoice(filters=8), partial=partial)
    train(run, NetworkChoice(filters=8), partial=partial, name="wide")
    assert shape_of(run / "final_training" / "wide") == (2, 1, 8)


def test_a_named_training_leaves_room_for_the_unnamed(run, partial):
    train(run, partial=partial, name="first")
    train(run, partial=partial)
    assert ModelFolder(run / "final_training").is_finished


def test_a_run_without_trained_cells_is_told(searched, partial):
    run = searched.make({})
    with pytest.raises(UserError, match="popnas search -r"):
        train(run, partial=partial)
    assert not (run / "final_training").exists()
    train(run, NetworkChoice(cell=BEST), partial=partial)


@pytest.mark.parametrize("name", ["deploy", "tensorboard", "a/b", "model.json"])
def test_names_that_stand_for_something_else_are_refused(run, partial, name):
    with pytest.raises(UserError, match="`name`"):
        train(run, partial=partial, name=name)


def test_a_network_that_cannot_be_exported_fails_loudly_and_keeps_its_weights(run, partial, monkeypatch):
    def failing(*arguments):
        raise ExportError("no exporter works")

    monkeypatch.setattr(training.files, "export_onnx", failing)
    with pytest.raises(ExportError, match=r"no exporter works.*\n.*weights\.safetensors"):
        train(run, partial=partial)
    assert (run / "final_training" / "weights.safetensors").is_file()


def test_threads_are_those_it_began_with_and_are_put_back(run, partial, monkeypatch):
    folder = run / "final_training"
    before = torch.get_num_threads()
    train(run, partial=partial)
    log = json.loads((folder / "training.json").read_text())
    assert log["threads"] == 1  # a tiny network gains nothing from a second one
    assert torch.get_num_threads() == before
    del log["sha256"]  # the checksum: this file is changed on purpose, as on a machine of two cores
    write_json(folder / "training.json", {**log, "threads": 2})
    used = []
    original = torch.set_num_threads
    monkeypatch.setattr(torch, "set_num_threads", lambda number: (used.append(number), original(number)))
    train(run, partial=partial)
    assert used == [2, before]


class Heard:
    def __init__(self):
        self.told, self.warned = [], []

    def __call__(self, event):
        match event:
            case Told(text):
                self.told.append(text)
            case Warned(text):
                self.warned.append(text)


def test_selection_and_training_tell_what_is_known_of_the_data_that_they_read_once(run, partial, noted_data):
    learnt, test = noted_data
    heard = Heard()
    selection.select(run, CellChoice(1), partial=partial, tell=heard)
    assert (heard.warned.count(learnt), heard.warned.count(test)) == (1, 0)
    heard = Heard()
    train(run, partial=partial, tell=heard)
    assert (heard.warned.count(learnt), heard.warned.count(test)) == (1, 1)


def test_renewing_trains_anew_and_keeps_the_old_network_beside(run, partial):
    folder = run / "final_training"
    train(run, partial=partial)
    weights = (folder / "weights.safetensors").read_bytes()
    with pytest.raises(RunFolderError, match="renew"):
        train(run, NetworkChoice(filters=8), partial=partial)
    assert (folder / "weights.safetensors").read_bytes() == weights

    heard = Heard()
    train(run, NetworkChoice(filters=8), partial=partial, renew=True, tell=heard)
    assert f"The training that was there is kept in {folder / 'earlier-1'}." in heard.told
    assert shape_of(folder) == (2, 1, 8)
    old = ModelFolder(folder / "earlier-1")
    assert (old.description().network.filters, old.weights.read_bytes()) == (4, weights)
    old.load_network()
    assert old.config().architecture_hyperparameters.filters == 4

    # What is there already is not trained again.
    train(run, NetworkChoice(filters=8), partial=partial, renew=True)
    assert sorted(path.name for path in folder.glob("earlier-*")) == ["earlier-1"]
    train(run, partial=partial, renew=True)
    assert shape_of(folder / "earlier-2") == (2, 1, 8)
    assert (folder / "weights.safetensors").read_bytes() == weights, "the first network again"


def test_renewing_over_a_damaged_training_says_what_is_wrong_with_it(run, partial):
    """Nothing is moved because a file could not be read: that is no other training."""
    train(run, partial=partial)
    log = run / "final_training" / "training.json"
    log.write_text(log.read_text()[:50])
    with pytest.raises(RunFolderError, match=r"training\.json.*Put back a copy"):
        train(run, partial=partial, renew=True)
    assert not (run / "final_training" / "earlier-1").exists()
