from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from popnas import export
from popnas.datasets import Split
from popnas.datasets.preprocessing import Preprocessing
from popnas.export import int8
from popnas.export.folder_readme import why_none
from popnas.export.running import open_session, probabilities


def _split(n: int, shape: tuple[int, ...], seed: int = 0) -> Split:
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, (n, *shape)).astype(np.uint8)
    return Split(x, rng.integers(0, 3, n))


@pytest.fixture(scope="module")
def exported(make_network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    cell = "[(-1, 3x3 conv, -2, 3x3 dconv);(-1, 3k-1h-1b cvt, 0, 3x3 tconv)]"
    network = make_network(cell, (8, 8, 1), filters=8, motifs=1)
    path = tmp_path_factory.mktemp("exported") / "model.onnx"
    export.save_onnx(network, Preprocessing.of_images(1), path)
    return path


@pytest.fixture
def fp32(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(exported, tmp_path / "model.onnx"))


def _judged_by_itself(fp32: Path, n: int = 60) -> Split:
    """Samples whose true class is what the float32 file answers: its accuracy is 1."""
    split = _split(n, (8, 8, 1), seed=1)
    return Split(split.x, probabilities(open_session(fp32), split).argmax(axis=1))


def test_the_int8_file_is_smaller_in_weights_runs_and_is_measured(
    fp32: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(int8, "MAX_LOSS", 0.5)
    monkeypatch.setattr(int8, "MIN_GAIN", -1e9)
    path = fp32.with_name("model.int8.onnx")
    judged_on = _judged_by_itself(fp32)
    report = int8.write_int8(fp32, path, _split(40, (8, 8, 1)), judged_on)
    assert report.is_kept and report.reason is None
    assert report.fp32_accuracy == 1.0
    assert report.num_calibration == 40 and report.num_samples == 60
    assert report.bytes == path.stat().st_size
    answers = probabilities(open_session(path), judged_on)
    assert report.accuracy == float((answers.argmax(axis=1) == judged_on.y).mean())
    assert report.accuracy_loss == pytest.approx(1.0 - report.accuracy)
    assert report.milliseconds > 0 and report.fp32_milliseconds > 0 and report.batch_size == 32


def test_only_convolutions_and_dense_layers_are_quantised(
    fp32: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(int8, "MAX_LOSS", 1.0)
    monkeypatch.setattr(int8, "MIN_GAIN", -1e9)
    path = fp32.with_name("model.int8.onnx")
    int8.write_int8(fp32, path, _split(40, (8, 8, 1)), _judged_by_itself(fp32))
    model = onnx.load(path)
    makers = {name: node.op_type for node in model.graph.node for name in node.output}
    fed = {
        node.op_type
        for node in model.graph.node
        if any(makers.get(name) == "DequantizeLinear" for name in node.input)
    }
    assert {"Conv", "Gemm", "MatMul"} <= fed
    assert "ConvTranspose" not in fed
    products = [node for node in model.graph.node if node.op_type == "MatMul"]
    attention = [n for n in products if not any(makers.get(name) == "DequantizeLinear" for name in n.input)]
    assert len(attention) >= 2, "the two products of attention stay float32"
    weights = [
        t for t in model.graph.initializer if t.data_type == onnx.TensorProto.INT8 and len(t.dims) == 4
    ]
    scales = {t.name: t for t in model.graph.initializer if t.name.endswith("_scale")}
    assert weights
    for tensor in weights:  # per output channel
        assert list(scales[tensor.name.replace("_quantized", "_scale")].dims) == [tensor.dims[0]]


def test_a_file_that_loses_too_much_is_left_out_with_the_figure(
    fp32: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = fp32.with_name("model.int8.onnx")
    path.write_bytes(b"of an earlier export")
    monkeypatch.setattr(int8, "MAX_LOSS", -1.0)
    report = int8.write_int8(fp32, path, _split(20, (8, 8, 1)), _judged_by_itself(fp32))
    assert not report.is_kept and not path.exists()
    assert "points of accuracy" in report.reason
    assert report.accuracy is not None and report.bytes is not None
    assert [item.name for item in path.parent.iterdir()] == ["model.onnx"]


def test_what_8_bits_cannot_hold_is_not_tried(fp32: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(int8, "_quantize", pytest.fail)
    path = fp32.with_name("model.int8.onnx")
    path.write_bytes(b"of an earlier export")
    judged_on = _judged_by_itself(fp32)
    report = int8.write_int8(fp32, path, _split(20, (8, 8, 1)), judged_on, "too coarse")
    assert (report.is_kept, report.reason, report.fp32_accuracy) == (False, "too coarse", 1.0)
    assert report.fp32_bytes == fp32.stat().st_size and report.num_samples == len(judged_on)
    assert not path.exists()


def test_a_network_without_such_layers_has_no_int8_file(make_network, tmp_path: Path) -> None:
    """The quantiser's failure is a figure in the report, not the end of an export."""
    fp32 = tmp_path / "model.onnx"
    node = onnx.helper.make_node("Softmax", ["input"], ["probabilities"], axis=1)
    axes = ["batch", 3]
    graph = onnx.helper.make_graph(
        [node],
        "g",
        [onnx.helper.make_tensor_value_info("input", onnx.TensorProto.FLOAT, axes)],
        [onnx.helper.make_tensor_value_info("probabilities", onnx.TensorProto.FLOAT, axes)],
    )
    onnx.save(
        onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9), fp32
    )
    split = Split(np.eye(3, dtype=np.float32), np.arange(3))
    report = int8.write_int8(fp32, tmp_path / "model.int8.onnx", split, split)
    assert not report.is_kept and "no convolution and no dense layer" in report.reason
    assert report.fp32_accuracy == 1.0 and report.accuracy is None


def test_a_file_that_loses_too_much_is_not_timed(fp32: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(int8, "MAX_LOSS", -2.0)
    monkeypatch.setattr(int8, "_race", None)
    report = int8.write_int8(
        fp32, fp32.with_name("model.int8.onnx"), _split(40, (8, 8, 1)), _judged_by_itself(fp32)
    )
    assert not report.is_kept and report.milliseconds is None
    assert why_none(report.summary("model.int8.onnx")).endswith("more than -200")


def test_slow_networks_are_raced_in_few_rounds(fp32: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow:
        rounds = 0

        def run(self, *_: Any) -> None:
            Slow.rounds += 1

    monkeypatch.setattr(int8, "_RACE_SECONDS", 0.0)
    size, (first, second) = int8._race(Slow(), Slow(), _judged_by_itself(fp32))
    assert Slow.rounds == 2 * (2 + 3) and size == 32 and first >= 0 and second >= 0


@pytest.mark.parametrize(
    ("size", "milliseconds", "is_kept"),
    [(90, 9.0, True), (110, 0.9, True), (110, 0.97, False), (100, 1.2, False)],
)
def test_a_file_that_is_neither_smaller_nor_faster_is_not_offered(size, milliseconds, is_kept) -> None:
    report = int8.Int8Report(False, None, 9, 9, 100, 0.9, size, 0.895, 32, 1.0, milliseconds).judged()
    assert report.is_kept == is_kept and (report.reason is None) == is_kept


def test_of_a_small_network_there_is_no_int8_file_and_the_reason_has_the_figures(
    fp32: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(int8, "MAX_LOSS", 1.0)
    monkeypatch.setattr(int8, "_race", lambda *sessions: (32, (1.0, 1.5)))
    path = fp32.with_name("model.int8.onnx")
    report = int8.write_int8(fp32, path, _split(40, (8, 8, 1)), _judged_by_itself(fp32))
    assert report.bytes > fp32.stat().st_size, "or this network is no example of it"
    assert not report.is_kept and not path.exists()
    told = why_none(report.summary("model.int8.onnx"))
    assert f"neither smaller ({report.bytes:,} bytes, {report.fp32_bytes:,} in float32)" in told
    assert told.endswith("(1.50 ms a batch of 32, 1.00 in float32)")
