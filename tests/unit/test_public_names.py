"""The public names: pinned, and each resolves."""

from types import ModuleType

import pytest

import popnas

NAMES = [
    "Block",
    "Cell",
    "CellChoice",
    "Evaluation",
    "LoadedModel",
    "ModelEvaluation",
    "NetworkChoice",
    "PopnasClassifier",
    "PopnasError",
    "Run",
    "RunConfig",
    "SearchResult",
    "SearchSpace",
    "SelectionResult",
    "StageChanges",
    "TrainedModel",
    "UserError",
    "__version__",
    "evaluate",
    "load",
    "resume",
    "search",
    "select",
    "train",
]


def test_the_names_are_these():
    assert popnas.__all__ == NAMES
    offered = {name for name in dir(popnas) if not name.startswith("__") and name not in NAMES}
    assert set(NAMES) <= set(dir(popnas))
    assert not [name for name in offered if not isinstance(getattr(popnas, name), ModuleType)]
    assert not offered & {"Any", "TYPE_CHECKING", "annotations", "os", "sys", "attribute"}


@pytest.mark.parametrize("name", NAMES)
def test_each_resolves(name):
    assert getattr(popnas, name) is not None


def test_no_other_name():
    with pytest.raises(AttributeError, match="module 'popnas' has no attribute 'serch'"):
        _ = popnas.serch
