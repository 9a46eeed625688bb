"""`popnas plan`: what a search will cost, before it starts."""

from __future__ import annotations

from dataclasses import asdict

import click

from popnas.cli._options import config_option, json_option, set_option


@click.command("plan")
@config_option
@set_option
@json_option
def command(source: str, sets: tuple[str, ...], is_json: bool) -> None:
    """Show what a search will train and how long it will take on this device.

    Checks the configuration, loads the data and probes a few networks; nothing is written.
    """
    from popnas.cli._output import echo, print_json, print_table
    from popnas.cli._progress import duration
    from popnas.workflows.plan import plan
    from popnas.workflows.settings import load_config

    found = plan(load_config(source, sets=sets))
    if is_json:
        print_json(asdict(found))
        return
    for warning in found.warnings:
        echo(f"Warning: {warning}", err=True)
    rows = [
        (
            step.step,
            f"{step.num_expansions:,}",
            f"{step.num_networks:,}",
            f"{step.params[0]:,} to {step.params[1]:,}",
            duration(step.seconds),
        )
        for step in found.steps
    ]
    print_table(["step (blocks)", "cells, at most", "trained, at most", "params (sampled)", "time"], rows)
    echo(f"\nNetworks to train: at most {found.num_networks:,}")
    echo(
        f"One epoch:         {duration(found.epoch_seconds)} for a typical {found.steps[-1].step}-block cell"
    )
    echo(
        f"Expected time:     {duration(found.seconds)} with {found.num_workers} worker(s) on {found.device}, "
        "prediction and report not counted"
    )
    echo(f"Memory:            about {found.memory_bytes / 2**30:.1f} GiB in all processes")
