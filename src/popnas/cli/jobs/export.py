"""`popnas export`: a trained network leaves the run."""

from __future__ import annotations

from pathlib import Path

import click

from popnas.cli.terminal.ending import ENDING, written_to_option
from popnas.cli.terminal.options import (
    check_is_there,
    check_suffix,
    model_option,
    moved_option,
    run_option,
    tell_of_training,
)
from popnas.cli.terminal.output import echo, echo_events
from popnas.printable import quoted

_BEGINS_ANEW = "What lay there before is kept. The same command begins anew."


@click.command("export")
@run_option
@model_option
@click.option("--source", "is_source", is_flag=True, help="One PyTorch file that needs no popnas.")
@click.option(
    "-o",
    "output",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="The folder to write (with --source: the file).  [default: deploy/ or network.py in MODEL]",
)
@moved_option
def command(
    run: Path, model: Path | None, is_source: bool, output: Path | None, sets: tuple[str, ...]
) -> None:
    """Write the deployment folder of a model: ONNX, int8 where it pays, weights, README.

    With --source, write the network as one PyTorch file to read, change and train on.
    """
    check_is_there(run)
    if is_source and output is not None:
        check_suffix(output, ".py")
    with ENDING.going_on(lambda: _BEGINS_ANEW):
        _export(run, model, output, sets, is_source=is_source)


def _export(
    run: Path, model: Path | None, output: Path | None, sets: tuple[str, ...], *, is_source: bool
) -> None:
    # Workflows load torch: only once the command line is known to be right.
    from popnas.workflows.models import deployment
    from popnas.workflows.models.evaluation import find_models
    from popnas.workflows.models.folder import read_data_from

    folder = find_models(run, model)[0]
    read_data_from([folder], sets)
    echo(f"Model: {quoted(folder.path)}")
    if model is None:
        tell_of_training(folder.path)
    if is_source:
        with written_to_option("-o"):
            path = deployment.write_source(folder, output)
        echo(f"Written: {quoted(path)}. Its weights: {quoted(folder.weights)}")
        return
    with written_to_option("-o"):
        deployed = deployment.deploy(folder, output, tell=echo_events).deployment
    assert deployed is not None
    measured = deployed.measured
    echo(f"Written: {quoted(output or folder.deploy)}")
    others = "".join(f", {name} {value:.4f}" for name, value in measured.others)
    echo(f"Accuracy of {measured.file} on {measured.split} data: {measured.accuracy:.4f}{others}")
