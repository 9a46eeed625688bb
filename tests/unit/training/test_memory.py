"""Memory between the operations of a step."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch

from popnas.training import memory
from popnas.training.memory import freed_memory_kept

PROGRAM = """
import json, resource
from pathlib import Path
import torch
from popnas.training.memory import freed_memory_kept

layers = [layer for _ in range(4) for layer in (torch.nn.Conv2d(8, 8, 3, padding=1), torch.nn.SiLU())]
network = torch.nn.Sequential(*layers)
x = torch.ones(64, 8, 32, 32)

def resident_mib():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20

def page_faults(steps=5):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(steps):
        network(x).sum().backward()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

page_faults()
found = {"before": page_faults()}
try:
    with freed_memory_kept(torch.device("cpu")):
        page_faults()
        found |= {"within": page_faults(), "resident_within": resident_mib()}
        raise ZeroDivisionError
except ZeroDivisionError:
    found |= {"resident_after": resident_mib(), "after": page_faults()}
print(json.dumps(found))
"""
"""Training steps in a process of its own: glibc serves a process that once ran out of memory from another
arena, which hands large blocks back at once whatever it is told."""


@pytest.mark.skipif(sys.platform != "linux", reason="the context acts on Linux alone")
def test_freed_memory_is_taken_again_within_and_goes_back_at_the_end_even_of_a_failure() -> None:
    ran = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert found["within"] < 0.5 * min(found["before"], found["after"])
    assert found["resident_after"] < found["resident_within"] - 5


def test_without_glibc_it_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    memory._glibc.cache_clear()
    monkeypatch.setattr(memory.sys, "platform", "darwin")
    try:
        with freed_memory_kept(torch.device("cpu")):
            assert memory._glibc() is None
    finally:
        memory._glibc.cache_clear()
