"""Several trainings on one device, and each of them measured as if it were alone.

Trainings that share a device take each other's time. So one that is to be measured asks the others to wait:
they do so between two steps, for the few steps that it takes. What a whole training would take alone is
reckoned from these (`SoloClock`).

Files per device, locked by the system (flock), so a process that dies leaves nothing behind. Whoever
computes holds `work` shared; who measures holds `gate` alone and then `work` alone, and whoever finds the
gate closed lets go of `work` until it is open again.

The same with the memory of the device, for a whole training: whoever has some of it holds `memory` shared,
who needs all of it holds it alone, and keeps the `door` closed until the others have left.
"""

from __future__ import annotations

import fcntl
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import torch

from popnas import files
from popnas.printable import quoted
from popnas.process_state import MachineLock, folder_of_machine
from popnas.runs import told
from popnas.training.interfaces import TrainingClock


class DeviceTurns:
    """This process's place among those of this user that compute on one device of this machine."""

    def __init__(self, folder: Path, name: str, drain: Callable[[], None] = lambda: None) -> None:
        """The locks are files `name`.* in `folder`; `drain` waits until all that this process has asked of
        the device is done."""
        self._drain = drain
        self._gate, self._work, self._door, self._memory = (
            MachineLock(folder / f"{name}.{kind}") for kind in ("gate", "work", "door", "memory")
        )
        self._takes_part = self._is_alone = False

    @classmethod
    def on(cls, device: torch.device) -> DeviceTurns | None:
        """Of a device of this machine; None, told with a warning, where files cannot be locked."""
        try:
            return cls._opened(device)
        except OSError as error:
            told.warning(
                f"files cannot be locked in {quoted(tempfile.gettempdir())} ({files.reason(error)}): times "
                f"of candidates that share {device} disturb one another, and one that runs out of memory is "
                "tried again beside others. Set TMPDIR to a folder of your own on a local disk, or "
                "others.executor.workers to one per device"
            )
            return None

    @classmethod
    def _opened(cls, device: torch.device) -> DeviceTurns:
        if device.type != "cuda":
            return cls(folder_of_machine(), device.type)
        name = str(torch.cuda.get_device_properties(device).uuid)
        return cls(folder_of_machine(), name, lambda: torch.cuda.synchronize(device))

    @contextmanager
    def having_memory(self, *, all_of_it: bool = False) -> Iterator[None]:
        """While the block runs, this process has some of the device's memory; with `all_of_it` nobody else
        has any: that waits until all who have some have left. To be around `taking_part`, not in it."""
        how = fcntl.LOCK_EX if all_of_it else fcntl.LOCK_SH
        self._door.take(how)
        self._memory.take(how)
        self._door.release()
        try:
            yield
        finally:
            self._memory.release()

    @contextmanager
    def taking_part(self) -> Iterator[None]:
        """While the block runs, this process computes on the device, and `pause` waits for who measures."""
        assert not self._takes_part, "it takes part already"
        self._join()
        try:
            yield
        finally:
            self.end_alone()
            self._drain_quietly()
            self._work.release()
            self._takes_part = False

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While the block runs, nobody else who takes part computes on the device."""
        self.begin_alone()
        try:
            yield
        finally:
            self.end_alone()

    def begin_alone(self) -> None:
        """Until `end_alone`; nothing happens if that is so already."""
        if self._is_alone:
            return
        if self._takes_part:
            self._drain()
            self._work.release()  # two that wait for one another with it in their hands would wait forever
        self._gate.take(fcntl.LOCK_EX)
        self._work.take(fcntl.LOCK_EX)
        self._is_alone = True

    def end_alone(self) -> None:
        """The others go on."""
        if not self._is_alone:
            return
        self._drain_quietly()
        self._is_alone = False
        if self._takes_part:
            self._work.take(fcntl.LOCK_SH)  # nobody can be in between: the gate is still closed
        else:
            self._work.release()
        self._gate.release()

    def pause(self) -> None:
        """Between two steps: wait while another process measures; two calls of the system if none does."""
        if self._is_alone or not self._takes_part:
            return
        if self._gate.try_take(fcntl.LOCK_SH):
            self._gate.release()
            return
        self._drain()
        self._work.release()
        self._join()

    def _join(self) -> None:
        self._gate.take(fcntl.LOCK_SH)
        self._work.take(fcntl.LOCK_SH)
        self._gate.release()
        self._takes_part = True

    def _drain_quietly(self) -> None:
        """A device that has failed has nothing left to wait for, and its error is on its way already."""
        with suppress(RuntimeError):
            self._drain()


@contextmanager
def alone_on(device: torch.device) -> Iterator[None]:
    """While the block runs, nobody who takes part computes on the device; where files cannot be locked,
    others may."""
    with ExitStack() as stack:
        with suppress(OSError):
            stack.enter_context(DeviceTurns._opened(device).alone())
        yield


_NUM_WARM_UPS, _NUM_TIMED, _NUM_LAST_TIMED = 3, 20, 3
_LEAST_STEPS = 10
"""An epoch of fewer steps has none to spare for warming up."""


class SoloClock:
    """A training clock that runs for a few steps only, while nobody else computes on the device.

    Nothing is computed for it beside the training, whose first steps are those that are timed: 3 that do
    not count and 20 that do, and, as its batch may be smaller, the last one of each of the first three
    epochs. The seconds of an epoch are those of its steps by these means. In all other steps this process
    lets others measure.
    """

    def __init__(self, clock: TrainingClock, turns: DeviceTurns, steps_per_epoch: int) -> None:
        """`clock`: what times a step alone; its `seconds` are asked for a few times in all."""
        self._clock, self._turns, self._num_steps = clock, turns, steps_per_epoch
        self._step = 0
        self._warm_ups_left = _NUM_WARM_UPS if steps_per_epoch >= _LEAST_STEPS else 0
        self._whole = _Mean(_NUM_TIMED)
        self._last = _Mean(_NUM_LAST_TIMED if steps_per_epoch > 1 else _NUM_TIMED)
        self._is_timed = False

    def start(self) -> None:
        """See `TrainingClock`; waits for its turn if the step is to be timed, else for those who measure."""
        mean = self._mean
        if mean.is_enough:
            self._turns.end_alone()
            self._turns.pause()
            return
        self._turns.begin_alone()
        if self._warm_ups_left and mean is self._whole:
            self._warm_ups_left -= 1
            return
        self._is_timed = True
        self._clock.start()

    def stop(self) -> None:
        """See `TrainingClock`."""
        if self._is_timed:
            self._clock.stop()
            self._mean.num_open += 1
            self._is_timed = False
            if self._mean.is_enough or self._step + 2 >= self._num_steps:
                self._mean.close(self._clock.seconds())
        self._step += 1

    def seconds(self) -> float:
        """See `TrainingClock`: of the epoch that is over."""
        self._turns.end_alone()
        num_steps, self._step = self._step, 0
        last = self._last.seconds if num_steps == self._num_steps else self._whole.seconds
        return (num_steps - 1) * self._whole.seconds + last

    @property
    def _mean(self) -> _Mean:
        return self._last if self._step + 1 >= self._num_steps else self._whole


class _Mean:
    """Of steps that were timed, `most` at least; `num_open` of them are not added yet."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._sum, self._num, self.num_open = 0.0, 0, 0

    @property
    def is_enough(self) -> bool:
        return self._num + self.num_open >= self._most

    def close(self, seconds: float) -> None:
        self._sum += seconds
        self._num += self.num_open
        self.num_open = 0

    @property
    def seconds(self) -> float:
        """Of a step; 0 where none was timed."""
        return self._sum / max(self._num, 1)
