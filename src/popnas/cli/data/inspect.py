"""`popnas dataset inspect`: what data hold, and what of it will hurt."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from popnas.cli.data.reading_choice import ask_or_take_likeliest, looked_at, type_option
from popnas.cli.terminal.bar import bar_if_slow
from popnas.cli.terminal.ending import written_to_option
from popnas.cli.terminal.options import WrittenFile, json_option, set_option
from popnas.cli.terminal.output import echo, echo_events, print_json, print_table, warning_line
from popnas.command_lines import as_typed
from popnas.errors import UserError
from popnas.printable import quoted, told_apart

if TYPE_CHECKING:
    from popnas.report.data_facts import Inspected, SplitFacts


@click.command("inspect")
@click.argument("data", metavar="[DATA]", required=False)
@click.option(
    "-j",
    "source",
    metavar="CONFIG",
    help="Instead of DATA: a configuration (a JSON file or a preset's name), whose data are read as it says.",
)
@set_option
@click.option(
    "-o",
    "output",
    metavar="FILE",
    type=WrittenFile(".html"),
    default="dataset.html",
    show_default=True,
    help="The page to write.",
)
@type_option
@json_option
def inspect(
    data: str | None,
    source: str | None,
    sets: tuple[str, ...],
    output: Path,
    task: str | None,
    is_json: bool,
) -> None:
    """Show class shares, sizes and examples of data, and warn of what will hurt a search.

    DATA is a folder or file of yours (images in class folders, images with masks, .npz, .ts), or the name of
    a known data set.
    """
    if (data is None) == (source is None):
        raise click.UsageError("give either DATA (a path or name), or a configuration with -j CONFIG.")
    if sets and source is None:
        raise click.UsageError("--set changes a configuration: give one with -j CONFIG.")
    if task is not None and source is not None:
        raise click.UsageError("--type is for DATA; a configuration says its dataset.type itself.")
    from popnas import evaluators
    from popnas.report.views import Views
    from popnas.workflows.data.inspection import inspect, write_page
    from popnas.workflows.data.look import look_with
    from popnas.workflows.settings import load_config

    if source is not None:
        config = load_config(source, sets=sets)
        if not evaluators.REGISTRY.get(config.others.evaluator).needs_dataset:
            raise UserError(
                f"others.evaluator: '{config.others.evaluator}' has figures of cells and no data to look "
                f"at. A table is shown by: {as_typed('bench', 'show', config.dataset.path or 'TABLE')}"
            )
        with bar_if_slow(f"looking at the data of {quoted(source)}"):
            look = look_with(config)
    else:
        look = looked_at(str(data), task, ask_or_take_likeliest)
    with bar_if_slow("comparing the examples"):
        facts = inspect(look)
    # The figures first: a page that cannot be written does not keep them back.
    if not is_json:
        _show(facts)
    try:
        with written_to_option("-o"):
            write_page(look, facts, output, Views(echo_events, are_the_job=True))
    except UserError:
        if is_json:
            print_json({**facts.to_json(), "page": None})
        raise
    if is_json:
        print_json({**facts.to_json(), "page": str(output)})
    else:
        echo(f"\nPage: {quoted(output)}")


def _show(facts: Inspected) -> None:
    splits, is_per_pixel = facts.splits, facts.is_per_pixel
    is_resized = any(split.sizes != split.original_sizes for split in splits.values())
    seen = f", shown at {facts.train.sizes}" if is_resized else ""
    echo(f"{facts.place}: {facts.type.replace('_', ' ')}, {facts.num_classes} classes{seen}\n")
    print_table(
        ["split", "examples", "size", *["unlabelled"] * is_per_pixel],
        [
            [name, f"{split.num_examples:,}", str(split.original_sizes)]
            + [f"{split.unlabelled_share or 0:.1%}"] * is_per_pixel
            for name, split in splits.items()
        ]
        + [
            [name, "?", "cannot be used: see the warnings", *["?"] * is_per_pixel]
            for name in facts.unusable_splits
        ],
    )
    echo()
    print_table(
        ["class", *(f"{name} {'pixels' if is_per_pixel else 'examples'}" for name in splits)],
        [
            [label, *(_share(split, k) for split in splits.values())]
            for k, label in enumerate(told_apart(facts.class_names))
        ],
    )
    for note in facts.notes:
        echo(f"\nNote: {note}")
    if not facts.warnings:
        echo("\nNothing was found that would hurt a search.")
    for number, line in enumerate(facts.warnings):
        echo(f"{'' if number else chr(10)}{warning_line(line)}")


def _share(split: SplitFacts, k: int) -> str:
    share = f"{split.class_shares[k]:.2%}"
    return share if split.unlabelled_share is not None else f"{split.class_counts[k]:,} ({share})"
