"""What every registered data source and task must do."""

import importlib.util
import json
import sys

import numpy as np
import pytest
import torch

from popnas import config, datasets, tasks
from popnas.datasets import SOURCES
from popnas.datasets.sources import Source
from popnas.placement import Placement

CPU = Placement(torch.device("cpu"))

SHIPPED = ["digits"]
if importlib.util.find_spec("aeon") is not None:
    SHIPPED += list(SOURCES.get("aeon")().data_sets())


def task_of(name):
    return next(t for _, part in SOURCES.items() if name in part().data_sets() for t in part.tasks)


@pytest.mark.parametrize("name", SOURCES.names())
def test_a_source_declares_itself(name):
    part = SOURCES.get(name)
    source = part()
    assert isinstance(source, Source) and SOURCES.description(name)
    assert part.tasks <= set(tasks.REGISTRY.names()) and part.tasks
    assert all(source.offers(data_set) for data_set in source.data_sets())
    assert not source.offers("no such data set")


@pytest.mark.parametrize("name", SOURCES.names())
def test_a_source_does_not_claim_a_folder_that_is_not_its_own(name, tmp_path):
    source = SOURCES.get(name)()
    assert not source.recognizes(tmp_path)
    (tmp_path / "notes.txt").write_text("")
    assert not source.recognizes(tmp_path) and not source.recognizes(tmp_path / "notes.txt")


def test_a_name_belongs_to_one_source():
    names = [name for _, part in SOURCES.items() for name in part().data_sets()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_data_set_loads(name):
    chosen = config.DatasetConfig(type=task_of(name), name=name, validation_size=0.34)
    dataset = datasets.load(chosen, 0, need_test=True)
    for split in (dataset.train, dataset.validation, dataset.test):
        assert len(split) > 0 and split.x.shape[1:] == dataset.input_shape and split.y.dtype == np.int64
        assert split.y.min() >= 0 and split.y.max() < dataset.num_classes
        assert split.x.dtype in (np.uint8, np.float32) and np.isfinite(split.x).all()
        assert (split.lengths is not None) == dataset.has_lengths
    assert len(dataset.preprocessing.scale) == len(dataset.preprocessing.offset) == dataset.input_shape[-1]
    assert json.loads(json.dumps(dataset.describe())) == dataset.describe()


@pytest.mark.parametrize("name", tasks.REGISTRY.names())
def test_a_task_trains_and_scores(name):
    task = tasks.get(name)
    assert task.name == name and tasks.REGISTRY.description(name) and task.default_operators
    data_set = next((shipped for shipped in SHIPPED if task_of(shipped) == name), None)
    if data_set is None:
        pytest.skip("no data set of this task ships with what is installed")
    chosen = config.load(
        {"dataset": {"type": name, "name": data_set, "validation_size": 0.34, "batch_size": 16}}
    )
    dataset = task.load(chosen)
    spec = task.network_spec(chosen, dataset)
    assert spec.num_dims == task.num_dims == len(dataset.input_shape) - 1
    batch = next(iter(task.train_loader(chosen, dataset, dataset.train, CPU, seed=0)))
    assert batch.x.dtype == torch.float32 and batch.x.ndim == task.num_dims + 2
    logits = torch.randn(len(batch.y), dataset.num_classes, requires_grad=True)
    loss = task.loss(chosen, dataset)(logits, batch.y)
    loss.backward()
    assert loss.ndim == 0 and torch.isfinite(loss) and torch.isfinite(logits.grad).all()
    metrics = task.metrics(dataset.num_classes)
    metrics.update(logits.detach(), batch.y)
    found = metrics.compute()
    assert set(task.score_metrics) <= set(found) and all(0 <= value <= 1 for value in found.values())


USER_SOURCE = """
import numpy as np
from popnas.datasets.images.decoding import ImageData
from popnas.datasets.sources import SOURCES, Source

@SOURCES.register("stripes", description="synthetic stripes")
class Stripes(Source):
    tasks = frozenset({"image_classification"})

    def data_sets(self):
        return ("stripes",)

    def read(self, request):
        y = np.arange(60) % 3
        x = np.full((60, 4, 4), 9, np.uint8)
        return ImageData(place="stripes", labels={"train": y}, images={"train": x})
"""


def test_a_source_of_ones_own_is_one_file(tmp_path, monkeypatch):
    (tmp_path / "my_stripes.py").write_text(USER_SOURCE)
    info = tmp_path / "my_stripes-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-stripes\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[popnas.datasets]\nstripes = my_stripes\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(SOURCES, "_is_discovered", False)
    monkeypatch.setattr(SOURCES, "_parts", dict(SOURCES._parts))
    try:
        assert "stripes" in SOURCES.names() and "stripes" in datasets.names("image_classification")
        chosen = config.DatasetConfig(type="image_classification", name="stripes")
        assert datasets.load(chosen, 0).num_classes == 3
    finally:
        sys.modules.pop("my_stripes", None)
