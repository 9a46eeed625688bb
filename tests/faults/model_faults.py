"""Model folders that are broken or hostile: a sound one, and a seeded generator that spoils a file of it.

    python tests/faults/model_faults.py --seed 1 --count 300      # in one process, prints a table

Each case is a pure function of (seed, number). What a sound popnas owes to each: the command is refused in
one sentence that names the file or its folder, or it answers; never a traceback. A description whose
checksum was taken out may say something else, and is then believed as far as it can be.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import popnas
from popnas import networks, tasks
from popnas.cells import Cell
from popnas.cli.main import run as command_line
from popnas.errors import PopnasError
from popnas.evaluators.training.describing import describe_model
from popnas.export import description, save_onnx
from popnas.networks import weights
from popnas.runs import RunFolder, told
from popnas.storage import PROOF, write_bytes, write_json
from popnas.workflows.settings import load_config

CELL = Cell.parse("[(-2, 3x3 conv, -1, identity)]")
CONFIG = {
    "search_space": {"blocks": 1, "operators": ["identity", "3x3 conv"]},
    "architecture_hyperparameters": {"filters": 4, "motifs": 2, "normal_cells_per_motif": 1},
    "dataset": {"type": "image_classification", "name": "digits", "batch_size": 32, "samples": 120},
    "others": {"timing": "simulated", "executor": {"kind": "inline"}, "train_strategy": "CPU"},
}
FILES = ("model.json", "model.json", "model.json", "weights.safetensors", "model.onnx", "config.json")
ODD: tuple[Any, ...] = (
    None, True, -1, 0, 1e308, float("nan"), float("inf"), 2**70, 10**400, 0.5, "", "x", "\ud800", "\x1b[2J",
    [], {}, [None], [[]], {"": None}, "../../passwd", "/dev/zero", "é" * 300, [1] * 99, {"a": {"b": {}}},
)  # fmt: skip
COMMANDS = ("evaluate", "export", "load", "load torch", "latency", "report")


@dataclass(frozen=True)
class Case:
    """What was done to which file, and the command that meets it."""

    number: int
    name: str
    what: str
    command: str


def make_run(path: Path, *, seed: int = 0) -> Path:
    """A run whose best model was not trained."""
    config = load_config({**CONFIG, "others": {**CONFIG["others"], "seed": seed}})
    best = RunFolder.create(path, config.to_json()).best_model
    task = tasks.get(config.dataset.type)
    dataset = task.load(config)
    spec = task.network_spec(config, dataset)
    torch.manual_seed(seed)
    network = networks.build(CELL, spec).eval()
    best.mkdir()
    write_bytes(best / "weights.safetensors", weights.to_bytes(network.state_dict()))
    save_onnx(network, dataset.preprocessing, best / "model.onnx")
    write_json(best / "config.json", config.to_json())
    description.write(best, describe_model(CELL, spec, config, dataset))
    return path


def spoil(best: Path, other: Path, seed: int, number: int) -> Case:
    """Spoil a file of the model in `best`; `other`: another model's folder."""
    rng = random.Random(f"{seed}/{number}")
    name, command = FILES[number % len(FILES)], rng.choice(COMMANDS)
    path = best / name
    if name.endswith(".json") and rng.random() < 0.7:
        content = json.loads(path.read_text())
        if rng.random() < 0.9:
            content.pop(PROOF, None)
        if name == "config.json" and rng.random() < 0.8:
            _without_proof(best)
        what = _edit(content, rng)
        path.write_text(json.dumps(content))
        return Case(number, name, what, command)
    if name != "model.json" and rng.random() < 0.6:
        _without_proof(best)
    what, data = _damaged(path.read_bytes(), (other / name).read_bytes(), rng)
    if data is None:
        path.unlink()
        if what == "folder":
            path.mkdir()
        if what == "broken link":
            path.symlink_to("nowhere")
    else:
        path.write_bytes(data)
    return Case(number, name, what, command)


def _without_proof(best: Path) -> None:
    content = json.loads((best / "model.json").read_text())
    content.pop(PROOF, None), content.pop(description.FILES_KEY, None)
    write_json(best / "model.json", content)


def _edit(content: Any, rng: random.Random) -> str:
    """Change one value somewhere in a JSON document; says which."""
    place, at = "", content
    while True:
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        key = rng.choice(keys)
        place += f".{key}"
        if isinstance(at[key], dict | list) and at[key] and rng.random() < 0.7:
            at = at[key]
            continue
        kind = rng.choice(("odd", "odd", "odd", "missing", "more", "deep"))
        if kind == "odd":
            at[key] = rng.choice(ODD)
            return f"{place} = {str(at[key])[:30]!a}"
        if kind == "missing":
            del at[key]
        if kind == "deep":
            at[key] = json.loads("[" * 300 + "]" * 300)
        if kind == "more":
            at[key] = [at[key]] * 2
        return f"{place}: {kind}"


def _damaged(data: bytes, others: bytes, rng: random.Random) -> tuple[str, bytes | None]:
    flipped = bytearray(data)
    flipped[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    cut = rng.randrange(len(data))
    return rng.choice(
        (
            ("flipped bit", bytes(flipped)),
            ("flipped bit", bytes(flipped)),
            ("cut", data[:cut]),
            ("empty", b""),
            ("longer", data + b"\0" * 9),
            ("another's", others),
            ("garbage", rng.randbytes(200)),
            ("deep", b"[" * 10**5),
            ("UTF-16", "{}".encode("utf-16")),
            ("missing", None),
            ("folder", None),
            ("broken link", None),
        )
    )


def run_case(case: Case, run: Path, out: Path) -> tuple[str, str | None]:
    """What came of a case (refused, answered), and what is wrong about it."""
    best = run / "best_model"
    told._TOLD.clear()
    words, output = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stderr(words), contextlib.redirect_stdout(output):
            status = COMMAND[case.command](run, best, out)
    except PopnasError as error:
        status = error.exit_status
        words.write(f"{error}\n")
    except Exception as error:
        return "traceback", f"{type(error).__name__}: {error}"
    text = words.getvalue()
    if "Traceback" in text or status not in (0, 2):
        return "traceback", f"status {status}: {text[-600:]}"
    if status == 0:
        return "answered", None
    named = case.name in text or str(best) in text
    return "refused", None if named and len(text) < 2000 else f"not named, or too long: {text[:600]}"


def _load(backend: str) -> Callable[[Path, Path, Path], int]:
    def load(run: Path, best: Path, out: Path) -> int:
        popnas.load(best, backend=backend).predict(np.zeros((2, 8, 8, 1), np.float32))
        return 0

    return load


COMMAND: dict[str, Callable[[Path, Path, Path], int]] = {
    "evaluate": lambda run, best, out: command_line(["evaluate", "-p", str(run), "--json"]),
    "export": lambda run, best, out: command_line(["export", "-p", str(run), "--source", "-o", str(out)]),
    "load": _load("onnx"),
    "load torch": _load("torch"),
    "latency": lambda run, best, out: command_line(["latency", f"{best}/model.onnx", "-b", "1", "-n", "1"]),
    "report": lambda run, best, out: command_line(["report", str(run)]),
}


def sweep(place: Path, seed: int, numbers: range) -> list[tuple[Case, str, str | None]]:
    """The cases with what came of each."""
    sound = make_run(place / "sound")
    other = make_run(place / "other", seed=1) / "best_model"
    found = []
    for number in numbers:
        run = place / "run"
        shutil.copytree(sound, run)
        case = spoil(run / "best_model", other, seed, number)
        found.append((case, *run_case(case, run, place / "network.py")))
        shutil.rmtree(run)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=300)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="popnas-faults-") as place:
        found = sweep(Path(place), options.seed, range(options.count))
    wrong = [(case, reason) for case, _, reason in found if reason]
    print(Counter((case.name, end) for case, end, _ in found))  # noqa: T201
    for case, reason in wrong:
        print(case, reason, sep="\n  ")  # noqa: T201
    print(f"{len(found)} cases, {len(wrong)} wrong")  # noqa: T201
    return int(bool(wrong))


if __name__ == "__main__":
    raise SystemExit(main())
