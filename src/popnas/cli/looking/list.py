"""`popnas list`: the registered parts, and the runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from popnas import files
from popnas.cli.terminal.options import json_option
from popnas.cli.terminal.output import echo, print_json, print_table
from popnas.command_lines import as_typed
from popnas.errors import UserError
from popnas.printable import quoted
from popnas.records import Json, part

if TYPE_CHECKING:
    from popnas.config import RunConfig
    from popnas.runs import RunFolder

Row = Json
_LOGS = Path("logs")


@click.group()
def command() -> None:
    """Show what there is to choose from, your own parts among it."""


def _listing(name: str) -> Callable[[Callable[[], Iterator[Row]]], click.Command]:
    """Make a subcommand of a function that yields rows of the same keys; its docstring is the help."""

    def declare(rows: Callable[[], Iterator[Row]]) -> click.Command:
        @command.command(name, help=rows.__doc__)
        @json_option
        def listing(is_json: bool) -> None:
            _show(list(rows()), is_json)

        return listing

    return declare


def _show(rows: list[Row], is_json: bool) -> None:
    if is_json:
        print_json(rows)
    elif rows:
        headers = [key.replace("_", " ") for key in rows[0]]
        print_table(headers, [[_text(value) for value in row.values()] for row in rows])


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, float):
        return f"{value:.4f}"
    return "" if value is None else str(value)


@_listing("operators")
def operators() -> Iterator[Row]:
    """Families of operators, and how to name one."""
    from popnas.operators import REGISTRY

    words = {1: "series", 2: "images"}
    for name, family in REGISTRY.items():
        yield {
            "family": name,
            "form": family.grammar,
            "examples": list(family.examples),
            "for": [words[num_dims] for num_dims in sorted(family.num_dims_allowed, reverse=True)],
            "description": REGISTRY.description(name),
        }


@_listing("predictors")
def predictors() -> Iterator[Row]:
    """Surrogate models (others.predictors), and whether they predict the score or times."""
    from popnas.predictors import REGISTRY

    for name, predictor in REGISTRY.items():
        yield {
            "name": name,
            "predicts": predictor.objective,
            "description": REGISTRY.description(name),
        }


@_listing("objectives")
def objectives() -> Iterator[Row]:
    """What a search can optimise."""
    from popnas.objectives import REGISTRY

    for name, objective in REGISTRY.items():
        yield {
            "name": name,
            "direction": objective.direction,
            "unit": objective.unit,
            "origin": objective.origin,
            "description": REGISTRY.description(name),
        }


@_listing("macros")
def macros() -> Iterator[Row]:
    """Macro-architectures: how cells are stacked to a network."""
    from popnas.networks.macros import MACROS, of_cells

    for name in of_cells():
        yield {"name": name, "description": MACROS.description(name)}


@_listing("evaluators")
def evaluators() -> Iterator[Row]:
    """What may stand behind a candidate (others.evaluator), and what it measures or computes."""
    from popnas.evaluators import REGISTRY

    for name, evaluator in REGISTRY.items():
        yield {
            "name": name,
            "objectives": list(evaluator.objectives()),
            "has_weights": evaluator.has_weights,
            "description": REGISTRY.description(name),
        }


@_listing("trackers")
def trackers() -> Iterator[Row]:
    """Where the figures of trainings go while they run."""
    from popnas.trackers import REGISTRY

    for name in REGISTRY.names():
        yield {"name": name, "description": REGISTRY.description(name)}


@_listing("executors")
def executors() -> Iterator[Row]:
    """Where candidates are evaluated (others.executor.kind)."""
    from popnas.executors import REGISTRY

    for name in REGISTRY.names():
        yield {"name": name, "description": REGISTRY.description(name)}


@_listing("tasks")
def tasks() -> Iterator[Row]:
    """Kinds of work (dataset.type) and their metrics."""
    from popnas import tasks as room

    for name in room.REGISTRY.names():
        task = room.get(name)
        yield {
            "name": name,
            "score_metrics": list(task.score_metrics),
            "description": room.REGISTRY.description(name),
        }


@_listing("datasets")
def datasets() -> Iterator[Row]:
    """Known data sets, and layouts of your own data."""
    from popnas.datasets import SOURCES

    for name, source_class in SOURCES.items():
        source = source_class()
        yield {
            "source": name,
            "names": list(source.data_sets()),
            "path": source.layout,
            "tasks": sorted(source.tasks),
            "description": SOURCES.description(name),
        }


@_listing("presets")
def presets() -> Iterator[Row]:
    """Configurations that come with popnas (-j; after the search -jms and -jlt), and how large they are.

    A search's networks are those of all its steps at most, without repeats and confirmation.
    """
    from popnas import config
    from popnas.workflows.settings import load_config

    for name in [*config.preset_names(), *config.partial_preset_names()]:
        whole = load_config(name) if name in config.preset_names() else None
        row = _of_search(whole) if whole is not None else _of_later_stage(name)
        yield {"name": name, **row, "description": config.preset_description(name)}


def _of_search(config: RunConfig) -> Row:
    from popnas.cells import Block, Cell
    from popnas.strategy import ProgressiveSearch
    from popnas.workflows.settings import max_networks, strategy_settings

    data, later = config.dataset, range(2, config.search_space.blocks + 1)
    strategy = ProgressiveSearch(config.space, strategy_settings(config))
    of_operators = [Cell((Block(-1, name, -1, name),)) for name in config.space.operators]
    num_firsts = sum(len(strategy.proposals(step, needed=of_operators)) for step in (0, 1))
    return {
        "for": "search",
        "data": data.name or data.path,
        "networks": num_firsts + sum(max_networks(config, step) for step in later),
        "epochs": config.training_hyperparameters.epochs,
    }


def _of_later_stage(name: str) -> Row:
    from popnas import config

    document = files.object_of((config.preset_text(name) or "").encode())
    return {
        "for": "model selection" if name.startswith("model_selection") else "final training",
        "data": None,
        "networks": None,
        "epochs": part(document, "training_hyperparameters").get("epochs"),
    }


@command.command("runs")
@click.argument("folder", metavar="[FOLDER]", type=click.Path(path_type=Path), required=False)
@click.option(
    "--logs",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    default=_LOGS,
    show_default=True,
    hidden=True,  # as it was before FOLDER
)
@json_option
def runs(folder: Path | None, logs: Path, is_json: bool) -> None:
    """The runs in a folder, the newest last; or that one run, if FOLDER is one."""
    logs = folder or logs
    if logs != _LOGS and not files.is_folder(logs):
        raise UserError(f"{quoted(logs)} {files.missing(logs)} Give the folder of runs, or one run.")
    places = [logs] if (logs / "restore").is_dir() else [path.parent for path in logs.glob("*/restore")]
    folders = places if logs.is_dir() else []
    rows = [_run_row(path) for path in sorted(folders, key=lambda path: path.stat().st_mtime)]
    if not rows and not is_json:
        echo(f"No runs below {quoted(logs)}.", err=True)
    _show(rows, is_json)


def _run_row(path: Path) -> Row:
    from popnas.errors import PopnasError
    from popnas.runs import RunFolder

    names = ("run", "data", "steps", "trained", "failed", "best_score", "best_cell", "state")
    row: Row = {**dict.fromkeys(names), "run": path.name}
    try:
        return {**row, **_run_facts(RunFolder.open(path))}
    except PopnasError as error:
        return {**row, "state": f"unreadable: {error}"}


def _run_facts(folder: RunFolder) -> Row:
    state = folder.state()
    config = folder.config_json()
    dataset, best = part(config, "dataset"), state.best
    blocks = part(config, "search_space").get("blocks")
    num_steps = blocks + 1 if isinstance(blocks, int) else 1
    return {
        "data": dataset.get("name") or dataset.get("path"),
        "steps": f"{len(state.finished_steps)} of {num_steps}",
        "trained": len(state.successes),
        "failed": len(state.evaluations) - len(state.successes),
        "best_score": best.score if best else None,
        "best_cell": best.cell if best else None,
        "state": state.finish_reason or f"unfinished; go on with: {as_typed('search', '-r', folder.path)}",
    }
