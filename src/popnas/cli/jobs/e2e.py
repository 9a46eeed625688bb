"""`popnas e2e`: search, model selection and final training in a row."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from popnas.cli.terminal.ending import ENDING, kept
from popnas.cli.terminal.json_log import JSON_LOG, log_json_option
from popnas.cli.terminal.options import (
    check_is_there,
    ensemble_option,
    gathered,
    given_anew,
    hours_option,
    json_option,
    max_params_option,
    partial_option,
    set_option,
)
from popnas.cli.terminal.output import echo, print_json
from popnas.errors import UserError
from popnas.printable import quoted
from popnas.workflows.whole.request import JobRequest

if TYPE_CHECKING:
    from popnas.export.model_values import MeasuredFile
    from popnas.records import Json
    from popnas.workflows.whole.end_to_end import EndToEndResult


@click.command("e2e")
@click.option("-j", "source", metavar="CONFIG", help="Configuration of the search.  [default: run]")
@partial_option("selection", "-jms", "selection_partial", "Partial configuration of the model selection")
@partial_option("training", "-jlt", "training_partial", "Partial configuration of the final training")
@click.option(
    "-k", "num_cells", metavar="K", type=click.IntRange(min=1), help="Cells selected.  [default: 5]"
)
@click.option(
    "--params", metavar='"LOW;HIGH"', help="Also select among wider and deeper networks, as `select`."
)
@click.option(
    "-b",
    "batch_size",
    metavar="N",
    type=click.IntRange(min=1),
    help="Batch size after the search; the learning rate is scaled with it.",
)
@hours_option("Time limit of all of it together, as others.max_hours.  [default: the configuration's]")
@ensemble_option
@max_params_option
@click.option("--name", metavar="NAME", help="Name of the run folder below logs/.  [default: date and time]")
@click.option("-r", "run", metavar="RUN", type=click.Path(path_type=Path), help="Go on with this job.")
@set_option
@json_option
@log_json_option
@gathered(request=JobRequest)
def command(
    source: str | None,
    request: JobRequest,
    hours: float | None,
    name: str | None,
    run: Path | None,
    sets: tuple[str, ...],
    is_json: bool,
) -> None:
    """Search, select among the best cells and train the winner for good.

    Within --hours, children and epochs are cut to fit, and what was cut is told.
    An interrupted job goes on with -r.
    """
    if run is not None and (given := given_anew("run", "log_json")):
        raise UserError(
            f"-r {quoted(run)} goes on as that job was started, with its time limit if it has one; leave out "
            f"{' and '.join(given)}, or start a new job without -r."
        )
    began = time.monotonic()
    from popnas.workflows.settings import load_config

    if hours is not None:
        sets = (*sets, f"others.max_hours={hours}")
    if run is not None:
        check_is_there(run)
    config = load_config(source or "run", sets=sets) if run is None else None
    from popnas.cli.terminal.model_progress import job_listener

    with (
        job_listener(is_quiet=is_json) as listener,
        ENDING.going_on(lambda: None if listener.folder is None else kept("e2e", "-r", listener.folder)),
    ):
        # A workflow loads torch: only once the command line is known to be right, and somebody sees that
        # something goes on.
        from popnas.workflows.whole import end_to_end as job
        from popnas.workflows.whole.stage_processes import ChildStages

        stages = ChildStages(is_quiet=is_json, is_logged=JSON_LOG.is_on, before_exit=ENDING.before_exit)
        if config is None:
            assert run is not None
            result = job.resume(run, stages, tell=listener, began=began)
        else:
            result = job.end_to_end(config, request, stages, name=name, tell=listener, began=began)
    if is_json:
        print_json(_as_json(result))
    else:
        echo(_as_text(result))


def _as_json(result: EndToEndResult) -> Json:
    return {
        "folder": str(result.folder),
        "model": str(result.model),
        "cell": result.deployed.cell,
        "measured": _measured(result).to_json(),
        "verdict": result.verdict,
        "ensemble": None if result.ensemble is None else result.ensemble.to_json(),
        "cuts": result.cuts,
        "seconds": result.seconds,
    }


def _measured(result: EndToEndResult) -> MeasuredFile:
    assert result.deployed.deployment is not None
    return result.deployed.deployment.measured


def _as_text(result: EndToEndResult) -> str:
    from popnas.report.markup import duration

    measured = _measured(result)
    lines = [
        f"Network:    {result.deployed.cell} in {result.deployed.network.macro}",
        f"Params:     {result.deployed.params:,}",
        f"Accuracy:   {measured.accuracy:.4f} on {measured.num_samples} samples ({measured.split})",
        *(f"{f'{name[0].upper()}{name[1:]}:':<12}{value:.4f}" for name, value in measured.others),
        f"Time:       {duration(result.seconds)}",
        f"To deploy:  {quoted(result.model / 'deploy')}",
    ]
    pages = (("Report:     ", result.folder / "report.html"), ("Evaluation: ", result.model / "eval.html"))
    lines += [f"{name}{quoted(page)}" for name, page in pages if page.is_file()]
    if result.verdict is not None:
        # An ensemble, or a limit of params, may deliver another one.
        delivered = " It is what is delivered." if result.ensemble is None else ""
        lines.insert(1, f"References: {result.verdict}{delivered}")
    if result.ensemble is not None:
        lines.insert(0, f"Ensemble:   {result.ensemble.verdict}")
    return "\n".join([*lines, *(f"Cut to keep max_hours: {cut}" for cut in result.cuts)])
