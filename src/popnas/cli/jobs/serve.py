"""`popnas serve`: the run server and its page."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from popnas.cli.terminal.options import gathered
from popnas.cli.terminal.output import echo
from popnas.errors import MissingExtraError
from popnas.printable import first_of_all

if TYPE_CHECKING:
    from popnas.server.access.settings import ServerSettings

_NUM_NAMED = 10


@dataclass(frozen=True)
class _Jobs:
    """How the server runs its jobs."""

    num_jobs: int
    stops_runs: bool


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
@click.option(
    "--stop-runs",
    "stops_runs",
    is_flag=True,
    help="Stop what runs when the server ends: in a container nothing outlives it.",
)
@gathered(jobs=_Jobs)
def command(
    root: Path,
    host: str,
    port: int,
    data_roots: tuple[Path, ...],
    names: tuple[str, ...],
    webhook: str | None,
    jobs: _Jobs,
) -> None:
    """Watch, start and stop the runs in FOLDER from a browser or over HTTP.

    Runs go on when the server ends, unless it has --stop-runs, and a server that is started again shows
    them. It listens on this machine alone and asks for a token, which is printed at the start;
    POPNAS_SERVER_TOKEN of the environment sets one. The API describes itself at /api/openapi.json.
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
        num_jobs=jobs.num_jobs,
        stops_runs=jobs.stops_runs,
        webhook=None if webhook is None else Webhook(webhook, os.environ.get("POPNAS_WEBHOOK_SECRET", "")),
    )

    def tell(address: str, token: str) -> None:
        _tell(address, token, settings)
        by_reason: dict[str, list[str]] = {}
        for item in runs_not_shown(settings.root):
            by_reason.setdefault(item.reason, []).append(f"'{item.name}'")
        for reason, names in by_reason.items():
            echo(f"Not shown: {first_of_all(names, _NUM_NAMED)}: {reason}.")

    serve(settings, tell)


def _tell(address: str, token: str, settings: ServerSettings) -> None:
    # Behind the mark: browsers keep it from servers, logs and other pages.
    echo(f"Open:  {address}#token={token}" if settings.token is None else f"Open:  {address}")
    echo("Ctrl-C ends the server; " + ("runs are stopped first." if settings.stops_runs else "runs go on."))
