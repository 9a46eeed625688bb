"""`popnas serve`: the run server and its page."""

from __future__ import annotations

import os
from pathlib import Path

import click

from popnas.cli.terminal.output import echo
from popnas.errors import MissingExtraError
from popnas.printable import first_of_all

_NUM_NAMED = 10


@click.command("serve")
@click.argument("root", metavar="[FOLDER]", type=click.Path(path_type=Path), default=Path("logs"))
@click.option("--host", metavar="ADDRESS", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option(
    "--port",
    metavar="N",
    type=click.IntRange(min=0, max=65535),
    default=8321,
    show_default=True,
    help="Port; 0: a free one.",
)
@click.option(
    "--data",
    "data_roots",
    metavar="FOLDER",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Folder that configurations may read data from; repeatable.  [default: data sets by name only]",
)
@click.option(
    "--at-once",
    "num_jobs",
    metavar="N",
    type=click.IntRange(min=1, max=64),
    default=1,
    show_default=True,
    help="How many searches and trainings run at once; others wait.",
)
@click.option(
    "--reached-as",
    "names",
    metavar="NAME[:PORT]",
    multiple=True,
    help="Host under which it is reached, of a proxy, a tunnel or a public address, with the port if that is "
    "another; repeatable.",
)
@click.option(
    "--webhook",
    metavar="URL",
    help="Is told when a job starts or ends, signed with POPNAS_WEBHOOK_SECRET of the environment.",
)
def command(
    root: Path,
    host: str,
    port: int,
    data_roots: tuple[Path, ...],
    num_jobs: int,
    names: tuple[str, ...],
    webhook: str | None,
) -> None:
    """Watch, start and stop the runs in FOLDER from a browser or over HTTP.

    Runs go on when the server ends, and a server that is started again shows them. It listens on this
    machine alone and asks for a token, which is printed at the start; POPNAS_SERVER_TOKEN of the environment
    sets one. The API describes itself at /api/openapi.json.
    """
    try:
        from popnas.server.access.places import runs_not_shown
        from popnas.server.access.settings import ServerSettings, Webhook, names_of
        from popnas.server.app import serve
    except ModuleNotFoundError as error:
        raise MissingExtraError("`popnas serve`", "server", str(error.name)) from error
    settings = ServerSettings(
        root=root.expanduser().absolute(),
        host=host,
        port=port,
        token=os.environ.get("POPNAS_SERVER_TOKEN"),
        names=names_of(names),
        data_roots=tuple(folder.expanduser().absolute() for folder in data_roots),
        num_jobs=num_jobs,
        webhook=None if webhook is None else Webhook(webhook, os.environ.get("POPNAS_WEBHOOK_SECRET", "")),
    )

    def tell(address: str, token: str) -> None:
        _tell(address, token, is_own=settings.token is None)
        by_reason: dict[str, list[str]] = {}
        for item in runs_not_shown(settings.root):
            by_reason.setdefault(item.reason, []).append(f"'{item.name}'")
        for reason, names in by_reason.items():
            echo(f"Not shown: {first_of_all(names, _NUM_NAMED)}: {reason}.")

    serve(settings, tell)


def _tell(address: str, token: str, *, is_own: bool) -> None:
    # Behind the mark: browsers keep it from servers, logs and other pages.
    echo(f"Open:  {address}#token={token}" if is_own else f"Open:  {address}")
    echo("Ctrl-C ends the server; runs go on.")
