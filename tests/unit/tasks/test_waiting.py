"""Nothing in a step of training waits for the device: with more batches an epoch has no more waits.

Without a GPU, PyTorch's `meta` device stands for one. Its tensors have shapes and no values, so that whatever
needs a value on the host, or a shape that follows from values, cannot be had without asking; all that is
computed from such tensors is left out. What it cannot show is a wait within a kernel's library.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from popnas import networks, tasks, training
from popnas.cells import Cell
from popnas.config import RunConfig
from popnas.datasets import Dataset
from popnas.datasets.augmentation.batch import Batch
from popnas.datasets.loader import BatchLoader
from popnas.placement import Placement, sent
from popnas.training import Course, Criteria, TrainingResult, TrainingSettings
from popnas.workflows.settings import load_config

META = torch.device("meta")
OF_VALUES = ("aten::nonzero", "aten::bincount", "aten::masked_select", "aten::_unique2", "aten::equal")


class Waits(TorchDispatchMode):
    """Counts what waits for the `meta` device, and answers in its place."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, name = kwargs or {}, func._schema.name
        with self:  # in inference mode what is made of other operations comes whole
            if (answer := func.decompose(*args, **kwargs)) is not NotImplemented:
                return answer
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        places = {tensor.device.type for tensor in tensors}
        if "meta" in places and name in OF_VALUES:
            self.found[name] += 1
            raise AssertionError(f"{name} waits for the device")
        if name == "aten::_local_scalar_dense" and "meta" in places:
            self.found[name] += 1
            return 1.0 if tensors[0].is_floating_point() else 1
        if name == "aten::copy_" and len(places) > 1:
            self.found[f"{name} {sorted(places)}"] += 1
        if name == "aten::_to_copy":
            target = torch.device(kwargs.get("device") or tensors[0].device).type
            if {target} != places:
                if not kwargs.get("non_blocking"):
                    self.found[f"{name} to {target}"] += 1
                if target == "cpu":
                    return torch.ones(tensors[0].shape, dtype=kwargs.get("dtype") or tensors[0].dtype)
        return func(*args, **kwargs)


def images(folder: Path) -> dict[str, Any]:
    return {
        "dataset.data_augmentation": {
            "enabled": True,
            "use_cutout": True,
            "trivial_augment": True,
            "erasing": 0.5,
            "mixup": 0.2,
            "cutmix": 0.2,
        }
    }


def series(folder: Path) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    x, lengths = rng.normal(size=(120, 20, 2)).astype(np.float32), rng.integers(8, 21, 120)
    np.savez(folder / "train.npz", x=x, y=np.arange(120) % 3, lengths=lengths)
    changes = dict.fromkeys(("time_warp", "window_warp", "crop", "shift", "scaling", "jitter"), 0.2)
    return {
        "search_space.operators": ["identity", "3 conv", "2 maxpool", "lstm"],
        "dataset.type": "time_series_classification",
        "dataset.name": None,
        "dataset.path": str(folder),
        "dataset.samples": None,
        "dataset.data_augmentation": {"enabled": True, "mixup": 0.2, "cutmix": 0.2, **changes},
    }


def masks(folder: Path) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 255, (60, 16, 16, 3), dtype=np.uint8)
    np.savez(folder / "train.npz", x=x, y=rng.integers(0, 3, (60, 16, 16), dtype=np.uint8))
    return {
        "dataset.type": "image_segmentation",
        "dataset.name": None,
        "dataset.path": str(folder),
        "dataset.samples": None,
        "dataset.resize": {"width": 8, "height": 8},
        "dataset.validation_size": 0.3,
        "dataset.data_augmentation": {
            "enabled": True,
            "trivial_augment": True,
            "erasing": 0.5,
            "mixup": 0.2,
            "cutmix": 0.2,
        },
    }


CASES = {
    "images": (images, "[(-2, 3x3 conv, -1, identity);(-1, 2x2 maxpool, 0, identity)]"),
    "series": (series, "[(-2, 3 conv, -1, identity);(-1, 2 maxpool, 0, identity)]"),
    "masks": (masks, "[(-2, 3x3 conv, -1, identity);(-1, 2x2 maxpool, 0, identity)]"),
}


def loaded(make: Callable[..., dict[str, Any]], batch_size: int, **changes: Any) -> tuple[RunConfig, Dataset]:
    whole = {
        "dataset.batch_size": batch_size,
        "training_hyperparameters.drop_path": 0.3,
        "training_hyperparameters.ema_decay": 0.9,
        "training_hyperparameters.softmax_dropout": 0.2,
        **changes,
    }
    config = load_config(make(**whole))
    return config, tasks.get(config.dataset.type).load(config)


def trained(
    config: RunConfig,
    dataset: Dataset,
    cell: str,
    place: Placement,
    watched: Callable[[BatchLoader], BatchLoader] = lambda loader: loader,
) -> TrainingResult:
    task = tasks.get(config.dataset.type)
    spec = task.network_spec(config, dataset)
    torch.manual_seed(0)
    return training.fit(
        networks.build(Cell.parse(cell), spec),
        watched(task.train_loader(config, dataset, dataset.train, place, seed=0)),
        watched(task.evaluation_loader(config, dataset, dataset.validation, place)),
        Criteria(task.loss(config, dataset), lambda: task.metrics(dataset.num_classes)),
        TrainingSettings.from_config(config),
        place,
        Course(0),
    )


@pytest.fixture
def _meta_is_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fused optimizers take it."""
    optimizer = sys.modules["torch.optim.optimizer"]  # torch.optim hides its modules
    monkeypatch.setattr(optimizer, "_get_fused_kernels_supported_devices", lambda: ["cpu", "meta"])


@pytest.mark.usefixtures("one_thread", "_meta_is_a_device")
@pytest.mark.parametrize(
    ("case", "is_cached"),
    [*((case, True) for case in CASES), pytest.param("masks", False, marks=pytest.mark.slow)],
)
def test_an_epoch_of_more_batches_waits_no_more(
    tiny_config: Callable[..., dict[str, Any]], tmp_path: Path, case: str, is_cached: bool
) -> None:
    make, cell = CASES[case]
    changes = {**make(tmp_path), "dataset.cache": is_cached}
    found = []
    for batch_size in (45, 15):
        config, dataset = loaded(tiny_config, batch_size, **changes)
        with Waits() as waits:
            trained(config, dataset, cell, Placement(META))
        found.append(waits.found)
    assert found[0] == found[1], "three times as many batches"
    assert found[0]["aten::_local_scalar_dense"] > 0, "figures of an epoch are read: the count can see"


def test_what_is_drawn_on_the_cpu_is_fetched_from_pinned_memory_and_nobody_waits() -> None:
    did = []

    class Drawn:
        def pin_memory(self) -> Drawn:
            did.append("pinned")
            return self

        def to(self, device: torch.device, non_blocking: bool) -> Drawn:
            did.append(f"to {device}, non-blocking {non_blocking}")
            return self

    sent(Drawn(), torch.device("cuda:1"))  # type: ignore[arg-type]
    assert did == ["pinned", "to cuda:1, non-blocking True"]
    drawn = torch.rand(3)
    assert sent(drawn, torch.device("cpu")) is drawn


class Strict:
    """A loader in whose second epoch PyTorch refuses to wait, from the first batch on to after the last one:
    the first epoch warms up."""

    def __init__(self, loader: BatchLoader) -> None:
        self.loader, self.epoch = loader, 0

    def __len__(self) -> int:
        return len(self.loader)

    @property
    def num_samples(self) -> int:
        return self.loader.num_samples

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch
        self.loader.set_epoch(epoch)

    def __iter__(self) -> Iterator[Batch]:
        try:
            for batch in self.loader:
                if self.epoch == 1:
                    torch.cuda.set_sync_debug_mode("error")
                yield batch
        finally:
            torch.cuda.set_sync_debug_mode("default")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="a GPU")
@pytest.mark.parametrize("is_cached", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_no_step_on_a_gpu_waits_for_it(
    tiny_config: Callable[..., dict[str, Any]], tmp_path: Path, case: str, is_cached: bool
) -> None:
    make, cell = CASES[case]
    changes = {
        **make(tmp_path),
        "dataset.cache": is_cached,
        "training_hyperparameters.epochs": 2,
        "others.train_strategy": "GPU",
    }
    config, dataset = loaded(tiny_config, 10, **changes)
    spec = tasks.get(config.dataset.type).network_spec(config, dataset)
    place = Placement.on("cuda:0", num_dims=spec.num_dims, filters=spec.filters)
    assert len(trained(config, dataset, cell, place, Strict).epochs) == 2
