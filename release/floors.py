"""The lowest versions that pyproject.toml allows, as constraints for `make test-lowest`.

PyTorch and the ONNX packages stay as constraints.txt has them: they are large, belong together, and older
ones are not built for every Python. What pyproject.toml does not name is chosen by pip to suit.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "onnx", "onnxscript", "onnxruntime", "pytorch_optimizer")
_FLOOR = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?>=([\w.]+)$")


def floors(project: dict[str, object]) -> dict[str, str]:
    """Package to lowest version, of popnas itself and of what its tests need, without the heavy ones."""
    extras = project["optional-dependencies"]
    assert isinstance(extras, dict)
    named = [*project["dependencies"], *extras["timeseries"], *extras["server"]]  # type: ignore[misc]
    found = [_FLOOR.match(text) for text in named]
    assert all(found), named
    return {each[1]: each[2] for each in found if each and each[1] not in HEAVY}


def heavy() -> list[str]:
    """Their lines in constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.partition("==")[0].replace("-", "_") in HEAVY]


if __name__ == "__main__":
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    print("\n".join([*(f"{name}=={version}" for name, version in floors(project).items()), *heavy()]))
