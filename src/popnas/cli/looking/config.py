"""`popnas config`: validation, migration and the JSON Schema of configurations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from popnas.cli.terminal.options import config_option, json_option, set_option
from popnas.cli.terminal.output import echo, print_json, warning_line
from popnas.cli.terminal.usage import with_options
from popnas.command_lines import as_typed
from popnas.errors import ConfigError, UserError
from popnas.printable import quoted
from popnas.records import Json
from popnas.storage import storage_errors, write_text


@click.group()
def command() -> None:
    """Check a configuration, rewrite an older one; the JSON Schema."""


@command.command()
def schema() -> None:
    """Print the JSON Schema of a configuration.

    Save it and name it in your file's "$schema", and editors complete and check the file while you write.
    They offer the names of the parts that are installed, your own among them.
    """
    from popnas import config
    from popnas.workflows.settings import name_rules

    print_json(config.schema(name_rules()))


@command.command()
@config_option
@set_option
@json_option
def check(source: str, sets: Sequence[str], is_json: bool) -> None:
    """Check a configuration without starting anything: all mistakes at once (exit status 2), and warnings."""
    from popnas.workflows.settings import load_config, warnings

    try:
        checked = load_config(source, sets=sets)
    except ConfigError as error:
        if not is_json:
            raise
        print_json(_answer(source, problems=error.problems))
        raise click.exceptions.Exit(ConfigError.exit_status) from None
    if is_json:
        print_json(_answer(source, warnings=warnings(checked), config=checked.to_json()))
        return
    for warning in warnings(checked):
        echo(warning_line(warning), err=True)
    echo(f"{quoted(source)}: no mistakes.")


@command.command()
@click.argument("source", metavar="OLD", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "output",
    metavar="NEW",
    type=click.Path(path_type=Path),
    help="The file to write.  [default: standard output]",
)
def migrate(source: Path, output: Path | None) -> None:
    """Rewrite a configuration of an older POPNAS (3.0 to 3.8) in the words of this version.

    OLD, a JSON file, whole or partial, is left as it is. Each change is told; comments are not kept. Check
    the result with `popnas config check`.
    """
    from popnas import config

    if output is not None and output.exists():
        raise UserError(f"{quoted(output)} exists; give another file with -o, or remove it.")
    found = config.migrated(source, is_whole=False)
    for note in found.notes or ("nothing to change.",):
        echo(note, err=True)
    text = config.to_text(found.document)
    if output is None:
        click.echo(text, nl=False)
    else:
        with storage_errors(output):
            write_text(output, text)
        echo(f"Wrote {quoted(output)}. Next: {as_typed('config', 'check', '-j', output)}")


def _answer(
    source: str,
    *,
    problems: Sequence[Any] = (),
    warnings: Sequence[str] = (),
    config: Json | None = None,
) -> Json:
    command = click.get_current_context().command
    return {
        "source": source,
        "is_valid": not problems,
        "problems": [
            {
                "place": with_options(problem.place, command),
                "value": problem.value,
                "message": with_options(problem.message, command),
            }
            for problem in problems
        ],
        "warnings": list(warnings),
        "config": config,
    }
