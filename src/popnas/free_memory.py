"""How much memory this process may still take: of the machine, of its container, of its own limits."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")


def free_bytes() -> int:
    """Bytes that can still be taken; a huge number where nothing tells."""
    found = [_of_machine(), _of_container(), _of_process()]
    return max(0, min((value for value in found if value is not None), default=sys.maxsize))


def size_text(count: int) -> str:
    """Bytes for a message: `3.5 GiB`."""
    for shift, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        if count >= 1 << shift:
            return f"{count / (1 << shift):,.1f} {unit}"
    return f"{count} bytes"


def _of_machine() -> int | None:
    for line in _text(Path("/proc/meminfo")).splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return None


def _of_container() -> int | None:
    """What the strictest of this process's control groups leaves (version 2: `0::/path`)."""
    lines = [line.split(":", 2) for line in _text(Path("/proc/self/cgroup")).splitlines()]
    path = next((fields[2] for fields in lines if fields[:2] == ["0", ""]), "/")
    group = _CGROUPS / path.lstrip("/")
    groups = [folder for folder in (group, *group.parents) if folder.is_relative_to(_CGROUPS)]
    pairs = [(folder / "memory.max", folder / "memory.current") for folder in groups]
    old = _CGROUPS / "memory"
    pairs.append((old / "memory.limit_in_bytes", old / "memory.usage_in_bytes"))
    left = [
        int(limit) - int(used)
        for limit, used in ((_text(a).strip(), _text(b).strip()) for a, b in pairs)
        if limit.isdigit() and used.isdigit()
    ]
    return min(left, default=None)


def _of_process() -> int | None:
    """What the limit on the address space (`ulimit -v`) leaves."""
    try:
        import resource
    except ImportError:  # Windows has none
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    pages = _text(Path("/proc/self/statm")).split()
    if limit == resource.RLIM_INFINITY or not pages:
        return None
    return int(limit) - int(pages[0]) * os.sysconf("SC_PAGE_SIZE")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
