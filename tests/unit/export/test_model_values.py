"""What a model on disk says, as one value: written, read, and read as earlier versions wrote it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from popnas.datasets.preprocessing import Origin, Preprocessing
from popnas.errors import RunFolderError
from popnas.export import description
from popnas.export.model_values import (
    ORDER,
    DataOfModel,
    Deployment,
    HowTrained,
    Int8Summary,
    Int8Times,
    MeasuredFile,
    ModelDescription,
    ModelInput,
    ModelOutput,
    OnnxCheck,
    Outcome,
)
from popnas.networks.spec import NetworkSpec
from popnas.storage import PROOF

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
SHARES = st.floats(0, 1)
COUNTS = st.integers(1, 10**6)
SIZES = st.lists(st.integers(1, 99), min_size=1, max_size=2)

onnx_checks = st.builds(
    OnnxCheck,
    max_difference=SHARES,
    batch_sizes=st.just([1, 3]),
    sizes=st.lists(SIZES, min_size=1, max_size=2),
    has_dynamic_size=st.booleans(),
    exporter=st.sampled_from(["trace", "export"]),
    opset=st.just(18),
)
outcomes = st.builds(Outcome, st.none() | SHARES, st.none() | COUNTS, st.none() | onnx_checks)
trainings = st.builds(
    HowTrained,
    best_epoch=COUNTS,
    num_epochs=COUNTS,
    origin=st.none() | WORDS,
    stopped=st.none() | st.just("max_hours"),
    onnx_warning=st.none() | WORDS,
    missing_views=st.lists(WORDS, max_size=2),
)
int8s = st.builds(
    Int8Summary,
    is_kept=st.booleans(),
    reason=st.none() | WORDS,
    num_calibration=COUNTS,
    num_samples=COUNTS,
    bytes=st.none() | COUNTS,
    accuracy=st.none() | SHARES,
    accuracy_loss=st.none() | st.floats(-1, 1),
    file=st.none() | WORDS,
    times=st.builds(Int8Times, st.none() | COUNTS, st.none() | SHARES, st.none() | SHARES),
)
deployments = st.builds(
    Deployment,
    st.builds(
        MeasuredFile,
        *(WORDS, st.just("test"), COUNTS, SHARES, COUNTS),
        st.none() | st.dictionaries(WORDS, SHARES, max_size=2),
    ),
    int8s,
)


@st.composite
def models(draw):
    """Any that a stage of popnas might write."""
    names = draw(st.lists(WORDS, min_size=2, max_size=4))
    shape = (*draw(st.sampled_from([(8,), (8, 6)])), draw(st.integers(1, 3)))
    has_lengths = len(shape) == 2 and draw(st.booleans())
    network = NetworkSpec("classification", shape, len(names), has_lengths=has_lengths, motifs=2)
    deployment = draw(st.none() | deployments)
    channels = (0.5,) * shape[-1]
    return ModelDescription(
        cell="[(-1, 3x3 conv, -2, identity)]",
        network=network,
        class_names=names,
        input=ModelInput(
            shape=["batch", shape[-1], *shape[:-1]],
            has_lengths=has_lengths,
            values=draw(WORDS),
            origin=draw(st.none() | st.just(Origin("image array", 16, (4, 5)))),
            how_to_make=draw(st.none() | st.lists(WORDS, max_size=2)),
        ),
        output=ModelOutput(shape=["batch", len(names)]),
        preprocessing=draw(st.none() | st.just(Preprocessing(channels, channels, has_lengths))),
        params=draw(st.none() | COUNTS),
        flops=draw(st.none() | COUNTS),
        dataset=DataOfModel(
            name=draw(st.none() | WORDS),
            path=None if deployment is not None else draw(st.none() | WORDS),
            type="image_classification",
        ),
        licence=draw(st.none() | WORDS),
        versions=draw(st.dictionaries(WORDS, WORDS, max_size=2)),
        stage=draw(st.none() | st.sampled_from(["search", "model_selection", "final_training"])),
        validation_metrics=draw(st.none() | st.dictionaries(WORDS, st.none() | SHARES, max_size=2)),
        outcome=draw(st.none() | outcomes),
        training=draw(st.none() | trainings),
        deployment=deployment,
        others=draw(st.dictionaries(WORDS.map(lambda word: f"new {word}"), SHARES, max_size=2)),
    )


@given(models())
@settings(max_examples=60, deadline=None)
def test_what_is_written_is_read(tmp_path_factory, model):
    folder = tmp_path_factory.mktemp("model")
    written = description.write(folder, model)
    assert written == model
    assert description.read(folder) == model
    content = json.loads((folder / "model.json").read_text())
    known = [name for name in content if name in ORDER]
    assert known == sorted(known, key=ORDER.index), "all stages write their fields in one order"


@given(models())
@settings(max_examples=20, deadline=None)
def test_where_the_data_were_does_not_leave_this_machine(model):
    model = replace(model, dataset=DataOfModel(path="/home/somebody", type="image_classification"))
    assert ("/home/somebody" in json.dumps(model.to_json())) == (model.deployment is None)


OF_0_1_0 = {
    "cell": "[(-1, 3x3 conv, -2, identity)]",
    "network": {"macro": "classification", "input_shape": [8, 8, 1], "num_classes": 2, "filters": 4},
    "input": {"name": "input", "dtype": "float32", "shape": ["batch", 1, 8, 8], "values": "raw"},
    "output": {"name": "probabilities", "shape": ["batch", 2]},
    "class_names": ["a", "b"],
    "params": 12,
    "flops": 34,
    "validation_metrics": {"accuracy": 0.5},
    "dataset": {"name": None, "path": "/data", "type": "image_classification"},
    "seed": 7,
    "onnx": {
        "max_difference": 1e-7,
        "batch_sizes": [1, 3],
        "sizes": [[8, 8]],
        "has_dynamic_length": False,
        "exporter": "trace",
        "opset": 18,
    },
    "versions": {"popnas": "0.1.0"},
}
"""As the first searches wrote it: without checksums, formats, and how inputs are made."""


def test_the_first_models_are_read(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text(json.dumps(OF_0_1_0))
    model = description.read(tmp_path)
    assert model.network == NetworkSpec("classification", (8, 8, 1), 2, filters=4)
    assert model.outcome == Outcome(None, 7, OnnxCheck(1e-7, [1, 3], [[8, 8]], False, "trace", 18))
    assert model.training is None and model.deployment is None and model.preprocessing is None
    assert model.input == ModelInput(shape=["batch", 1, 8, 8], values="raw")
    description.write(tmp_path, model)
    assert description.read(tmp_path) == model


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"format": 99}, "has the format 99, and this popnas knows 1"),
        ({"format": "1"}, "has the format '1'"),
        ({"onnx": {"max_difference": 0}}, r"has no 'onnx\.\w+', as no model has it"),
        ({"input": {"shape": ["batch", 1], "colour": 1}}, "has an unknown 'input.colour'"),
        ({"best_epoch": 3}, "has no 'num_epochs'"),
        ({"int8": {"is_kept": False}}, "has no 'measured'"),
    ],
)
def test_what_no_model_says_is_refused(tmp_path: Path, change: dict[str, object], told: str) -> None:
    (tmp_path / "model.json").write_text(json.dumps(OF_0_1_0 | change))
    with pytest.raises(RunFolderError, match=told):
        description.read(tmp_path)


def test_the_checksum_is_no_field(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text(json.dumps(OF_0_1_0))
    description.write(tmp_path, description.read(tmp_path))
    content = json.loads((tmp_path / "model.json").read_text())
    assert PROOF in content and PROOF not in description.read(tmp_path).to_json()
