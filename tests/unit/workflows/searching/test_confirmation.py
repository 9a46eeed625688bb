"""The best cells are confirmed with other seeds, within the time limit of the search."""

from popnas.events import ConfirmationFinished
from popnas.runs import RunFolder
from popnas.workflows.searching import finish
from popnas.workflows.searching import search as room


def test_the_time_limit_ends_a_confirmation_which_then_goes_on(config, tmp_path, monkeypatch):
    heard = []
    monkeypatch.setattr(
        room._Search,
        "_is_time_up",
        lambda self: (
            self.deadline is not None and any(isinstance(event, ConfirmationFinished) for event in heard)
        ),
    )
    executor = {"kind": "inline"}
    changes = {"search_space.blocks": 1, "others.confirm": True, "others.executor": executor}
    document = config(**changes, **{"others.max_hours": 1.0})
    found = room.search(document, name="run", logs=tmp_path, tell=heard.append)
    assert found.reason == "max_hours"
    assert len(RunFolder.open(found.folder).state().confirmations) == 1
    again = room.resume(found.folder, sets=["others.max_hours=null"])
    state = RunFolder.open(found.folder).state()
    assert again.reason == state.finish_reason == "completed"
    assert len(state.confirmations) == finish.NUM_SEEDS * len(finish.cells_to_confirm(state))
