"""Event files that TensorBoard's own reader format accepts, and logs that never stop a training."""

import builtins
import errno
import struct
from types import SimpleNamespace

import pytest

pytest.importorskip("tensorboardX")

from popnas.trackers import REGISTRY
from popnas.trackers.tensorboard import TensorBoardTracker, write_epochs


def read(folder):
    """{tag: [(step, value)]} of the one event file."""
    from tensorboardX.proto.event_pb2 import Event

    (path,) = folder.glob("*tfevents*")
    data, position, figures = path.read_bytes(), 0, {}
    while position < len(data):
        (length,) = struct.unpack_from("<Q", data, position)
        event = Event.FromString(data[position + 12 : position + 12 + length])
        position += length + 16
        for value in event.summary.value:
            figures.setdefault(value.tag, []).append((event.step, pytest.approx(value.simple_value)))
    return figures


def test_figures_by_epoch(tmp_path):
    with REGISTRY.get("tensorboard")(tmp_path / "log") as tracker:
        tracker.log({"loss": 2.0, "rate": 0.5}, 1)
        tracker.log({"loss": 1.0}, 2)
    assert read(tmp_path / "log") == {"loss": [(1, 2.0), (2, 1.0)], "rate": [(1, 0.5)]}


def test_no_figures_no_file(tmp_path):
    with TensorBoardTracker(tmp_path / "log") as tracker:
        tracker.close()
    assert not (tmp_path / "log").exists()


def test_a_whole_training(tmp_path):
    def epoch(loss, heads):
        return SimpleNamespace(loss=loss, learning_rate=0.1, training_seconds=3.0, head_metrics=heads)

    heads = [{"accuracy": 0.25}, {"accuracy": 0.5}]
    write_epochs(tmp_path, [epoch(1.5, heads), epoch(float("nan"), heads)])
    figures = read(tmp_path)
    assert figures["validation/accuracy"] == [(1, 0.5), (2, 0.5)]
    assert figures["validation_head_0/accuracy"] == [(1, 0.25), (2, 0.25)]
    assert figures["loss"][0] == (1, 1.5)
    assert [step for step, _ in figures["loss"]] == [1, 2]
    assert set(figures) == {
        "loss",
        "learning_rate",
        "training_seconds",
        "validation/accuracy",
        "validation_head_0/accuracy",
    }


def test_a_full_disk_is_warned_about_once_and_the_training_goes_on(tmp_path, monkeypatch, caplog):
    def refuse(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(builtins, "open", refuse)
    with TensorBoardTracker(tmp_path) as tracker:
        tracker.log({"loss": 1.0}, 1)
        tracker.log({"loss": 1.0}, 2)
    assert len(caplog.records) == 1
    assert "No space left on device" in caplog.text
    assert str(tmp_path) in caplog.text


def test_a_folder_that_cannot_be_made_is_told_not_raised(tmp_path):
    from popnas.trackers.tensorboard import write_epochs

    class Epoch:
        loss, learning_rate, training_seconds = 1.0, 0.1, 2.0
        head_metrics = ({"accuracy": 0.5},)

    (tmp_path / "file").write_text("")
    assert write_epochs(tmp_path / "file" / "tensorboard", [Epoch()]) == "Not a directory"
    assert write_epochs(tmp_path / "log", [Epoch()]) is None


def test_figures_of_training_batches_are_not_called_validation():
    from popnas.trackers.tensorboard import epoch_figures

    class Epoch:
        loss, learning_rate, training_seconds = 1.0, 0.1, 2.0
        head_metrics = ({"accuracy": 0.4}, {"accuracy": 0.5})

    assert not any("validation" in name for name in epoch_figures(Epoch(), "training"))
    assert epoch_figures(Epoch(), "training")["training/accuracy"] == 0.5
