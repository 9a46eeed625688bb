"""Searches of popnas, and a random choice in place of their predictors: planned for a number of networks."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from popnas import config as configurations
from popnas import evaluators
from popnas.cells import Cell
from popnas.config import RunConfig
from popnas.config.sections import MOST_CHILDREN
from popnas.datasets.npz.members import NpzMembers
from popnas.errors import UserError
from popnas.evaluators import Evaluator
from popnas.evaluators.table import stored
from popnas.records import Json, part
from popnas.runs import RunState
from popnas.seeds import derive_seed
from popnas.strategy import Proposal
from popnas.tasks.image_classification import ImageClassification
from popnas.workflows.searching import surrogates
from popnas.workflows.searching.in_memory import MemorySearch
from popnas.workflows.searching.steps import Grow, SearchSteps
from popnas.workflows.settings import load_config, max_networks
from popnas.workflows.tables import nasbench201
from popnas.workflows.tables.comparing.named import OF_OTHERS
from popnas.workflows.tables.comparing.named import merged as merged_named
from popnas.workflows.tables.comparing.request import CompareRequest, NamedConfig
from popnas.workflows.tables.request import BenchmarkRequest

_REMEDY = "Give a table of `popnas bench build`, or figures that `popnas bench nasbench201` made."


def is_cells(path: Path) -> bool:
    """Whether a file is a table of cells, and not of NAS-Bench-201.

    Raises:
        DataError: no readable file of arrays.
    """
    members = NpzMembers(path, _REMEDY, _REMEDY)
    return "format" in members.names and str(members.read("format")) == stored.FORMAT


def default_config(table: Path, request: CompareRequest, seed: int) -> RunConfig:
    """The search over a table: of cells as it was built for, over its whole space; of NAS-Bench-201 as
    `popnas bench nasbench201` does it natively.

    Raises:
        UserError: a table that cannot be read, or has no such fidelity.
    """
    if not is_cells(table):
        if request.blocks is not None:
            raise UserError(f"`blocks` {request.blocks}: NAS-Bench-201 is searched whole. Leave it out.")
        asked = BenchmarkRequest("native", request.data_set, request.epochs or 12, seed=seed)
        config = nasbench201.configuration(table, asked, seed)
        changes: Json = {"search_strategy.additional_pareto_objectives": [request.objective]}
        return configurations.changed(config, changes)
    found = stored.read(table)
    built = part(found.provenance, "configuration")
    space = found.space
    document: Json = {
        "search_space": {
            "blocks": request.blocks or space.num_blocks,
            "lookback_depth": space.lookback_depth,
            "operators": list(space.operators),
        },
        "search_strategy": {
            "score_metric": found.metric_names.tolist()[0],
            **part(built, "search_strategy"),
            "additional_pareto_objectives": [request.objective],
        },
        "training_hyperparameters": {"epochs": request.epochs or int(found.epochs[-1])},
        "dataset": {"type": part(built, "dataset").get("type", ImageClassification.name), "path": str(table)},
        "others": {**_of_search(built), "evaluator": "table", "seed": seed, "trackers": []},
    }
    return load_config(document)


def _of_search(built: Json) -> Json:
    """Of the section `others` of a configuration what says how it searches."""
    return {name: value for name, value in part(built, "others").items() if name in OF_OTHERS}


def num_firsts(evaluator: Evaluator) -> int:
    """How many cells of no and of one block a search evaluates."""
    steps = SearchSteps(evaluator, RunState(), lambda *_: None)
    return sum(len(steps.firsts(step)) for step in (0, 1))


def planned(base: RunConfig, named: NamedConfig | None, networks: int) -> RunConfig:
    """A search's configuration for so many networks: K, exploration, random cells and repeats in the ratio
    that they have, as many as fit beside those of the first two steps, unless the named configuration says.

    Raises:
        ConfigError: the named configuration is none over `base`.
        UserError: its repeats leave no networks to choose among.
    """
    merged = _merged(base, named)
    strategy, firsts = merged.search_strategy, num_firsts(evaluators.create(merged))
    beside = ("max_exploration_children", "random_children")
    shares = {name: getattr(strategy, name) / strategy.max_children for name in beside}

    def with_children(children: int) -> RunConfig:
        changes: Json = {
            "search_strategy.max_children": children,
            **{
                f"search_strategy.{name}": min(round(share * children), MOST_CHILDREN)
                for name, share in shares.items()
            },
        }
        found = _merged(configurations.changed(base, changes), named)
        repeats = round(strategy.repeats / strategy.max_children * found.search_strategy.max_children)
        return configurations.changed(found, {"search_strategy.repeats": min(repeats, MOST_CHILDREN)})

    def most(children: int) -> int:
        config = with_children(children)
        steps = range(2, config.search_space.blocks + 1)
        return firsts + config.search_strategy.repeats + sum(max_networks(config, step) for step in steps)

    # More a step no configuration may ask for, however many networks there are.
    fitting = bisect.bisect_right(range(1, min(networks, MOST_CHILDREN) + 1), networks, key=most)
    found = with_children(max(fitting, 1))
    if (repeats := found.search_strategy.repeats) >= networks:
        who = "the search" if named is None else f"the search '{named.name}'"
        raise UserError(
            f"`networks` {networks}: {who} trains {repeats} of them again (search_strategy.repeats), which "
            f"leaves none to choose among. Give more than {repeats} networks, or fewer repeats."
        )
    return found


def _merged(base: RunConfig, named: NamedConfig | None) -> RunConfig:
    return base if named is None else merged_named(base, named)


def search(evaluator: Evaluator, networks: int) -> RunState:
    """A search that trains at most so many, what it trains again among them."""
    return _ended(evaluator, networks, None)


def random_choice(evaluator: Evaluator, networks: int) -> RunState:
    """The same steps, in which as many expansions are drawn evenly as a search may train."""
    return _ended(evaluator, networks, _growing_at_random)


def _ended(evaluator: Evaluator, networks: int, grow_by: Callable[[SearchSteps], Grow] | None) -> RunState:
    """What is trained again is left for the end, also where the steps are cut."""
    most = networks - evaluator.config.search_strategy.repeats
    assert most > 0, "budgets that repeats use up are refused"
    found = MemorySearch(evaluator, most, grow_by)
    found.run()
    return found.state


def _growing_at_random(steps: SearchSteps) -> Grow:
    config = steps.evaluator.config

    def grow(step: int, round_number: int, parents: Sequence[Cell]) -> list[Proposal]:
        if round_number:
            return []  # all are drawn at once: nothing is learnt between rounds
        expansion = surrogates.expanded(step, parents, steps.evaluator)
        rng = np.random.default_rng(derive_seed(config.others.seed, "random choice", step))
        drawn = rng.permutation(len(expansion))[: max_networks(config, step)]
        return [Proposal(cell) for cell in steps.space.decode(expansion.canonical[drawn])]

    return grow


def in_pnas_mode(config: RunConfig) -> RunConfig:
    """The same search by predicted scores alone."""
    return configurations.changed(config, {"others.pnas_mode": True})
