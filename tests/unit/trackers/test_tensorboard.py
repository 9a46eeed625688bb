"""Event files that TensorBoard's own reader format accepts, and logs that never stop a training."""

import builtins
import errno
import struct
from types import SimpleNamespace

import pytest

pytest.importorskip("tensorboardX")

from popnas.trackers import Scope, Trackers, epoch_figures


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


def tracked(folder):
    return Trackers(["tensorboard"], Scope("training", folder))


def test_figures_by_epoch(tmp_path):
    with tracked(tmp_path) as trackers:
        trackers.metrics({"loss": 2.0, "rate": 0.5}, 1)
        trackers.metrics({"loss": 1.0}, 2)
    assert read(tmp_path / "tensorboard") == {"loss": [(1, 2.0), (2, 1.0)], "rate": [(1, 0.5)]}


def test_no_figures_no_file(tmp_path):
    with tracked(tmp_path / "log"):
        pass
    assert not (tmp_path / "log").exists()


def test_a_training_that_goes_on_begins_its_log_anew_and_leaves_other_files(tmp_path):
    for loss in (2.0, 1.0):
        with tracked(tmp_path) as trackers:
            trackers.metrics({"loss": loss}, 1)
        (tmp_path / "tensorboard" / "mine.txt").write_text("")
    assert read(tmp_path / "tensorboard") == {"loss": [(1, 1.0)]}
    assert (tmp_path / "tensorboard" / "mine.txt").exists()


def test_figures_of_an_epoch():
    heads = [{"accuracy": 0.25}, {"accuracy": 0.5}]
    epoch = SimpleNamespace(loss=1.5, learning_rate=0.1, training_seconds=3.0, head_metrics=heads)
    epoch.validation_loss, epoch.training_accuracy = 1.25, 0.75
    assert epoch_figures(epoch) == {
        "loss": 1.5,
        "learning_rate": 0.1,
        "training_seconds": 3.0,
        "validation/accuracy": 0.5,
        "validation_head_0/accuracy": 0.25,
        "validation/loss": 1.25,
        "training/accuracy": 0.75,
    }
    epoch.validation_loss = None
    # Those of training batches are not called validation.
    assert not any("validation" in name for name in epoch_figures(epoch, "training"))
    assert epoch_figures(epoch, "training")["training/accuracy"] == 0.5


def test_a_full_disk_is_warned_about_once_and_the_training_goes_on(tmp_path, monkeypatch, caplog):
    def refuse(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(builtins, "open", refuse)
    with tracked(tmp_path) as trackers:
        trackers.metrics({"loss": 1.0}, 1)
        trackers.metrics({"loss": 1.0}, 2)
    assert len(caplog.records) == 1
    assert "the disk is full" in caplog.text
    assert str(tmp_path) in caplog.text


def test_a_folder_that_cannot_be_made_is_told_not_raised(tmp_path):
    (tmp_path / "file").write_text("")
    with tracked(tmp_path / "file") as trackers:
        trackers.metrics({"loss": 1.0}, 1)
    assert trackers.failures == {"tensorboard": "it does not exist, because a part of its path is a file"}
