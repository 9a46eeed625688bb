"""Fields changed by their dotted names: what is not named stays, and all rules hold again."""

import pytest

from popnas import config as configurations
from popnas.errors import ConfigError


@pytest.fixture
def loaded():
    return configurations.load("run")


def test_what_is_named_changes_and_all_else_stays(loaded):
    changes = {"others.max_hours": 2.0, "training_hyperparameters.optimizer.warmup": 1}
    changed = configurations.changed(loaded, changes)
    assert (changed.others.max_hours, changed.training_hyperparameters.optimizer.warmup) == (2.0, 1)
    back = {"others.max_hours": loaded.others.max_hours}
    back["training_hyperparameters.optimizer.warmup"] = loaded.training_hyperparameters.optimizer.warmup
    assert configurations.changed(changed, back) == loaded
    assert configurations.changed(loaded, {}) == loaded


def test_all_mistakes_come_at_once_with_their_places(loaded):
    with pytest.raises(ConfigError) as raised:
        configurations.changed(loaded, {"others.max_hours": -1, "dataset.batch_size": 0})
    assert {problem.place for problem in raised.value.problems} >= {"others.max_hours", "dataset.batch_size"}


def test_rules_between_fields_hold_for_the_changed_configuration(loaded):
    epochs = loaded.training_hyperparameters.epochs
    with pytest.raises(ConfigError, match="warmup"):
        configurations.changed(loaded, {"training_hyperparameters.optimizer.warmup": epochs + 1})
