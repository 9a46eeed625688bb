"""What a process may use, under control groups of both versions that a test lays out as files."""

import resource
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from popnas import executors, resources

GIB = 2**30


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """Writes a hierarchy; `own` is this process's group in it."""

    def write(version: int, files: dict[str, str], own: str = "/pod/box", root: str = "/", cores: int = 64):
        mount = tmp_path / "cgroup"
        for name, text in files.items():
            (mount / name).parent.mkdir(parents=True, exist_ok=True)
            (mount / name).write_text(text + "\n")
        controllers = "cpu,cpuacct,memory" if version == 1 else ""
        kind, options = ("cgroup", "rw,cpu,cpuacct,memory") if version == 1 else ("cgroup2", "rw")
        (tmp_path / "self").write_text(f"5:name=systemd:/\n4:{controllers}:{own}\n")
        (tmp_path / "mounts").write_text(
            "30 20 0:1 / / rw - ext4 /dev/sda rw\n"
            f"32 31 0:29 {root} {mount} rw shared:9 - {kind} none {options}\n"
        )
        monkeypatch.setattr(resources, "_CGROUPS", tmp_path / "self")
        monkeypatch.setattr(resources, "_MOUNTS", tmp_path / "mounts")
        monkeypatch.setattr(resources, "_allowed_cores", lambda: list(range(cores)))

    return write


@pytest.mark.parametrize(
    ("version", "files", "cores"),
    [
        (2, {"pod/box/cpu.max": "200000 100000"}, 2),
        (2, {"pod/box/cpu.max": "50000 100000"}, 1),
        (2, {"pod/box/cpu.max": "250000 100000"}, 2),
        (2, {"pod/box/cpu.max": "max 100000"}, 64),
        (2, {"pod/box/cpu.max": "max 100000", "pod/cpu.max": "300000 100000"}, 3),
        (2, {"pod/box/cpu.max": "nonsense"}, 64),
        (1, {"pod/box/cpu.cfs_quota_us": "400000", "pod/box/cpu.cfs_period_us": "100000"}, 4),
        (1, {"pod/box/cpu.cfs_quota_us": "-1", "pod/box/cpu.cfs_period_us": "100000"}, 64),
        (1, {"pod/box/cpu.cfs_quota_us": "400000", "pod/box/cpu.cfs_period_us": "0"}, 64),
        (1, {}, 64),
    ],
)
def test_a_cpu_quota_bounds_cores_and_default_workers(groups, version, files, cores):
    groups(version, files)
    assert len(resources.available_cores()) == cores
    assert _workers("processes", None, 1) == cores
    assert _workers("processes", None, 2) == max(1, cores // 2)
    assert _workers("processes", 7, 1) == 7
    assert _workers("inline", None, 1) == _workers("inline", 7, 1) == 1


def test_affinity_below_the_quota_wins(groups):
    groups(2, {"pod/box/cpu.max": "800000 100000"}, cores=3)
    assert len(resources.available_cores()) == 3


def test_a_container_sees_its_own_group_at_the_mount(groups):
    groups(
        1, {"cpu.cfs_quota_us": "200000", "cpu.cfs_period_us": "100000"}, own="/docker/a", root="/docker/a"
    )
    assert len(resources.available_cores()) == 2


@pytest.mark.parametrize(
    ("version", "files", "size"),
    [
        (2, {"pod/box/memory.max": str(3 * GIB)}, 3 * GIB),
        (2, {"pod/box/memory.max": "max", "pod/memory.max": str(2 * GIB)}, 2 * GIB),
        (1, {"pod/box/memory.limit_in_bytes": str(GIB)}, GIB),
        (1, {"pod/box/memory.limit_in_bytes": "9223372036854771712"}, None),
    ],
)
def test_the_memory_limit_of_a_control_group(groups, version, files, size):
    groups(version, files)
    found = [limit.num_bytes for limit in resources.memory_limits() if "control group" in limit.what]
    assert found == ([] if size is None else [size])


def test_limits_come_smallest_first_and_name_the_address_space():
    code = (
        "import resource\n"
        "resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))\n"
        "from popnas import resources\n"
        "first, *rest = resources.memory_limits()\n"
        "assert first.num_bytes == 2**30 and first.is_per_process and 'ulimit -v' in first.what, first\n"
        "assert rest and rest == sorted(rest, key=lambda limit: limit.num_bytes)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_is_in_use_grows_with_what_is_held():
    before, space = resources.memory_in_use(), resources.address_space_in_use()
    held = bytearray(200 * 2**20)
    assert resources.memory_in_use() - before > 150 * 2**20
    assert resources.address_space_in_use() - space > 150 * 2**20
    assert resources.peak_memory() >= resources.memory_in_use() * 0.9
    assert resources.address_space_in_use() > resources.memory_in_use()
    assert len(held) and resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > 0


def test_nothing_of_linux_is_needed(monkeypatch):
    nowhere = Path("/nowhere")
    monkeypatch.setattr(resources, "_CGROUPS", nowhere)
    monkeypatch.setattr(resources, "_MOUNTS", nowhere)
    assert resources.available_cores()
    assert resources.cpu_quota() is None


def _workers(kind: str, asked: int | None, threads: int) -> int:
    return executors.REGISTRY.get(kind).workers_for(asked, threads, ["cpu"])


def test_threads_that_can_be_started_are_counted_and_gone_afterwards():
    before = set(threading.enumerate())
    assert resources.startable_threads(5) == 5
    assert set(threading.enumerate()) <= before


def test_a_limit_on_threads_is_found_before_openmp_meets_it(monkeypatch):
    start, begun = threading.Thread.start, []

    def refuse_the_fourth(thread):
        if len(begun) == 3:
            raise RuntimeError("can't start new thread")
        begun.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse_the_fourth)
    assert resources.startable_threads(8) == 3
