"""`popnas dataset masks`: a page of predicted masks."""

from __future__ import annotations

from pathlib import Path

import click

from popnas.cli.terminal.ending import written_to_option
from popnas.cli.terminal.options import WrittenFile, json_option, model_option, run_option
from popnas.cli.terminal.output import echo, echo_events, print_json, print_table
from popnas.printable import quoted


@click.command("masks")
@run_option
@model_option
@click.option(
    "-n",
    "num_shown",
    metavar="N",
    type=click.IntRange(min=1),
    default=12,
    show_default=True,
    help="Images on the page.",
)
@click.option(
    "--split",
    type=click.Choice(["test", "validation"]),
    default="test",
    show_default=True,
    help="Whose images to predict.",
)
@click.option(
    "-o",
    "output",
    metavar="FILE",
    type=WrittenFile(".html"),
    help="The page to write.  [default: masks.html in the model's folder, where the report finds it]",
)
@json_option
def masks(
    run: Path, model: Path | None, num_shown: int, split: str, output: Path | None, is_json: bool
) -> None:
    """Show a segmentation network's masks: image, truth, prediction and error, worst images first."""
    # A workflow loads torch: only once the command line is known to be right.
    from popnas.storage import plain
    from popnas.workflows.models.predicted_masks import show

    with written_to_option("-o"):
        page = show(run, model, split=split, num_shown=num_shown, output=output, tell=echo_events)
    if is_json:
        print_json(plain({"path": str(page.path), **page.result.to_json()}))
        return
    print_table(
        ["mean IoU", "pixel accuracy", "image"],
        [[f"{item.mean_iou:.4f}", f"{item.accuracy:.4f}", item.name] for item in page.result.images],
    )
    metrics = page.result.metrics
    echo(
        f"\nAll {page.result.num_images:,} {split} images: mean IoU {metrics['mean_iou']:.4f}, pixel "
        f"accuracy {metrics['accuracy']:.4f}\nPage: {quoted(page.path)}"
    )
