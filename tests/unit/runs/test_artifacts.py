"""What workers hand over comes into its places, and nowhere else."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from popnas.errors import ExecutorError, StorageError
from popnas.runs import artifacts

FOLDER = artifacts.of_candidate(2, 7)
WEIGHTS = artifacts.of_weights("[(-1, identity, -1, identity)]")
TEXT = base64.b64encode(b"content").decode()


def test_a_worker_that_sees_the_run_folder_writes_into_it(tmp_path: Path) -> None:
    with artifacts.opened(str(tmp_path)) as files:
        place = files.place(f"{FOLDER}/summary.txt")
        place.parent.mkdir(parents=True)
        place.write_text("here")
        assert files.carried() == {}
        assert files.named(f"the view {place} is missing") == f"the view {FOLDER}/summary.txt is missing"
    assert (tmp_path / FOLDER / "summary.txt").read_text() == "here"


def test_one_that_does_not_has_its_files_carried_and_keeps_none(tmp_path: Path) -> None:
    with artifacts.opened(None) as files:
        root = files.place(".")
        for name in (f"{FOLDER}/tensorboard/fold_0/events", WEIGHTS):
            files.place(name).parent.mkdir(parents=True, exist_ok=True)
            files.place(name).write_bytes(b"content")
        carried = files.carried()
        assert files.named(f"the log of {root / FOLDER}") == f"the log of {FOLDER}"
    assert not root.exists()
    artifacts.unpack(carried, tmp_path, [FOLDER, WEIGHTS])
    assert (tmp_path / FOLDER / "tensorboard" / "fold_0" / "events").read_bytes() == b"content"
    assert (tmp_path / WEIGHTS).read_bytes() == b"content"


def test_what_a_killed_worker_leaves_goes_with_the_folder_of_its_job(tmp_path: Path) -> None:
    with artifacts.opened(None, str(tmp_path)) as files:
        assert files.place(".").parent == tmp_path
    assert list(tmp_path.iterdir()) == []
    with artifacts.opened(None, str(tmp_path / "cleared")) as files:
        assert files.place(".").is_dir()


@pytest.mark.parametrize(
    "name",
    [
        "restore/journal.jsonl",
        "../outside",
        f"{FOLDER}/../8/weights.safetensors",
        f"{FOLDER}/../../../restore/run.json",
        "/etc/passwd",
        f"./{FOLDER}/a",
        f"{FOLDER}//a",
        f"{FOLDER}\\..\\a",
        artifacts.of_candidate(2, 70) + "/a",
        artifacts.WEIGHTS,
        f"{artifacts.WEIGHTS}/other.safetensors",
        "",
    ],
)
def test_other_places_are_refused_and_nothing_is_written(name: str, tmp_path: Path) -> None:
    with pytest.raises(
        ExecutorError, match=r"a candidate may only write sampled_models/B2/7, restore/weights"
    ):
        artifacts.unpack({f"{FOLDER}/a": TEXT, name: TEXT}, tmp_path / "run", [FOLDER, WEIGHTS])
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_base64_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExecutorError, match="damaged"):
        artifacts.unpack({f"{FOLDER}/a": TEXT, f"{FOLDER}/b": "?"}, tmp_path, [FOLDER])
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_the_disks_fault(tmp_path: Path) -> None:
    (tmp_path / "sampled_models").write_text("in the way")
    with pytest.raises(StorageError):
        artifacts.unpack({f"{FOLDER}/a": TEXT}, tmp_path, [FOLDER])
