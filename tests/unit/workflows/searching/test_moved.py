"""A run folder that is moved or removed under a search: it ends at once, and goes on in the new place."""

import shutil

import pytest

from popnas.errors import RunMovedError
from popnas.events import CandidateFinished
from popnas.runs import RunFolder, search_content
from popnas.workflows.searching.search import resume, search


@pytest.mark.parametrize("kind", ["inline", "processes"])
def test_a_search_whose_folder_is_moved_ends_and_goes_on_there(config, tmp_path, kind):
    settings = {"others.executor": {"kind": kind, "workers": 1}}
    whole = search(config(), name="whole", logs=tmp_path)
    run, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    told = []

    def move(event):
        told.append(event)
        num_finished = sum(isinstance(item, CandidateFinished) for item in told)
        if isinstance(event, CandidateFinished) and num_finished == 2:
            run.rename(elsewhere)

    with pytest.raises(RunMovedError, match="was moved or removed while it was worked on"):
        search(config(**settings), name="run", logs=tmp_path, tell=move)
    # A worker that was about to write as the folder went may make a place for its file; no run is made again.
    assert not (run / "restore" / "journal.jsonl").exists()
    assert kind == "processes" or not run.exists(), "nothing is made in the old place"
    assert sum(isinstance(item, CandidateFinished) for item in told) == 2
    resumed = resume(elsewhere)
    contents = [search_content(RunFolder.open(path).journal.events()) for path in (whole.folder, elsewhere)]
    assert contents[0] == contents[1]
    assert resumed.best == whole.best


def test_another_run_in_its_place_is_not_written_into(config, tmp_path):
    other = search(config(), name="other", logs=tmp_path).folder
    run = tmp_path / "run"

    def swap(event):
        if isinstance(event, CandidateFinished):
            shutil.rmtree(run)
            shutil.copytree(other, run)

    before = (other / "restore" / "journal.jsonl").read_bytes()
    with pytest.raises(RunMovedError):
        search(config(), name="run", logs=tmp_path, tell=swap)
    assert (run / "restore" / "journal.jsonl").read_bytes() == before
