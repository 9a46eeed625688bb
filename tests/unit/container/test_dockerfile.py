"""The image's steps, one by one, as far as they can be taken without an engine."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.skipif(not (ROOT / "Dockerfile").is_file(), reason="needs the repository")


def steps() -> list[tuple[str, str]]:
    """(instruction, rest) of every step, continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines) if word]


def of(instruction: str) -> list[str]:
    return [rest for word, rest in steps() if word == instruction]


def test_what_is_copied_is_there_and_not_ignored():
    let_through = set(re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE))
    copied = [name for rest in of("COPY") if "--from" not in rest for name in rest.split()[:-1]]
    assert copied and set(copied) <= let_through
    assert all((ROOT / name).exists() for name in let_through)
    # What the build reads beside these is nothing.
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {project["readme"], *project["license-files"]} <= let_through


def test_what_is_installed_is_pinned_and_its_extras_exist():
    installs = [rest for rest in of("RUN") if "pip install" in rest]
    assert len(installs) == 2 and all("-c constraints.txt" in rest for rest in installs)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert '".[${EXTRAS}]"' in installs[-1]
    (extras,) = [rest.partition("=")[2] for rest in of("ARG") if rest.startswith("EXTRAS=")]
    of_ray = re.findall(r"--build-arg EXTRAS=(\S+)", (ROOT / "Dockerfile").read_text())
    assert of_ray and all("ray" in each.split(",") for each in of_ray)
    for each in (extras, *of_ray):
        assert set(each.split(",")) <= set(project["optional-dependencies"])
    assert re.search(r"^torch==", (ROOT / "constraints.txt").read_text(), re.MULTILINE)


def test_it_runs_as_a_user_of_its_own_with_nothing_secret_inside():
    (user,) = of("USER")
    assert user.split(":")[0].isdigit() and int(user.split(":")[0]) > 999
    assert not any("TOKEN=" in rest or "SECRET=" in rest for _, rest in steps())
    assert of("FROM")[-1].startswith("python AS")  # without what only the build needs


def test_its_command_answers_its_health_check_and_ends_in_order(tmp_path):
    pytest.importorskip("fastapi")
    pytest.importorskip("uvicorn")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = str(found.getsockname()[1])
    (entry,), (rest,), (health,) = of("ENTRYPOINT"), of("CMD"), of("HEALTHCHECK")
    places = {"/runs": str(tmp_path / "runs"), "/data": str(tmp_path)}
    command = [places.get(word, word) for word in json.loads(entry) + json.loads(rest)]
    assert command[0] == "popnas"
    command = [sys.executable, "-P", "-m", *command, "--port", port]
    environment = {**os.environ, "POPNAS_SERVER_TOKEN": "a-long-random-text-of-the-test-0123456789"}
    check = json.loads(health.partition("CMD ")[2])
    check = [sys.executable, *(word.replace(":8321", f":{port}") for word in check[1:])]
    process = subprocess.Popen(command, env=environment, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    try:
        until = time.monotonic() + 60
        while subprocess.run(check, capture_output=True, check=False).returncode != 0:
            assert process.poll() is None and time.monotonic() < until, "it is not healthy"
            time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        assert subprocess.run(check, capture_output=True, check=False).returncode != 0
    finally:
        process.kill()
        process.communicate()


def test_the_linter_of_dockerfiles_has_nothing_to_say():
    hadolint = shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("needs hadolint")
    done = subprocess.run([hadolint, str(ROOT / "Dockerfile")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
