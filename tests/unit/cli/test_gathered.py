"""Options that a command gets as one value."""

from dataclasses import dataclass

import click
from click.testing import CliRunner

from popnas.cli.main import run
from popnas.cli.terminal.options import gathered, json_option


@dataclass(frozen=True)
class Size:
    width: int
    height: int
    depth: int = 3


def test_options_that_are_fields_of_a_value_come_as_that_value():
    @click.command()
    @click.option("-w", "width", type=int)
    @click.option("-g", "height", type=int)
    @json_option
    @gathered(size=Size)
    def command(size: Size, is_json: bool) -> None:
        """Say them."""
        click.echo(f"{size} {is_json}")

    found = CliRunner().invoke(command, ["-g", "2", "-w", "4"], catch_exceptions=False)
    assert found.output == "Size(width=4, height=2, depth=3) False\n"
    assert "Say them." in CliRunner().invoke(command, ["--help"]).output


def test_a_value_that_contradicts_itself_is_told_with_the_options(capsys):
    assert run(["select", "-p", "nowhere", "--spec", "[]", "-k", "5"]) == 2
    assert (
        "--spec trains the one cell that is given; leave out -k and --from, or --spec."
        in capsys.readouterr().err
    )
