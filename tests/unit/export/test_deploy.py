from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from popnas import networks
from popnas.datasets import Split
from popnas.datasets.preprocessing import Origin, Preprocessing
from popnas.errors import ExportError, RunFolderError
from popnas.export import deploy, description, int8, making
from popnas.export.model_values import DataOfModel, ModelDescription, ModelInput, ModelOutput
from popnas.export.running import feeds, open_session, probabilities

# Only numpy and onnxruntime (with what they bring) may be imported, as on a bare machine.
_BARE = """
import json, sys
class Bare:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "popnas", "onnx", "scipy", "sklearn", "safetensors", "pydantic",
                                  "click", "rich", "matplotlib", "PIL", "onnxscript"}:
            raise ImportError(name + " is not on this machine")
sys.meta_path.insert(0, Bare())
import runpy
import numpy as np
folder, data = sys.argv[1:]
program = runpy.run_path(folder + "/predict.py", run_name="__main__")
with np.load(data) as arrays:
    inputs = [arrays[name] for name in ("x", "lengths") if name in arrays.files]
    y = arrays["y"]
print(json.dumps(float((program["predict"](*inputs).argmax(axis=1) == y).mean())))
"""


def _model(network: networks.Network, preprocessing: Preprocessing) -> ModelDescription:
    spec = network.spec
    origin = Origin("series" if spec.num_dims == 1 else "image array")
    given = making.told(
        ModelInput(shape=[], has_lengths=spec.has_lengths), origin, preprocessing, spec.input_shape
    )
    return ModelDescription(
        cell=str(network.cell),
        network=spec,
        input=given,
        output=ModelOutput(shape=["batch", spec.num_classes]),
        preprocessing=preprocessing,
        class_names=["ant", "bee", "cow"],
        params=12,
        flops=34,
        dataset=DataOfModel(path="/home/somebody/beasts", type="image_classification"),
        versions={"popnas": "0"},
        licence="Take it.",
    )


def _images(n: int) -> Split:
    rng = np.random.default_rng(n)
    return Split(rng.integers(0, 256, (n, 6, 5, 1)).astype(np.uint8), rng.integers(0, 3, n))


def _series(n: int) -> Split:
    rng = np.random.default_rng(n)
    x = rng.standard_normal((n, 9, 2)).astype(np.float32)
    return Split(x, rng.integers(0, 3, n), rng.integers(1, 10, n))


def _program(readme: str) -> str:
    return readme.split("```python\n")[1].split("```")[0]


CASES = {
    "images": ("[(-1, 3x3 conv, -2, 2x2 maxpool)]", (6, 5, 1), _images, Preprocessing.of_images(1)),
    "lengths": ("[(-1, 3 conv, -2, lstm)]", (9, 2), _series, Preprocessing((0.5, 0.0), (2.0, 1.0), True)),
}


@pytest.mark.parametrize("case", CASES)
def test_the_folder_runs_with_numpy_and_onnxruntime_only(
    make_network, tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(int8, "MAX_LOSS", 1.0)
    monkeypatch.setattr(int8, "MIN_GAIN", -1e9)  # these networks are too small to gain
    cell, shape, make_split, preprocessing = CASES[case]
    network = make_network(cell, shape, has_lengths=case == "lengths")
    test, folder = make_split(40), tmp_path / "deploy"
    content = deploy.write_deployment(
        network,
        _model(network, preprocessing),
        folder,
        calibration=make_split(30),
        judged_on=test,
        judged_name="test",
    ).to_json()
    names = {"README.md", "model.int8.onnx", "model.json", "model.onnx", "weights.safetensors"}
    assert {item.name for item in folder.iterdir()} == names
    described = json.loads((folder / "model.json").read_text())
    assert described["files"].keys() == names - {"README.md", "model.json"}
    assert len(described.pop("sha256")) == 64
    assert described == content
    assert content["measured"]["split"] == "test" and content["measured"]["num_samples"] == 40
    assert content["input"]["shape"] == (
        ["batch", 1, 6, 5] if case == "images" else ["batch", 2, "timesteps"]
    )
    assert set(load_file(folder / "weights.safetensors")) == set(network.state_dict())

    readme = (folder / "README.md").read_text()
    assert readme.startswith("# Image classification: ant, bee, cow\n")
    assert "## How to make an input" in readme and all(
        step in readme for step in content["input"]["how_to_make"]
    )
    made = {}
    exec(readme.split("```python\n")[2].split("```")[0], made)
    length = None if test.lengths is None else test.lengths[0]
    one = made["make_input"](test.x[0][:length])
    wanted = next(feeds(test, 1))
    np.testing.assert_array_equal(
        (one if length is None else one[0])[..., :length], wanted["input"][..., :length]
    )
    for item in folder.iterdir():
        assert b"somebody" not in item.read_bytes(), "no path of this machine leaves it"
        assert str(Path(networks.__file__).parents[1]).encode() not in item.read_bytes()

    (folder / "predict.py").write_text(_program((folder / "README.md").read_text()))
    arrays = {"x": np.moveaxis(test.x, -1, 1), "y": test.y}
    if test.lengths is not None:
        arrays["lengths"] = test.lengths
    np.savez(tmp_path / "data.npz", **arrays)
    command = [sys.executable, "-I", "-c", _BARE, str(folder), str(tmp_path / "data.npz")]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    first, last = ran.stdout.splitlines()
    assert first.strip("[]'").split("', '")[0] in {"ant", "bee", "cow"}
    assert float(last) == content["measured"]["accuracy"], "reported is what a bare machine finds"


def test_repeated_it_gives_the_same_files(make_network, tmp_path: Path) -> None:
    found = []
    for name in ("a", "b"):
        network = make_network("[(-1, 3x3 dconv, -2, identity)]", (6, 5, 1))
        arguments = {"calibration": _images(30), "judged_on": _images(20), "judged_name": "test"}
        content = deploy.write_deployment(
            network, _model(network, Preprocessing.of_images(1)), tmp_path / name, **arguments
        ).to_json()
        content["int8"].pop("times")
        files = [f for f in (tmp_path / name).iterdir() if f.name not in ("model.json", "README.md")]
        found.append((content, {f.name: f.read_bytes() for f in files}))
    assert found[0] == found[1]


def test_the_readme_says_why_there_is_no_int8_file(
    make_network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(int8, "MAX_LOSS", -1.0)
    network = make_network("[(-1, 3x3 conv, -2, identity)]", (6, 5, 1))
    content = deploy.write_deployment(
        network,
        _model(network, Preprocessing.of_images(1)),
        tmp_path,
        calibration=_images(30),
        judged_on=_images(20),
        judged_name="validation",
    ).to_json()
    assert content["int8"]["file"] is None and content["int8"]["accuracy"] is not None
    readme = (tmp_path / "README.md").read_text()
    assert "no int8 file: it loses" in readme and "(validation)" in readme
    assert not (tmp_path / "model.int8.onnx").exists()


def test_a_mismatch_ends_the_deployment(
    make_network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from popnas.export import onnx_file

    monkeypatch.setattr(onnx_file, "TOLERANCE", -1.0)
    monkeypatch.setattr(onnx_file, "_EXPORTERS", onnx_file._EXPORTERS[:1])
    network = make_network("[(-1, 3x3 conv, -2, identity)]", (6, 5, 1))
    with pytest.raises(ExportError, match="no ONNX file reproduces the network"):
        deploy.write_deployment(
            network,
            _model(network, Preprocessing.of_images(1)),
            tmp_path,
            calibration=_images(9),
            judged_on=_images(9),
            judged_name="test",
        )
    assert list(tmp_path.iterdir()) == []


def _is_whole(folder: Path) -> bool:
    known = description.read(folder)
    try:
        for name in known.files:
            description.check_file(known, folder / name, (folder / name).read_bytes())
    except (RunFolderError, FileNotFoundError):
        return False
    return (folder / "README.md").exists()


def test_a_killed_export_leaves_nothing_that_could_be_anybodys(
    make_network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy of the folder as it is at each step is what a kill leaves there: without model.json it holds
    nothing of its names, and with it whatever is not moved yet is refused."""
    out, network = tmp_path / "out", make_network("[(-1, 3x3 conv, -2, identity)]", (6, 5, 1))
    export = functools.partial(
        deploy.write_deployment, network, _model(network, Preprocessing.of_images(1)), out,
        calibration=_images(30), judged_on=_images(20), judged_name="test",
    )  # fmt: skip
    left: list[Path] = []

    def killed(step: Callable[..., object]) -> Callable[..., object]:
        def stepped(*arguments: object, **keywords: object) -> object:
            left.append(Path(shutil.copytree(out, tmp_path / f"left{len(left)}")))
            return step(*arguments, **keywords)

        return stepped

    for name in ("save_onnx", "write_int8", "write_bytes", "write_text"):
        monkeypatch.setattr(deploy, name, killed(getattr(deploy, name)))
    monkeypatch.setattr(deploy.os, "replace", killed(os.replace))
    export()
    moving = [folder for folder in left if (folder / description.NAME).exists()]
    for folder in left:
        assert folder in moving or all(path.name.startswith(".popnas-export-") for path in folder.iterdir())
    assert not any(_is_whole(folder) for folder in moving) and _is_whole(out)
    assert len(moving) > 2 and len(left) > len(moving) + 3
    shutil.copytree(left[0], out / ".popnas-export-x.tmp")
    (out / ".popnas-export-notes").write_text("mine")
    export()
    assert sorted(path.name for path in out.iterdir() if path.name.startswith(".")) == [
        ".popnas-export-notes"
    ]


def test_probabilities_come_in_order_whatever_the_batch(make_network, tmp_path: Path) -> None:
    from popnas import export

    network = make_network("[(-1, 3x3 conv, -2, identity)]", (6, 5, 1))
    export.save_onnx(network, Preprocessing.of_images(1), tmp_path / "model.onnx")
    session = open_session(tmp_path / "model.onnx")
    whole = probabilities(session, _images(11), batch_size=11)
    np.testing.assert_allclose(probabilities(session, _images(11), batch_size=4), whole, atol=1e-6)
