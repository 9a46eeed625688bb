"""Selection and exploration against a plain transcription of the rules, one candidate at a time."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from popnas.cells import SearchSpace, bulk
from popnas.errors import PredictorError
from popnas.objectives import Objective
from popnas.strategy import StrategySettings, exploration, select

MAXIMIZED = {"score"}


def candidates(space, step, num_parents, seed):
    rng = np.random.default_rng(seed)
    parents = space.random_cells(num_parents, step - 1, rng)
    return bulk.expand(parents, space).canonical


def random_predictions(num, seed, levels):
    """Few distinct values, so that ties are frequent; params are exact integers."""
    rng = np.random.default_rng(seed)
    return {
        "score": rng.integers(0, levels, num) / levels,
        "time": rng.integers(1, levels, num) * 1.5,
        "inference_time": rng.integers(1, levels, num) * 0.1,
        "params": rng.integers(1, levels, num) * 1000,
        "flops": rng.integers(1, levels, num) * 77,
    }


def transcription(canonical, predictions, space, strategy, step):
    """docs/search.md, "Selection" and "Exploration", as sentences: (front, exploration), as positions."""
    names = ["score"] if strategy.is_pnas else list(strategy.objectives)
    rows = {
        name: [
            value if name in ("params", "flops") else float(f"{value:.5e}")
            for value in predictions[name].tolist()
        ]
        for name in predictions
    }
    cells = space.decode(canonical)
    allowed = [
        index
        for index in range(len(cells))
        if all(least <= rows[name][index] <= most for name, (least, most) in strategy.constraints.items())
    ]
    walk = sorted(allowed, key=lambda index: (-rows["score"][index], cells[index].blocks))
    cost = {
        index: tuple(-rows[name][index] if name in MAXIMIZED else rows[name][index] for name in names)
        for index in walk
    }

    def dominates(first, second):
        pairs = list(zip(cost[first], cost[second], strict=True))
        return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)

    if strategy.is_pnas:
        return walk[: strategy.max_children], []
    front, seen = [], set()
    for index in walk:
        if cost[index] not in seen and not any(dominates(other, index) for other in walk):
            front.append(index)
        seen.add(cost[index])
    front = front[: strategy.max_children]
    if step == space.num_blocks or strategy.max_exploration_children == 0:
        return front, []

    used_inputs = Counter(
        value for index in front for block in cells[index].blocks for value in (block.in1, block.in2)
    )
    used_operators = Counter(
        name for index in front for block in cells[index].blocks for name in (block.op1, block.op2)
    )
    allowed_inputs = [*range(-space.lookback_depth, 0), *range(step - 1)]

    def neglected(allowed, used):
        return {item for item in allowed if used[item] < sum(used.values()) / (5 * len(allowed))}

    inputs, operators = neglected(allowed_inputs, used_inputs), neglected(space.operators, used_operators)
    if not inputs and not operators:
        return front, []
    count_inputs, count_operators = Counter(), Counter()
    taken = []

    def points(item, members, own, other):
        if item not in members:
            return 0
        rare = own[item] <= sum(own.values()) / len(members)
        return 1 + 2 * rare + (sum(own.values()) <= sum(other.values()))

    for index in walk:
        if len(taken) == strategy.max_exploration_children:
            break
        blocks = cells[index].blocks
        worth = sum(
            points(value, inputs, count_inputs, count_operators)
            for block in blocks
            for value in (block.in1, block.in2)
        ) + sum(
            points(name, operators, count_operators, count_inputs)
            for block in blocks
            for name in (block.op1, block.op2)
        )
        if index in front or worth < (8 if inputs and operators else 4):
            continue
        if any(dominates(other, index) for other in taken):
            continue
        taken.append(index)
        count_inputs.update(v for block in blocks for v in (block.in1, block.in2) if v in inputs)
        count_operators.update(n for block in blocks for n in (block.op1, block.op2) if n in operators)
    return front, taken


@given(
    st.integers(0, 2**32 - 1),
    st.integers(2, 3),
    st.sampled_from([3, 6, 40, 1000]),
    st.sampled_from(
        [
            ("score", "time"),
            ("score", "params", "time"),
            ("score", "time", "inference_time", "params", "flops"),
        ]
    ),
    st.booleans(),
    st.booleans(),
)
@settings(deadline=None, max_examples=60)
def test_selection_is_its_transcription(seed, step, levels, objectives, is_pnas, is_constrained):
    space = SearchSpace([f"{index}" for index in range(9)], 4, 2)
    canonical = candidates(space, step, 2, seed)[:250]
    canonical = canonical[np.random.default_rng(seed).permutation(len(canonical))]
    predictions = random_predictions(len(canonical), seed, levels)
    constraints = {"params": (2000, levels * 700)} if is_constrained else {}
    strategy = StrategySettings(4, 5, objectives, is_pnas, constraints)
    selection = select(canonical, predictions, space, strategy, step)
    front, explored = transcription(canonical, predictions, space, strategy, step)
    assert selection.front.tolist() == front
    assert selection.exploration.tolist() == explored


def test_exploration_in_short_stretches(monkeypatch):
    """The same cells are taken however many candidates are looked at at once."""
    space = SearchSpace([f"{index}" for index in range(12)], 5, 2)
    canonical = candidates(space, 4, 3, 1)
    predictions = random_predictions(len(canonical), 2, 100_000)
    # A front of alike cells neglects most elements.
    is_favoured = (canonical[:, :, 1::2] < 6).all(axis=(1, 2))
    predictions["score"] = predictions["score"] + is_favoured
    strategy = StrategySettings(8, 8, ("score", "time"))
    expected = transcription(canonical, predictions, space, strategy, 4)
    assert len(expected[1]) >= 3
    for stretch in (1, 7, 100_000):
        monkeypatch.setattr(exploration, "_FIRST_STRETCH", stretch)
        selection = select(canonical, predictions, space, strategy, 4)
        assert (selection.front.tolist(), selection.exploration.tolist()) == expected


@pytest.mark.parametrize("change", [{"max_exploration_children": 0}, {"is_pnas": True}])
def test_no_exploration_where_it_is_off(change):
    space = SearchSpace("abcdefgh", 3, 2)
    canonical = candidates(space, 2, 3, 0)
    strategy = StrategySettings(**{"max_children": 2, "max_exploration_children": 4, **change})
    assert (
        len(select(canonical, random_predictions(len(canonical), 0, 50), space, strategy, 2).exploration) == 0
    )


def test_no_exploration_at_the_last_step():
    canonical = candidates(SearchSpace("abcdefgh", 3, 2), 2, 3, 0)
    predictions = random_predictions(len(canonical), 0, 50)
    counts = [
        len(
            select(
                canonical, predictions, SearchSpace("abcdefgh", b, 2), StrategySettings(2, 4), 2
            ).exploration
        )
        for b in (2, 3)
    ]
    assert counts[0] == 0
    assert counts[1] > 0


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=20)
def test_selection_does_not_depend_on_the_order_of_candidates(seed):
    space = SearchSpace("abcdef", 4, 2)
    canonical = candidates(space, 3, 1, seed)
    predictions = random_predictions(len(canonical), seed, 6)
    order = np.random.default_rng(seed).permutation(len(canonical))
    strategy = StrategySettings(5, 4, ("score", "time", "params"))
    first = select(canonical, predictions, space, strategy, 3)
    second = select(
        canonical[order], {name: values[order] for name, values in predictions.items()}, space, strategy, 3
    )
    assert order[second.front].tolist() == first.front.tolist()
    assert order[second.exploration].tolist() == first.exploration.tolist()


def test_of_candidates_equal_in_all_objectives_the_first_in_canonical_order_stands():
    space = SearchSpace("ab", 3, 1)
    canonical = candidates(space, 2, 1, 0)[::-1]
    same = {"score": np.full(len(canonical), 0.5), "time": np.full(len(canonical), 3.0)}
    # Noise beyond six digits must not decide.
    same["score"] = same["score"] + 1e-9 * np.arange(len(canonical))
    selection = select(canonical, same, space, StrategySettings(8, 0), 2)
    assert selection.front.tolist() == [len(canonical) - 1]
    assert selection.front_size == 1


def test_the_front_is_taken_over_all_and_cut_by_score():
    space = SearchSpace("abc", 3, 2)
    canonical = candidates(space, 2, 1, 0)[:6]
    predictions = {"score": np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]), "time": np.array([1.0, 2, 3, 4, 5, 6])}
    selection = select(canonical, predictions, space, StrategySettings(2, 0), 2)
    assert selection.front.tolist() == [5, 4]
    assert selection.front_size == 6


def test_a_share_of_the_children_goes_to_the_best_scores_beside_the_front():
    space = SearchSpace("abc", 3, 2)
    canonical = candidates(space, 2, 1, 0)[:6]
    predictions = {"score": np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]), "time": np.array([1.0, 9, 8, 7, 6, 5])}
    for most, share, expected in (
        (1, 1.0, [5]),
        (2, 0.1, [5, 0]),
        (2, 0.5, [5, 4]),
        (4, 0.1, [5, 0, 4, 3]),
        (4, 0.75, [5, 4, 3, 2]),
        (9, 0.5, [5, 0, 4, 3, 2, 1]),
    ):
        selection = select(canonical, predictions, space, StrategySettings(most, 0, score_share=share), 2)
        assert selection.front.tolist() == expected
        assert selection.front_size == 2
    constrained = StrategySettings(9, 0, constraints={"time": (4.0, 7.5)}, score_share=0.5)
    assert select(canonical, predictions, space, constrained, 2).front.tolist() == [5, 4, 3]


@given(
    st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(0, 6), st.floats(0.01, 1), st.integers(0, 9)
)
@settings(deadline=None, max_examples=25)
def test_front_best_scores_exploration_and_random_cells_share_none(seed, most, exploring, share, drawn):
    space = SearchSpace([f"{index}" for index in range(9)], 4, 2)
    canonical = candidates(space, 2, 2, seed)[:100]
    predictions = random_predictions(len(canonical), seed, 40)
    plain = select(canonical, predictions, space, StrategySettings(most, exploring), 2)
    strategy = StrategySettings(most, exploring, score_share=share, random_children=drawn, seed=seed)
    filled = select(canonical, predictions, space, strategy, 2)
    kept = min(len(plain.front), most - int(share * most))
    assert filled.front[:kept].tolist() == plain.front[:kept].tolist()
    assert len(filled.front) == min(most, len(canonical)) and filled.front_size == plain.front_size
    chosen = [*filled.front.tolist(), *filled.exploration.tolist(), *filled.random.tolist()]
    assert len(set(chosen)) == len(chosen)
    assert len(filled.random) == min(drawn, len(canonical) - len(filled.front) - len(filled.exploration))


def test_random_children_are_drawn_evenly_by_the_seed_within_the_constraints():
    space = SearchSpace("abc", 3, 2)
    canonical = candidates(space, 2, 1, 0)[:20]
    predictions = {"score": np.linspace(0, 1, 20), "time": np.arange(1.0, 21)}
    limits = {"time": (5.0, 20.0)}

    def drawn(seed):
        strategy = StrategySettings(2, 0, constraints=limits, random_children=3, seed=seed)
        return select(canonical, predictions, space, strategy, 2).random.tolist()

    counts = np.bincount(np.concatenate([drawn(seed) for seed in range(400)]), minlength=20)
    # 14 of 16 allowed ones are left beside the two best; each is drawn in 3 of 14 searches.
    assert counts[:4].sum() == 0 and counts[18:].sum() == 0
    assert counts[4:18].min() > 40 and counts[4:18].max() < 135
    assert drawn(7) == drawn(7)


@given(
    st.integers(1, 40),
    st.integers(0, 12),
    st.integers(1, 50),
    st.booleans(),
    st.sampled_from([0.01, 0.3, 1]),
    st.sampled_from([0.0, 0.25, 0.3, 0.9, 1.0]),
)
def test_rounds_share_out_all_children(children, exploring, rounds, is_last, share, by_score):
    strategy = StrategySettings(
        children, exploring, rounds=rounds, random_children=5, growth_share=share, score_share=by_score
    )
    number = strategy.num_rounds(is_last=is_last)
    quotas = [strategy.quota(number, is_last=is_last) for number in range(number)]
    growing = max(round(share * children), 1)
    assert sum(quota.children for quota in quotas) == (children if is_last else growing)
    assert sum(quota.exploration for quota in quotas) == (0 if is_last else exploring)
    assert [quota.random for quota in quotas] == [5] + [0] * (len(quotas) - 1)
    assert all(quota.children for quota in quotas)
    assert sum(quota.total for quota in quotas) == strategy.step_quota(is_last=is_last).total
    if by_score == 0:
        assert all(quota.by_score is None for quota in quotas)
    else:  # a step's share, not what is left of it in rounds of few children
        assert all(0 <= quota.by_score <= quota.children for quota in quotas)
        whole = children if is_last else growing
        assert sum(quota.by_score for quota in quotas) == int(by_score * whole)


def test_the_best_scores_have_their_share_of_a_step_of_small_rounds():
    strategy = StrategySettings(12, score_share=0.25, rounds=4)
    assert [strategy.quota(number, is_last=True).by_score for number in range(4)] == [0, 1, 1, 1]


def test_exact_objectives_are_not_rounded():
    space = SearchSpace("abc", 3, 2)
    canonical = candidates(space, 2, 1, 0)[:2]
    predictions = {"score": np.array([0.5, 0.5]), "params": np.array([12_345_678, 12_345_677])}
    selection = select(canonical, predictions, space, StrategySettings(2, 0, ("score", "params")), 2)
    assert selection.front.tolist() == [1]
    as_time = {"score": predictions["score"], "time": predictions["params"].astype(float)}
    assert select(canonical, as_time, space, StrategySettings(2, 0), 2).front.tolist() == [0]


def test_an_objective_of_ones_own_may_be_maximized():
    space = SearchSpace("abc", 3, 2)
    canonical = candidates(space, 2, 1, 0)[:3]
    predictions = {"score": np.array([0.5, 0.4, 0.3]), "margin": np.array([1.0, 3.0, 2.0])}
    margin = Objective("margin", "margin", "points", "margin", "margin", is_maximized=True)
    strategy = StrategySettings(4, 0, ("score", margin))
    assert select(canonical, predictions, space, strategy, 2).front.tolist() == [0, 1]


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_predictions_that_are_not_finite_are_an_error(wrong):
    space = SearchSpace("abc", 3, 2)
    canonical = candidates(space, 2, 1, 0)
    predictions = random_predictions(len(canonical), 0, 50)
    predictions["time"][3] = wrong
    with pytest.raises(PredictorError, match="predicted time of 1 of") as caught:
        select(canonical, predictions, space, StrategySettings(2, 0), 2)
    assert str(space.decode(canonical[3:4])[0]) in str(caught.value)


def test_missing_and_misshapen_predictions_are_an_error():
    space = SearchSpace("abc", 3, 2)
    canonical = candidates(space, 2, 1, 0)
    predictions = random_predictions(len(canonical), 0, 50)
    with pytest.raises(PredictorError, match="predictions of 'time'"):
        select(canonical, {"score": predictions["score"]}, space, StrategySettings(2, 0), 2)
    with pytest.raises(PredictorError, match="'time' needs"):
        select(canonical, {**predictions, "time": predictions["time"][1:]}, space, StrategySettings(2, 0), 2)


def test_constraints_that_nothing_meets_select_nothing():
    space = SearchSpace("abc", 3, 2)
    canonical = candidates(space, 2, 1, 0)
    predictions = random_predictions(len(canonical), 0, 50)
    for is_pnas in (False, True):
        strategy = StrategySettings(2, 3, ("score", "time"), is_pnas, {"params": (-2, -1)})
        selection = select(canonical, predictions, space, strategy, 2)
        assert len(selection.front) == len(selection.exploration) == 0
