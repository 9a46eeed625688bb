"""What `popnas plan` says beside what the search then takes, on six configurations.

Compared are the CPU seconds of all candidates and confirmations (one thread each, so that other work on the
machine stretches them little), and the wall seconds of the whole search. Some steps train fewer networks than
planned, as fronts are smaller than expected: `per network` compares the means. Plan and search run one after
the other, as other work on the machine changes what a CPU second does: the load before and after is shown,
and how far a second plan after the search is from the first.

    python benchmarks/bench_plan.py [NAME ...]

Series and scenes come from `data/` in the folder that POPNAS_SHARED names; without it they are left out.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

SMALL = {
    "search_strategy.max_children": 8,
    "search_strategy.max_exploration_children": 2,
    "search_space.blocks": 3,
    "others.executor.workers": 1,
}


def configurations(data: Path, folder: Path) -> dict[str, tuple[str, dict[str, Any]]]:
    """Name -> (preset, changes)."""
    series = {"dataset.path": str(data / "ucr/ECG200"), "dataset.name": None}
    return {
        "digits": ("run", {"others.executor.workers": 1, "others.confirm": False}),
        "debug": ("run_debug", {}),
        "lstm": (
            "run_ts",
            series
            | SMALL
            | {
                "search_space.operators": ["identity", "7 conv", "13 dconv", "2 maxpool", "lstm"],
                "training_hyperparameters.epochs": 6,
                "architecture_hyperparameters.filters": 8,
            },
        ),
        "segmentation": (
            "run_seg_debug",
            {
                "dataset.path": str(segmentation(data, folder)),
                "dataset.ignore_class": 11,
                "others.executor.workers": 1,
                "others.executor.kind": "processes",
            },
        ),
        "exports": (
            "run_debug",
            {
                "others.save_children_models": True,
                "training_hyperparameters.epochs": 4,
                "dataset.samples": 1000,
            },
        ),
        "folds": (
            "run_debug",
            SMALL
            | {
                "dataset.folds": 2,
                "others.confirm": True,
                "others.pnas_mode": True,
                "search_strategy.max_exploration_children": 0,
                "search_strategy.additional_pareto_objectives": [],
                "training_hyperparameters.epochs": 4,
                "dataset.samples": 1000,
            },
        ),
    }


def segmentation(data: Path, folder: Path) -> Path:
    """A few street scenes as class folders of images and masks."""
    target = folder / "scenes"
    if not data.is_dir():
        return target
    for name, source, number in (("train", "train", 40), ("validation", "val", 12)):
        for kind, suffix in (("images", ""), ("masks", "annot")):
            place = target / name / kind
            place.mkdir(parents=True, exist_ok=True)
            for path in sorted((data / "camvid" / f"{source}{suffix}").iterdir())[:number]:
                (place / path.name).symlink_to(path)
    return target


def popnas(*arguments: str, folder: Path) -> str:
    """Standard output of a command with one thread, run in `folder`."""
    return subprocess.run(
        [sys.executable, "-m", "popnas", *arguments],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ).stdout


def compare(name: str, preset: str, changes: dict[str, Any], folder: Path) -> None:
    """Run both and print a line."""
    sets = [part for key, value in changes.items() for part in ("--set", f"{key}={json.dumps(value)}")]
    load = os.getloadavg()[0]

    def plan() -> dict[str, Any]:
        return dict(json.loads(popnas("plan", "-j", preset, *sets, "--json", folder=folder)))

    began = time.monotonic()
    planned = plan()
    plan_seconds = time.monotonic() - began
    began = time.monotonic()
    popnas("search", "-j", preset, *sets, "--name", name, folder=folder)
    wall = time.monotonic() - began
    events = [json.loads(line) for line in (folder / "logs" / name / "restore/journal.jsonl").open()]
    done = [event for event in events if event["event"] in ("evaluation", "confirmation")]
    cpu = sum(event["volatile"]["cpu_seconds"] for event in done)
    expected = sum(step["expected"] for step in planned["steps"])
    expected += 18 * (planned["confirmation_seconds"] > 0)
    after = plan()["candidate_seconds"] / planned["candidate_seconds"] - 1
    said, per_network = planned["candidate_seconds"], planned["candidate_seconds"] / expected
    mean = cpu / len(done)
    print(
        f"{name:<13} {plan_seconds:5.0f} s | networks {expected:4.0f} is {len(done):3d} | "
        f"CPU {said:6.1f} s is {cpu:6.1f} s {said / cpu - 1:+4.0%} | "
        f"per network {per_network / mean - 1:+4.0%} | "
        f"wall {planned['seconds']:5.0f} s is {wall:5.0f} s {planned['seconds'] / wall - 1:+4.0%} | "
        f"load {load:.1f}, {os.getloadavg()[0]:.1f} | a second plan after it {after:+4.0%}",
        flush=True,
    )


def main() -> int:
    data = Path(os.environ.get("POPNAS_SHARED", "../shared")).resolve() / "data"
    wanted = set(sys.argv[1:])
    with tempfile.TemporaryDirectory() as folder:
        for name, (preset, changes) in configurations(data, Path(folder)).items():
            path = changes.get("dataset.path")
            if (not wanted or name in wanted) and (path is None or data.is_dir()):
                compare(name, preset, changes, Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
