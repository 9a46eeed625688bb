"""`popnas bench compare`: searches over one table, many seeds each, within the same budget."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from popnas.cli.terminal.ending import ENDING, kept
from popnas.cli.terminal.options import gathered, given_anew, json_option
from popnas.cli.terminal.output import echo, print_json
from popnas.errors import UserError
from popnas.printable import counted, quoted
from popnas.workflows.tables.comparing.request import (
    EVERYTHING,
    METHODS,
    OBJECTIVES,
    TRAININGS,
    CompareRequest,
    NamedConfig,
)

if TYPE_CHECKING:
    from popnas.workflows.tables.comparing.judging import SeedMean
    from popnas.workflows.tables.comparing.results import ComparisonResult, Reading

_TITLES = {"score_regret": "score regret", "hypervolume_regret": "hypervolume regret", "test": "test %"}


@dataclass(frozen=True)
class _AskedComparison:
    """A new comparison of a table, or one to go on with; what it is called, and how many workers it takes."""

    source: Path | None
    folder: Path | None
    name: str | None
    workers: int | None


def _numbers(kind: Callable[[str], float]) -> Callable[..., tuple[float, ...]]:
    """Reads "60,100,150"."""

    def read(_context: click.Context, option: click.Parameter, given: str | None) -> tuple[float, ...]:
        try:
            return tuple(kind(text) for text in given.split(",")) if given else ()
        except ValueError:
            raise UserError(f"{option.opts[0]} {given}: must be numbers with commas, as in 60,100.") from None

    return read


def _latency(_context: click.Context, _option: click.Parameter, given: str | None) -> tuple[str, str] | None:
    """Reads "edgegpu=hw_nas_bench_201.parquet"."""
    if given is None:
        return None
    device, equals, file = given.partition("=")
    if not (device and equals and file):
        raise UserError(
            f"--latency {given}: must be written DEVICE=FILE, as in "
            "--latency edgegpu=hw_nas_bench_201.parquet."
        )
    return device, file


def _configs(files: tuple[str, ...], sets: tuple[str, ...]) -> tuple[NamedConfig, ...]:
    """Of -j NAME=FILE and --set NAME:a.b=V, by name; of no name two files, nor two values of a field."""
    from popnas.workflows.tables.comparing.named import read_partial

    partials, changes, given = {}, dict[str, list[str]](), dict[str, set[str]]()
    for text in files:
        name, equals, file = text.partition("=")
        if not (name and equals and file):
            raise UserError(f"-j {text}: must be written NAME=FILE, as in -j wide=wide.json.")
        if name in partials:
            raise UserError(
                f"-j {text}: '{name}' has a file already. Give each search a name of its own, or put both "
                "into one file."
            )
        partials[name] = read_partial(Path(file))
    for text in sets:
        name, colon, change = text.partition(":")
        if not (colon and name) or "=" in name:
            raise UserError(
                f"--set {text}: must be written NAME:a.b=V, as in "
                "--set wide:search_strategy.max_children=40; NAME is what the changed search is called."
            )
        field = change.partition("=")[0].strip()
        if field in given.setdefault(name, set()):
            raise UserError(
                f"--set {text}: says for the second time what {field} of '{name}' is. Leave one out, or give "
                "each search a name of its own."
            )
        given[name].add(field)
        changes.setdefault(name, []).append(change)
    names = dict.fromkeys([*partials, *changes])
    return tuple(NamedConfig(name, partials.get(name, {}), tuple(changes.get(name, []))) for name in names)


@click.command("compare")
@click.option(
    "-p",
    "source",
    metavar="TABLE",
    type=click.Path(path_type=Path),
    help="A table of `popnas bench build`, or NAS-Bench-201 as for `popnas bench nasbench201`.",
)
@click.option(
    "-r",
    "folder",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Go on with a comparison that was interrupted; with -p where its table is now, if it was moved.",
)
@click.option(
    "--method",
    "methods",
    metavar="NAME",
    multiple=True,
    type=click.Choice([*METHODS]),
    help=f"Compare this one; repeatable: {', '.join(METHODS)}.  [default: all]",
)
@click.option(
    "-j",
    "files",
    metavar="NAME=FILE",
    multiple=True,
    help="Compare popnas with the search_space, search_strategy and others of a file, too; repeatable.",
)
@click.option(
    "--set",
    "sets",
    metavar="NAME:a.b=V",
    multiple=True,
    help="Compare popnas with a changed field, too, under that name; repeatable.",
)
@click.option("--seeds", type=int, metavar="N", default=10, show_default=True, help="Searches of each.")
@click.option("--seed", type=int, metavar="N", default=0, show_default=True, help="Of the first of them.")
@click.option(
    "--networks",
    metavar="N,N",
    default="60,100,150",
    show_default=True,
    callback=_numbers(int),
    help="Budgets in networks evaluated.",
)
@click.option(
    "--seconds",
    metavar="S,S",
    callback=_numbers(float),
    help="Budgets in seconds of simulated training.  [default: so many median trainings]",
)
@click.option(
    "--objective",
    type=click.Choice(OBJECTIVES),
    default="time",
    show_default=True,
    help="What is optimised beside the score, and spans the hypervolume with it.",
)
@click.option(
    "--epochs",
    type=int,
    metavar="N",
    help="What searches see; what they find is judged at the table's last, of a benchmark at the same.  "
    "[default: the last; of a benchmark 12]",
)
@click.option(
    "--trainings",
    type=click.IntRange(*TRAININGS),
    metavar="N",
    help="Draw so many of every cell with the noise that the table shows, for searches that repeat some.",
)
@click.option("--blocks", type=click.IntRange(min=1), metavar="N", help="Only cells of up to so many.")
@click.option("--data-set", metavar="NAME", default="cifar10", show_default=True, help="Of NAS-Bench-201.")
@click.option(
    "--latency",
    metavar="DEVICE=FILE",
    callback=_latency,
    help="Inference times of NAS-Bench-201 on a device, of HW-NAS-Bench as .parquet; with --objective "
    "inference_time.",
)
@click.option("--workers", type=click.IntRange(min=1), metavar="N", help="At once.  [default: one per core]")
@click.option("--name", metavar="NAME", help="Name of the folder below logs/.  [default: date and time]")
@json_option
@gathered(request=CompareRequest, asked=_AskedComparison)
def compare(
    request: CompareRequest,
    asked: _AskedComparison,
    files: tuple[str, ...],
    sets: tuple[str, ...],
    is_json: bool,
) -> None:
    """Compare searches over one table with the same budgets: regret of score and hypervolume.

    Leaves logs/NAME with comparison.json, curves.csv and plots. Every finished search is kept; an interrupted
    comparison goes on with -r.
    """
    if asked.folder is not None and (given := given_anew("workers", "source")):
        raise UserError(
            f"-r {quoted(asked.folder)} goes on with that comparison as it was begun; leave out "
            f"{', '.join(given)}."
        )
    if asked.folder is None and asked.source is None:
        raise UserError("-p TABLE says what is searched; or give -r FOLDER to go on.")
    configs = _configs(files, sets)
    if not request.methods:
        request = replace(request, methods=tuple(METHODS))
    # A workflow loads torch: only once the command line is known to be right.
    from popnas.cli.terminal.progress import progress_listener
    from popnas.workflows.tables.comparing import comparison

    with (
        progress_listener(is_quiet=is_json) as listener,
        ENDING.going_on(
            lambda: None if listener.folder is None else kept("bench", "compare", "-r", listener.folder)
        ),
    ):
        if asked.folder is not None:
            result = comparison.resume(asked.folder, table=asked.source, workers=asked.workers, tell=listener)
        else:
            assert asked.source is not None
            request = replace(request, configs=configs)
            result = comparison.compare(
                asked.source, request, name=asked.name, workers=asked.workers, tell=listener
            )
    if is_json:
        print_json(result.to_json())
    else:
        echo(as_text(result))


def as_text(result: ComparisonResult) -> str:
    """A table for each budget."""
    request = result.request
    readings = [(reading.axis, reading.at) for reading in result.readings]
    lines = [f"Means over {counted(request.seeds, 'seed')} with 95 % intervals (Student's t)."]
    for axis, at in dict.fromkeys(readings):
        unit = "networks" if axis == "networks" else "s of training"
        shown = [reading for reading in result.readings if (reading.axis, reading.at) == (axis, at)]
        lines += ["", f"At most {at:,.6g} {unit}:", *_rows(result, shown)]
    lines += [
        "",
        f"{EVERYTHING}: who sees all of it once. Best mean score {result.best:.4f}, hypervolume "
        f"{result.hypervolume:.4f}"
        + ("" if result.test is None else f", best test {result.test:.2f} %")
        + ".",
        f"Curves:  {quoted(f'{result.folder}/curves.svg')}, curves.png, curves.csv",
    ]
    return "\n".join(lines)


def _rows(result: ComparisonResult, readings: list[Reading]) -> Iterator[str]:
    titles = {name: title for name, title in _TITLES.items() if name in result.everything}
    width = max(len(name) for name in (*result.request.names, EVERYTHING))
    heads = "".join(f"  {title:>22}" for title in titles.values())
    yield f"  {'':{width}}  {'networks':>8}  {'seconds':>10}{heads}"
    for reading in readings:
        figures = "".join(f"  {_figure(name, reading.figures.get(name)):>22}" for name in titles)
        yield f"  {reading.method:{width}}  {reading.networks:8.1f}  {reading.seconds:10,.4g}{figures}"
    figures = "".join(f"  {_figure(name, result.everything[name]):>22}" for name in titles)
    yield f"  {EVERYTHING:{width}}  {'':8}  {'':10}{figures}"


def _figure(name: str, interval: SeedMean | None) -> str:
    """0.0123 +- 0.0045; a dash where some seed has none yet."""
    if interval is None:
        return "-"
    digits = 2 if name == "test" else 4
    half = "" if interval.high is None else f" +- {interval.high - interval.mean:.{digits}f}"
    return f"{interval.mean:.{digits}f}{half}"
