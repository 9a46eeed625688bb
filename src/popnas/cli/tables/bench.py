"""`popnas bench`: tables of trained cells, on which searches are tried in seconds."""

from __future__ import annotations

import click

from popnas.cli.tables.build import build
from popnas.cli.tables.compare import compare
from popnas.cli.tables.nasbench201 import nasbench201
from popnas.cli.tables.show import show


@click.group()
def command() -> None:
    """Build a table of trained cells, look at one, search a published one, compare searches over one.

    A search whose others.evaluator is table and whose dataset.path is such a file trains nothing.
    """


command.add_command(build)
command.add_command(show)
command.add_command(nasbench201)
command.add_command(compare)
