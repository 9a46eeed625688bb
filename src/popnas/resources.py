"""What of the machine this process may use: cores and memory; and which process a number stands for.

A container's or a scheduler's share counts, never the machine behind it: affinity and the CPU quota of
control groups (version 1 and 2), their memory limit, and the limit on address space. Everything that asks how
many workers or threads there should be, or how much memory there is, asks here.
"""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_CGROUPS, _MOUNTS = Path("/proc/self/cgroup"), Path("/proc/self/mountinfo")
_UNLIMITED = 2**60
"""Version 1 writes the largest number of pages for "no limit"."""


def available_cores() -> list[int]:
    """The cores that this process may use, as many as its CPU quota allows and at least one: one of each
    physical core first, their hyper-threads after.
    """
    cores = _by_physical_core(_allowed_cores())
    quota = cpu_quota()
    return cores if quota is None else cores[: max(1, int(quota))]


def startable_threads(count: int) -> int:
    """How many of `count` threads more this process may have at once: limits on processes, on the control
    group's tasks and on address space (a stack each) decide."""
    release, started = threading.Event(), list[threading.Thread]()
    try:
        for _ in range(count):
            thread = threading.Thread(target=release.wait, daemon=True)
            thread.start()
            started.append(thread)
    except (RuntimeError, MemoryError):
        pass
    finally:
        release.set()
        for thread in started:
            thread.join()
    return len(started)


def cpu_quota() -> float | None:
    """CPU seconds per second that control groups allow this process; None = as many as there are cores."""
    quotas = [quota for group in _groups("cpu") if (quota := _quota(group)) is not None]
    return min(quotas, default=None)


def _allowed_cores() -> list[int]:
    if not hasattr(os, "sched_getaffinity"):
        return list(range(os.cpu_count() or 1))
    return sorted(os.sched_getaffinity(0))


def _by_physical_core(cores: list[int]) -> list[int]:
    seen: set[str] = set()
    firsts: list[int] = []
    others: list[int] = []
    for core in cores:
        siblings = _siblings(core)
        (others if siblings in seen else firsts).append(core)
        seen.add(siblings)
    return firsts + others


def _siblings(core: int) -> str:
    path = Path(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list")
    return _read(path) or str(core)


def _quota(group: Path) -> float | None:
    """The quota of one control group in cores."""
    if (text := _read(group / "cpu.max")) is not None:  # version 2: "max 100000" or "50000 100000"
        quota, _, period = text.partition(" ")
    else:
        quota = _read(group / "cpu.cfs_quota_us") or ""
        period = _read(group / "cpu.cfs_period_us") or ""
    try:
        cores = int(quota) / int(period)
    except (ValueError, ZeroDivisionError):  # "max", or no such file
        return None
    return cores if cores > 0 else None  # version 1: -1 for no limit


@dataclass(frozen=True)
class MemoryLimit:
    """Bytes that may be used, and who says so; `is_per_process`: each process has so many of its own."""

    num_bytes: int
    what: str
    is_per_process: bool = False


def memory_limits() -> list[MemoryLimit]:
    """All limits on memory, the smallest first; none where the system tells of none."""
    limits = [MemoryLimit(size, "the memory of this machine") for size in _physical_memory()]
    limits += [MemoryLimit(size, "the memory limit of its control group") for size in _group_memory()]
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft not in (resource.RLIM_INFINITY, -1):
        limits.append(MemoryLimit(soft, "its limit on address space (ulimit -v)", is_per_process=True))
    return sorted(limits, key=lambda limit: limit.num_bytes)


def free_memory() -> int:
    """Bytes of memory that this process may still take, as far as the system tells."""
    lines = (_read(Path("/proc/meminfo")) or "").splitlines()
    free = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    for limit in memory_limits():
        in_use = address_space_in_use() if limit.is_per_process else memory_in_use()
        free.append(limit.num_bytes - in_use)
    return max(0, min(free, default=sys.maxsize))


def memory_in_use() -> int:
    """Bytes of memory that this process holds."""
    return _pages(1) or peak_memory()


def address_space_in_use() -> int:
    """Bytes of address space of this process, which RLIMIT_AS counts."""
    return _pages(0) or peak_memory()


def peak_memory() -> int:
    """The most memory that this process has held, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _pages(column: int) -> int:
    fields = (_read(Path("/proc/self/statm")) or "").split()
    return int(fields[column]) * os.sysconf("SC_PAGE_SIZE") if fields else 0


def _physical_memory() -> list[int]:
    try:
        return [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    except (AttributeError, ValueError, OSError):
        return []


def _group_memory() -> list[int]:
    sizes = []
    for group in _groups("memory"):
        text = _read(group / "memory.max") or _read(group / "memory.limit_in_bytes") or ""
        if text.isdigit() and 0 < int(text) < _UNLIMITED:
            sizes.append(int(text))
    return [min(sizes)] if sizes else []


def _groups(controller: str) -> Iterator[Path]:
    """The folders of this process's control group and of those above it, of both versions."""
    mounts = list(_cgroup_mounts())
    for line in (_read(_CGROUPS) or "").splitlines():
        _, controllers, own = line.split(":", 2)
        is_unified = not controllers
        for names, root, mount in mounts:
            is_same = not names if is_unified else {controller} <= {*names} & {*controllers.split(",")}
            if not is_same:
                continue
            # In a container the mount may show only what lies below its own root.
            inside = own.removeprefix(root) if root != "/" else own
            group = mount / inside.strip("/")
            yield from (folder for folder in (group, *group.parents) if folder.is_relative_to(mount))


def _cgroup_mounts() -> Iterator[tuple[tuple[str, ...], str, Path]]:
    """(controllers, root, mount point) of every hierarchy; version 2 names no controllers."""
    for line in (_read(_MOUNTS) or "").splitlines():
        mount, _, kind = line.partition(" - ")
        fields, types = mount.split(), kind.split()
        if len(fields) > 4 and types and types[0] in ("cgroup", "cgroup2"):
            options = types[-1].split(",") if types[0] == "cgroup" else []
            yield tuple(options), fields[3], Path(fields[4])


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except (OSError, ValueError):
        return None


def processor() -> str:
    """The kind of this machine's processor, as it names itself."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123 - a device file, read line by line
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def start_of(pid: int) -> str | None:
    """When a process started, as a text that tells it from any other that has its number later; None where
    there is no such process."""
    place = Path(f"/proc/{pid}/stat")
    try:
        # The name of the program, in brackets, may hold anything.
        fields = place.read_text(errors="replace").rpartition(")")[2].split()
        return f"{_boot()}:{fields[19]}"
    except (FileNotFoundError, ProcessLookupError):
        return None if Path("/proc/self/stat").exists() else _told_by_ps(pid)


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "-"


def _told_by_ps(pid: int) -> str | None:
    """Where there is no /proc (macOS)."""
    found = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or None
