"""What every method of a comparison keeps to: nothing twice, nothing that is not there, budget and seed."""

from __future__ import annotations

import itertools
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from popnas import evaluators
from popnas.cells import Cell, SearchSpace, bulk
from popnas.cells.space import NO_BLOCK
from popnas.evaluators.nasbench201 import architectures, mapping
from popnas.evaluators.nasbench201 import stored as stored_nasbench201
from popnas.evaluators.table import stored
from popnas.workflows.tables.comparing import progressive, walks
from popnas.workflows.tables.comparing.ground import Ground, ground_of
from popnas.workflows.tables.comparing.neighbours import neighbours
from popnas.workflows.tables.comparing.request import WALKS, CompareRequest, NamedConfig
from popnas.workflows.tables.comparing.trial import Trial, TrialContext, TrialSetup, Tried

sys.path.insert(0, str(Path(__file__).parents[2] / "evaluators"))
import made_nasbench201
from made_tables import all_cells, made, rows_of

KINDS = ("whole", "sampled", "nasbench201")
REQUEST = CompareRequest(networks=(14, 30), seconds=(50.0,))


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("tables")
    whole = made(3, 1)
    kept = np.flatnonzero((whole.num_blocks < 3) | (np.arange(len(whole.cells)) % 5 == 0))
    stored.write(folder / "whole.npz", whole)
    stored.write(folder / "sampled.npz", rows_of(whole, kept))
    stored_nasbench201.write(folder / "nasbench201.npz", made_nasbench201.made())
    return {kind: folder / f"{kind}.npz" for kind in KINDS}


@pytest.fixture(scope="module")
def contexts(tables: dict[str, Path]) -> dict[str, TrialContext]:
    return {kind: TrialContext(TrialSetup(str(path), REQUEST)) for kind, path in tables.items()}


def needed(method: str) -> None:
    if method == "nsga2":
        pytest.importorskip("optuna")


def trial_of(method: str, seed: int, networks: int = 30) -> Trial:
    return Trial(method, seed, None if method in WALKS else networks)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", WALKS)
@settings(max_examples=5, phases=(Phase.explicit, Phase.generate))
@given(seed=st.integers(0, 2**31 - 1))
def test_walks_keep_to_the_rules(
    contexts: dict[str, TrialContext], kind: str, method: str, seed: int
) -> None:
    needed(method)
    ground = contexts[kind].ground
    tried = contexts[kind].tried(Trial(method, seed))
    assert len(set(tried.rows)) == len(tried.rows)
    assert set(tried.rows) <= set(ground.open_rows.tolist())
    # Neither budget is left unused, and what was last was still within one of them.
    spent = np.cumsum(ground.seconds[list(tried.rows), list(tried.trainings)])
    assert len(tried.rows) >= 30 and spent[-1] >= 50
    assert len(tried.rows) == 30 or spent[-2] < 50
    assert tried == contexts[kind].tried(Trial(method, seed))


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        ("search", "sampled"),
        ("search", "nasbench201"),
        ("pnas", "sampled"),
        *(("progressive-random", kind) for kind in KINDS),
    ],
)
def test_progressive_methods_keep_to_the_rules(
    contexts: dict[str, TrialContext], method: str, kind: str
) -> None:
    ground = contexts[kind].ground
    tried = contexts[kind].tried(Trial(method, 11, 30))
    codes, counts = np.unique(mapping.native().codes, return_counts=True)
    # Of NAS-Bench-201 five architectures are written by cells of one block and of two.
    several = set(codes[counts > 1].tolist()) if kind == "nasbench201" else set()
    once = [row for row in tried.rows if row not in several]
    assert len(several) in (0, 5) and len(set(once)) == len(once) > 5
    assert 10 <= len(tried.rows) <= 30
    assert all(training < ground.num_trainings[row] for row, training in zip(*both(tried), strict=True))
    assert tried == contexts[kind].tried(Trial(method, 11, 30))


def both(tried: Tried) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return tried.rows, tried.trainings


@pytest.mark.parametrize("method", ["progressive-random", *WALKS])
def test_another_seed_is_another_search(contexts: dict[str, TrialContext], method: str) -> None:
    needed(method)
    assert len({contexts["whole"].tried(trial_of(method, seed)) for seed in range(4)}) > 1


@pytest.mark.parametrize("method", WALKS)
def test_a_walk_ends_when_all_is_known(tmp_path: Path, method: str) -> None:
    needed(method)
    request = CompareRequest(networks=(10_000,))
    path = tmp_path / "small.npz"
    stored.write(path, made(2, 1))
    context = TrialContext(TrialSetup(str(path), request))
    tried = context.tried(Trial(method, 3))
    assert sorted(tried.rows) == context.ground.open_rows.tolist()


@pytest.mark.parametrize("method", ["progressive-random", "pnas", "mine"])
@pytest.mark.parametrize("networks", [7, 14])
def test_progressive_methods_use_no_more_than_they_are_planned_for(
    tables: dict[str, Path], method: str, networks: int
) -> None:
    mine = NamedConfig("mine", {}, ("search_strategy.max_children=9",))
    request = CompareRequest(methods=("search",), configs=(mine,), networks=(networks,))
    tried = TrialContext(TrialSetup(str(tables["whole"]), request)).tried(Trial(method, 0, networks))
    assert len(tried.rows) <= networks
    if method == "mine" or networks == 7:  # a K that does not fit is cut where the networks are used up
        assert len(tried.rows) == networks


@pytest.mark.parametrize("networks", [10, 20, 31, 60])
def test_the_largest_search_that_fits_is_planned(tables: dict[str, Path], networks: int) -> None:
    request = CompareRequest()
    base = progressive.default_config(tables["whole"], request, 0)
    share = base.search_strategy.max_exploration_children / base.search_strategy.max_children
    found = progressive.planned(base, None, networks).search_strategy

    def most(children: int) -> int:
        return 7 + 2 * children + round(share * children)

    assert most(found.max_children) <= networks < most(found.max_children + 1)
    assert found.max_exploration_children == round(share * found.max_children)


def test_what_a_named_configuration_says_stays(tables: dict[str, Path]) -> None:
    base = progressive.default_config(tables["whole"], CompareRequest(), 5)
    partial = {
        "search_strategy": {"max_children": 3},
        "others": {"seed": 9, "evaluator": "training"},
        "dataset": {"name": "digits"},
    }
    found = progressive.planned(base, NamedConfig("mine", partial, ("search_space.blocks=2",)), 30)
    assert (found.search_strategy.max_children, found.search_space.blocks) == (3, 2)
    assert (found.others.seed, found.others.evaluator) == (5, "table")
    assert found.dataset == base.dataset


# --- neighbours ---


def test_neighbours_are_exactly_the_cells_one_change_away() -> None:
    """Against every cell of a space: those that some writing of the cell becomes by one change."""
    space = SearchSpace(["a", "b"], 3, 1)
    every = [cell for cell in space.decode(all_cells(space)) if len(cell)]
    rng = np.random.default_rng(0)
    for place in rng.choice(len(every), 8, replace=False):
        cell = every[place]
        found = neighbours(space.encode([cell], 3)[0], space)
        known = {str(item) for item in space.decode(bulk.canonicalize(found))} - {str(cell)}
        assert known == {str(other) for other in every if other != cell and _one_change(cell, other, space)}


def _one_change(cell: Cell, other: Cell, space: SearchSpace) -> bool:
    return abs(len(cell) - len(other)) < 2 and any(
        _differs_once(one, two) for one in _writings(cell) for two in _writings(other)
    )


@cache
def _writings(cell: Cell) -> list[list[tuple[object, ...]]]:
    """The cell with its blocks in every order in which each stands after those that it reads, and with halves
    either way."""
    blocks = [(block.in1, block.op1, block.in2, block.op2) for block in cell.blocks]
    found = []
    for order in itertools.permutations(range(len(blocks))):
        number = {old: new for new, old in enumerate(order)}
        written = [
            (number.get(a, a), op, number.get(b, b), other) for a, op, b, other in (blocks[i] for i in order)
        ]
        if all(max(a, b) < place for place, (a, _, b, _) in enumerate(written)):
            for swaps in itertools.product([False, True], repeat=len(written)):
                found.append(
                    [
                        (b, q, a, p) if swap else (a, p, b, q)
                        for swap, (a, p, b, q) in zip(swaps, written, strict=True)
                    ]
                )
    return found


def _differs_once(one: list[tuple[object, ...]], other: list[tuple[object, ...]]) -> bool:
    if len(one) == len(other):
        return sum(a != b for x, y in zip(one, other, strict=True) for a, b in zip(x, y, strict=True)) == 1
    shorter, longer = sorted((one, other), key=len)
    return len(longer) == len(shorter) + 1 and longer[: len(shorter)] == shorter


@pytest.mark.parametrize("kind", KINDS)
def test_being_near_is_mutual(contexts: dict[str, TrialContext], kind: str) -> None:
    ground = contexts[kind].ground
    rng = np.random.default_rng(1)
    for row in rng.choice(ground.open_rows, 20).tolist():
        near = ground.neighbours(row)
        assert row not in near and len(np.unique(near)) == len(near)
        assert all(row in ground.neighbours(other) for other in near.tolist())


def test_architectures_have_their_24_neighbours(contexts: dict[str, TrialContext]) -> None:
    ground = contexts["nasbench201"].ground
    near = ground.neighbours(9_000)
    differ = architectures.edges(near) != architectures.edges(np.array([9_000]))
    assert len(near) == 24 and (differ.sum(axis=1) == 1).all()


@pytest.mark.parametrize("kind", KINDS)
def test_genes_reach_every_candidate(contexts: dict[str, TrialContext], kind: str) -> None:
    ground = contexts[kind].ground
    rng = np.random.default_rng(2)
    genes = [[int(rng.integers(count)) for count in ground.choices] for _ in range(400)]
    assert set(map(ground.decode, genes)) <= set(ground.open_rows.tolist())
    if kind == "nasbench201":
        every = architectures.edges(ground.open_rows[::97]).tolist()
        assert [ground.decode(edges) for edges in every] == ground.open_rows[::97].tolist()
        return
    space = SearchSpace(made(3, 1).operators.tolist(), 3, 1)
    cells = stored.read(Path(contexts[kind].setup.table)).cells
    for row in ground.open_rows[:: max(1, len(ground.open_rows) // 40)].tolist():
        blocks = cells[row].tolist()
        values = [
            part
            for index, (in1, op1, in2, op2) in enumerate(blocks)
            for part in ((in1 + 1, op1, in2 + 1, op2) if op1 >= 0 else (0, 0, 0, 0))
        ]
        number = sum(op1 >= 0 for _, op1, _, _ in blocks)
        assert ground.decode([number - 1, *values]) == row
    assert space.num_operators == ground.choices[2] and NO_BLOCK[1] == -1


@pytest.mark.parametrize("method", ["progressive-random", *WALKS])
def test_cells_may_be_of_fewer_blocks(tables: dict[str, Path], method: str) -> None:
    needed(method)
    request = CompareRequest(networks=(30,), blocks=2)
    context = TrialContext(TrialSetup(str(tables["sampled"]), request))
    blocks = bulk.num_blocks(stored.read(tables["sampled"]).cells)
    tried = context.tried(trial_of(method, 1))
    assert set(blocks[list(tried.rows)]) - {0} == {1, 2}
    assert (blocks[context.ground.open_rows] <= 2).all()


# --- what the methods are ---


class Slope(Ground):
    """A smooth ground: 6 digits, the score is how many of them agree with one setting, without noise."""

    def __init__(self) -> None:
        super().__init__()
        self.digits = np.stack(np.unravel_index(np.arange(4**6), (4,) * 6), axis=1)
        self.keys = [str(row) for row in range(len(self.digits))]
        self.num_trainings = np.ones(len(self.digits), dtype=np.int64)
        best = np.array([1, 3, 0, 2, 2, 1])
        self.scores = 1 - np.abs(self.digits - best).sum(axis=1, keepdims=True) / 18
        self.costs = self.digits.sum(axis=1, keepdims=True) + 1.0
        self.seconds = self.costs
        self.open_rows = np.arange(len(self.digits))
        self.choices = [4] * 6

    def _neighbours(self, row: int) -> np.ndarray:
        return np.flatnonzero((self.digits != self.digits[row]).sum(axis=1) == 1)

    def decode(self, genes: object) -> int:
        return int(np.ravel_multi_index(tuple(genes), (4,) * 6))  # type: ignore[call-overload]


@cache
def slope() -> Slope:
    return Slope()


def best_scores(make: walks.MakeWalk, networks: int = 120, seeds: int = 12) -> float:
    found = []
    for seed in range(seeds):
        ground, walk, seen, scores = slope(), make(slope(), seed), None, []
        for _ in range(networks):
            row = next(walk) if seen is None else walk.send(seen)
            seen = walks.Seen(float(ground.scores[row, 0]), float(ground.costs[row, 0]))
            scores.append(seen.score)
        found.append(max(scores))
    return float(np.mean(found))


def test_evolution_and_local_search_find_more_than_chance_on_a_slope() -> None:
    by_chance = best_scores(walks.random)
    assert best_scores(walks.evolution) > by_chance + 0.03
    assert best_scores(walks.local_search) > by_chance + 0.03


def test_nsga2_finds_more_than_chance_on_a_slope() -> None:
    pytest.importorskip("optuna")
    from popnas.workflows.tables.comparing.nsga2 import nsga2

    assert best_scores(nsga2, 200, 5) > best_scores(walks.random, 200, 5)


def test_local_search_sees_all_neighbours_of_the_best_before_it_moves() -> None:
    ground = slope()
    walk = walks.local_search(ground, 4)
    start = row = next(walk)
    proposed = [start]
    for _ in range(18 * 4):
        row = walk.send(walks.Seen(float(ground.scores[row, 0]), 1.0))
        proposed.append(row)
    best, left = start, set(proposed[1:])
    while near := set(ground.neighbours(best).tolist()) & left:
        if not set(ground.neighbours(best).tolist()) <= {*proposed}:
            break
        left -= near
        best = max(ground.neighbours(best).tolist(), key=lambda item: ground.scores[item, 0])
    assert ground.scores[best, 0] == 1.0 or left <= set(ground.neighbours(best).tolist())


def test_in_evolution_the_oldest_dies_and_children_are_one_change_from_the_living() -> None:
    ground = slope()
    walk = walks.evolution(ground, 1)
    proposed = [next(walk)]
    for _ in range(80):
        proposed.append(walk.send(walks.Seen(float(ground.scores[proposed[-1], 0]), 1.0)))
    for place in range(walks.POPULATION, len(proposed)):
        living = proposed[place - walks.POPULATION : place]
        assert any(proposed[place] in ground.neighbours(parent) for parent in living)


def test_failures_are_worse_than_anything() -> None:
    assert walks.Seen(float("nan"), float("nan")).fitness < walks.Seen(0.0, 1.0).fitness


def test_a_search_here_is_the_search_of_the_table(tables: dict[str, Path]) -> None:
    """Its cells are those that a search in memory of the planned configuration evaluates."""
    request = CompareRequest(methods=("search",), networks=(25,))
    context = TrialContext(TrialSetup(str(tables["whole"]), request))
    tried = context.tried(Trial("search", 2, 25))
    config = progressive.planned(progressive.default_config(tables["whole"], request, 2), None, 25)
    found = progressive.search(evaluators.create(config), 25).evaluations
    assert [context.ground.keys[row] for row in tried.rows] == [item.cell for item in found]
    seen = context.ground.scores[list(tried.rows), list(tried.trainings)]
    np.testing.assert_allclose(seen, [item.score for item in found], atol=1e-6)
    assert isinstance(ground_of(evaluators.create(config), "time"), Ground)
