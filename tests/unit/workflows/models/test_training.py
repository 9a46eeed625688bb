"""Model folders: what is read from them, and a training that any interruption leaves equal to the byte."""

import io
import json
import os
import time
import warnings

import numpy as np
import pytest
import torch

from popnas import config as configurations
from popnas.errors import RunFolderError, StorageError
from popnas.export.model_values import OnnxCheck
from popnas.storage import write_bytes
from popnas.workflows.models import training
from popnas.workflows.models.folder import ModelFolder
from popnas.workflows.models.training import FINAL, SELECTION, ModelJob, train_model
from popnas.workflows.settings import load_config

CELL = "[(-2, 3x3 conv, -1, identity);(-1, 2x2 maxpool, 0, identity)]"


class KilledError(Exception):
    pass


WRITE_CONFUSION = training.files.write_confusion


@pytest.fixture(autouse=True)
def cheap_files(monkeypatch):
    """Exports and figures have tests of their own, and take longer than these trainings."""

    def export(network, preprocessing, path):
        write_bytes(path, b"".join(value.numpy().tobytes() for value in network.state_dict().values()))
        return OnnxCheck(0.0, [1], [[8, 8]], False, "trace", 18)

    def write_confusion(folder, counts, class_names, views):
        write_bytes(folder / "confusion_matrix.csv", str(counts).encode())

    monkeypatch.setattr(training.files, "export_onnx", export)
    monkeypatch.setattr(training.files, "write_confusion", write_confusion)


@pytest.fixture(autouse=True)
def saved(monkeypatch):
    """After every epoch, though these take milliseconds."""
    monkeypatch.setattr(training, "_CALM_SECONDS", 0.0)
    monkeypatch.setattr(training, "_CALM_SHARE", 0.0)


@pytest.fixture
def job(tmp_path, config, partial):
    def make(stage=SELECTION, name="model", cell=CELL, **changes):
        whole = configurations.merge(load_config(config()), partial)
        keywords = {key: changes.pop(key) for key in ("deadline",) if key in changes}
        document = whole.to_json()
        for place, value in changes.items():
            section, key = place.split("__")
            document[section][key] = value
        return ModelJob(tmp_path / name, cell, load_config(document), stage, **keywords)

    return make


def kill_at(epoch):
    def on_epoch(number, record):
        if number == epoch:
            raise KilledError

    return on_epoch


def bytes_of(folder):
    names = ("weights.safetensors", "model.onnx", "model.json")
    return {name: (folder / name).read_bytes() for name in names}


def test_a_model_folder_tells_what_was_trained(job):
    trained = train_model(job())
    folder = ModelFolder(trained.folder)

    assert folder.is_finished
    assert folder.description().cell == CELL
    spec = folder.description().network
    assert spec.is_post_search
    assert spec.drop_path == 0.3
    assert folder.config().training_hyperparameters.label_smoothing == 0.1
    assert folder.description().class_names == [str(digit) for digit in range(10)]
    network, dataset = folder.load_network(), folder.load_dataset()
    assert not network.training
    assert network.head_weights == (0.25, 0.75)
    assert folder.preprocessing() == dataset.preprocessing
    log = json.loads(folder.training_json.read_text())
    scores = [epoch["head_metrics"][-1]["accuracy"] for epoch in log["epochs"]]
    assert len(scores) == 3
    assert trained.score == max(scores)
    assert trained.best_epoch == scores.index(max(scores)) + 1
    assert not folder.checkpoint.exists()
    assert list(folder.tensorboard.iterdir())


def test_selection_keeps_the_best_epoch_and_final_training_the_last(job):
    selected = train_model(job(training_hyperparameters__epochs=4))
    split = ModelFolder(selected.folder).load_dataset().validation
    x_BCHW = torch.from_numpy(split.x.transpose(0, 3, 1, 2).astype(np.float32) / 255)
    with torch.inference_mode():
        logits = ModelFolder(selected.folder).load_network()(x_BCHW)[-1]
    assert float((logits.argmax(1).numpy() == split.y).mean()) == pytest.approx(selected.score)

    final = train_model(job(FINAL, "final"))
    assert final.best_epoch == final.num_epochs == 3
    assert final.score is None
    assert ModelFolder(final.folder).description().validation_metrics is None


def test_the_confusion_matrix_counts_every_validation_sample(job, monkeypatch):
    monkeypatch.setattr(training.files, "write_confusion", WRITE_CONFUSION)
    trained = train_model(job())
    rows = (trained.folder / "confusion_matrix.csv").read_text().splitlines()[1:]
    counts = np.array([[int(value) for value in row.split(",")[1:]] for row in rows])
    assert counts.sum() == len(ModelFolder(trained.folder).load_dataset().validation)
    assert counts.trace() / counts.sum() == pytest.approx(trained.score)
    for name in ("confusion_matrix", "confusion_matrix_normalised"):
        assert (trained.folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(("stage", "calm_seconds"), [(SELECTION, 0.0), (FINAL, 0.0), (FINAL, 1e9)])
def test_a_training_killed_after_any_epoch_ends_in_equal_bytes(job, monkeypatch, stage, calm_seconds):
    monkeypatch.setattr(training, "_CALM_SECONDS", calm_seconds)
    calm = train_model(job(stage, "calm"))
    for epoch in (1, 2, 3):
        killed = job(stage, f"killed{epoch}")
        with pytest.raises(KilledError):
            train_model(killed, on_epoch=kill_at(epoch))
        assert not ModelFolder(killed.folder).is_finished
        train_model(killed)
        assert bytes_of(killed.folder) == bytes_of(calm.folder), epoch


def test_saving_takes_a_small_part_of_a_training_with_quick_epochs(job, monkeypatch):
    saves = []

    def save(self, content):
        saves.append(len(content["epochs"]))
        time.sleep(0.05)

    monkeypatch.setattr(training.Checkpoint, "save", save)
    monkeypatch.setattr(training, "_CALM_SHARE", 1e4)  # of 0.05 s: longer than this test
    train_model(job(training_hyperparameters__epochs=12))
    assert saves == [1, 12]


@pytest.mark.parametrize("name", ["weights.safetensors", "model.onnx", "model.json"])
def test_a_training_killed_while_its_files_are_written_ends_in_equal_bytes(job, monkeypatch, name):
    calm = train_model(job(name="calm"))
    killed = job(name="killed")

    def replace(source, target):
        if target.name == name:
            raise KilledError
        os.rename(source, target)  # noqa: PTH104

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace)
        with pytest.raises(KilledError):
            train_model(killed)
    assert not ModelFolder(killed.folder).is_finished
    train_model(killed)
    assert bytes_of(killed.folder) == bytes_of(calm.folder)


def test_a_finished_model_is_not_trained_again(job):
    first = train_model(job())
    before = bytes_of(first.folder)
    again = train_model(job(), on_epoch=kill_at(1))
    assert again == first
    assert bytes_of(first.folder) == before


@pytest.mark.parametrize(
    "changes", [{"training_hyperparameters__epochs": 7}, {"cell": "[(-1, identity, -1, identity)]"}]
)
@pytest.mark.parametrize("is_finished", [True, False])
def test_another_job_does_not_touch_a_folder_in_use(job, changes, is_finished):
    if is_finished:
        train_model(job())
    else:
        with pytest.raises(KilledError):
            train_model(job(), on_epoch=kill_at(1))
    with pytest.raises(RunFolderError, match="`name`"):
        train_model(job(**changes))
    train_model(job())


def test_device_and_limits_may_change_when_a_training_goes_on(job):
    with pytest.raises(KilledError):
        train_model(job(), on_epoch=kill_at(1))
    train_model(job(others__max_hours=1.0, others__train_strategy="auto"))


def test_a_deadline_ends_the_training_with_what_it_has(job):
    stopped = train_model(job(FINAL, deadline=0.0))
    assert stopped.stopped == "max_hours"
    assert stopped.num_epochs == 1
    assert ModelFolder(stopped.folder).load_network() is not None
    selected = train_model(job(name="selected", deadline=0.0))
    assert (selected.best_epoch, selected.num_epochs) == (1, 1)


@pytest.mark.parametrize("stage", [SELECTION, FINAL])
def test_a_training_that_a_limit_stopped_goes_on_without_one_and_ends_as_if_it_had_never_stopped(job, stage):
    calm = train_model(job(stage, "calm"))
    stopped = train_model(job(stage, "stopped", deadline=0.0))
    assert stopped.stopped == "max_hours"
    assert train_model(job(stage, "stopped", deadline=0.0)) == stopped  # no time now either
    resumed = train_model(job(stage, "stopped"))
    assert (resumed.stopped, resumed.num_epochs) == (None, calm.num_epochs)
    assert bytes_of(resumed.folder) == bytes_of(calm.folder)


def test_a_training_killed_after_its_deadline_does_not_start_anew(job):
    with pytest.raises(KilledError):
        train_model(job(FINAL, "killed", deadline=0.0), on_epoch=kill_at(1))
    resumed = train_model(job(FINAL, "killed", deadline=0.0))
    calm = train_model(job(FINAL, "calm", deadline=0.0))
    assert resumed.num_epochs == 1
    assert bytes_of(resumed.folder) == bytes_of(calm.folder)


def test_a_damaged_checkpoint_is_told_with_the_remedy(job):
    with pytest.raises(KilledError):
        train_model(job(), on_epoch=kill_at(1))
    ModelFolder(job().folder).checkpoint.write_bytes(b"\x80\x02 no tensor")
    with pytest.raises(RunFolderError, match=r"checkpoint\.pt is damaged\. Remove it"):
        train_model(job())


@pytest.mark.parametrize("stage", [SELECTION, FINAL])
def test_a_checkpoint_of_a_version_that_measured_less_goes_on(job, stage):
    calm = train_model(job(stage, "calm"))
    killed = job(stage, "killed")
    with pytest.raises(KilledError):
        train_model(killed, on_epoch=kill_at(2))
    path = ModelFolder(killed.folder).checkpoint
    saved = torch.load(io.BytesIO(path.read_bytes().partition(b"\n")[2]), weights_only=True)
    for record in saved["epochs"]:
        del record["validation_loss"], record["training_accuracy"]
    torch.save(saved, path)
    train_model(killed)
    assert bytes_of(killed.folder) == bytes_of(calm.folder)


@pytest.mark.parametrize("spoilt", [{"loss": None}, {"training_accuracy": "much"}, {"unknown": 1.0}])
def test_a_checkpoint_of_other_records_is_damaged(job, spoilt):
    with pytest.raises(KilledError):
        train_model(job(), on_epoch=kill_at(1))
    path = ModelFolder(job().folder).checkpoint
    saved = torch.load(io.BytesIO(path.read_bytes().partition(b"\n")[2]), weights_only=True)
    saved["epochs"][0].update(spoilt)
    torch.save(saved, path)
    with pytest.raises(RunFolderError, match="is damaged"):
        train_model(job())


def test_no_time_warp_is_one_training_whether_it_is_stated_or_left_out():
    one, other = (
        load_config({"dataset": {"type": "time_series_classification", "path": "x", **stated}}).to_json()
        for stated in ({}, {"data_augmentation": {"time_warp": 0}})
    )
    assert training._as_known_before(one) == training._as_known_before(other)


def test_a_checkpoint_is_never_unpickled(job):
    class Evil:
        def __reduce__(self):
            return (print, ("executed",))

    with pytest.raises(KilledError):
        train_model(job(), on_epoch=kill_at(1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.save({"network": Evil()}, ModelFolder(job().folder).checkpoint)
    with pytest.raises(RunFolderError, match="is damaged"):
        train_model(job())


def test_half_written_files_of_a_killed_training_are_removed_and_those_of_others_kept(job):
    folder = job().folder
    folder.mkdir()
    (folder / ".popnas-abc.tmp").write_bytes(b"half")
    (folder / ".popnas-def.tmp").mkdir()
    (folder / ".notes").mkdir()
    (folder / "tensorboard").mkdir()
    mine = [
        folder / name for name in (".gitignore", ".notes/mine.tmp", ".popnas-mine", "tensorboard/notes.md")
    ]
    for path in mine:
        path.write_text("mine")
    train_model(job())
    hidden = {path.name for path in folder.iterdir() if path.name.startswith(".")}
    assert hidden == {".gitignore", ".notes", ".popnas-mine"}
    assert all(path.read_text() == "mine" for path in mine)


def test_a_network_without_an_onnx_file_is_kept_with_a_warning(job, monkeypatch):
    from popnas.errors import ExportError

    def failing(*arguments):
        raise ExportError("no exporter works")

    monkeypatch.setattr(training.files, "export_onnx", failing)
    trained = train_model(job())
    assert trained.warning == "no exporter works"
    assert ModelFolder(trained.folder).load_network() is not None


def test_a_full_disk_is_told(job, monkeypatch):
    def full(path, *arguments, **keywords):
        raise StorageError(f"cannot write {path}: the disk is full")

    monkeypatch.setattr(training, "write_bytes", full)
    with pytest.raises(StorageError, match="disk is full"):
        train_model(job())


def test_a_folder_that_is_no_model_is_told(tmp_path, job):
    with pytest.raises(RunFolderError, match="does not exist"):
        ModelFolder(tmp_path / "nowhere").description()
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunFolderError, match=r"no model\.json"):
        ModelFolder(tmp_path / "empty").description()
    with pytest.raises(KilledError):
        train_model(job(), on_epoch=kill_at(1))
    with pytest.raises(RunFolderError, match="not finished"):
        ModelFolder(job().folder).load_network()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(RunFolderError, match=r"no model's folder"):
        train_model(job(name="mine"))


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("model.json", b"{", "cannot read"),
        ("model.json", b"[]", "not a JSON object"),
        ("model.json", b"{}", "has no cell"),
        ("weights.safetensors", b"garbage", "does not have the checksum"),
        ("config.json", b"{}", "does not have the checksum"),
    ],
)
def test_damaged_files_are_told(job, name, content, expected):
    folder = ModelFolder(train_model(job()).folder)
    (folder.path / name).write_bytes(content)
    with pytest.raises(RunFolderError, match=expected):
        (folder.config, folder.load_network)[name == "weights.safetensors"]()


def test_a_configuration_of_another_task_is_told(job):
    folder = ModelFolder(train_model(job()).folder)
    content = json.loads(folder.model_json.read_text())
    del content["sha256"]
    content["dataset"]["type"] = "time_series_classification"
    folder.model_json.write_text(json.dumps(content))
    with pytest.raises(RunFolderError, match="time_series_classification"):
        folder.load_dataset()


def test_the_seed_depends_on_stage_cell_and_shape(job):
    seeds = {
        job().seed,
        job(FINAL).seed,
        job(cell="[(-1, identity, -1, identity)]").seed,
        job(architecture_hyperparameters__filters=8).seed,
        job(others__seed=1).seed,
    }
    assert len(seeds) == 5
    assert job().seed == job(name="elsewhere").seed
