"""`popnas init`: looks at data and writes a configuration that explains itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from popnas import files
from popnas.cli.data import init_masks as masks
from popnas.cli.data.reading_choice import ask, looked_at, type_option
from popnas.cli.terminal.options import hours_option
from popnas.cli.terminal.output import echo, warning_line
from popnas.command_lines import as_typed
from popnas.errors import UserError
from popnas.printable import quoted
from popnas.records import Json, part

if TYPE_CHECKING:
    from popnas.records import JsonValue
    from popnas.workflows.data.look import Look

_LARGEST_SIDE, _LARGEST_BEHIND_STEM = 64, 128
"""Of images as networks see them; the stem halves them."""

_STRATEGY: Json = {
    "max_children": 32,
    "max_exploration_children": 8,
    "score_share": 0.25,
    "rounds": 4,
    "single_block_repeats": 3,
    "untrained_parents": 100,
    "repeats": 16,
    "additional_pareto_objectives": ["time"],
}
_PREDICTORS: Json = {"score": "trees", "time": "sums"}
"""What found most within a number of networks over tables of trained cells (docs/log.md, 2026-11-27, -28)."""


@click.command("init")
@click.argument("data", metavar="PATH")
@click.option(
    "-o",
    "output",
    type=click.Path(path_type=Path, dir_okay=False),
    default="popnas.json",
    show_default=True,
    help="The configuration to write.",
)
@hours_option("Time limit of the search, which is made to fit into it on this device.  [default: none]")
@type_option
def command(data: str, output: Path, hours: float | None, task: str | None) -> None:
    """Look at data and write a commented configuration for it.

    PATH is a folder or file of yours (images in class folders, images with masks, .npz, .ts), or the name of
    a known data set. With --hours a few networks are probed here, and crops, children, epochs, blocks or
    examples are cut.
    """
    if output.exists():
        raise UserError(f"{quoted(output)} exists; give another file with -o, or remove it.")
    look = looked_at(data, task, ask)
    document, remarks = dict(_document(look)), _remarks(look)
    fitted = "" if hours is None else _fit(document, remarks, hours)
    text = _text(look, document, remarks, data, output)
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        is_lacking = isinstance(error, FileNotFoundError)
        reason = "its folder does not exist" if is_lacking else files.reason(error)
        raise UserError(f"{quoted(output)} cannot be written: {reason}. Give another file with -o.") from None
    for line in _told(look):
        echo(warning_line(line), err=True)
    echo(f"{_summary(look)}{fitted}\nWrote {quoted(output)}. Next: {as_typed('plan', '-j', output)}")


def _told(look: Look) -> list[str]:
    """What is told of the data; sizes that differ are no problem for the configuration that is written."""
    if not look.needs_resize:
        return look.sentences
    size = f"{look.spatial_size[1]}x{look.spatial_size[0]}"
    others = [line for line in look.sentences if line not in look.problems]
    differ = f"The images differ in size; dataset.resize brings all to {size} (width x height)."
    return [differ, *look.standing, *others]


def _fit(document: dict[str, JsonValue], remarks: dict[str, str], hours: float) -> str:
    """Cut the document's search to fit into `hours`, with a remark at each field; what is told of it."""
    from popnas.cli.terminal.progress import progress_listener
    from popnas.workflows.settings import load_config
    from popnas.workflows.whole import fitting

    document["others"] = {**part(document, "others"), "max_hours": hours}
    config = load_config(document)
    with progress_listener(is_quiet=False) as listener:
        fitted = fitting.fit_search(config, hours, listener)
    for place, value in fitted.changes.items():
        _put(document, place.split("."), value)
    remarks.update(fitted.cuts)
    return f"\n{fitting.words(fitted, hours)}"


def _put(fields: dict[str, JsonValue], path: list[str], value: JsonValue) -> None:
    """Set the field at `path`, deeper with every key."""
    first, *deeper = path
    if deeper:
        inner = dict(part(fields, first))
        _put(inner, deeper, value)
        value = inner
    fields[first] = value


def _text(look: Look, document: Json, remarks: dict[str, str], data: str, output: Path) -> str:
    from popnas.config.commented import commented_text
    from popnas.workflows.settings import load_config

    load_config(document)
    header = [
        f"Configuration for {quoted(data)}, written by `popnas init`. {_summary(look)}",
        "Comments like these are allowed. A field that is left out takes its default; `popnas config schema` "
        "lists all fields.",
        f"`{as_typed('plan', '-j', output)}` says how long the search will take, "
        f"`{as_typed('search', '-j', output)}` runs it.",
    ]
    return commented_text(document, header=header, remarks=remarks)


def _document(look: Look) -> Json:
    is_small = look.num_training < 5000
    optimizer = {"type": "adamW", "scheduler": "cd"}
    return {
        "search_space": {
            "blocks": 3 if is_small else 5,
            "lookback_depth": 2,
            "operators": list(look.task.operators_for(look.spatial_size)),
        },
        "search_strategy": {
            "score_metric": look.task.metric_for(is_uneven=_imbalance(look) > 3),
            **_STRATEGY,
        },
        "training_hyperparameters": {
            "epochs": _num_epochs(look), "learning_rate": 0.01, "optimizer": optimizer,
        },
        "architecture_hyperparameters": _architecture(look, is_small=is_small),
        "dataset": {**look.section, **_data_settings(look)},
        "others": {
            "train_strategy": "auto", "seed": 0, "max_hours": None, "predictors": _PREDICTORS,
        },
    }  # fmt: skip


def _num_epochs(look: Look) -> int:
    from popnas.workflows.data import sizing

    return 21 if look.is_images else sizing.series_epochs(look.num_training)


def _architecture(look: Look, *, is_small: bool) -> Json:
    from popnas.workflows.data import sizing

    return {
        "filters": 16 if is_small else 24,
        "motifs": _num_motifs(look),
        "normal_cells_per_motif": 1 if is_small and look.is_images else 2,
        "stem": sizing.stem(_network_sides(look)),
    }


def _data_settings(look: Look) -> Json:
    from popnas.workflows.data import sizing

    if look.task.is_per_pixel:
        return {"ignore_class": None, **look.section, **masks.settings(look.dataset)}
    has_own = look.section["validation_size"] is None
    settings: dict[str, JsonValue] = {
        "classes_count": look.dataset.num_classes,
        "folds": 1 if has_own else sizing.folds(len(look.dataset.validation)),
        "batch_size": _batch_size(look),
        "balance_class_losses": _imbalance(look) > 3,
    }
    if not look.is_images:
        return {**settings, "normalize": True, "data_augmentation": {"enabled": True, "time_warp": 0.4}}
    settings["data_augmentation"] = {"enabled": False, "flips": False}
    height, width = _network_sides(look)
    if look.needs_resize or (height, width) != look.spatial_size:
        settings["resize"] = {"width": width, "height": height}
    return settings


def _batch_size(look: Look) -> int:
    from popnas.workflows.data import sizing

    if not look.is_images:
        return sizing.series_batch(look.num_training)
    return next(size for size in (128, 64, 32, 16, 8) if size * 20 <= look.num_training or size == 8)


def _network_sides(look: Look) -> tuple[int, ...]:
    """Height and width of images as networks are to see them in training, timesteps of series."""
    from popnas.workflows.data import sizing

    if look.task.is_per_pixel:
        return masks.training_size(look.dataset)
    if not look.is_images:
        return look.spatial_size
    longest = max(look.spatial_size)
    largest = _LARGEST_BEHIND_STEM if longest >= sizing.STEM_FROM else _LARGEST_SIDE
    scale = min(largest / longest, 1.0)
    return tuple(max(1, round(side * scale)) for side in look.spatial_size)


def _num_motifs(look: Look) -> int:
    """Decoders have a unit between bottleneck and image from three reductions on, for which a stem makes
    them cheap enough."""
    from popnas.workflows.data import sizing

    sides = _network_sides(look)
    if not look.is_images:
        return sizing.num_series_motifs(sides[0])
    has_unit = look.task.is_per_pixel and sizing.stem(sides) is not None
    return sizing.num_motifs(sides, most_reductions=3 if has_unit else 2)


def _imbalance(look: Look) -> float:
    """How many times as many examples the largest class has as the smallest."""
    counts_K = look.dataset.train.class_counts(look.dataset.num_classes)
    return float(counts_K.max() / max(counts_K.min(), 1))


def _remarks(look: Look) -> dict[str, str]:
    remarks = {
        "search_space.blocks": "The published searches use 5.",
        "search_strategy.max_children": "The published searches train 128 and explore 16.",
        "search_strategy.rounds": "1 in the published searches, which learn from smaller cells alone.",
        "search_strategy.single_block_repeats": "0 trains every single-block cell, as published.",
        "search_strategy.repeats": "0 in the published searches, whose winner is the luckiest training.",
        "search_strategy.score_metric": (
            f"{look.task.metric_for(is_uneven=True)} if the classes differ much in size."
        ),
        "architecture_hyperparameters.motifs": f"Chosen for inputs of {look.shape}.",
        "architecture_hyperparameters.stem": "Pays on images of 96 pixels and more.",
        "dataset.folds": (
            "Several where few examples validate: of one split, chance would choose. Each is a training more."
        ),
        "dataset.balance_class_losses": f"The largest class is {_imbalance(look):.1f} times the smallest.",
        "dataset.data_augmentation": (
            "Long trainings gain by it: the presets of model selection and final training enable it. flips: "
            "true for photographs, whose mirror images are as good; text and digits are spoilt by it."
            if look.is_images
            else "Uneven time helps most series, but not those whose timesteps are hours of the day: "
            "time_warp 0 keeps it from model selection and final training, too."
        ),
        "training_hyperparameters.epochs": "More where an epoch has few batches."
        if not look.is_images
        else "",
        "dataset.resize": "The images differ in size."
        if look.needs_resize
        else f"The images are {look.shape}: a search at full size takes long.",
    }
    if look.section["validation_size"] is None:
        remarks["dataset.validation_size"] = "Yours has one."
    return remarks | (masks.remarks(_imbalance(look)) if look.task.is_per_pixel else {})


def _summary(look: Look) -> str:
    """One line of what was found."""
    kind = look.kind.replace("_", " ")
    lengths = ", of different lengths" if look.dataset.has_lengths else ""
    if look.task.is_per_pixel and masks.differ_in_size(look.dataset):
        lengths = " at the median, of different sizes"
    return f"Found {kind}: {_examples(look)}, {look.dataset.num_classes} classes, {look.shape}{lengths}."


def _examples(look: Look) -> str:
    """How many there are, and which of them validate."""
    num_validation = len(look.dataset.validation)
    if look.section["validation_size"] is None:
        return f"{look.num_training} training and {num_validation} validation examples"
    return f"{look.num_training + num_validation} training examples, {num_validation} of them for validation"
