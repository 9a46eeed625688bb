"""What a release says of itself agrees: version, changelog, citation, floors, bill of materials."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def release(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "release" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_version_stands_everywhere_it_is_said():
    version = PROJECT["version"]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()
    found = re.search(
        rf"^## {re.escape(version)} - (\d{{4}}-\d\d-\d\d)$", (ROOT / "CHANGELOG.md").read_text(), re.M
    )
    assert found is not None
    assert f"date-released: {found[1]}\n" in (ROOT / "CITATION.cff").read_text()


def test_floors_are_of_all_direct_dependencies_but_the_heavy_ones():
    module = release("floors")
    found = module.floors(PROJECT)
    assert {"numpy", "pydantic", "click", "aeon", "fastapi"} <= found.keys()
    assert not found.keys() & set(module.HEAVY)
    assert len(module.heavy()) == len(module.HEAVY)


def test_every_floor_is_below_what_is_pinned():
    pinned = dict(
        line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line
    )
    keys = {name.lower().replace("-", "_"): version for name, version in pinned.items()}

    def number(version: str) -> list[int]:
        return [int(part) for part in re.findall(r"\d+", version)[:3]]

    for name, floor in release("floors").floors(PROJECT).items():
        assert number(floor) <= number(keys[name.lower().replace("-", "_")]), name


def test_an_sdist_has_the_same_bytes_whenever_it_is_packed(tmp_path):
    packed = set()
    for number, order in enumerate(["ab", "ba"]):
        folder = tmp_path / str(number) / "popnas-1"
        folder.mkdir(parents=True)
        for name in order:
            (folder / name).write_text(name)
            (folder / name).chmod(0o600 if number else 0o644)
            os.utime(folder / name, (number + 0.25, number + 0.25))
        path = tmp_path / str(number) / "popnas-1.tar.gz"
        with tarfile.open(path, "w:gz") as archive:
            for name in order:
                archive.add(folder / name, f"popnas-1/{name}")
        release("sdist").repack(path, 1_700_000_000)
        packed.add(path.read_bytes())
        with tarfile.open(path) as archive:
            assert archive.getnames() == ["popnas-1/a", "popnas-1/b"]
            assert {member.mtime for member in archive} == {1_700_000_000}
            assert archive.extractfile("popnas-1/b").read() == b"b"
    assert len(packed) == 1


def test_the_bill_of_materials_lists_what_is_installed_with_licences(tmp_path):
    pytest.importorskip("cyclonedx")
    for _ in range(2):
        subprocess.run([sys.executable, str(ROOT / "release" / "sbom.py"), str(tmp_path)], check=True)
        (path,) = tmp_path.glob("popnas-*.cdx.json")
        text = path.read_text()
    assert text == path.read_text()
    bill = json.loads(text)
    assert bill["bomFormat"] == "CycloneDX" and bill["metadata"]["component"]["name"] == "popnas"
    facts = {item["name"]: item["value"] for item in bill["metadata"]["properties"]}
    assert facts["popnas:environment:torch"] == version("torch")  # with what it was built for: 2.13.0+cpu
    found = {item["name"]: item for item in bill["components"]}
    assert {"torch", "numpy", "pydantic"} <= found.keys() and "pytest" not in found
    assert all(item["licenses"] and item["version"] for item in bill["components"])
    needs = {item["ref"]: item.get("dependsOn", []) for item in bill["dependencies"]}
    assert any(ref.startswith("pkg:pypi/numpy@") for ref in needs[found["scipy"]["bom-ref"]])
    # The packages that popnas and the others need are all there.
    refs = {item["bom-ref"] for item in bill["components"]}
    assert {ref for wanted in needs.values() for ref in wanted} <= refs
