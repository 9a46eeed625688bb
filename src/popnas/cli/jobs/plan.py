"""`popnas plan`: what a search will cost, before it starts."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from popnas.cli.terminal.options import config_option, hours_option, json_option, set_option

if TYPE_CHECKING:
    from popnas.workflows.searching.plan import Plan
    from popnas.workflows.whole.fitting import Fitted

_LONG_HOURS = 2.0
"""Of a search that takes longer it is told what would fit into so many, unasked."""

_AFTERWARDS = (
    "model selection and final training, which may take longer than the search; `popnas e2e --hours H` keeps "
    "all of it within H hours"
)


@click.command("plan")
@config_option
@set_option
@hours_option(
    "Tell which crops, children, epochs, blocks or examples to cut for a search that ends within H hours.  "
    f"[default: others.max_hours; {_LONG_HOURS:g} for searches that take longer]"
)
@json_option
def command(source: str, sets: tuple[str, ...], hours: float | None, is_json: bool) -> None:
    """Show what a search will train and how long it will take on this device.

    Checks the configuration, loads the data and probes a few networks; nothing is written. What follows a
    search (select, train) is not counted.
    """
    from popnas.cli.terminal.output import echo, print_json, warning_line
    from popnas.cli.terminal.progress import progress_listener

    with progress_listener(is_quiet=is_json) as listener:
        # A workflow loads torch: only once somebody sees that something goes on.
        from popnas.workflows.searching.plan import Planner
        from popnas.workflows.settings import load_config
        from popnas.workflows.whole import fitting

        config, planner = load_config(source, sets=sets), Planner()
        found = planner.plan(config, listener)
        hours = config.others.max_hours if hours is None else hours
        if hours is None and found.seconds > _LONG_HOURS * 3600:
            hours = _LONG_HOURS
        fitted = None if hours is None else fitting.fit_search(config, hours, listener, planner, found)
    if is_json:
        within = None if fitted is None else {"hours": hours, **asdict(fitted)}
        print_json({**asdict(found), "within": within})
        return
    _print(found)
    if fitted is not None and hours is not None:
        echo(_what_fits(fitted, hours))
    for warning in found.warnings:
        echo(warning_line(warning), err=True)


def _what_fits(fitted: Fitted, hours: float) -> str:
    """How a search of so many hours is had."""
    from popnas.cli.terminal.progress import duration

    what = f"{f'With --hours {hours:g}:':<18} "
    expected = f"about {duration(fitted.seconds)}"
    if not fitted.changes:
        return f"{what}it fits as it is"
    sets = " ".join(f"--set {place}={value}" for place, value in fitted.changes.items())
    if not fitted.is_within:
        return f"{what}does not fit; the smallest search takes {expected}: {sets}"
    return f"{what}{expected} with {sets}"


def _print(found: Plan) -> None:
    from popnas.cli.terminal.output import echo, print_table
    from popnas.cli.terminal.progress import duration

    rows = [
        (
            step.step,
            f"{step.num_expansions:,}",
            f"{step.num_networks:,}",
            f"{step.expected:.0f}",
            f"{step.params[0]:,} to {step.params[1]:,}",
            duration(step.seconds),
        )
        for step in found.steps
    ]
    head = ["step (blocks)", "cells, at most", "trained, at most", "expected", "params (sampled)", "time"]
    print_table(head, rows)
    again = f", {found.num_again:,} of them again, with other seeds" if found.num_again else ""
    echo(f"\nNetworks to train: at most {found.num_networks:,}{again}")
    if found.epoch_seconds is not None:
        last = found.steps[-1].step
        echo(f"One epoch:         {duration(found.epoch_seconds)} for a typical {last}-block cell")
    echo(f"Expected time:     {duration(found.seconds)} with {found.num_workers} worker(s) on {found.device}")
    if found.confirmation_seconds:
        echo(f"  of it confirming {duration(found.confirmation_seconds)}: the best cells with other seeds")
    echo(f"  of it other work {duration(found.fixed_seconds)}: start, data, predictors, best model, report")
    echo(f"Training alone:    {duration(found.candidate_seconds)} of all networks, one after the other")
    if found.shortened_by is not None:
        echo(f"To shorten it:     {found.shortened_by}")
    if found.memory_bytes is not None:
        echo(f"Memory:            about {found.memory_bytes / 2**30:.1f} GiB in all processes")
    if found.epoch_seconds is not None:  # an evaluator that has no networks has no stage after the search
        echo(f"Not counted:       {_AFTERWARDS}")
