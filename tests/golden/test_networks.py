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
from popnas.networks.cost import network_cost
from popnas.networks.plan import num_cells_stacked, stack_plan
from popnas.networks.spec import NetworkSpec

COPIED = [json.loads(line) for line in (Path(__file__).parent / "params.jsonl").read_text().splitlines()]
SHARED = Path(os.environ.get("POPNAS_SHARED", "../shared"))

Record = dict[str, Any]


def spec_of(record: Record) -> NetworkSpec:
    macro = dict(record["macro"])
    del macro["task"]
    shape, classes = tuple(macro.pop("input_shape")), macro.pop("classes")
    return NetworkSpec(macro="classification", input_shape=shape, num_classes=classes, **macro)


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
    if record["macro"]["task"] != "image_segmentation":  # there the decoder counts too
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


def test_describe_says_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records = [record for record in COPIED if record["macro"]["task"] == "image_classification"]
    for number, record in enumerate(records[::4]):
        macro = dict(record["macro"])
        task, shape, classes = macro.pop("task"), macro.pop("input_shape"), macro.pop("classes")
        config = tmp_path / f"config{number}.json"
        dataset = {"type": task, "name": "absent"}
        config.write_text(json.dumps({"architecture_hyperparameters": macro, "dataset": dataset}))
        given = ["--input-shape", "x".join(map(str, shape)), "--classes", str(classes), "--json"]
        assert run(["describe", "-j", str(config), "--spec", record["cell"], *given]) == 0
        line = json.loads(capsys.readouterr().out)
        assert line["params"] == record["trainable_with_bias"] - record["bn_channels"]
        assert line["cells_stacked"] == record["cells_stacked"]
