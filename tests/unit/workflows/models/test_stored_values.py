"""What trainings after the search keep on disk comes back as it was, and as earlier versions wrote it."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from popnas.errors import RunFolderError
from popnas.workflows.models.folder import ModelFolder, TrainingLog
from popnas.workflows.models.search_state import SearchSnapshot
from popnas.workflows.models.stored import selection_plan
from popnas.workflows.models.stored.selection_plan import PlannedModel, SelectionPlan, SelectionRequest

CELL = "[(-1, 3x3 conv, -2, identity)]"
COUNTS = st.integers(1, 10**6)

requests = st.builds(
    SelectionRequest,
    cell=st.none() | st.just(CELL),
    num_cells=st.none() | COUNTS,
    is_from_front=st.booleans(),
    params=st.none() | st.just("1;100"),
    config=st.just({"dataset": {"path": "/data"}, "others": {"seed": 1}}),
)
snapshots = st.builds(
    SearchSnapshot, COUNTS, st.sampled_from([None, "completed", "max_hours"]), st.just("a" * 64)
)
planned = st.builds(
    lambda number, motifs, cells, filters, params: PlannedModel(
        f"{number}-m{motifs}-n{cells}-f{filters}", CELL, motifs, cells, filters, params
    ),
    *(st.integers(0, 99), st.integers(2, 5), st.integers(1, 3), st.integers(1, 64), COUNTS),
)
plans = st.builds(
    SelectionPlan,
    requests,
    st.lists(planned, min_size=1, max_size=3, unique_by=lambda model: model.folder).map(tuple),
    search=st.none() | snapshots,
)


@given(plans)
@settings(max_examples=30, deadline=None)
def test_a_plan_is_read_as_it_was_written(tmp_path_factory, plan):
    folder = tmp_path_factory.mktemp("selection")
    selection_plan.write(folder, plan)
    assert selection_plan.read(folder) == plan


def test_a_plan_of_the_first_version_is_read(tmp_path):
    """It knew neither the state of its search nor which run it is of."""
    request = {"cell": None, "num_cells": 5, "is_from_front": False, "params": None, "config": {}}
    model = {"folder": "0-m2-n1-f4", "cell": CELL, "motifs": 2, "normal_cells": 1, "filters": 4, "params": 9}
    (tmp_path / "selection.json").write_text(json.dumps({"request": request, "models": [model]}))
    found = selection_plan.read(tmp_path)
    assert found == SelectionPlan(SelectionRequest(num_cells=5), (PlannedModel(**model),))


def test_a_plan_that_says_what_none_says_is_refused(tmp_path):
    model = {"folder": "0-m2-n1-f4", "cell": CELL, "motifs": 2, "normal_cells": 1, "filters": 4, "params": 9}
    content = {"request": {"num_cells": "five"}, "models": [model]}
    (tmp_path / "selection.json").write_text(json.dumps(content))
    with pytest.raises(RunFolderError, match=r"selection.json has 'five' as its 'request.num_cells'.* Put"):
        selection_plan.read(tmp_path)


def test_two_requests_are_the_same_wherever_the_data_are():
    one = SelectionRequest(num_cells=5, config={"dataset": {"path": "/here"}, "others": {"seed": 1}})
    moved = SelectionRequest(num_cells=5, config={"dataset": {"path": "/there"}, "others": {"seed": 1}})
    other = SelectionRequest(num_cells=5, config={"dataset": {"path": "/here"}, "others": {"seed": 2}})
    assert one.is_same(moved) and not one.is_same(other)
    assert not one.is_same(SelectionRequest(num_cells=6, config=one.config))


def test_a_log_of_the_first_version_is_read(tmp_path):
    (tmp_path / "training.json").write_text(json.dumps({"threads": 2, "training_seconds": 1.5, "epochs": []}))
    assert ModelFolder(tmp_path).log() == TrainingLog(threads=2, training_seconds=1.5)
