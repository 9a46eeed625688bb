"""The file of a network's epochs, from which trackers are told of them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from popnas.storage import write_table
from popnas.trackers import EPOCHS_FILE, TrackedNetwork, epoch_table


def epoch(loss: float, accuracy: float, validation_loss: float | None = None) -> SimpleNamespace:
    return SimpleNamespace(
        loss=loss,
        learning_rate=0.1,
        training_seconds=1.0,
        head_metrics=[{"accuracy": accuracy}],
        validation_loss=validation_loss,
        training_accuracy=None,
    )


def network(folder: Path) -> TrackedNetwork:
    return TrackedNetwork(1, "B1/0", {}, {}, folder)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    folds = [[epoch(1 / 3, 0.5, 0.25), epoch(0.5, 0.75)], [epoch(2.0, 0.125)]]
    write_table(tmp_path / EPOCHS_FILE, *epoch_table(folds))
    first, second = network(tmp_path).epochs()
    assert first["loss"] == 1 / 3 and first["validation/accuracy"] == 0.5 and first["validation/loss"] == 0.25
    assert first["fold_1/loss"] == 2.0 and first["fold_1/validation/accuracy"] == 0.125
    # What an epoch lacks is no figure of it.
    assert second == {"loss": 0.5, "learning_rate": 0.1, "training_seconds": 1.0, "validation/accuracy": 0.75}


def test_no_folder_no_epochs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert network(tmp_path / "none").epochs() == []
    assert caplog.text == ""


@pytest.mark.parametrize("text", [b"loss\nmuch\n", b"loss\n1.0,2.0\n", b"\xff\xfe\n", b'loss\n"1.0'])
def test_a_damaged_one_is_told_and_nothing_of_it_read(text: bytes, tmp_path: Path, caplog) -> None:
    (tmp_path / EPOCHS_FILE).write_bytes(text)
    assert network(tmp_path).epochs() == []
    assert str(tmp_path / EPOCHS_FILE) in caplog.text
