"""Params and cells stacked against figures of an independent implementation of the same network family.

The golden counts have a bias on every convolution before a batch normalisation, ours have none. A recurrent
layer differs besides: `trainable_with_bias - bn_channels` wrongly takes one off per channel of the
normalisation behind it, and the golden LSTM has one bias vector per gate where PyTorch's has two (the GRU
has two in both).
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from popnas.cells import Cell
from popnas.cli.main import run
from popnas.networks.building import num_cells_stacked
from popnas.networks.cost import network_cost
from popnas.networks.plan import stack_plan
from popnas.networks.spec import NetworkSpec

COPIED = [json.loads(line) for line in (Path(__file__).parent / "params.jsonl").read_text().splitlines()]
SHARED = Path(os.environ.get("POPNAS_SHARED", "../shared"))

MACROS = {
    "image_classification": "classification",
    "time_series_classification": "classification",
    "image_segmentation": "segmentation_fixed",
}

Record = dict[str, Any]


def spec_of(record: Record) -> NetworkSpec:
    settings = dict(record["macro"])
    macro, classes = MACROS[settings.pop("task")], settings.pop("classes")
    return NetworkSpec(macro, tuple(settings.pop("input_shape")), classes, **settings)


def expected_params(record: Record, cell: Cell) -> int:
    spec = spec_of(record)
    channels_per_layer = sum(
        built.output.channels for built in stack_plan(cell.lookbacks[0], -cell.lookbacks[-1], spec).cells
    )
    names = [name for block in cell.blocks for name in (block.op1, block.op2)]
    extra = (5 * names.count("lstm") + names.count("gru")) * channels_per_layer
    return record["trainable_with_bias"] - record["bn_channels"] + extra


def check(record: Record) -> None:
    cell = Cell.parse(record["cell"])
    assert num_cells_stacked(cell, spec_of(record)).tolist() == [record["cells_stacked"]]
    assert network_cost(cell, spec_of(record)).params == expected_params(record, cell)


@pytest.mark.parametrize("record", COPIED, ids=lambda record: record["cell"])
def test_params_and_cells_stacked_are_the_golden_ones(record: Record) -> None:
    check(record)


def test_a_wrong_golden_figure_is_noticed() -> None:
    with pytest.raises(AssertionError):
        check(COPIED[0] | {"bn_channels": COPIED[0]["bn_channels"] + 1})


def shared_records(name: str) -> list[Record]:
    path = SHARED / "golden" / name
    if not path.is_file():
        pytest.skip(f"golden figures are not at {path}; POPNAS_SHARED names their folder")
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_shared_record_of_params() -> None:
    for record in shared_records("params.jsonl"):
        check(record)


def test_every_shared_record_of_features_has_our_cells_stacked() -> None:
    """The features do not name their macro-architecture: it is that of the same line of the params."""
    for record, params in zip(shared_records("features.jsonl"), shared_records("params.jsonl"), strict=True):
        assert record["cell"] == params["cell"]
        assert num_cells_stacked(Cell.parse(record["cell"]), spec_of(params)).tolist() == [
            record["cells_stacked"]
        ]


@pytest.mark.parametrize("task", ["image_classification", "image_segmentation"])
def test_describe_says_the_same(task: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All cells of one macro-architecture at once; no data is there to be touched."""
    first = next(record["macro"] for record in COPIED if record["macro"]["task"] == task)
    records = [record for record in COPIED if record["macro"] == first]
    macro = {key: value for key, value in first.items() if key not in ("task", "input_shape", "classes")}
    dataset = {"type": task, "path": str(tmp_path / "absent")}
    config, cells = tmp_path / "config.json", tmp_path / "cells.txt"
    config.write_text(json.dumps({"architecture_hyperparameters": macro, "dataset": dataset}))
    cells.write_text("".join(f"{record['cell']}\n" for record in records))
    given = ["--input-shape", "x".join(map(str, first["input_shape"])), "--classes", str(first["classes"])]
    assert run(["describe", "-j", str(config), "--specs", str(cells), *given, "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == len(records) > 1
    for line, record in zip(lines, records, strict=True):
        assert line["params"] == record["trainable_with_bias"] - record["bn_channels"], record["cell"]
        assert line["cells_stacked"] == record["cells_stacked"]
