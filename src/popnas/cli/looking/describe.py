"""`popnas describe`: a cell's figures, the search space or the schedule, without training."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from popnas import files
from popnas.cli.terminal.options import config_option, gathered, json_option, set_option
from popnas.cli.terminal.output import echo, print_json_line, print_table
from popnas.command_lines import as_typed

if TYPE_CHECKING:
    from popnas.config import RunConfig
    from popnas.workflows.describe import CellDescription


@dataclass(frozen=True)
class _Asked:
    """What is described: one of these.

    Raises:
        UsageError: none of them, or several.
    """

    spec: str | None
    specs: Path | None
    is_space: bool
    steps_per_epoch: int | None

    def __post_init__(self) -> None:
        given = (
            self.spec is not None,
            self.specs is not None,
            self.is_space,
            self.steps_per_epoch is not None,
        )
        if sum(given) != 1:
            raise click.UsageError(
                "give exactly one of --spec CELL, --specs FILE, --space, --schedule STEPS_PER_EPOCH"
            )


@dataclass(frozen=True)
class _OfTheData:
    """What of the data a network depends on; None: as they are."""

    input_shape: str | None
    classes: int | None


def _refuse_bare(_context: click.Context, _argument: click.Parameter, words: tuple[str, ...]) -> None:
    if words:
        raise click.UsageError(_instead(" ".join(words)))


def _instead(given: str) -> str:
    """What was meant by a word that is no option's: a cell, or a run."""
    if given.lstrip().startswith(("[", "(")):
        return f"a cell is given with --spec: {as_typed('describe', '--spec', given)}"
    if files.user_path(given).is_dir():
        return (
            f"it describes cells, given with --spec CELL or --specs FILE; what a run found is shown by "
            f"{as_typed('report', files.user_path(given))}, its best cells by "
            f"{as_typed('pick', files.user_path(given))}"
        )
    return (
        f"popnas describe takes no argument '{given}': a cell is given with --spec, many with --specs FILE."
    )


@click.command("describe")
@click.argument("bare", nargs=-1, metavar="", expose_value=False, callback=_refuse_bare)
@config_option
@set_option
@click.option(
    "--spec", metavar="CELL", help='A cell, e.g. "[(-1, 3x3 conv, -2, identity)]"; "[]" is the empty one.'
)
@click.option("--specs", metavar="FILE", type=click.Path(path_type=Path), help="A file with one cell a line.")
@click.option(
    "--input-shape", metavar="SHAPE", help="E.g. 32x32x3, or 150x3 for series.  [default: that of the data]"
)
@click.option(
    "--classes",
    metavar="N",
    type=click.IntRange(min=1),
    help="Number of classes.  [default: that of the data]",
)
@click.option(
    "--operator-costs",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="JSON map of operators' costs, for the features of the time predictors.",
)
@click.option("--space", "is_space", is_flag=True, help="Instead: the number of new blocks of each step.")
@click.option(
    "--schedule",
    "steps_per_epoch",
    metavar="STEPS_PER_EPOCH",
    type=click.IntRange(min=1),
    help="Instead: learning rate and weight decay of each step.",
)
@json_option
@gathered(asked=_Asked, data=_OfTheData)
def command(
    source: str,
    sets: Sequence[str],
    asked: _Asked,
    data: _OfTheData,
    operator_costs: Path | None,
    is_json: bool,
) -> None:
    """Describe cells without training: params, FLOPs, stacked cells, bytes between cells.

    With --json one JSON object a line, in the order of the cells.
    """
    from popnas.workflows import describe
    from popnas.workflows.settings import load_config

    config = load_config(source, sets=sets)
    if asked.is_space:
        _print_space(describe.new_blocks(config), is_json=is_json)
        return
    if asked.steps_per_epoch is not None:
        rates, decays = describe.schedule(config, asked.steps_per_epoch)
        _print_schedule(rates, decays, asked.steps_per_epoch, is_json=is_json)
        return
    costs = None if operator_costs is None else describe.read_operator_costs(operator_costs)
    num_dims = _num_dims(config)
    if asked.specs is not None:
        cells = describe.read_cells(asked.specs, num_dims)
    else:
        cells = [describe.read_cell(asked.spec or "", num_dims)]
    network_spec = describe.network_spec(config, data.input_shape, data.classes)
    _print_cells(describe.describe_cells(cells, network_spec, costs), is_json=is_json)


def _num_dims(config: RunConfig) -> int:
    from popnas import tasks

    return tasks.get(config.dataset.type).num_dims


def _print_space(new_blocks: Sequence[int], *, is_json: bool) -> None:
    if is_json:
        print_json_line(json.dumps({"new_blocks": list(new_blocks)}))
        return
    print_table(
        ["step", "new blocks per cell"], [[step, f"{count:,}"] for step, count in enumerate(new_blocks, 1)]
    )


def _print_schedule(
    rates: Sequence[float], decays: Sequence[float], steps_per_epoch: int, *, is_json: bool
) -> None:
    if is_json:
        print_json_line(json.dumps({"learning_rate": list(rates), "weight_decay": list(decays)}))
        return
    rows = [
        [step // steps_per_epoch + 1, step, f"{rates[step]:.6g}", f"{decays[step]:.6g}"]
        for step in range(0, len(rates), steps_per_epoch)
    ]
    print_table(["epoch", "first step", "learning rate", "weight decay"], rows)


def _print_cells(described: Sequence[CellDescription], *, is_json: bool) -> None:
    if is_json:
        for description in described:
            print_json_line(json.dumps(description.to_json()))
        return
    print_table(
        ["cells stacked", "params", "FLOPs", "canonical form"],
        [
            [
                description.cells_stacked,
                f"{description.params:,}",
                f"{description.flops:,}",
                description.canonical,
            ]
            for description in described
        ],
    )
    if len(described) == 1:
        _print_details(described[0])


def _print_details(description: CellDescription) -> None:
    from popnas.predictors.features import TIME_FEATURES

    if description.partitions:
        echo()
        print_table(["cut", "bytes"], [[cut, f"{size:,}"] for cut, size in description.partitions.items()])
    if description.time_features is not None:
        echo()
        values = [f"{value:.6g}" for value in description.time_features]
        print_table(["time feature", "value"], list(zip(TIME_FEATURES, values, strict=True)))
