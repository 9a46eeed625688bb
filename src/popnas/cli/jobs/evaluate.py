"""`popnas evaluate`: trained networks on test data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from popnas.cli.terminal.json_log import log_json_option
from popnas.cli.terminal.options import (
    check_is_there,
    json_option,
    model_option,
    moved_option,
    run_option,
    tell_of_training,
)
from popnas.cli.terminal.output import echo, echo_events, print_json, print_table
from popnas.cli.terminal.part_of_job import clocked
from popnas.events import JobEvent, Told, Warned
from popnas.printable import quoted

if TYPE_CHECKING:
    from popnas.workflows.models.evaluation import ModelEvaluation


@click.command("evaluate")
@run_option
@model_option
@click.option("--top", is_flag=True, help="All models of the run's model selection.")
@moved_option
@json_option
@log_json_option
def command(run: Path, model: Path | None, top: bool, sets: tuple[str, ...], is_json: bool) -> None:
    """Test metrics per head and class, calibration and confusion matrices of trained networks.

    They are written into the model's folder: eval.json, eval.html, test_confusion_matrix. A model without
    test data is skipped.
    """
    if top and model is not None:
        raise click.UsageError("-f names one model, --top takes all of the selection: give one of the two.")
    check_is_there(run)
    said: list[JobEvent] = []
    try:
        found = _evaluated(run, model, top=top, sets=sets, said=said, is_quiet=is_json)
        if is_json:
            print_json(
                [
                    {
                        "path": str(item.path),
                        "skipped": item.skipped,
                        "eval": None if item.result is None else item.result.to_json(),
                    }
                    for item in found
                ]
            )
        else:
            _print(found)
    finally:  # what is said is about the figures, which stand first
        for event in said:
            echo_events(event)
    if model is None and found:
        tell_of_training(found[0].path)


def _evaluated(
    run: Path, model: Path | None, *, top: bool, sets: tuple[str, ...], said: list[JobEvent], is_quiet: bool
) -> list[ModelEvaluation]:
    """What is told goes to `said`, but for how far it is, which a bar shows meanwhile."""
    from popnas.cli.terminal.model_progress import model_listener

    with model_listener(is_quiet=is_quiet) as draw:

        def hear(event: JobEvent) -> None:
            if isinstance(event, Told | Warned):
                said.append(event)
            else:
                draw(event)

        tell = clocked(hear)
        # A workflow loads torch: only once the command line is known to be right, and somebody sees that
        # something goes on.
        from popnas.workflows.models.evaluation import evaluate

        return evaluate(run, model, top=top, sets=sets, tell=tell)


def _print(found: Sequence[ModelEvaluation]) -> None:
    done = [item for item in found if item.result is not None]
    if not done:
        return
    names = list(done[0].metrics)
    rows = []
    for item in done:
        assert item.result is not None
        figures = [f"{item.metrics[name]:.4f}" for name in names]
        error = item.result.calibration.expected_calibration_error
        rows.append(
            [quoted(item.path), *figures, f"{error:.4f}", f"{item.result.model.description.params:,}"]
        )
    print_table(["model", *names, "calibration error", "params"], rows)
    pages = [quoted(item.page) for item in done if item.page is not None]
    if pages:
        echo(f"Pages: {', '.join(pages)}")
