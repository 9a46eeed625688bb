"""The package beside this file, installed as pip installs it, and popnas as users of it call it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

PACKAGE = Path(__file__).parent / "package"


def install(package: Path, site: Path) -> None:
    """What a wheel of the package holds: its modules, and what its pyproject.toml says of it."""
    project = tomllib.loads((package / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    module = project["name"].replace("-", "_")
    shutil.copytree(package / "src" / module, site / module, ignore=shutil.ignore_patterns("__pycache__"))
    info = site / f"{module}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n", encoding="utf-8"
    )
    groups = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items())
        for group, points in project["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("\n".join(groups), encoding="utf-8")


class Extended:
    """popnas in an interpreter of its own that finds the package among those installed."""

    def __init__(self, site: Path, folder: Path, warm_with: Any) -> None:
        self.folder, self.errors = folder, ""
        path = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
        self.environment = {"PYTHONPATH": path}
        self.warm = warm_with(self.environment)

    def python(self, *arguments: str) -> str:
        """Standard output of Python, begun anew; it must end well."""
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env={**os.environ, **self.environment, "OMP_NUM_THREADS": "1", "COLUMNS": "200"},
            capture_output=True,
            text=True,
            timeout=200,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    def popnas(self, *arguments: object) -> tuple[int, str]:
        """Exit status and standard output of a command."""
        started = self.warm.start([str(argument) for argument in arguments], self.folder)
        output, errors = started.communicate(timeout=200)
        self.errors = errors
        return started.returncode, output

    def ask(self, *command_lines: Sequence[object]) -> list[tuple[int, str]]:
        """The same of several short commands, all in one process."""
        lines = [[str(part) for part in line] for line in command_lines]
        started = self.warm.start([], self.folder, asked=lines)
        output, self.errors = started.communicate(timeout=200)
        assert started.returncode == 0, self.errors
        return [(status, told) for status, told in json.loads(output.splitlines()[-1])]

    def config(self, name: str, content: dict[str, Any]) -> Path:
        """A configuration file."""
        path = self.folder / name
        path.write_text(json.dumps(content), encoding="utf-8")
        return path


@pytest.fixture(scope="session")
def extended(tmp_path_factory: pytest.TempPathFactory, warm_with: Any) -> Extended:
    site = tmp_path_factory.mktemp("site")
    install(PACKAGE, site)
    return Extended(site, tmp_path_factory.mktemp("work"), warm_with)
