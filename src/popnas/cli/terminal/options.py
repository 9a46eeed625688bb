"""Options that several commands share, so that they read and mean the same everywhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import click
from click.core import ParameterSource

from popnas.cli.terminal.output import echo_events
from popnas.events import Told
from popnas.printable import quoted
from popnas.workflows.models.choices import MOST_MEMBERS

FC = TypeVar("FC", bound=Callable[..., object] | click.Command)

config_option = click.option(
    "-j",
    "source",
    metavar="CONFIG",
    default="run",
    show_default=True,
    help="Configuration: path of a JSON file or a preset's name.",
)
set_option = click.option(
    "--set",
    "sets",
    metavar="a.b=V",
    multiple=True,
    help="Change a field, e.g. --set search_space.blocks=2; V is read as JSON, else as a text. A list is put "
    'in single quotes: --set \'search_space.operators=["identity", "3x3 conv"]\'. Repeatable.',
)


class WrittenFile(click.Path):
    """A file to write, whose name says what it is: no data are replaced by a page about them."""

    def __init__(self, suffix: str) -> None:
        super().__init__(dir_okay=False, path_type=Path)
        self.suffix = suffix

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path; it ends in the suffix, however that is spelt."""
        path = cast(Path, super().convert(value, param, ctx))
        check_suffix(path, self.suffix)
        return path


def check_suffix(output: Path, suffix: str) -> None:
    """Raises BadParameter if what `-o` names is to be something else than what is written."""
    if output.suffix.lower() != suffix:
        words = f"{quoted(output)} must end in {suffix}, as that is what is written."
        raise click.BadParameter(words, param_hint="'-o'")


json_option = click.option("--json", "is_json", is_flag=True, help="Print JSON, for programs.")
moved_option = click.option(
    "--set",
    "sets",
    metavar="dataset.path=PLACE",
    multiple=True,
    help="Where the run's data are now; it is checked that they are the same.",
)


def hours_option(text: str) -> Callable[[FC], FC]:
    """The option for a time limit."""
    kind = click.FloatRange(min=0, min_open=True)
    return click.option("--hours", type=kind, metavar="H", help=text)


renew_option = click.option(
    "--renew", is_flag=True, help="Take the search as it is now; what is trained already is kept."
)
batch_size_option = click.option(
    "-b",
    "batch_size",
    metavar="N",
    type=click.IntRange(min=1),
    help="Batch size; the learning rate is scaled with it.  [default: the run's]",
)
ensemble_option = click.option(
    "--ensemble",
    metavar="N",
    type=click.IntRange(min=2, max=MOST_MEMBERS),
    help="Deliver up to N networks that answer together, chosen on validation data among those of the model "
    "selection (different cells, seeds, the references), or N seeds of one network without a selection.",
)
max_params_option = click.option(
    "--max-params",
    metavar="N",
    type=click.IntRange(min=1),
    help="With --ensemble: at most so many parameters of all members together.",
)
strategy_option = click.option(
    "-ts", "train_strategy", metavar="DEVICE", help="auto, CPU, GPU, multi-GPU or TPU."
)
GO_ON = "Go on with the same command and --set others.max_hours=null, or a longer limit."
"""After a training that a time limit stopped."""
run_option = click.option(
    "-p", "run", metavar="RUN", required=True, type=click.Path(path_type=Path), help="The run."
)
model_option = click.option(
    "-f",
    "model",
    metavar="MODEL",
    type=click.Path(path_type=Path),
    help="A model's folder, such as final_training or 0-m3-n2-f24.  [default: the search's best_model]",
)


def tell_of_training(found: Path) -> None:
    """Tell who named no model, and got the search's best at `found`, of a final training in its run."""
    from popnas.workflows.models.evaluation import untaken_training
    from popnas.workflows.models.folder import ModelFolder

    if (training := untaken_training(ModelFolder(found))) is not None:
        echo_events(Told(f"The run has a final training too, which is taken with: -f {quoted(training)}"))


_PARTIALS = {"selection": "model_selection", "training": "last_training"}


def partial_option(
    stage: str,
    letters: str = "-j",
    name: str = "partial",
    what: str = "Partial configuration over the run's own",
) -> Callable[[FC], FC]:
    """The configuration of a `stage` after the search, and the presets that are it otherwise."""
    preset = _PARTIALS[stage]
    text = f"{what}: a file or a preset's name.  [default: {preset}_images; of series {preset}_ts]"
    return click.option(letters, name, metavar="CONFIG", help=text)


def gathered(**kinds: type[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A command gets, by these names, values of these frozen dataclasses in place of the options that are
    their fields: what the rooms below are asked for together is one value from the command line on. A field
    that the command has no option for keeps its default.
    """

    def around(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def filled(**given: Any) -> None:
            values = {
                name: kind(
                    **{field.name: given.pop(field.name) for field in fields(kind) if field.name in given}
                )
                for name, kind in kinds.items()
            }
            command(**given, **values)

        return filled

    return around


def check_is_there(run: Path) -> None:
    """Refuse a folder that does not exist, before torch is loaded for what is in it, which takes seconds.

    Raises:
        RunFolderError: it does not exist.
    """
    from popnas import files
    from popnas.runs import RunFolder

    if not files.is_folder(run):
        RunFolder(run).check_exists()


def given_anew(*also: str) -> list[str]:
    """The options on the command line that belong to a new job, not to one that `-r` goes on with; `also`:
    the names of more of those that may stand beside it."""
    context = click.get_current_context()
    return [
        option.opts[0]
        for option in context.command.params
        if option.name not in ("folder", "is_json", "help", *also)
        and context.get_parameter_source(str(option.name)) is ParameterSource.COMMANDLINE
    ]
