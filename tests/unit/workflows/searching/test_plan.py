"""A forecast counts what a search does; costs come from a clock that a test replaces where it must."""

import itertools
import json
from collections import Counter

import numpy as np
import pytest
import torch

from popnas.cells import SearchSpace
from popnas.errors import CandidateFailed
from popnas.evaluators.training import probing
from popnas.evaluators.training.evaluator import TrainingEvaluator
from popnas.evaluators.training.probing import CostModel, ProbedCost
from popnas.evaluators.training.wiring import Wiring
from popnas.events import PhaseAdvanced, PhaseStarted
from popnas.training.accelerated import xla
from popnas.workflows.searching.plan import Planner, plan
from popnas.workflows.searching.search import search
from popnas.workflows.settings import load_config


@pytest.fixture
def planned(monkeypatch, config):
    """Plans the tiny configuration with changes; every network costs what a test says of its cell."""

    def make(cost, **changes):
        monkeypatch.setattr(probing._Prober, "cost", lambda self, cell: cost(cell))
        return plan(load_config(config(**changes)))

    return make


def steady(cell):
    return ProbedCost(train=0.01, validation=0.002, once=0.5)


def test_candidates_folds_confirmation_and_fixed_work_are_counted(planned):
    found = planned(steady)
    one = 90 * 0.01 + 30 * 0.002 + 0.5  # 120 digits, a quarter of them for validation, one epoch
    assert [step.num_networks for step in found.steps] == [1, 10, 3]
    assert found.steps[1].seconds == pytest.approx(10 * one)
    assert found.candidate_seconds == pytest.approx(one * sum(step.expected for step in found.steps))
    assert found.seconds == pytest.approx(sum(step.seconds for step in found.steps) + found.fixed_seconds)
    assert found.fixed_seconds > 5.0

    folds = planned(steady, **{"dataset.folds": 2})
    assert folds.steps[1].seconds == pytest.approx(2 * found.steps[1].seconds)
    confirmed = planned(steady, **{"others.confirm": True})
    assert confirmed.confirmation_seconds == pytest.approx((15 + 3) * one)  # the best five, the best single
    assert confirmed.seconds > found.seconds + 0.9 * confirmed.confirmation_seconds
    exported = planned(lambda cell: ProbedCost(0.01, 0.002, 3.0))
    assert exported.steps[1].seconds == pytest.approx(found.steps[1].seconds + 10 * 2.5)


def test_what_is_trained_again_is_among_the_networks_to_train(planned):
    """Repeats, with the winner's training for its weights, and confirmations."""
    found = planned(steady)
    assert (found.num_networks, found.num_again) == (1 + 10 + 3, 0)
    for changes, again in (
        ({"search_strategy.repeats": 4}, 4 + 1),
        ({"others.confirm": True}, 15 + 3),
        ({"search_strategy.repeats": 4, "others.confirm": True}, 4 + 1 + 15 + 3),
    ):
        more = planned(steady, **changes)
        assert (more.num_networks, more.num_again) == (found.num_networks + again, again)


def test_trying_how_many_share_a_gpu_counts_where_the_search_does_it_again(planned, config, monkeypatch):
    before = planned(steady)
    assert before.workers_per_gpu is None
    monkeypatch.setattr(TrainingEvaluator, "trial_seconds", 1000.0)
    monkeypatch.setattr(TrainingEvaluator, "workers_per_gpu", 4)
    again, handed_on = planned(steady), Planner(hands_on=True).plan(load_config(config()))
    assert again.workers_per_gpu == handed_on.workers_per_gpu == 4
    for name in ("seconds", "fixed_seconds", "start_seconds"):
        assert 900 < getattr(again, name) - getattr(before, name) < 1100
        assert abs(getattr(handed_on, name) - getattr(before, name)) < 100


def test_a_plan_leaves_the_tpu_alone_and_counts_its_compiling(planned, monkeypatch):
    """Where it probes is the CPU: without torch-xla nothing could be probed elsewhere."""
    monkeypatch.setattr(xla, "why_not", lambda: None)
    once = {"search_space.blocks": 1}
    here, there = (planned(steady, **once, **{"others.train_strategy": name}) for name in ("CPU", "TPU"))
    assert there.device == xla.DEVICE
    more = 10 * xla.COMPILING_SECONDS
    assert there.steps[1].seconds == pytest.approx(here.steps[1].seconds + more)
    assert 0.9 < there.once_share <= 1.0
    (told,) = set(there.warnings) - set(here.warnings)
    assert "the times are of this machine's CPU" in told
    folds = planned(steady, **once, **{"others.train_strategy": "TPU", "dataset.folds": 2})
    assert folds.steps[1].seconds == pytest.approx(2 * there.steps[1].seconds)


def test_a_tpu_is_not_probed(config, monkeypatch):
    monkeypatch.setattr(xla, "why_not", lambda: None)
    places = []
    real = probing.training.fit

    def fit(*arguments, **options):
        places.append(arguments[5].device.type)
        return real(*arguments, **options)

    monkeypatch.setattr(probing.training, "fit", fit)
    small = {"search_space.blocks": 1, "others.timing": "measured", "others.train_strategy": "TPU"}
    assert plan(load_config(config(**small))).seconds > xla.COMPILING_SECONDS
    assert set(places) == {"cpu"}


def test_no_more_cells_are_confirmed_than_there_are(planned):
    one = 90 * 0.01 + 30 * 0.002 + 0.5
    few = {"search_space.blocks": 1, "search_space.lookback_depth": 1, "others.confirm": True}
    found = planned(steady, **few)
    assert found.steps[1].num_networks == 3
    assert found.confirmation_seconds == pytest.approx(3 * 3 * one)


def test_a_plan_of_the_same_search_is_the_same(planned):
    changes = {"search_space.blocks": 3, "search_strategy.max_children": 20}
    first, again = planned(steady, **changes), planned(steady, **changes)
    assert first.steps == again.steps and first.epoch_seconds == again.epoch_seconds
    other = planned(steady, **changes, **{"others.seed": 1})
    assert [step.num_networks for step in other.steps] == [step.num_networks for step in first.steps]


def test_a_wider_search_is_never_planned_shorter(planned):
    plans = [planned(steady, **{"search_strategy.max_children": most}) for most in (1, 3, 30)]
    for narrow, wide in itertools.pairwise(plans):
        assert narrow.steps[2].num_networks < wide.steps[2].num_networks
        assert narrow.candidate_seconds <= wide.candidate_seconds


def test_few_first_cells_and_little_growth_are_counted_and_untrained_parents_predicted(planned):
    changes = {"search_space.blocks": 3, "search_strategy.max_children": 30}
    every = planned(steady, **changes)
    few = {**changes, "search_strategy.single_block_repeats": 2, "search_strategy.growth_share": 0.1}
    found = planned(steady, **few)
    firsts = found.steps[1].num_networks
    assert 3 <= firsts < every.steps[1].num_networks == 10
    explored = found.steps[2].num_networks - 3
    assert explored == every.steps[2].num_networks - 30 >= 0
    assert found.steps[3].num_networks == every.steps[3].num_networks == 30
    per_parent = every.steps[2].num_expansions // 10
    assert found.steps[2].num_expansions == firsts * per_parent
    wide = planned(steady, **few, **{"search_strategy.untrained_parents": 500})
    assert [step.num_networks for step in wide.steps] == [step.num_networks for step in found.steps]
    assert wide.steps[2].num_expansions == every.steps[2].num_expansions
    assert wide.steps[3].num_expansions > 10 * found.steps[3].num_expansions
    assert wide.fixed_seconds > found.fixed_seconds


def test_constraints_that_no_cell_keeps_to_leave_a_plan_of_all(planned):
    free = planned(steady)
    bound = planned(steady, **{"search_strategy.constraints": {"params": [0, 1]}})
    assert bound.steps[2].num_networks == free.steps[2].num_networks
    assert bound.steps[2].expected >= 1


def test_constraints_leave_cheaper_cells(planned):
    free = planned(steady)
    limit = sum(free.steps[2].params) // 2
    bound = planned(steady, **{"search_strategy.constraints": {"params": [0, limit]}})
    assert bound.steps[2].params[1] <= limit < free.steps[2].params[1]


def test_steps_never_train_more_than_they_may_and_pnas_mode_trains_as_many(planned):
    found = planned(steady, **{"search_space.blocks": 3, "search_strategy.max_children": 40})
    for step in found.steps:
        assert 1 <= step.expected <= step.num_networks
        assert step.most_seconds >= step.seconds * (1 - 1e-9)
    filled = {
        "search_space.blocks": 3,
        "search_strategy.max_children": 40,
        "search_strategy.score_share": 0.1,
    }
    for step in planned(steady, **filled).steps:
        assert step.expected == pytest.approx(step.num_networks)
    pnas = {"others.pnas_mode": True, "search_strategy.additional_pareto_objectives": []}
    assert planned(steady, **pnas).steps[2].expected == 3


def test_the_front_of_dear_and_cheap_cells_costs_less_than_their_mean(planned):
    def cost(cell):
        uses = sum(block.op1 == "3x3 conv" for block in cell.blocks)
        uses += sum(block.op2 == "3x3 conv" for block in cell.blocks)
        return ProbedCost(0.001 + 0.01 * uses, 0.0, 0.0)

    found = planned(cost, **{"search_space.blocks": 2, "search_strategy.max_children": 30})
    mean_of_step_2 = 0.001 + 0.01 * 2  # half of four operators
    per_network = found.steps[2].seconds / found.steps[2].expected
    assert 0.3 * mean_of_step_2 * 90 < per_network < 1.3 * mean_of_step_2 * 90


def test_a_cost_model_adds_up_and_shrinks_with_what_is_built():
    space = SearchSpace(["a", "b"], 2, 2)
    model = CostModel(
        empty=np.array([1.0, 1.0, 1.0]),
        operators=np.array([[2.0, 5.0, 0.0]] * 3),
        wiring=Wiring(np.array([10.0, 20.0, 0.0]), np.array([1.0, 0.5, 15.0]), only_unused=True),
        built=np.array([0.0, 1.0, 0.5]),
    )
    cells_NB4 = np.array(
        [
            [(0, -1, 0, -1), (0, -1, 0, -1)],
            [(-1, 0, -1, 1), (0, -1, 0, -1)],
            [(-2, 0, -2, 1), (0, -1, 0, -1)],
            [(-1, 0, -1, 1), (0, 1, -2, 1)],
            [(-1, 0, -1, 1), (-1, 1, -2, 1)],
        ],
        dtype=np.int16,
    )
    assert model.costs(cells_NB4)[:, 0] == pytest.approx(
        [1.0, 8.0, 4.5, 1 + 17 * (80 / 70), 1 + 17 * (85 / 70)]
    )
    assert space.num_operators == 2


def test_what_the_first_network_with_operators_loads_is_no_operator_s_cost_but_the_process_s(planned):
    with_blocks = []

    def cost(cell):
        with_blocks.extend([cell] if cell.blocks else [])
        return ProbedCost(0.01, 0.002, 0.5 + (7.0 if len(with_blocks) == 1 and cell.blocks else 0.0))

    found, calm = planned(cost), planned(steady)
    assert found.steps == calm.steps
    assert found.candidate_seconds == pytest.approx(calm.candidate_seconds + 7.0)  # of the only process


def test_operators_beyond_the_budget_are_reckoned_from_their_flops(planned, monkeypatch):
    monkeypatch.setattr(probing, "_BUDGET_SECONDS", -1.0)
    asked = []

    def cost(cell):
        asked.append(str(cell))
        return steady(cell)

    operators = ["identity", "1x1 conv", "3x3 conv", "5x5 conv", "7x7 conv", "3x3 dconv"]
    found = planned(cost, **{"search_space.operators": operators})
    symmetrical = {text for text in asked if text.count("(-1, ") == 1 and text.count("-1") == 2}
    assert len(symmetrical) == 3
    assert found.steps[1].seconds > 0


def test_what_is_quick_is_probed_twice_and_the_mean_counts(planned):
    """A machine that is busy for seconds does not decide."""
    seen = Counter()

    def cost(cell):
        seen[str(cell)] += 1
        return ProbedCost(0.01 * seen[str(cell)], 0.002 * seen[str(cell)], 0.5)

    changes = {"search_space.operators": ["1x1 conv", "3x3 conv"]}
    found = planned(cost, **changes)
    once, twice = (planned(lambda cell, n=n: ProbedCost(0.01 * n, 0.002 * n, 0.5), **changes) for n in (1, 2))
    assert {seen["[]"], seen["[(-1, 3x3 conv, -1, 3x3 conv)]"]} == {2}
    assert once.steps[0].seconds < found.steps[0].seconds < twice.steps[0].seconds
    mean = (once.steps[0].seconds + twice.steps[0].seconds) / 2
    assert found.steps[0].seconds == pytest.approx(mean)


def test_an_operator_that_fails_its_probe_is_named_and_reckoned_from_the_others(planned):
    """A search of it goes on, too: such candidates fail alone."""
    operators = {"search_space.operators": ["1x1 conv", "3x3 conv", "5x5 conv", "7x7 conv"]}

    def cost(cell):
        if "5x5 conv" in str(cell):
            raise CandidateFailed("nan", "the training loss became nan in epoch 2")
        return steady(cell)

    whole, found = planned(steady, **operators), planned(cost, **operators)
    assert [step.seconds for step in found.steps] == pytest.approx([step.seconds for step in whole.steps])
    (told,) = set(found.warnings) - set(whole.warnings)
    assert "'5x5 conv' could not be trained" in told and "became nan in epoch 2" in told


def test_the_first_operator_or_the_network_without_any_may_fail_its_probe(planned):
    for failing, named in (("1x1 conv", "'1x1 conv'"), ("[]", "the network without operators")):

        def cost(cell, failing=failing):
            if failing in str(cell):
                raise CandidateFailed("nan", "diverged")
            return steady(cell)

        found = planned(cost, **{"search_space.operators": ["1x1 conv", "3x3 conv"]})
        assert found.seconds > 0 and sum(named in warning for warning in found.warnings) == 1


def test_a_plan_of_networks_that_all_fail_says_so(planned):
    def cost(cell):
        raise CandidateFailed("nan", f"{cell} diverged")

    with pytest.raises(CandidateFailed, match=r"no network of this search could be trained .* diverged"):
        planned(cost)


def test_memory_that_runs_out_after_a_probes_training_is_a_failed_probe(config, monkeypatch):
    def inference_seconds(context, network, cost):
        if "3x3 conv" in str(network.cell):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.50 GiB. GPU")
        return 0.001

    monkeypatch.setattr(probing.candidate, "inference_seconds", inference_seconds)
    found = plan(load_config(config(**{"search_space.blocks": 1, "others.timing": "measured"})))
    assert any("'3x3 conv'" in warning and "does not fit" in warning for warning in found.warnings)


@pytest.mark.slow
def test_a_plan_of_real_probes_comes_near_a_real_search(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = load_config(
        config(**{"others.timing": "measured", "training_hyperparameters.epochs": 3, "dataset.samples": 600})
    )
    rounds = []

    def counting(event):
        match event:
            case PhaseStarted(_, int(total)):
                rounds.append([(0, str(total))])
            case PhaseAdvanced(done, what):
                rounds[-1].append((done, what))

    found = plan(made, counting)
    assert len(rounds) == 2  # quick enough to be probed twice
    for counted in rounds:
        assert counted[0] == (0, str(counted[-1][0]))
        assert [done for done, _ in counted] == sorted(done for done, _ in counted)
        assert "3x3 conv" in dict(counted).values()
    result = search(made, name="run")
    lines = (result.folder / "restore" / "journal.jsonl").read_text().splitlines()
    events = [event for event in map(json.loads, lines) if event["event"] == "evaluation"]
    taken = sum(event["volatile"]["cpu_seconds"] for event in events)
    expected = sum(step.expected for step in found.steps)
    # Twofold at most: the machine that runs the tests may do anything else meanwhile (`bench_plan` is exact).
    assert 0.5 < (found.candidate_seconds / expected) / (taken / len(events)) < 2.0


def slow(cell):
    return ProbedCost(train=3.0, validation=0.2, once=50.0)


def test_a_long_search_is_told_what_shortens_it_most(planned):
    """And it does: the field that is named is set, and the part that takes most shrinks."""
    assert planned(steady).shortened_by is None
    first = planned(slow)  # 10 networks in step 1, 3 in step 2
    assert first.shortened_by is not None and first.shortened_by.startswith("Step 1 takes ")
    assert "10 with 2 search_space.operators, 3 with 1." in first.shortened_by
    few = planned(slow, **{"search_space.operators": ["identity"]})
    assert few.steps[1].num_networks == 3 and few.steps[1].seconds < first.steps[1].seconds / 3
    assert "search_strategy.single_block_repeats (now 0)" in first.shortened_by
    designed = planned(slow, **{"search_strategy.single_block_repeats": 2})
    assert designed.steps[1].seconds < first.steps[1].seconds
    assert "search_strategy.single_block_repeats (now 2)" in designed.shortened_by
    pnas = {"search_space.blocks": 3, "others.pnas_mode": True}
    later = planned(slow, **pnas, **{"search_strategy.max_children": 20})
    assert later.shortened_by is not None and later.shortened_by.startswith("Steps 2 to 3 take ")
    assert "search_strategy.max_children (now " in later.shortened_by
    narrow = planned(slow, **pnas, **{"search_strategy.max_children": 5})
    assert sum(step.seconds for step in narrow.steps[2:]) < sum(step.seconds for step in later.steps[2:]) / 3
    assert all("training_hyperparameters.epochs (now 1)" in found.shortened_by for found in (first, later))
