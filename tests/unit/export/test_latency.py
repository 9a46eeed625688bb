from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from popnas.errors import DataError, UserError
from popnas.export import latency


def _file(path: Path, *inputs: tuple[str, int, list[str | int]]) -> Path:
    """A file that adds up the mean of all its inputs."""
    nodes, names = [], []
    for name, _, _ in inputs:
        nodes.append(helper.make_node("Cast", [name], [f"{name}_f"], to=TensorProto.FLOAT))
        nodes.append(helper.make_node("ReduceMean", [f"{name}_f"], [f"{name}_m"], keepdims=0))
        names.append(f"{name}_m")
    nodes.append(helper.make_node("Sum", names, ["y"]))
    taken = [helper.make_tensor_value_info(*item) for item in inputs]
    graph = helper.make_graph(nodes, "g", taken, [helper.make_tensor_value_info("y", TensorProto.FLOAT, [])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, path)
    return path


@pytest.fixture
def image_file(tmp_path: Path) -> Path:
    return _file(tmp_path / "image.onnx", ("pixels", TensorProto.FLOAT, ["n", 3, "h", "w"]))


def test_figures_per_batch_size(image_file: Path) -> None:
    report = latency.measure(image_file, batch_sizes=(1, 4), num_runs=7, shapes={None: (3, 5, 6)})
    assert report.providers[0] == "CPU" and report.inputs == ["pixels float32 (any, 3, any, any)"]
    assert [(item.provider, item.batch_size, item.num_runs) for item in report.results][:2] == [
        ("CPU", 1, 7),
        ("CPU", 4, 7),
    ]
    for item in report.results:
        assert 0 < item.median_milliseconds <= item.p95_milliseconds
        assert item.samples_per_second == pytest.approx(1e3 * item.batch_size / item.mean_milliseconds)
    assert report.to_json()["results"][0]["batch_size"] == 1


def test_the_warm_up_is_not_counted(image_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock on which the first five runs take a second each, the others a millisecond."""
    ticks = np.cumsum([step for run in range(8) for step in (0.0, 1.0 if run < 5 else 0.001)])
    monkeypatch.setattr(latency.time, "perf_counter", iter(ticks).__next__)
    report = latency.measure(image_file, batch_sizes=(2,), num_runs=3, shapes={None: (3, 2, 2)})
    (item,) = report.results
    assert item.mean_milliseconds == pytest.approx(1.0)
    assert item.samples_per_second == pytest.approx(2000.0)


def test_the_file_s_own_shape_is_enough_where_it_fixes_one(tmp_path: Path) -> None:
    path = _file(
        tmp_path / "m.onnx", ("a", TensorProto.FLOAT16, ["n", 4]), ("b", TensorProto.INT64, ["n", 2])
    )
    assert len(latency.measure(path, batch_sizes=(3,), num_runs=1).results) == 1


def test_real_samples_are_repeated_to_fill_a_batch(image_file: Path) -> None:
    samples = {"pixels": np.zeros((3, 3, 4, 4))}
    report = latency.measure(image_file, batch_sizes=(8,), num_runs=1, samples=samples)
    assert report.results[0].batch_size == 8


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({}, r"leaves extents of its input 'pixels' open.*`shapes` 3x32x32"),
        ({None: (1, 5, 6)}, r"does not take samples of the shape 1x5x6: .*\(any, 3, any, any\)"),
        ({None: (3, 5)}, "does not take samples of the shape 3x5"),
        ({"pixel": (3, 5, 5)}, "has no input 'pixel'. Did you mean 'pixels'"),
    ],
)
def test_shapes_that_do_not_fit(
    image_file: Path, shapes: dict[str | None, tuple[int, ...]], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        latency.measure(image_file, shapes=shapes)


def test_a_shape_without_a_name_for_several_inputs(tmp_path: Path) -> None:
    path = _file(
        tmp_path / "m.onnx", ("a", TensorProto.FLOAT, ["n", "k"]), ("b", TensorProto.FLOAT, ["n", 2])
    )
    with pytest.raises(UserError, match="several inputs: say which shape is whose"):
        latency.measure(path, shapes={None: (4,)})
    assert latency.measure(path, shapes={"a": (4,)}, num_runs=1).results


def test_a_fixed_batch(tmp_path: Path) -> None:
    path = _file(tmp_path / "m.onnx", ("a", TensorProto.FLOAT, [4, 2]))
    with pytest.raises(UserError, match=r"takes batches of 4 only, not of 1\. .* `batch_sizes` 4"):
        latency.measure(path)
    assert latency.measure(path, batch_sizes=(4,), num_runs=1).results


def test_data_that_lack_an_input(tmp_path: Path) -> None:
    path = _file(
        tmp_path / "m.onnx", ("input", TensorProto.FLOAT, ["n", 2]), ("lengths", TensorProto.INT64, ["n"])
    )
    with pytest.raises(DataError, match="takes the input 'lengths', for which the data have nothing"):
        latency.measure(path, samples={"input": np.zeros((2, 2))})


def test_no_onnx_file_and_inputs_that_are_no_numbers(tmp_path: Path, capfd) -> None:
    (tmp_path / "text.onnx").write_text("hello")
    with pytest.raises(UserError, match="is not an ONNX file that ONNX Runtime can run"):
        latency.measure(tmp_path / "text.onnx")
    node = helper.make_node("Identity", ["s"], ["t"])
    infos = [helper.make_tensor_value_info(name, TensorProto.STRING, ["n"]) for name in "st"]
    model = helper.make_model(helper.make_graph([node], "g", infos[:1], infos[1:]), ir_version=9)
    model.opset_import[0].version = 18
    onnx.save(model, tmp_path / "words.onnx")
    with pytest.raises(UserError, match=r"its input 's' is a tensor\(string\)"):
        latency.measure(tmp_path / "words.onnx")
    assert capfd.readouterr().err == ""


def _model(op: str = "Relu", taken: str = "a", **fields: int) -> onnx.ModelProto:
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "ab"]
    graph = helper.make_graph([helper.make_node(op, [taken], ["b"])], "g", infos[:1], infos[1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", fields.get("opset", 18))],
                             ir_version=fields.get("ir", 9))  # fmt: skip


def _with_weights_apart() -> onnx.ModelProto:
    model = _model("Add")
    model.graph.node[0].input.append("w")
    weights = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    weights.external_data.add(key="location", value="gone.bin")
    model.graph.initializer.append(weights)
    return model


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty, as a file whose writing or copying was cut off: write or copy it anew"),
        (b"\x08\x08", "it holds no network. Give a file as `popnas export` writes it"),
        (_model().SerializeToString()[:-5], "it is damaged, or of another kind. Give a file"),
        (helper.make_model(helper.make_graph([], "g", [], []), ir_version=9), "it holds no network"),
        (_model(ir=99), r"newer ONNX Runtime than this one \([0-9.]+\). Write it with an older opset"),
        (_model(opset=9999), "written for a newer ONNX Runtime than this one"),
        (_model("Foo"), "ONNX Runtime has no operator 'Foo'. Write it with operators of the ONNX standard"),
        (_with_weights_apart(), "its weights are kept apart, in .*gone.bin, which is not there. Put that"),
        (_model(taken="z"), "refuses its network: Invalid model. Node input 'z'.* Write it anew"),
    ],
)
def test_a_file_that_cannot_be_run_is_told_of_with_what_helps(
    tmp_path: Path, content: bytes | onnx.ModelProto, message: str
) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(content if isinstance(content, bytes) else content.SerializeToString())
    with pytest.raises(UserError, match=message) as told:
        latency.measure(path)
    for part in ("Load model", "ONNXRuntimeError", ".cc:", ".h:"):
        assert part not in str(told.value)
