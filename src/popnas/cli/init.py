"""`popnas init`: looks at data and writes a configuration that explains itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from popnas.cli import _init_masks as masks
from popnas.errors import DataError, UserError, nearest

if TYPE_CHECKING:
    from popnas.datasets import Dataset
    from popnas.tasks import Task

_LARGEST_SIDE = 64
_SMALLEST_FINAL_SIZE = 4


@dataclass(frozen=True)
class _Look:
    """What was seen: the `dataset` section that reads the data, and the data."""

    section: dict[str, Any]
    dataset: Dataset

    @property
    def task(self) -> Task:
        from popnas import tasks

        return tasks.get(self.section["type"])

    @property
    def num_training(self) -> int:
        return len(self.dataset.train)

    @property
    def is_images(self) -> bool:
        return len(self.dataset.input_shape) == 3

    @property
    def spatial_size(self) -> tuple[int, ...]:
        return self.dataset.input_shape[:-1]


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
def command(data: str, output: Path) -> None:
    """Look at data and write a commented configuration for it.

    PATH is a folder or file of yours (images in class folders, images with masks, .npz, .ts), or the name of
    a known data set.
    """
    if output.exists():
        raise UserError(f"{output} exists; give another file with -o, or remove it.")
    look = _look_at(data)
    text = _text(look, data, output)
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{output} cannot be written: {error.strerror}. Give another file with -o.") from None
    click.echo(f"{_summary(look)}\nWrote {output}. Next: popnas plan -j {output}")


def _look_at(data: str) -> _Look:
    """Load the data as the first task that can read them does."""
    complaints = []
    for section in _candidates(data):
        try:
            return _load(section)
        except DataError as error:
            complaints.append(str(error))
    raise DataError("\n".join(dict.fromkeys(complaints)))


def _candidates(data: str) -> Iterator[dict[str, Any]]:
    """`dataset` sections that might read the data, likely ones first."""
    from popnas.datasets import SOURCES

    sources = [source() for _, source in SOURCES.items()]
    path = Path(data).expanduser()
    if path.exists():
        tasks = sorted({task for source in sources if source.recognizes(path) for task in source.tasks})
        if not tasks:
            layouts = dict.fromkeys(source.layout for source in sources if source.layout)
            raise DataError(f"{data} holds no data that popnas can read. Looked for: {'; '.join(layouts)}.")
        yield from ({"type": task, "path": data} for task in tasks)
        return
    tasks = sorted({task for source in sources if data in source.data_sets() for task in source.tasks})
    if not tasks:
        names = sorted({name for source in sources for name in source.data_sets()})
        raise DataError(
            f"{data} is neither a file or folder nor a known data set.{nearest(data, names)} "
            f"Known are: {', '.join(names)}."
        )
    yield from ({"type": task, "name": data} for task in tasks)


def _load(section: dict[str, Any]) -> _Look:
    """Load with a validation split of its own if there is one, else with a share of the training data."""
    if "path" in section:
        with suppress(DataError):
            return _loaded({**section, "validation_size": None})
    return _loaded({**section, "validation_size": 0.2})


def _loaded(section: dict[str, Any]) -> _Look:
    from popnas import datasets
    from popnas.config import DatasetConfig

    look = _Look(section, datasets.load(DatasetConfig(**section), seed=0))
    if look.task.is_per_pixel and masks.may_be_unlabelled(look.dataset) and "ignore_class" not in section:
        with suppress(DataError):  # a class after all, if fewer than two others are left
            return _loaded({**section, "ignore_class": masks.UNLABELLED})
    return look


def _text(look: _Look, data: str, output: Path) -> str:
    from popnas.config.commented import commented_text
    from popnas.workflows.settings import load_config

    document = _document(look)
    load_config(document)
    header = [
        f"Configuration for {data}, written by `popnas init`. {_summary(look)}",
        "Comments like these are allowed. A field that is left out takes its default; `popnas config schema` "
        "lists all fields.",
        f"`popnas plan -j {output}` says how long the search will take, `popnas search -j {output}` runs it.",
    ]
    return commented_text(document, header=header, remarks=_remarks(look))


def _document(look: _Look) -> dict[str, Any]:
    from popnas.config.preset_files import default_operators

    num_training, metrics = look.num_training, look.task.score_metrics
    is_small = num_training < 5000
    strategy = {"max_children": 32, "max_exploration_children": 8, "additional_pareto_objectives": ["time"]}
    optimizer = {"type": "adamW", "scheduler": "cd"}
    return {
        "search_space": {
            "blocks": 3 if is_small else 5,
            "lookback_depth": 2,
            "operators": list(default_operators(look.section["type"])),
        },
        "search_strategy": {
            "score_metric": "f1_score" if _imbalance(look) > 3 and "f1_score" in metrics else metrics[0],
            **strategy,
        },
        "training_hyperparameters": {"epochs": 21, "learning_rate": 0.01, "optimizer": optimizer},
        "architecture_hyperparameters": {
            "filters": 16 if is_small else 24,
            "motifs": _num_motifs(look),
            "normal_cells_per_motif": 1 if is_small else 2,
        },
        "dataset": {**look.section, **_data_settings(look)},
        "others": {"train_strategy": "auto", "seed": 0, "max_hours": None},
    }


def _data_settings(look: _Look) -> dict[str, Any]:
    if look.task.is_per_pixel:
        return masks.settings(look.dataset)
    settings: dict[str, Any] = {
        "classes_count": look.dataset.num_classes,
        "batch_size": next(
            size for size in (128, 64, 32, 16, 8) if size * 20 <= look.num_training or size == 8
        ),
        "balance_class_losses": _imbalance(look) > 3,
    }
    if not look.is_images:
        return {**settings, "normalize": True}
    settings["data_augmentation"] = {"enabled": False, "use_cutout": False}
    height, width = look.spatial_size
    longest = max(height, width)
    if longest > _LARGEST_SIDE and look.section.get("resize") is None:
        scale = _LARGEST_SIDE / longest
        settings["resize"] = {"width": max(1, round(width * scale)), "height": max(1, round(height * scale))}
    return settings


def _num_motifs(look: _Look) -> int:
    """As many reductions as leave a size of 4 at the end, at most 2."""
    largest = masks.LARGEST_CROP if look.task.is_per_pixel else _LARGEST_SIDE if look.is_images else 1 << 30
    smallest = min(*look.spatial_size, largest)
    return 1 + sum(smallest >> halvings >= _SMALLEST_FINAL_SIZE for halvings in (1, 2))


def _imbalance(look: _Look) -> float:
    """How many times as many examples the largest class has as the smallest."""
    counts = look.dataset.describe()["class_counts"]["train"]
    return max(counts) / max(min(counts), 1)


def _remarks(look: _Look) -> dict[str, str]:
    remarks = {
        "search_space.blocks": "The published searches use 5.",
        "search_strategy.max_children": "The published searches train 128 and explore 16.",
        "search_strategy.score_metric": "f1_score if the classes differ much in size.",
        "architecture_hyperparameters.motifs": f"Chosen for inputs of {_shape(look)}.",
        "dataset.balance_class_losses": f"The largest class is {_imbalance(look):.1f} times the smallest.",
        "dataset.data_augmentation": "Helps on photographs; flips spoil text and digits.",
        "dataset.resize": f"The images are {_shape(look)}: a search at full size takes long.",
    }
    if look.section["validation_size"] is None:
        remarks["dataset.validation_size"] = "Yours has one."
    return remarks | (masks.remarks(_imbalance(look)) if look.task.is_per_pixel else {})


def _shape(look: _Look) -> str:
    if look.is_images:
        height, width, channels = look.dataset.input_shape
        return f"{height}x{width} pixels, {channels} channel{'s' * (channels > 1)}"
    timesteps, channels = look.dataset.input_shape
    return f"{timesteps} timesteps, {channels} channel{'s' * (channels > 1)}"


def _summary(look: _Look) -> str:
    """One line of what was found."""
    kind = look.section["type"].replace("_", " ")
    lengths = ", of different lengths" if look.dataset.has_lengths else ""
    if look.task.is_per_pixel and masks.differ_in_size(look.dataset):
        lengths = " at the median, of different sizes"
    return (
        f"Found {kind}: {look.num_training} training and {len(look.dataset.validation)} validation examples, "
        f"{look.dataset.num_classes} classes, {_shape(look)}{lengths}."
    )
