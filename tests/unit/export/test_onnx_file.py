from __future__ import annotations

import copy
import threading
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from popnas import export, networks
from popnas.datasets.preprocessing import Preprocessing
from popnas.errors import ExportError, StorageError
from popnas.export import onnx_file
from popnas.export.running import open_session
from popnas.process_state import without_warnings

SERIES = Preprocessing((0.0, 1.0), (1.0, 0.5))


@pytest.mark.parametrize("length", [1, 7, 12, 23, 96])
def test_ceil_mode_and_crops_agree_at_any_length(make_network, tmp_path: Path, length: int) -> None:
    """zconv: pooled in ceil mode, resized, cropped. In ONNX a division of negative integers truncates, which
    once made these sizes differ by one."""
    network = make_network("[(-1, 3:4z zconv, -2, 3:3z zconv)]", (length, 2), motifs=3)
    check = export.save_onnx(network, SERIES, tmp_path / "model.onnx")
    assert check.exporter == "trace" and check.has_dynamic_size


def test_lengths_are_an_input_and_hide_the_padding(make_network, tmp_path: Path) -> None:
    network = make_network("[(-1, lstm, -1, 3 conv)]", (9, 2), has_lengths=True)
    export.save_onnx(network, Preprocessing((0.0, 1.0), (1.0, 0.5), True), tmp_path / "model.onnx")
    session = open_session(tmp_path / "model.onnx")
    assert [item.name for item in session.get_inputs()] == ["input", "lengths"]
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 2, 9)).astype(np.float32)
    other = x.copy()
    other[:, :, 5:] = 100.0
    feed = {"lengths": np.array([5, 5])}
    (found,) = session.run(None, feed | {"input": x})
    np.testing.assert_array_equal(found, session.run(None, feed | {"input": other})[0])


def test_a_wrong_file_is_no_file(make_network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = make_network("[(-1, 3x3 conv, -1, identity)]", (6, 6, 1))

    def write_another(deployed: torch.nn.Module, path: Path, has_dynamic_size: bool) -> None:
        changed = make_network("[(-1, 3x3 conv, -1, identity)]", (6, 6, 1))
        with torch.no_grad():
            changed.heads[-1].dense.bias.add_(torch.tensor([0.0, 0.01, 0.0]))
        onnx_file._trace(export.DeployedNetwork(changed, Preprocessing.of_images(1)), path, has_dynamic_size)

    monkeypatch.setattr(onnx_file, "_EXPORTERS", [("trace", write_another)])
    with pytest.raises(ExportError, match="differ by"):
        export.save_onnx(network, Preprocessing.of_images(1), tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_exporters_follow_each_other(make_network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = make_network("[(-1, 3 conv, -1, identity)]", (6, 2))

    def fail(deployed: torch.nn.Module, path: Path, has_dynamic_size: bool) -> None:
        if has_dynamic_size:
            raise RuntimeError("only fixed sizes")
        onnx_file._trace(deployed, path, has_dynamic_size)

    monkeypatch.setattr(onnx_file, "_EXPORTERS", [("export", fail)])
    check = export.save_onnx(network, SERIES, tmp_path / "model.onnx")
    assert not check.has_dynamic_size and check.sizes == [[6]]


def test_equal_networks_give_equal_files(make_network, tmp_path: Path) -> None:
    for name in ("a.onnx", "b.onnx"):
        network = make_network("[(-1, 3x3:2z zconv, -2, 2x2 maxpool)]", (6, 6, 1))
        export.save_onnx(network, Preprocessing.of_images(1), tmp_path / name)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_threads_export_one_after_the_other(
    make_network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = make_network("[(-1, 3 conv, -1, identity)]", (6, 2))
    num_inside, is_first_inside, found = 0, threading.Event(), dict[str, str]()

    def trace(deployed: torch.nn.Module, path: Path, has_dynamic_size: bool) -> None:
        nonlocal num_inside
        num_inside += 1
        is_first_inside.set()
        time.sleep(0.1)  # in which a second thread would come in
        assert num_inside == 1
        onnx_file._trace(deployed, path, has_dynamic_size)
        num_inside -= 1

    def save(name: str, network: networks.Network) -> None:
        found[name] = export.save_onnx(network, SERIES, tmp_path / name).exporter

    monkeypatch.setattr(onnx_file, "_EXPORTERS", [("trace", trace), ("export", onnx_file._export)])
    thread = threading.Thread(target=save, args=("b.onnx", copy.deepcopy(network)))
    thread.start()
    assert is_first_inside.wait(10)
    save("a.onnx", network)
    thread.join(60)
    assert found == {"a.onnx": "trace", "b.onnx": "trace"}
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


@pytest.mark.slow
def test_the_second_exporter_holds_too_and_tells_nothing_of_this_machine(
    make_network, tmp_path: Path
) -> None:
    network = make_network("[(-1, 3x3 dconv, -2, 2x2 avgpool)]", (7, 6, 1))
    deployed = export.DeployedNetwork(network, Preprocessing.of_images(1))
    path = tmp_path / "model.onnx"
    with without_warnings(), onnx_file._QUIET():
        onnx_file._export(deployed, path, False)
    assert onnx_file._check(deployed, path, "export", False).max_difference < 1e-5
    assert b".py" not in path.read_bytes()
    onnx.checker.check_model(onnx.load(path))


def test_training_goes_on_as_it_was(make_network, tmp_path: Path) -> None:
    network = make_network("[(-1, 3x3 conv, -1, identity)]", (6, 6, 1)).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    export.save_onnx(network, Preprocessing.of_images(1), tmp_path / "model.onnx")
    assert network.training
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_no_place_to_write(make_network, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    network = make_network("[(-1, 3x3 conv, -1, identity)]", (6, 6, 1))
    with pytest.raises(StorageError, match="cannot write"):
        export.save_onnx(network, Preprocessing.of_images(1), tmp_path / "file" / "model.onnx")


def test_a_failing_check_is_silent_on_stderr(make_network, tmp_path: Path, capfd) -> None:
    """ONNX Runtime writes an error line before it raises; what only moves on to the next exporter is none."""
    network = make_network("[(-1, 3 conv, -1, identity)]", (6, 2))
    deployed = export.DeployedNetwork(network, SERIES)
    path = tmp_path / "model.onnx"
    with without_warnings(), onnx_file._QUIET():
        onnx_file._trace(deployed, path, False)
    with pytest.raises(Exception, match=r"[Ii]nvalid"):
        onnx_file._check(deployed, path, "trace", True)
    assert capfd.readouterr().err == ""
