"""Every file that a stage leaves in a run's folder for a later one, spoiled in every way, and the commands
that read it.

    python tests/faults/stored_faults.py --seed 1      # in one process, prints what is wrong

What a sound popnas owes to each: one sentence that names the file and what helps, or an answer; never a
traceback, never a wait, and nothing outside the run's folder is read for the run's own or written.
"""

from __future__ import annotations

import argparse
import builtins
import contextlib
import importlib.util
import io
import json
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import popnas
from popnas.cli.main import run as command_line
from popnas.errors import PopnasError
from popnas.evaluation import Evaluation
from popnas.runs import RunFolder, identity, told
from popnas.storage import PROOF, save_arrays, write_json
from popnas.workflows.models import final_training, selection
from popnas.workflows.models.choices import CellChoice
from popnas.workflows.settings import load_config

SPEC = importlib.util.spec_from_file_location("model_faults", Path(__file__).with_name("model_faults.py"))
assert SPEC is not None
model_faults = importlib.util.module_from_spec(SPEC)
sys.modules["model_faults"] = model_faults
assert SPEC.loader is not None
SPEC.loader.exec_module(model_faults)

OPERATORS = model_faults.CONFIG["search_space"]["operators"]
CELLS = {"[(-2, 3x3 conv, -1, identity)]": 0.6, "[(-1, identity, -1, identity)]": 0.5}
PARTIAL: dict[str, Any] = {"training_hyperparameters": {"epochs": 2}}
HOLDS: dict[str, Any] = {"training_hyperparameters": {"epochs": 4}, "others": {"max_hours": 1e-9}}
SELECTED = "model_selection/0-m2-n1-f4"
STOPPED = "final_training/stopped"


def command(*arguments: str) -> Callable[[Path], int]:
    def call(run: Path) -> int:
        return command_line([part.replace("RUN", str(run)) for part in arguments])

    return call


def load(place: str, backend: str = "onnx") -> Callable[[Path], int]:
    def call(run: Path) -> int:
        popnas.load(run / place, backend=backend).predict(np.zeros((2, 8, 8, 1), np.float32))
        return 0

    return call


def tables(run: Path) -> int:
    found = popnas.Run(run)
    for name in found.tables:
        found.table(name)
    return 0


def partial_file(content: dict[str, Any]) -> str:
    path = Path(tempfile.gettempdir()) / f"popnas-faults-{os.getpid()}-{len(str(content))}.json"
    path.write_text(json.dumps(content))
    return str(path)


PICK, REPORT = command("pick", "RUN"), command("report", "RUN")
JOURNAL = command("journal", "RUN", "--content")
RESUME, RESUME_ALL = command("search", "-r", "RUN"), command("e2e", "-r", "RUN")
EVALUATE, EXPORT = command("evaluate", "-p", "RUN"), command("export", "-p", "RUN", "--source")
SELECT = command("select", "-p", "RUN", "-k", "2", "-j", partial_file(PARTIAL))
TRAIN = command("train", "-p", "RUN", "-j", partial_file(PARTIAL))
GO_ON = command(
    "train", "-p", "RUN", "-j", partial_file(HOLDS), "--name", "stopped", "--set", "others.max_hours=null"
)
TOP = command("evaluate", "-p", "RUN", "--top")

READERS: dict[str, list[Callable[[Path], int]]] = {
    "restore/run.json": [PICK, REPORT, RESUME, SELECT, EVALUATE],
    "restore/journal.jsonl": [PICK, REPORT, RESUME, JOURNAL, SELECT, TRAIN, EVALUATE, EXPORT],
    "restore/journal.end": [PICK, RESUME],
    "restore/lock": [RESUME],
    "restore/predictions_B2.npz": [REPORT, RESUME],
    "e2e.json": [RESUME_ALL, REPORT],
    "best_model/model.json": [EVALUATE, EXPORT, REPORT, RESUME, load("best_model")],
    "best_model/weights.safetensors": [EVALUATE, EXPORT, load("best_model", "torch")],
    "best_model/model.onnx": [EVALUATE, load("best_model")],
    "best_model/config.json": [EVALUATE],
    "best_model/eval.json": [EVALUATE],
    "model_selection/selection.json": [SELECT, TRAIN],
    "model_selection/training_results.csv": [SELECT, tables],
    f"{SELECTED}/training.json": [SELECT, TRAIN],
    f"{SELECTED}/config.json": [TOP],
    f"{SELECTED}/model.json": [SELECT, TRAIN, TOP, load(SELECTED)],
    f"{SELECTED}/weights.safetensors": [TOP],
    f"{SELECTED}/failed.json": [SELECT, TRAIN],
    f"{STOPPED}/checkpoint.pt": [GO_ON],
    f"{STOPPED}/training.json": [GO_ON],
    f"{STOPPED}/config.json": [GO_ON],
    "csv/training_results.csv": [tables, REPORT],
}
"""The commands that read each file; those that only look come first, since a later one may mend it."""


def make_run(path: Path, *, seed: int = 0) -> Path:
    """A run with all of these files: searched, a selection of two cells, and a final training that a time
    limit stopped."""
    model_faults.make_run(path, seed=seed)
    folder = RunFolder(path)
    with folder.journal as journal:
        journal.append("proposals", {"step": 1, "cells": [_proposal(cell) for cell in CELLS]})
        for index, (cell, score) in enumerate(CELLS.items()):
            found = Evaluation(
                cell=cell, step=1, index=index, is_exploration=False, seed=seed, score=score,
                metrics={"accuracy": score}, training_seconds=1.0, inference_seconds=0.01, params=10, flops=9,
            )  # fmt: skip
            journal.append("evaluation", found.content(), {"wall_seconds": 1.0})
        journal.append("predictions", _predictions(folder))
        journal.append("run_finished", {"reason": "completed"})
    (folder.restore / "lock").write_text("{}")
    selected = selection.select(path, CellChoice(2), partial=PARTIAL)
    final_training.train(path, partial=HOLDS, name="stopped")
    _write_unsigned(folder, selected.models[0].folder)
    with contextlib.redirect_stdout(io.StringIO()):
        assert command_line(["report", str(path)]) == 0
    return path


def _predictions(folder: RunFolder) -> dict[str, Any]:
    cells = np.array([[[-2, 0, -1, 1], [-1, 0, 0, 0]]], np.int8)
    arrays = {"score": np.ones(1), "time": np.ones(1), "cells": cells, "operators": np.array(OPERATORS)}
    digest = save_arrays(folder.predictions_npz(2), arrays)
    return {"step": 2, "file": "predictions_B2.npz", "sha256": digest}


def _proposal(cell: str) -> dict[str, Any]:
    return {"cell": cell, "is_exploration": False, "predictions": {}}


def _write_unsigned(folder: RunFolder, model: Path) -> None:
    run = {identity.KEY: identity.of(folder.path)}
    config = load_config(folder.config_json()).to_json()
    state = {
        "request": {"num_cells": 2, "params": None, "batch_size": None},
        "max_hours": None,
        "spent_seconds": 1.0,
        "search_seconds": None,
        "configs": {"selection": config, "training": config},
        "finished": {"search": 1.0, "selection": 2.0, "training": 3.0, "evaluation": 4.0},
        "cuts": ["something"],
    }
    write_json(folder.path / "e2e.json", {**state, **run}, is_proven=True)
    write_json(model / "failed.json", {"error": "diverged", "error_kind": "nan"}, is_proven=True)
    write_json(folder.best_model / "eval.json", {"metrics": {}})


@dataclass(frozen=True)
class Damage:
    """What is done to a file: `spoil(path, others, rng)`; `others` is the same file of another run."""

    name: str
    spoil: Callable[[Path, Path, random.Random], None]


def _bytes(change: Callable[[bytes, random.Random], bytes]) -> Callable[[Path, Path, random.Random], None]:
    return lambda path, others, rng: (path.write_bytes(change(path.read_bytes(), rng)), None)[1]


def _flip(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data or b"x")
    changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _values(odd: Sequence[Any]) -> Callable[[Path, Path, random.Random], None]:
    """Every field of a JSON object becomes something else, its checksum is taken out."""

    def spoil(path: Path, others: Path, rng: random.Random) -> None:
        try:
            content = json.loads(path.read_text())
        except ValueError:  # no JSON
            path.write_text(json.dumps(odd))
            return
        content = content if isinstance(content, dict) else {}
        content.pop(PROOF, None)
        _replace(content, odd, rng)
        path.write_text(json.dumps(content))

    return spoil


def _replace(content: Any, odd: Sequence[Any], rng: random.Random) -> None:
    items = list(content.items()) if isinstance(content, dict) else list(enumerate(content))
    for key, value in items:
        if isinstance(value, dict | list) and value and rng.random() < 0.6:
            _replace(value, odd, rng)
        elif key != identity.KEY and rng.random() < 0.5:
            content[key] = rng.choice(odd)


def _in_its_place(make: Callable[[Path], None]) -> Callable[[Path, Path, random.Random], None]:
    return lambda path, others, rng: (path.unlink(), make(path))[1]


def _link_out(path: Path, others: Path, rng: random.Random) -> None:
    """To a sound copy beside the run."""
    place = outside(path) / path.name
    shutil.move(path, place)
    path.symlink_to(place)


def _folder_out(path: Path, others: Path, rng: random.Random) -> None:
    moved = path if path.parent.name == "run" else path.parent
    place = outside(path) / moved.name
    shutil.move(moved, place)
    moved.symlink_to(place)


def outside(path: Path) -> Path:
    """A folder beside the run in which a file lies."""
    run = next(parent for parent in path.parents if parent.name == "run")
    place = run.with_name("outside")
    place.mkdir(exist_ok=True)
    return place


DAMAGES = [
    Damage("flipped bit", _bytes(_flip)),
    Damage("cut", _bytes(lambda data, rng: data[: rng.randrange(max(len(data), 1))])),
    Damage("empty", _bytes(lambda data, rng: b"")),
    Damage("garbage", _bytes(lambda data, rng: rng.randbytes(200))),
    Damage("deep", _bytes(lambda data, rng: b"[" * 10**5)),
    Damage("NaN", _values([float("nan"), float("inf"), -float("inf")])),
    Damage("huge", _values([10**400, 2**70, 1e308, -(10**30), [1] * 99])),
    Damage("types", _values([None, True, "x", "\ud800", [], {}, [None], {"": None}, -1, 0.5])),
    Damage("paths", _values(["../..", "../../outside", "/etc/passwd", "/dev/zero", ".", ""])),
    Damage("missing", lambda path, others, rng: path.unlink()),
    Damage("another's", lambda path, others, rng: (shutil.copy(others, path), None)[1]),
    Damage("folder", _in_its_place(lambda path: path.mkdir())),
    Damage("named pipe", _in_its_place(os.mkfifo)),
    Damage("broken link", _in_its_place(lambda path: path.symlink_to("nowhere"))),
    Damage("link in a circle", _in_its_place(lambda path: path.symlink_to(path.name))),
    Damage("link out", _link_out),
    Damage("folder is a link out", _folder_out),
    Damage("unreadable", lambda path, others, rng: None),
]


@contextlib.contextmanager
def opening(look: Callable[[str], None]) -> Iterator[None]:
    """`look` is told of every file that this process opens, and may raise; not of links where the system is
    told to refuse them."""
    opens = {(os, "open"): os.open, (io, "open"): io.open, (builtins, "open"): builtins.open}

    def looked_at(open_as_ever: Callable[..., Any]) -> Callable[..., Any]:
        def open_it(file: Any, *arguments: Any, **keywords: Any) -> Any:
            refuses_links = open_as_ever is opens[os, "open"] and arguments[0] & os.O_NOFOLLOW
            if isinstance(file, str | Path) and not (refuses_links and os.path.islink(file)):  # noqa: PTH114
                look(os.path.abspath(file))  # noqa: PTH100 - a link is what is looked for
            return open_as_ever(file, *arguments, **keywords)

        return open_it

    for (module, name), open_as_ever in opens.items():
        setattr(module, name, looked_at(open_as_ever))
    try:
        yield
    finally:
        for (module, name), open_as_ever in opens.items():
            setattr(module, name, open_as_ever)


@contextlib.contextmanager
def watching(path: Path, *, is_unreadable: bool) -> Iterator[list[str]]:
    """Gives what is opened outside the run's folder by a link in it. `is_unreadable`: root reads whatever its
    mode, so here the system refuses, as it does for everybody else."""
    beside, found = str(outside(path)), list[str]()

    def look(file: str) -> None:
        if is_unreadable and file == str(path):
            raise PermissionError(13, "Permission denied", file)
        if os.path.realpath(file).startswith(beside):
            found.append(file)

    with opening(look):
        yield found


def answer(call: Callable[[Path], int], run: Path) -> tuple[int, str]:
    """Exit status and all that was told."""
    told._TOLD.clear()
    words = io.StringIO()
    with contextlib.redirect_stderr(words), contextlib.redirect_stdout(words):
        try:
            status = call(run)
        except PopnasError as error:
            status = error.exit_status
            words.write(f"{error}\n")
    return status, words.getvalue()


def snapshot(folder: Path) -> dict[str, bytes | None]:
    """All that lies in a folder."""
    found = sorted(folder.rglob("*")) if folder.exists() else []
    return {str(path): path.read_bytes() if path.is_file() else None for path in found}


def wrong_with(name: str, damage: Damage, run: Path, other: Path, seed: int) -> str | None:
    """Spoil a file of the run and call its readers; what is wrong about an answer, None if nothing is."""
    path = run / name
    damage.spoil(path, other / name, random.Random(f"{seed}/{name}/{damage.name}"))
    beside = run.with_name("outside")
    before = snapshot(beside)
    for number, call in enumerate(READERS[name]):
        where = f"{name}, {damage.name}, reader {number}"
        try:
            with watching(path, is_unreadable=damage.name == "unreadable") as opened:
                status, words = answer(call, run)
        except Exception as error:
            return f"{where}: {type(error).__name__}: {error}"
        if "Traceback" in words or status not in (0, 2) or "Errno" in words:
            return f"{where}: status {status}: {words[-900:]}"
        if status == 2 and not (path.name in words or str(path.parent) in words):
            return f"{where}: does not name the file: {words[-900:]}"
        if status == 2 and len(words) > 3000:
            return f"{where}: too long: {words[:900]}"
        if snapshot(beside) != before or opened:
            return f"{where}: wrote or read outside the run's folder: {opened} {words[-900:]}"
    return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="part of a file's or a damage's name")
    options = parser.parse_args()
    wrong = []
    with tempfile.TemporaryDirectory(prefix="popnas-faults-") as place:
        sound, other = make_run(Path(place, "sound")), make_run(Path(place, "other"), seed=1)
        for name in READERS:
            for damage in DAMAGES:
                if options.only in f"{name}, {damage.name}":
                    here = Path(place, "here")
                    shutil.copytree(sound, here / "run")
                    found = wrong_with(name, damage, here / "run", other, options.seed)
                    wrong += [found] if found else []
                    shutil.rmtree(here)
    print(*wrong, f"{len(wrong)} wrong", sep="\n")  # noqa: T201
    return int(bool(wrong))


if __name__ == "__main__":
    raise SystemExit(main())
