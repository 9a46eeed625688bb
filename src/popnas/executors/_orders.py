"""What a worker process is told before its first job."""

from __future__ import annotations

from dataclasses import dataclass

from popnas.executors._base import Work, Worker
from popnas.records import Record


@dataclass(frozen=True)
class Surroundings(Record):
    """On its command line: the driver's import path, the worker's end of the connection, the driver's process
    id, whether its main thread has started the worker, and the cores to keep to."""

    path: list[str]
    fd: int
    driver: int
    is_main_thread: bool
    cores: list[int]


@dataclass(frozen=True)
class Order(Record):
    """As the first message: what to do, who the worker is, and with how many threads."""

    work: Work
    worker: Worker
    threads: int
