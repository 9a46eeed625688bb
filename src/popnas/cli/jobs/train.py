"""`popnas train`: final training."""

from __future__ import annotations

from pathlib import Path

import click

from popnas.cli.terminal.ending import ENDING, SAME_COMMAND
from popnas.cli.terminal.json_log import log_json_option
from popnas.cli.terminal.options import (
    GO_ON,
    batch_size_option,
    check_is_there,
    ensemble_option,
    gathered,
    json_option,
    max_params_option,
    partial_option,
    renew_option,
    run_option,
    set_option,
    strategy_option,
)
from popnas.cli.terminal.output import echo, print_json
from popnas.cli.terminal.part_of_job import clocked
from popnas.printable import counted, quoted
from popnas.workflows.models.choices import NetworkChoice, StageChanges


@click.command("train")
@run_option
@click.option(
    "--spec", "cell", metavar="CELL", help="The cell.  [default: best of selection, else of search]"
)
@click.option(
    "--selection", metavar="NAME", help="Take the best of model_selection/NAME.  [default: the unnamed one]"
)
@click.option("-f", "filters", metavar="N", type=click.IntRange(min=1), help="Filters of the first cell.")
@click.option("-m", "motifs", metavar="N", type=click.IntRange(min=1), help="Motifs.")
@click.option("-n", "normal_cells", metavar="N", type=click.IntRange(min=1), help="Normal cells per motif.")
@partial_option("training")
@batch_size_option
@click.option(
    "-bt",
    "test_batch_size",
    metavar="N",
    type=click.IntRange(min=1),
    help="Batch size of everything that does not train.  [default: the run's]",
)
@strategy_option
@ensemble_option
@max_params_option
@click.option("--name", metavar="NAME", help="A training beside others, in final_training/NAME.")
@set_option
@renew_option
@json_option
@log_json_option
@gathered(network=NetworkChoice, changes=StageChanges)
def command(
    run: Path,
    network: NetworkChoice,
    partial: str | None,
    changes: StageChanges,
    name: str | None,
    renew: bool,
    is_json: bool,
) -> None:
    """Train one network, or an ensemble, on training and validation data together, and export it.

    The network and its deployment folder are in RUN/final_training. The same command goes on with a training
    that was interrupted. An ensemble answers with the mean of its members' probabilities and is one model as
    any other; each member is in a folder of its own, too (member-1, ...).
    """
    check_is_there(run)
    # A workflow loads torch: only once the command line is known to be right.
    from popnas.cli.terminal.model_progress import model_listener
    from popnas.workflows.models import final_training

    with model_listener(is_quiet=is_json) as listener, ENDING.going_on(lambda: SAME_COMMAND):
        trained = final_training.train(
            run, network, partial=partial, changes=changes, name=name, renew=renew, tell=clocked(listener)
        )
    if is_json:
        print_json(trained.to_json())
        return
    if trained.stopped is not None:
        echo(f"The time limit others.max_hours ended this training before its last epoch. {GO_ON}")
    model = quoted(trained.folder / "model.onnx")
    echo(f"Trained for {counted(trained.num_epochs, 'epoch')}. Model: {model}")
    echo(f"To deploy: {quoted(trained.folder / 'deploy')}")
