"""What the tests hand to executors by dotted name: no torch, so workers start fast."""

import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path

from popnas import executors
from popnas.errors import CandidateFailed, DataError, DeviceFilledError, StorageError
from popnas.executors import _telling


def setup(payload, worker):
    if payload.get("setup_log"):
        with Path(payload["setup_log"]).open("a") as stream:
            stream.write(f"{os.getpid()}\n")
    time.sleep(payload.get("setup_seconds", 0))
    if words := payload.get("setup_warns"):
        _warn(words)
    if payload.get("setup_raises"):
        raise ValueError("the data is gone")
    if payload.get("data_gone"):
        raise DataError("nowhere does not exist")
    if payload.get("setup_dies"):
        sys.stderr.write("the library gave up\n")
        os.kill(os.getpid(), signal.SIGKILL)
    return {"factor": payload.get("factor", 2), "worker": worker}


def evaluate(context, payload):
    action = ACTIONS.get(payload.get("do"), answer)
    return action(context, payload)


def answer(context, payload):
    time.sleep(payload.get("seconds", 0))
    return {"value": payload.get("x", 0) * context["factor"], "pid": os.getpid()}


def read_the_folder(context, payload):
    time.sleep(payload.get("seconds", 0))
    root = Path(context["worker"].folder)
    files = {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}
    return {"folder": str(root), "files": files}


def warn(context, payload):
    logging.getLogger("popnas.below").warning("what is logged below is told by others")
    _warn(payload["words"])
    return answer(context, payload)


def _warn(words):
    from popnas.runs import told  # not in every worker: it takes time

    told.warning(words)


def fail(context, payload):
    raise ValueError("a broken candidate")


def tell_the_secret(context, payload):
    secret = os.environ["SOME_API_KEY"]
    print("printed", secret)  # noqa: T201
    print({"to": secret}, file=sys.stderr)  # noqa: T201
    raise ValueError(f"refused: {secret}")


def fail_on_purpose(context, payload):
    raise CandidateFailed("nan", "the loss is not a number")


def find_the_disk_full(context, payload):
    raise StorageError("cannot write weights: the disk is full")


def find_the_gpu_filled(context, payload):
    raise DeviceFilledError("other processes hold the GPU")


def run_out_of_memory(context, payload):
    raise MemoryError("60 GiB")


def lose_the_gpu(context, payload):
    """As PyTorch tells of it; once, if there is a marker."""
    if payload.get("marker") and Path(payload["marker"]).exists():
        return answer(context, payload)
    if payload.get("marker"):
        Path(payload["marker"]).touch()
    try:
        raise RuntimeError(payload["words"])
    except RuntimeError as error:
        raise ValueError("while it was told") from error


def leave(context, payload):
    sys.exit(3)


def die(context, payload):
    os.kill(os.getpid(), getattr(signal, payload.get("signal", "SIGKILL")))
    time.sleep(60)


def be_interrupted_while_loading(context, payload):
    """As an extension module tells of it."""
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt as error:
        raise ImportError("initialization failed") from error


def exit_at_once(context, payload):
    os._exit(7)


def die_once(context, payload):
    marker = Path(payload["marker"])
    if not marker.exists():
        marker.touch()
        die(context, {})
    return answer(context, payload)


def hang_once(context, payload):
    path = Path(payload["pid_file"])
    if path.exists():
        return answer(context, payload)
    return hang(context, payload)


def hang(context, payload):
    if payload.get("pid_file"):
        Path(payload["pid_file"]).write_text(str(os.getpid()))
    while True:
        time.sleep(0.05)


def hang_with_child(context, payload):
    child = os.fork()
    if child == 0:
        time.sleep(60)
        os._exit(0)
    Path(payload["pid_file"]).write_text(f"{os.getpid()} {child}")
    return hang(context, {})


def spin(context, payload):
    Path(payload["pid_file"]).write_text(str(os.getpid()))
    sum(range(10**13))  # holds the interpreter's lock: no thread of the worker gets a turn


def print_and_die(context, payload):
    os.write(2, payload["words"].encode())
    getattr(os, payload.get("by", "abort"))(*payload.get("with", ()))


def print_without_end(context, payload):
    for _ in range(payload["lines"]):
        sys.stderr.write("x" * 99 + "\n")
    return answer(context, payload)


def close_standard_error(context, payload):
    os.close(2)
    started = time.process_time(), time.sleep(payload["seconds"])
    return {"seconds": time.process_time() - started[0]}


def die_leaving_a_child(context, payload):
    if os.fork() == 0:
        time.sleep(60)  # holds the worker's end of the connection open
        os._exit(0)
    os._exit(1)


def describe(context, payload):
    return {
        "cores": sorted(os.sched_getaffinity(0)),
        "threads": {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")},
        "main": getattr(sys.modules["__main__"], "__file__", None),
        "files": sorted(int(name) for name in os.listdir("/proc/self/fd")),  # noqa: PTH208
        "ignores_interrupt": signal.getsignal(signal.SIGINT) == signal.SIG_IGN,
        "is_session_leader": os.getsid(0) == os.getpid(),
    }


def talk(context, payload):
    sys.stdout.write("said on standard output\n")
    sys.stderr.write("said on standard error\n")
    logging.getLogger("popnas.training").info("said by %s", "a log")
    os.write(1, b"said by a library\n")
    return {}


def tell_often(context, payload):
    """Far more than anybody wants to hear, and once more when there was time for it."""
    for done in range(2000):
        executors.tell(executors.Progress(done, 2000))
    time.sleep(0.6)
    executors.tell(executors.Progress(2000, 2000))
    return {"told": 2001}


class Unshown:
    def __str__(self):
        raise RuntimeError("not to be shown")


ODD = {
    "a dict": {"epoch": 1, "num_epochs": 2},
    "an empty dict": {},
    "nothing": None,
    "texts": executors.Progress("1", "2"),
    "flags": executors.Progress(True, True),
    "parts of epochs": executors.Progress(1.0, 2.0),
    "not a number": executors.Progress(float("nan"), 2),
    "below the first": executors.Progress(-1, 2),
    "beyond the last": executors.Progress(3, 2),
    "huge": executors.Progress(1, 10**30),
    "too many digits": executors.Progress(1, 10**5000),
    "no JSON": executors.Progress({1}, {2}),
    "long": {"note": "x" * 10**7},
    "of several lines": "one\n\x1b[2Jtwo",
    "what cannot be shown": Unshown(),
}


def tell_oddly(context, payload):
    executors.tell(ODD[payload["what"]])
    return {"done": True}


def tell_in_a_thread(context, payload):
    """While results go the same way."""

    def go_on():
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            _telling._last = float("-inf")  # none is left out
            executors.tell(executors.Progress(1, 2))

    if payload.get("is_first"):
        threading.Thread(target=go_on).start()
    return {"value": "y" * 100_000}


def tell_now_and_then(context, payload):
    for done in range(payload["times"]):
        executors.tell(executors.Progress(done, payload["times"]))
        time.sleep(0.6)
    return answer(context, payload)


def meet(context, payload):
    """Whether so many jobs are under way at the same time, and where each is."""
    place, until = Path(payload["place"]), time.monotonic() + payload["seconds"]
    (place / str(payload["x"])).touch()
    while len(list(place.iterdir())) < payload["number"] and time.monotonic() < until:
        time.sleep(0.1)
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return {"met": len(list(place.iterdir())), "device": context["worker"].device, "visible": visible}


def return_nothing(context, payload):
    return None


def return_no_json(context, payload):
    return {"value": {1, 2}}


def return_much(context, payload):
    return {"text": "x" * payload["size"], "nan": float("nan"), "list": [(1, 2.5), None]}


def tell_place(context, payload):
    return {"number": context["worker"].number, "device": context["worker"].device}


ACTIONS = {
    function.__name__: function
    for function in (
        answer,
        read_the_folder,
        warn,
        fail,
        tell_the_secret,
        fail_on_purpose,
        find_the_disk_full,
        find_the_gpu_filled,
        run_out_of_memory,
        leave,
        lose_the_gpu,
        be_interrupted_while_loading,
        die,
        exit_at_once,
        print_and_die,
        print_without_end,
        close_standard_error,
        die_once,
        hang,
        hang_once,
        hang_with_child,
        spin,
        die_leaving_a_child,
        describe,
        talk,
        tell_often,
        tell_oddly,
        tell_in_a_thread,
        tell_now_and_then,
        meet,
        return_nothing,
        return_no_json,
        return_much,
        tell_place,
    )
}
