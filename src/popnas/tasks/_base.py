"""The contract of a task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ClassVar, Protocol

from popnas import datasets
from popnas.config import preset_files
from popnas.datasets import Dataset, Split
from popnas.networks.known.references import Reference
from popnas.networks.spec import NetworkSpec
from popnas.seeds import derive_seed

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from popnas.config import RunConfig
    from popnas.config.sections import DataAugmentationConfig
    from popnas.datasets.augmentation.batch import Change
    from popnas.datasets.images.augmentation import ImageAugmentation
    from popnas.datasets.loader import Batching, BatchLoader
    from popnas.placement import Placement


class Loss(Protocol):
    """Logits and classes of a batch to the mean loss, a scalar; it moves to the logits' device by itself.

    One that is a mean over something else than examples has a method `count(y)` beside: over how many, as a
    scalar tensor. Without it, training on several devices takes it for a mean over examples.
    """

    def __call__(self, logits: Tensor, y: Tensor, /) -> Tensor:
        """The loss."""
        ...


class MetricAccumulator(Protocol):
    """Metrics of a split, gathered batch by batch without waiting for the device."""

    def update(self, logits: Tensor, y: Tensor, /) -> None:
        """Count a batch."""
        ...

    def compute(self) -> dict[str, float]:
        """The metrics of all batches so far; waits for the device once."""
        ...

    def sum_up(self, total: Callable[[Tensor], Tensor], device: torch.device) -> None:
        """Hold from now on what the accumulators of several processes hold together: `total` gives the sum of
        equally shaped tensors on `device`; one that has counted nothing takes part. Asked for only where a
        network is trained on several devices.
        """
        ...


_SERIES_CHANGES = ("time_warp", "window_warp", "crop", "shift", "scaling", "jitter")
_IMAGE_CHANGES = ("use_cutout", "flips", "trivial_augment", "erasing")

FOR_SERIES = {
    f"dataset.{key}": "has no effect on images (they are scaled to 0..1); it is for series."
    for key in ("rescale", "normalize")
} | {
    f"dataset.data_augmentation.{key}": "has no effect on images; it is for series."
    for key in _SERIES_CHANGES
}
FOR_IMAGES = {
    "dataset.resize": "has no effect on series; it is for images.",
    "dataset.data_augmentation.enabled": (
        f"has no effect on series by itself: say what is to be done ({', '.join(_SERIES_CHANGES)}, mixup, "
        "cutmix)."
    ),
} | {
    f"dataset.data_augmentation.{key}": "has no effect on series; it is for images." for key in _IMAGE_CHANGES
}
FOR_MASKS = {
    "architecture_hyperparameters.segmentation_decoder": "has an effect in segmentation only.",
    "dataset.ignore_class": (
        "has an effect in segmentation only: examples with this label are a class like any other."
    ),
}
"""Settings that are for other data than a task's, by place, and what is said of them."""


def image_changes(settings: DataAugmentationConfig) -> list[Change]:
    """`Task.own_changes` of images, with masks or without."""
    from popnas.datasets.augmentation.images import ImageChanges
    from popnas.datasets.masks.mask_files import IGNORED

    wanted = settings.trivial_augment or settings.erasing
    return [ImageChanges(settings.trivial_augment, settings.erasing, IGNORED)] if wanted else []


class Task(ABC):
    """What a kind of work needs from data to score: all that depends on it is declared here.

    Attributes:
        name: of `dataset.type`.
        num_dims: 2 for images and 1 for series.
        score_metrics: the metrics that may steer the search, the default first.
        even_metric: of `score_metrics` the one that counts every class the same, for classes that differ much
            in size; None (or none of them): there is none.
        preset: whose operators a configuration of the task has if it names none; None: it has to.
        selection_preset, training_preset: the partial configurations of model selection and final training
            where none is given.
        is_per_pixel: answers are masks, a class for every pixel.
        data: what data sources must serve (`Source.tasks`): its own name, or that of the task whose data it
            reads.
        unused_settings: by place what has no effect, with the sentence that a configuration is told.
        references: known networks that a found one is compared with.
        is_for_arrays: it is what `PopnasClassifier` does with arrays of so many dimensions; not inherited.
    """

    name: ClassVar[str]
    num_dims: ClassVar[int]
    score_metrics: ClassVar[tuple[str, ...]]
    even_metric: ClassVar[str | None] = None
    preset: ClassVar[str | None] = None
    selection_preset: ClassVar[str] = "model_selection_images"
    training_preset: ClassVar[str] = "last_training_images"
    is_per_pixel: ClassVar[bool] = False
    data: ClassVar[str]
    unused_settings: ClassVar[Mapping[str, str]] = {}
    references: ClassVar[tuple[Reference, ...]] = ()
    is_for_arrays: ClassVar[bool] = False

    @property
    def fitted_references(self) -> tuple[Reference, ...]:
        """Those that take seconds, whatever the epochs."""
        return tuple(item for item in self.references if item.is_fitted)

    @property
    def default_operators(self) -> tuple[str, ...]:
        """The operators of a configuration that names none: those of the task's preset."""
        return preset_files.operators_of(self.preset) if self.preset else ()

    def operators_for(self, size: tuple[int, ...]) -> tuple[str, ...]:
        """Operators that suit inputs of that size: (height, width) or (timesteps,)."""
        return self.default_operators

    def metric_for(self, is_uneven: bool) -> str:
        """The score metric for data whose classes are (not) of very different sizes."""
        is_offered = self.even_metric in self.score_metrics
        return self.even_metric if is_uneven and self.even_metric and is_offered else self.score_metrics[0]

    def may_read(self, x_dims: int, y_dims: int) -> bool:
        """Whether arrays of so many dimensions (examples and labels, the number of examples counted) may be
        its data.
        """
        return True

    def load(self, config: RunConfig, need_test: bool = False) -> Dataset:
        """The run's data, the same in every process.

        Raises:
            DataError: data that are missing, broken or unsuited.
        """
        seed = derive_seed(config.others.seed, "data")
        return datasets.load(config.dataset, seed, task=self.data, need_test=need_test)

    def network_spec(self, config: RunConfig, dataset: Dataset) -> NetworkSpec:
        """The spec of the run's networks."""
        return NetworkSpec.from_config(
            config,
            dataset.input_shape,
            dataset.num_classes,
            has_lengths=dataset.has_lengths,
            macro=config.architecture_hyperparameters.macro_architecture or self.default_macro(config),
        )

    def default_macro(self, config: RunConfig) -> str:
        """The macro-architecture of a configuration that names none."""
        return "classification"

    @abstractmethod
    def loss(self, config: RunConfig, dataset: Dataset) -> Loss:
        """The training loss."""

    @abstractmethod
    def metrics(self, num_classes: int) -> MetricAccumulator:
        """A fresh accumulator."""

    def augmentation(self, config: RunConfig) -> ImageAugmentation | None:
        """What happens to stored training images before they are a batch; None for nothing."""
        return None

    def changes(self, config: RunConfig) -> tuple[Change, ...]:
        """What is done to whole training batches on their device: what the task does to its examples, then
        mixtures of them."""
        from popnas.datasets.augmentation.mixing import Mixing

        settings = config.dataset.data_augmentation
        if not settings.enabled:
            return ()
        mixes = settings.mixup or settings.cutmix
        mixing = (Mixing(settings.mixup, settings.cutmix),) if mixes else ()
        return (*self.own_changes(settings), *mixing)

    def own_changes(self, settings: DataAugmentationConfig) -> list[Change]:
        """Of `changes` those that suit the task's examples alone."""
        return []

    def batching(self, config: RunConfig, seed: int) -> Batching:
        """How training data are cut into batches, and what is done to these."""
        from popnas.datasets.loader import Batching

        return Batching(config.dataset.batch_size, shuffle=True, seed=seed, changes=self.changes(config))

    def train_loader(
        self,
        config: RunConfig,
        dataset: Dataset,
        split: Split,
        placement: Placement,
        *,
        seed: int,
    ) -> BatchLoader:
        """Shuffled, augmented training batches of `dataset.batch_size`."""
        from popnas.datasets.loader import DeviceLoader

        return DeviceLoader(
            split,
            dataset.preprocessing,
            placement,
            self.batching(config, seed),
            augmentation=self.augmentation(config),
            is_cached=config.dataset.cache,
        )

    def evaluation_loader(
        self, config: RunConfig, dataset: Dataset, split: Split, placement: Placement
    ) -> BatchLoader:
        """Batches of `dataset.val_test_batch_size` in order, for validation and test.

        Images of different sizes, where a task has such, share no batch, so that the network answers to each
        as if it were alone.
        """
        from popnas.datasets.loader import Batching, DeviceLoader

        return DeviceLoader(
            split,
            dataset.preprocessing,
            placement,
            Batching(config.dataset.val_test_batch_size or config.dataset.batch_size),
            is_cached=config.dataset.cache,
        )
