"""`popnas doctor`: what a bug report needs to know about the machine."""

from __future__ import annotations

import os
import platform
import re
import time
from collections.abc import Mapping
from importlib import metadata
from typing import TYPE_CHECKING

import click

from popnas import resources
from popnas.cli.terminal.options import json_option
from popnas.cli.terminal.output import echo, print_json
from popnas.registry import plug_ins

if TYPE_CHECKING:
    import torch

_GIB = 2**30

Facts = dict[str, str | int | float | None]
"""What is known, by name; None: nothing is."""


@click.command("doctor")
@json_option
def command(is_json: bool) -> None:
    """Versions, device, threads, speed and plug-ins of this machine; paste it into bug reports."""
    facts: dict[str, Mapping[str, str | int | float | None]] = {
        "system": system(),
        "device": device(),
        "packages": packages(),
        "plug-ins": parts_of_others(),
    }
    if is_json:
        print_json(facts)
        return
    for title, section in facts.items():
        echo(title)
        width = max(map(len, section), default=0)
        if not section:
            echo("  none")
        for name, value in section.items():
            echo(f"  {name.ljust(width)}  {'none' if value is None else value}")


def system() -> Facts:
    """Versions of popnas and Python, platform, cores and memory."""
    return {
        "popnas": metadata.version("popnas"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": resources.processor(),
        "cores_usable": len(resources.available_cores()),
        "cores": os.cpu_count(),
        **_memory(),
    }


def device() -> Facts:
    """The device that `train_strategy: auto` takes, and how fast two-byte floats are on it."""
    import torch

    from popnas.training.device import choose

    chosen = choose("auto")
    is_gpu = chosen.type == "cuda"
    return {
        "device": str(chosen),
        "name": torch.cuda.get_device_name(chosen) if is_gpu else resources.processor(),
        "gpus": torch.cuda.device_count(),
        "memory_gib": round(torch.cuda.get_device_properties(chosen).total_memory / _GIB, 1)
        if is_gpu
        else None,
        "threads": torch.get_num_threads(),
        "cuda": torch.version.cuda,
        "bf16_speed_against_fp32": round(_bf16_speedup(chosen), 2),
    }


def parts_of_others() -> dict[str, str]:
    """What packages beside popnas bring, by family and name: the package and its version, and why a part
    cannot be loaded. One that cannot is told and ends nothing here, where one looks for what is wrong."""
    return {
        f"{each.group.removeprefix('popnas.')} {each.name}": f"{each.package} {each.version}".strip()
        + ("" if each.broken is None else f", broken: {each.broken}")
        for each in plug_ins()
    }


_OF_DEVELOPERS = re.compile(r"""extra == ["'](dev|test)["']""")


def packages() -> dict[str, str | None]:
    """Versions of everything that popnas depends on, optional packages among it; None = not installed."""
    lines = [line for line in metadata.requires("popnas") or [] if not _OF_DEVELOPERS.search(line)]
    names = {re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0] for line in lines}
    return {name: _version(name) for name in sorted(names - {"popnas"}, key=str.lower)}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _memory() -> Facts:
    """How much memory may be used here, and what says so."""
    smallest = next(iter(resources.memory_limits()), None)
    return {
        "memory_gib": None if smallest is None else round(smallest.num_bytes / _GIB, 1),
        "memory_limit": None if smallest is None else smallest.what,
    }


def _bf16_speedup(chosen: torch.device) -> float:
    """How many times as fast a matrix product is in bfloat16 as in float32."""
    import torch

    return _product_seconds(chosen, torch.float32) / _product_seconds(chosen, torch.bfloat16)


def _product_seconds(
    chosen: torch.device, dtype: torch.dtype, size: int = 512, repetitions: int = 15
) -> float:
    import torch

    matrix = torch.ones(size, size, dtype=dtype, device=chosen)
    fastest = float("inf")
    for _ in range(repetitions + 1):  # the first one warms up; it is the slowest and never counts
        start = time.perf_counter()
        matrix @ matrix
        if chosen.type == "cuda":
            torch.cuda.synchronize(chosen)
        fastest = min(fastest, time.perf_counter() - start)
    return fastest
