"""`popnas dataset`: looks at data, builds segmentation data, shows predicted masks."""

from __future__ import annotations

import click

from popnas.cli.data.inspect import inspect
from popnas.cli.data.masks import masks
from popnas.cli.data.segmentation import segmentation


@click.group()
def command() -> None:
    """Look at data; build segmentation data from images and masks; show predicted masks."""


command.add_command(inspect)
command.add_command(segmentation)
command.add_command(masks)
