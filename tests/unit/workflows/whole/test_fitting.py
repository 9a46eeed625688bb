"""A search's configuration that is made to fit into a time limit."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from popnas.config import RunConfig, changed
from popnas.workflows.searching.plan import Plan, StepPlan
from popnas.workflows.settings import load_config
from popnas.workflows.whole import fitting

NUM_EXAMPLES = 40_000
FIXED, ONCE = 20.0, 0.1
OPERATORS = ("identity", "1x1 conv", "3x3 conv", "2x2 maxpool")


def given_config() -> RunConfig:
    return load_config(
        {
            "search_space": {"blocks": 3, "lookback_depth": 2, "operators": list(OPERATORS)},
            "search_strategy": {"max_children": 32, "max_exploration_children": 8},
            "training_hyperparameters": {"epochs": 21},
            "dataset": {"type": "image_classification", "name": "cifar10", "classes_count": 10},
        }
    )


def planned(config: RunConfig, seconds_per_network: float) -> Plan:
    """As a machine would have it on which each network takes so long, uncut."""
    epochs = config.training_hyperparameters.epochs / 21
    examples = (config.dataset.samples or NUM_EXAMPLES) / NUM_EXAMPLES
    each = seconds_per_network * (ONCE + (1 - ONCE) * epochs) * examples
    strategy, halves = config.search_strategy, 4 * config.search_space.lookback_depth
    first = halves * (halves + 1) // 2
    if strategy.single_block_repeats:
        first = min(first, -(-halves * strategy.single_block_repeats // 2))
    children = strategy.max_children + strategy.random_children
    grown = config.search_space.blocks - 1
    counts = [1, first, *[children + strategy.max_exploration_children] * (grown - 1), children]
    steps = [StepPlan(step, 1, count, count, (1, 1), each * count) for step, count in enumerate(counts)]
    confirmed = each * strategy.repeats
    seconds = FIXED + sum(item.seconds for item in steps) + confirmed
    data = {"sizes": {"train": NUM_EXAMPLES - 10_000, "validation": 10_000}}
    return Plan(
        steps, sum(counts), 1.0, seconds, confirmed, FIXED, seconds, None, 1, "cpu", data, [], once_share=ONCE
    )


class Machine:
    """A `Planner` of it."""

    def __init__(self, seconds_per_network: float) -> None:
        self.seconds_per_network = seconds_per_network

    def plan(self, config, tell):
        return planned(config, self.seconds_per_network)


# Of all that makes networks something, and nothing of most.
ALL_KINDS = {"random_children": 6, "repeats": 16, "single_block_repeats": 9}


@given(st.floats(0.01, 3000), st.floats(0.02, 500), st.sampled_from([{}, ALL_KINDS]))
def test_what_is_said_to_fit_fits_and_nothing_is_cut_without_need(seconds_per_network, hours, beside):
    given = {f"search_strategy.{name}": value for name, value in beside.items()}
    config = changed(given_config(), given)
    found = fitting.fit_search(config, hours, planner=Machine(seconds_per_network))
    whole = planned(config, seconds_per_network)
    if whole.seconds * fitting.MARGIN <= hours * 3600:
        assert found.changes == {}
    cut = planned(changed(config, found.changes), seconds_per_network)
    assert found.seconds == cut.seconds
    assert found.is_within == (found.seconds <= hours * 3600)
    assert found.changes.keys() == found.cuts.keys()
    if not found.is_within:  # then all that can be cut was cut
        assert found.changes["search_strategy.max_children"] == 2
        assert found.changes["training_hyperparameters.epochs"] == 1
        assert found.changes["search_space.blocks"] == 2
        assert found.changes["search_space.lookback_depth"] == 1
        assert found.changes["dataset.samples"] == 1000
        assert found.changes["search_strategy.max_exploration_children"] == 0
        assert found.changes["search_strategy.single_block_repeats"] == 2
        assert all(found.changes[f"search_strategy.{name}"] == 0 for name in beside if name[0] == "r")
    elif found.changes and "dataset.samples" not in found.changes:  # no time is given away
        one_more = 1.25 * whole.steps[1].seconds / 36
        assert hours * 3600 < fitting.MARGIN * (found.seconds + one_more) * 2


def test_children_go_first_then_epochs_then_blocks_then_cells_of_one_block_then_lookback():
    config = changed(given_config(), {"search_space.blocks": 5})
    found = [
        fitting.fit_search(config, hours, planner=Machine(60.0)).changes
        for hours in (5, 2.5, 1.2, 0.5, 0.35, 0.2)
    ]
    cuts = [set(changes) for changes in found]
    children = {"search_strategy.max_children", "search_strategy.max_exploration_children"}
    assert cuts[0] == set()
    assert cuts[1] == children
    assert cuts[2] == children | {"training_hyperparameters.epochs"}
    assert cuts[3] == cuts[2] | {"search_space.blocks"}
    assert found[4]["search_strategy.single_block_repeats"] == 3
    assert "search_space.lookback_depth" not in cuts[4] and "search_space.lookback_depth" in cuts[5]
    assert all("dataset.samples" not in each for each in cuts)


def test_the_control_group_shrinks_with_the_children():
    config = changed(given_config(), {"search_strategy.random_children": 16})
    found = fitting.fit_search(config, 2, planner=Machine(60.0))
    share = found.changes["search_strategy.max_children"] / 32
    assert 0.2 < share < 1 and found.changes["search_strategy.random_children"] == round(16 * share)


def test_a_first_step_that_is_as_small_as_it_can_be_is_not_designed():
    """Of one operator at one lookback there is one cell."""
    alone = {
        "search_space.operators": ["3x3 conv"],
        "search_space.blocks": 1,
        "search_space.lookback_depth": 1,
    }

    class One(Machine):
        def plan(self, config, tell):
            found = super().plan(config, tell)
            return replace(found, steps=[found.steps[0], replace(found.steps[1], num_networks=1)])

    found = fitting.fit_search(changed(given_config(), alone), 0.001, planner=One(3000.0))
    assert "search_strategy.single_block_repeats" not in found.changes


def test_a_warm_up_keeps_its_share_of_the_epochs_or_the_cut_would_be_refused():
    warm = {"training_hyperparameters.optimizer": {"type": "adamW", "scheduler": "cd", "warmup": 10}}
    found = fitting.fit_search(changed(given_config(), warm), 0.35, planner=Machine(60.0))
    epochs = found.changes["training_hyperparameters.epochs"]
    assert found.changes["training_hyperparameters.optimizer.warmup"] == 10 * epochs // 21 < epochs


def test_what_trains_on_no_examples_is_cut_without_them():
    class Table(Machine):
        def plan(self, config, tell):
            return replace(super().plan(config, tell), data={"sha256": "0"})

    found = fitting.fit_search(given_config(), 0.001, planner=Table(3000.0))
    assert not found.is_within and "dataset.samples" not in found.changes


def masks(width: int, height: int) -> RunConfig:
    data = {"type": "image_segmentation", "path": "scenes", "resize": {"width": width, "height": height}}
    return changed(given_config(), {"dataset": data})


class Pixels(Machine):
    """Training takes as long as crops have pixels, validation of whole images always the same."""

    VALIDATION = 0.2

    def __init__(self, seconds_per_network: float, whole: int) -> None:
        super().__init__(seconds_per_network)
        self.whole = whole

    def plan(self, config, tell):
        size = config.dataset.resize
        share = size.width * size.height / self.whole
        return planned(config, self.seconds_per_network * (self.VALIDATION + (1 - self.VALIDATION) * share))


def test_crops_are_cut_before_anything_else_and_at_most_to_half_their_sides():
    width, height = "dataset.resize.width", "dataset.resize.height"
    for hours in (1.7, 1.2, 0.8, 0.4):
        planner = Pixels(60.0, 224 * 180)
        found = fitting.fit_search(masks(224, 180), hours, planner=planner)
        assert found.is_within
        if set(found.changes) != {width, height}:  # as small as they become
            assert (found.changes[width], found.changes[height]) == (112, 90)
        assert found.cuts[width] == "224 without the time limit."
    assert not fitting.fit_search(masks(224, 180), 3, planner=planner).changes


@given(st.integers(1, 400), st.integers(1, 400), st.floats(1, 3000), st.floats(0.02, 20))
def test_a_crop_keeps_its_shape_and_64_pixels_if_it_has_them(width, height, seconds, hours):
    found = fitting.fit_search(masks(width, height), hours, planner=Pixels(seconds, width * height))
    now = changed(masks(width, height), found.changes).dataset.resize
    for before, after in ((width, now.width), (height, now.height)):
        assert min(before, 64) <= after <= before
        assert 2 * after >= before
    if min(now.width, now.height) > 64:
        assert abs(now.width / width - now.height / height) <= 1 / min(width, height)


def test_images_that_are_resized_as_a_whole_keep_their_size():
    config = changed(given_config(), {"dataset.resize": {"width": 224, "height": 180}})
    found = fitting.fit_search(config, 0.5, planner=Machine(60.0))
    assert found.changes and not any("resize" in place for place in found.changes)
