"""Configurations with seeded mistakes, through the real commands: check, then for accepted ones a search.

    python tests/faults/configurations.py 1000 --seed 7      prints every fault, then the counts

A configuration may be refused by the check, or by the search before it makes a run folder (exit status 2 both
times, every message with a place), or it must train. Each case runs in a forked process with limits of time
and memory; a search that one of its own limits ended counts as `limited`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

MEMORY_BYTES = 6 << 30
SECONDS = 90
_SEARCH_SECONDS = 15

_EXTREMES: list[Any] = [
    0, -1, 1, 2, 3, 0.5, 1.0, 0.0, -0.5, 1e-300, 1e300, 1e-9, 2**31 - 1, 2**31, 2**63, 10**30, -(10**20),
    100, 4096, 65_536, 0.999999, 1.000001, 17.5,
]  # fmt: skip
_STRANGE: list[Any] = [
    None, True, False, "", " ", "auto", "12", "null", "ü\u202e", "a\nb", "x" * 5000, [], [1], ["identity"],
    {}, {"a": 1}, [[]], [None], "../../etc", "~nobody/x", "/dev/null",
]  # fmt: skip
_TEXTS: dict[str, list[Any]] = {
    "enable_XLA_compilation": [False],  # compiling takes a minute per network on a CPU, as is warned of
    "optimizer.type": ["adamW", "adam", "SGD: 0.9 momentum", "SGDW: 0.5 momentum", "radam: 0.1 alpha",
                       "radam"],
    "optimizer.scheduler": [None, "cd", "cd: 0.1 alpha", "cdr: 1 period", "cdr: 0.01 period, 1000 t_mul",
                            "cdr: 100000 period", "cdr: 1 period, 1 t_mul, 0.5 m_mul, 1 alpha"],
    "search_space.operators": [["identity"], ["1x1 conv"], ["identity", "2x2 maxpool"], ["31x31 conv"],
                               ["8r SE"],
                               ["3x3:2dr conv"], ["3 conv"], ["lstm", "gru"], ["8 SE"], ["2k-1h-1b cvt"]],
    "additional_pareto_objectives": [["time"], ["params"], ["flops", "inference_time"], []],
    "constraints": [{"params": [0, 10]}, {"flops": [0, 1e18]}, {"time": [5, 1]}, {"params": [9, 10_000]}],
    "class_labels_remapping": [{"1": 0}, {"0": 1}, {"1": 255}, {"99": 3}, {"x": 1}, {"1": 65_535}],
    "lookahead": [None, {}, {"sync_period": 1, "slow_step_size": 0.99}, {"sync_period": 100_000}],
    "resize": [None, {"width": 1, "height": 1}, {"width": 20, "height": 9}, {"width": 8192, "height": 8192}],
    "macro_architecture": ["classification", "segmentation_cells", "none"],
    "name": ["digits", "custom-dataset", "cifar11"],
    "predictors": [{"score": "gin"}, {"score": "svr"}, {"time": "none"}],
    "executor": [{"kind": "inline"}, {"kind": "ray"}, {"kind": "inline", "workers": 3, "threads": 2}],
}  # fmt: skip


def base(kind: str, data: Path) -> dict[str, Any]:
    """A search of a few seconds on images, series or masks."""
    task, operators = {
        "images": ("image_classification", ["identity", "3x3 dconv"]),
        "series": ("time_series_classification", ["identity", "3 conv"]),
        "masks": ("image_segmentation", ["identity", "3x3 conv"]),
    }[kind]
    source = {"name": "digits", "samples": 60} if kind == "images" else {"path": str(data / kind)}
    return {
        "search_space": {"blocks": 2, "lookback_depth": 1, "operators": operators},
        "search_strategy": {"max_children": 2, "max_exploration_children": 0},
        "training_hyperparameters": {"epochs": 1, "learning_rate": 0.01, "optimizer": {"scheduler": None}},
        "architecture_hyperparameters": {"filters": 2, "motifs": 2, "normal_cells_per_motif": 1},
        "dataset": {"type": task, **source, "batch_size": 16, "validation_size": 0.25},
        "others": {
            "accuracy_predictor_ensemble_units": 1,
            "timing": "simulated",
            "executor": {"kind": "inline"},
        },
    }


def write_data(folder: Path) -> None:
    """The series and the masks that the searches train on."""
    rng = np.random.default_rng(0)
    for name in ("series", "masks"):
        (folder / name).mkdir(parents=True)
    y = np.arange(40) % 2
    np.savez(folder / "series/train.npz", x=rng.normal(size=(40, 20, 2)) + y[:, None, None], y=y)
    masks = rng.integers(0, 3, (16, 16, 16)).astype(np.uint8)
    images = (masks[..., None] * 99 + rng.integers(0, 99, (16, 16, 16, 3))).astype(np.uint8)
    np.savez(folder / "masks/train.npz", x=images, y=masks)


@dataclass(frozen=True)
class Case:
    """A configuration's text, and what was done to it, in words."""

    text: str
    changes: str


def mutated(seed: int, data: Path) -> Case:
    """The configuration of a seed: one to three changes of a search that works."""
    rng = random.Random(seed)
    document = base(rng.choice(["images", "images", "series", "masks"]), data)
    places = _places()
    told = []
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        told.append(rng.choice(_MUTATIONS)(document, rng.choice(places), rng))
    text = json.dumps(document, indent=1)
    if rng.random() < 0.06:
        text, change = _broken(text, rng)
        told.append(change)
    return Case(text, "; ".join(told))


def _places() -> list[tuple[str, ...]]:
    from popnas.config import messages

    found: list[tuple[str, ...]] = []
    pending: list[tuple[str, ...]] = [()]
    while pending:
        path = pending.pop()
        for name in dict.fromkeys(messages.properties(messages.schema_at(path))):
            found.append((*path, name))
            pending.append((*path, name))
    return sorted(found)


def _put(document: dict[str, Any], place: tuple[str, ...], value: Any) -> str:
    node = document
    for key in place[:-1]:
        if not isinstance(node.get(key), dict):
            node[key] = {}
        node = node[key]
    node[place[-1]] = value
    return f"{'.'.join(place)} = {str(value)[:60]!r}"


def _extreme(document: dict[str, Any], place: tuple[str, ...], rng: random.Random) -> str:
    return _put(document, place, rng.choice(_EXTREMES))


def _strange(document: dict[str, Any], place: tuple[str, ...], rng: random.Random) -> str:
    return _put(document, place, rng.choice(_STRANGE))


def _valid(document: dict[str, Any], place: tuple[str, ...], rng: random.Random) -> str:
    """A value that the schema allows, at its bounds more often than not."""
    from popnas.config import messages

    name = ".".join(place)
    for ending, values in _TEXTS.items():
        if name.endswith(ending):
            return _put(document, place, rng.choice(values))
    node = rng.choice(messages.schema_at(place).alternatives)
    if node.choices:
        return _put(document, place, rng.choice(node.choices))
    if node.kind == "boolean":
        return _put(document, place, rng.random() < 0.5)
    if node.kind in ("integer", "number"):
        low = next((bound for bound in (node.least, node.above) if bound is not None), 0)
        high = next((bound for bound in (node.most, node.below) if bound is not None), 1)
        near = [low, low + 1, low + 2, high, high - 1] if node.kind == "integer" else [low, high, high / 2]
        return _put(document, place, rng.choice(near))
    return _put(document, place, None if node.kind == "null" else {})


def _typo(document: dict[str, Any], place: tuple[str, ...], rng: random.Random) -> str:
    name = list(place[-1])
    at = rng.randrange(len(name))
    name[at] = rng.choice("abxyz_ ")
    return _put(document, (*place[:-1], "".join(name)), rng.choice([1, "x", None, {}]))


def _deep(document: dict[str, Any], place: tuple[str, ...], rng: random.Random) -> str:
    value: Any = 1
    for _ in range(rng.choice([3, 40, 60, 200])):
        value = {"a": value} if rng.random() < 0.5 else [value]
    return _put(document, place, value)


def _removed(document: dict[str, Any], place: tuple[str, ...], rng: random.Random) -> str:
    node: Any = document
    for key in place[:-1]:
        node = node.get(key, {}) if isinstance(node, dict) else {}
    if isinstance(node, dict):
        node.pop(place[-1], None)
    return f"without {'.'.join(place)}"


_MUTATIONS: list[Callable[[dict[str, Any], tuple[str, ...], random.Random], str]] = [
    _valid, _valid, _valid, _valid, _extreme, _extreme, _extreme, _strange, _typo, _deep, _removed,
]  # fmt: skip


def _broken(text: str, rng: random.Random) -> tuple[str, str]:
    """What is no JSON any more, or hardly."""
    at = rng.randrange(len(text))
    breaks = {
        "a key twice": text.replace('"blocks":', '"blocks": 2, "blocks":', 1),
        "NaN": re.sub(r"0\.25", "NaN", text, count=1),
        "Infinity": re.sub(r"0\.01", "-Infinity", text, count=1),
        "cut": text[:at],
        "a letter": text[:at] + rng.choice('{}[]",:xN0\x00') + text[at + 1 :],
        "a huge number": re.sub(r"0\.01", "1" * 400, text, count=1),
        "comments": "// mine\n" + text,
    }
    name = rng.choice(sorted(breaks))
    return breaks[name], name


@dataclass(frozen=True)
class Outcome:
    """What a command came to: exit status (None: it had to be killed), what it printed, its peak memory."""

    status: int | None
    output: str
    peak_bytes: int


def run_forked(arguments: list[str], folder: Path, seconds: float = SECONDS) -> Outcome:
    """A popnas command in `folder`, in a forked process with limits of memory and time."""
    log = folder / "output.txt"
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        _run_and_exit(arguments, folder, log)
    deadline = time.monotonic() + seconds
    while True:
        pid, status, usage = os.wait4(child, os.WNOHANG)
        if pid:
            break
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.wait4(child, 0)
            return Outcome(None, log.read_text(errors="replace"), 0)
        time.sleep(0.02)
    code = os.waitstatus_to_exitcode(status)
    return Outcome(code, log.read_text(errors="replace"), usage.ru_maxrss * 1024)


def _run_and_exit(arguments: list[str], folder: Path, log: Path) -> None:
    """Never returns: this is the forked process."""
    try:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        os.chdir(folder)
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, 1)
        os.dup2(file, 2)
        # Under pytest both are files of its own, which do not follow the descriptors.
        sys.stdout, sys.stderr = (open(number, "w", closefd=False) for number in (1, 2))  # noqa: SIM115
        from popnas.cli.main import run

        status = run(arguments)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    except BaseException:
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
    os._exit(99)


def judge(case: Case, folder: Path, seconds: float = SECONDS) -> tuple[str, str]:
    """(verdict, what was said). Verdicts: refused, trained, limited; or a fault: traceback, hang, memory,
    failing (accepted, but nothing trained), folder (refused too late), no place.
    """
    path = folder / "config.json"
    path.write_text(case.text, encoding="utf-8", errors="surrogatepass")
    checked = run_forked(["config", "check", "-j", str(path)], folder, seconds)
    verdict = _of_refusal(checked)
    if checked.status != 0:
        return verdict, checked.output
    limits = [f"others.max_hours={_SEARCH_SECONDS / 3600}", f"others.max_candidate_seconds={_SEARCH_SECONDS}"]
    sets = [word for limit in limits for word in ("--set", limit)]
    searched = run_forked(["search", "-j", str(path), *sets, "--name", "run"], folder, seconds)
    made = (folder / "logs" / "run").exists()
    if searched.status == 2:
        return ("folder" if made else _of_refusal(searched)), searched.output
    if "Traceback" in searched.output or searched.status not in (0, 1):
        return _of_refusal(searched), searched.output
    if searched.peak_bytes > MEMORY_BYTES // 2:
        return "memory", f"{searched.peak_bytes >> 20} MiB\n{searched.output}"
    return _of_search(searched), searched.output


def _of_refusal(outcome: Outcome) -> str:
    if outcome.status is None:
        return "hang"
    if "Traceback" in outcome.output:
        return "traceback"
    if outcome.status < 0:
        return "memory"
    if outcome.status not in (0, 2):
        return "traceback"
    return "refused" if _has_place(outcome.output) else "no place"


def _of_search(outcome: Outcome) -> str:
    if outcome.status == 0:
        return "limited" if "Time limit" in outcome.output else "trained"
    limited = "time_limit" in outcome.output or "meet" in outcome.output
    return "limited" if limited else "failing"


def _has_place(output: str) -> bool:
    """Whether every mistake names a field, or a line of the file."""
    lines = [line for line in output.splitlines() if not line.startswith("Warning: ")]
    listed = [line for line in lines if line.startswith("  ")]
    place = re.compile(
        r"line \d+|\b(search_space|search_strategy|training_hyperparameters|architecture_hyperparameters)\b"
        r"|\b(dataset|others)\b|unknown key|the configuration|must be an object"
    )
    return all(place.search(line) for line in (listed or ["".join(lines)]))


def main() -> int:
    """Run as many cases as asked; the exit status says whether there was a fault."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=0, help="of the first case; the next have the next ones")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of a command; more on a busy machine")
    options = parser.parse_args()
    import popnas.workflows.searching.search  # noqa: F401 - once for all forks

    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as place:
        data = Path(place) / "data"
        write_data(data)
        for seed in range(options.seed, options.seed + options.count):
            folder = Path(place) / str(seed)
            folder.mkdir()
            case = mutated(seed, data)
            verdict, output = judge(case, folder, options.seconds)
            counts[verdict] += 1
            if verdict not in ("refused", "trained", "limited"):
                sys.stdout.write(f"--- {verdict} (seed {seed}): {case.changes}\n{output[-1500:]}\n")
                sys.stdout.flush()
            shutil.rmtree(folder)
    sys.stdout.write(f"{options.count} configurations from seed {options.seed}: {dict(counts)}\n")
    return int(any(counts[fault] for fault in counts.keys() - {"refused", "trained", "limited"}))


if __name__ == "__main__":
    sys.exit(main())
