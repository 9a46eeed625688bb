"""Worker processes: pinning, isolation, and all the ways in which they can go wrong."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from popnas.errors import ExecutorError
from popnas.executors import Job, Work, available_cores
from popnas.executors.processes import ProcessesExecutor

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def no_leaks(monkeypatch):
    """No test may leave processes, open files or threads behind."""
    monkeypatch.syspath_prepend(HERE)
    # A thread of a test before may end meanwhile: what counts is what is new.
    files, threads = len(os.listdir("/proc/self/fd")), set(threading.enumerate())  # noqa: PTH208
    yield
    assert psutil.Process().children(recursive=True) == []
    assert len(os.listdir("/proc/self/fd")) <= files  # noqa: PTH208
    assert set(threading.enumerate()) <= threads


def make(payload=None, num_workers=1, **options):
    return ProcessesExecutor(
        Work("evaluators:setup", "evaluators:evaluate", payload or {}), num_workers=num_workers, **options
    )


def wait_for(condition, seconds=5.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def is_running(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def pids_in(path):
    wait_for(lambda: path.exists() and path.read_text())
    return [int(pid) for pid in path.read_text().split()]


# --- what a worker is


def test_workers_are_pinned_to_cores_in_turn_with_one_thread():
    with make({}, num_workers=3) as executor:
        jobs = [Job(str(i), {"do": "describe"}) for i in range(12)]
        results = {result.worker: result.value for result in executor.run(jobs)}
    cores = available_cores()
    for worker, value in results.items():
        assert value["cores"] == [cores[worker % len(cores)]]
        assert value["threads"] == {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def test_threads_take_as_many_cores():
    with make(threads=2) as executor:
        (result,) = executor.run([Job("a", {"do": "describe"})])
    assert result.value["cores"] == sorted(available_cores()[:2])
    assert result.value["threads"]["OMP_NUM_THREADS"] == "2"


def test_workers_of_other_devices_may_use_every_core():
    with make(devices=("cuda:0",), num_workers=1) as executor:
        (result,) = executor.run([Job("a", {"do": "describe"})])
    assert result.value["cores"] == sorted(os.sched_getaffinity(0))


def test_a_worker_has_no_file_of_the_driver_and_no_main_module(tmp_path):
    with (tmp_path / "lock").open("w") as lock, make(num_workers=2) as executor:
        os.set_inheritable(lock.fileno(), True)  # even so
        results = list(executor.run([Job(str(i), {"do": "describe"}) for i in range(4)]))
    for result in results:
        assert len(result.value["files"]) <= 6  # standard streams, the connection, /proc itself, a spare
        assert result.value["main"] is None
        assert result.value["ignores_interrupt"]
        assert result.value["is_session_leader"]


def test_output_goes_to_the_log_and_not_to_the_terminal(tmp_path, capfd):
    log = tmp_path / "logs" / "debug.log"
    with make(log_path=log) as executor:
        assert [result.value for result in executor.run([Job("a", {"do": "talk"})])] == [{}]
        list(executor.run([Job("b", {"do": "fail"})]))
    text = log.read_text()
    for said in (
        "said on standard output",
        "said on standard error",
        "said by a library",
        "said by a log",
        "a broken candidate",
    ):
        assert said in text
    assert capfd.readouterr() == ("", "")


def test_no_secret_of_the_environment_gets_out_of_a_worker(tmp_path, monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", 's3cr"et')
    log = tmp_path / "debug.log"
    with make(log_path=log) as executor:
        (result,) = executor.run([Job("a", {"do": "tell_the_secret"})])
    text = log.read_text()
    assert "printed ***" in text and "{'to': '***'}" in text
    assert result.error == "ValueError: refused: ***" and "refused: ***" in result.traceback
    assert "s3cr" not in text + result.traceback


def test_prestart_returns_at_once_and_the_workers_get_ready(tmp_path):
    log = tmp_path / "log"
    with make({"setup_log": str(log)}, num_workers=2) as executor:
        started = time.perf_counter()
        executor.prestart()
        assert time.perf_counter() - started < 0.5
        wait_for(lambda: log.exists() and len(log.read_text().split()) == 2)
        ready = {int(pid) for pid in log.read_text().split()}
        results = list(executor.run([Job(str(i)) for i in range(4)]))
    assert {result.value["pid"] for result in results} <= ready


def test_no_more_workers_start_than_there_are_jobs(tmp_path):
    log = tmp_path / "log"
    with make({"setup_log": str(log)}, num_workers=4) as executor:
        list(executor.run([Job("only")]))
    assert len(log.read_text().split()) == 1


# --- death of a worker


def test_a_killed_worker_is_replaced_and_its_job_tried_again(tmp_path):
    jobs = [Job("a", {"do": "die_once", "marker": str(tmp_path / "marker"), "x": 1}), Job("b", {"x": 2})]
    with make() as executor:
        results = {result.id: result for result in executor.run(jobs)}
    assert results["a"].value["value"] == 2
    assert results["a"].attempts == 2
    assert results["b"].value["value"] == 4
    assert results["b"].attempts == 1


def test_a_job_that_had_begun_is_tried_again_also_when_the_time_is_up(tmp_path):
    marker = tmp_path / "marker"
    jobs = [Job("a", {"do": "die_once", "marker": str(marker), "x": 1}), Job("b", {"x": 2})]
    with make(num_workers=1) as executor:
        (result,) = executor.run(jobs, is_time_up=marker.exists)
    assert (result.id, result.value["value"], result.attempts) == ("a", 2, 2)


@pytest.mark.parametrize(
    ("payload", "how"),
    [
        ({"do": "die"}, "was killed by SIGKILL"),
        ({"do": "die", "signal": "SIGSEGV"}, "was killed by SIGSEGV"),
        ({"do": "exit_at_once"}, "ended with exit status 7"),
        ({"do": "die_leaving_a_child"}, "ended with exit status 1"),
    ],
)
def test_a_job_that_kills_two_workers_has_failed(payload, how):
    with make() as executor:
        results = {result.id: result for result in executor.run([Job("a", payload), Job("b")])}
    dead = results["a"]
    assert (dead.value, dead.error_kind, dead.attempts) == (None, "worker_died", 2)
    assert how in dead.error
    assert "memory" in dead.error
    assert results["b"].value is not None


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        (
            {
                "words": "libgomp: Thread creation failed: Resource temporarily unavailable\n",
                "by": "_exit",
                "with": [1],
            },
            "ended with exit status 1 while it evaluated this candidate, 2 times. "
            'Its last words: "libgomp: Thread creation failed: Resource temporarily unavailable". '
            "If memory or threads ran out",
        ),
        (
            {"words": "terminate called\n\n  what():  bad alloc\n"},
            "was killed by SIGABRT while it evaluated this candidate, 2 times. "
            'Its last words: "terminate called / what(): bad alloc / Fatal Python error: Aborted".',
        ),
        ({"words": "1\n2\n3\n4", "by": "_exit", "with": [1]}, 'Its last words: "2 / 3 / 4".'),
        ({"words": "\x1b[31mred \u202e\x00", "by": "_exit", "with": [1]}, r'"\x1b[31mred \u202e\x00"'),
        ({"words": "", "by": "_exit", "with": [1]}, "2 times. It printed no reason. If memory"),
    ],
)
def test_a_job_that_kills_its_worker_tells_the_workers_last_words(payload, told):
    with make() as executor:
        said_by_another = Job("a", {"do": "talk"})
        _, dead = executor.run([said_by_another, Job("b", {"do": "print_and_die", **payload})])
    assert told in dead.error
    assert "said" not in dead.error


ASSERTED = (
    "CUDA error: device-side assert triggered\nCUDA kernel errors might be asynchronously reported at some "
    "other API call.\nCompile with `TORCH_USE_CUDA_DSA` to enable device-side assertions.\n"
)


@pytest.mark.parametrize(
    "words",
    [
        ASSERTED,
        "CUDA error: an illegal memory access was encountered",
        "CUDA error: unspecified launch failure",
        "CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm( ... )`",
        "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED",
        "HIP error: an illegal memory access was encountered",
        "CUDA driver error: an illegal memory access was encountered",
        "Triton Error [CUDA]: device-side assert triggered",
        "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR",
    ],
)
def test_a_worker_whose_gpu_answers_no_more_is_replaced_and_its_job_tried_again(tmp_path, words):
    """Else all that come after it would fail with the same error."""
    jobs = [
        Job("a", {"do": "lose_the_gpu", "marker": str(tmp_path / "marker"), "words": words, "x": 1}),
        Job("b", {"x": 2}),
    ]
    with make() as executor:
        first, second = executor.run(jobs)
    assert (first.value["value"], first.attempts) == (2, 2)
    assert second.value["pid"] == first.value["pid"]


def test_a_job_that_always_loses_the_gpu_fails_with_what_was_said_and_harms_no_other(tmp_path):
    log = tmp_path / "debug.log"
    with make(log_path=log) as executor:
        failed, fine = executor.run([Job("a", {"do": "lose_the_gpu", "words": ASSERTED}), Job("b", {"x": 2})])
    assert (failed.error_kind, failed.attempts, fine.value["value"]) == ("worker_died", 2, 4)
    assert "the GPU answers this process no more: CUDA error: device-side assert triggered" in failed.error
    assert "lose_the_gpu" in log.read_text()  # the traceback


@pytest.mark.parametrize(
    "words",
    [
        "CUDA error: out of memory",
        "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
        "CUDA error: invalid configuration argument",
        "shapes differ",
    ],
)
def test_other_errors_of_a_gpu_cost_one_job_and_no_worker(words):
    with make() as executor:
        failed, fine = executor.run([Job("a", {"do": "lose_the_gpu", "words": words}), Job("b", {"x": 2})])
    assert (failed.error_kind, failed.attempts, fine.attempts) == ("error", 1, 1)


def test_last_words_are_bounded_and_keep_their_end():
    words = "x" * 100_000 + " the end"
    with make() as executor:
        (dead,) = executor.run(
            [Job("a", {"do": "print_and_die", "words": words, "by": "_exit", "with": [1]})]
        )
    assert 'xxx the end"' in dead.error
    assert len(dead.error) < 700


def test_what_workers_print_neither_stops_them_nor_is_lost(tmp_path):
    log = tmp_path / "log"
    with make(num_workers=2, log_path=log) as executor:
        results = list(
            executor.run([Job(str(i), {"do": "print_without_end", "lines": 5000}) for i in range(2)])
        )
    assert all(result.value for result in results)
    assert log.read_text().count("x" * 99 + "\n") == 10_000


def test_a_worker_without_standard_error_costs_the_driver_nothing():
    with make() as executor:
        list(executor.run([Job("start")]))
        before = time.process_time()
        (result,) = executor.run([Job("a", {"do": "close_standard_error", "seconds": 0.6})])
        spent = time.process_time() - before
    assert result.value is not None
    assert spent < 0.2


def test_a_kill_from_outside_in_the_middle_of_a_job_is_seen_at_once(tmp_path):
    pid_file = tmp_path / "pid"
    killed = []

    def kill():
        os.kill(pids_in(pid_file)[0], signal.SIGKILL)
        killed.append(time.monotonic())

    killer = threading.Thread(target=kill)
    killer.start()
    with make() as executor:
        (result,) = executor.run([Job("a", {"do": "hang_once", "pid_file": str(pid_file), "x": 3})])
    killer.join()
    assert (result.value["value"], result.attempts) == (6, 2)
    assert time.monotonic() - killed[0] < 1.5  # a new worker's start included


def test_a_worker_killed_while_idle_is_replaced_without_a_lost_attempt():
    with make() as executor:
        (first,) = executor.run([Job("a")])
        os.kill(first.value["pid"], signal.SIGKILL)
        wait_for(lambda: not is_running(first.value["pid"]))
        (second,) = executor.run([Job("b")])
    assert second.value["pid"] != first.value["pid"]


def test_a_hung_job_ends_at_the_hard_limit_without_a_second_try(tmp_path):
    pid_file = tmp_path / "pid"
    jobs = [Job("a", {"do": "hang_with_child", "pid_file": str(pid_file)}), Job("b", {"x": 1})]
    with make(hard_timeout_seconds=0.4) as executor:
        hung, fine = executor.run(jobs)
    assert (hung.id, hung.error_kind, hung.attempts) == ("a", "time_limit", 1)
    assert "0.4 seconds" in hung.error
    assert fine.value["value"] == 2
    wait_for(lambda: not any(is_running(pid) for pid in pids_in(pid_file)))  # what it had started as well


# --- setup


def test_setup_failure_shows_the_workers_traceback():
    with make({"setup_raises": True}) as executor, pytest.raises(ExecutorError) as caught:
        list(executor.run([Job("a")]))
    assert "ValueError: the data is gone" in str(caught.value)
    assert "Traceback" in str(caught.value)
    assert "in setup" in str(caught.value)


def test_workers_that_die_in_setup_are_not_started_for_ever(tmp_path):
    starts, log = tmp_path / "starts", tmp_path / "log"
    payload = {"setup_dies": True, "setup_log": str(starts)}
    with make(payload, log_path=log) as executor, pytest.raises(ExecutorError) as caught:
        list(executor.run([Job("a")]))
    assert "SIGKILL" in str(caught.value)
    assert 'Its last words: "the library gave up".' in str(caught.value)
    assert len(starts.read_text().split()) == 3


# --- the end


def test_close_ends_busy_and_starting_workers_within_its_bound(tmp_path):
    pid_file = tmp_path / "pid"
    executor = make(num_workers=3)
    results = executor.run([Job("a", {"do": "hang", "pid_file": str(pid_file)}), Job("b", {"seconds": 0.1})])
    assert next(results).id == "b"
    pids = pids_in(pid_file)
    executor.prestart()
    started = time.perf_counter()
    executor.close()
    assert time.perf_counter() - started < 3.5
    assert not any(is_running(pid) for pid in pids)
    assert list(results) == []


DRIVER = """
import sys, time
from popnas.executors import Job, Work
from popnas.executors.processes import ProcessesExecutor
executor = ProcessesExecutor(Work("evaluators:setup", "evaluators:evaluate"), num_workers=2)
folder, *actions = sys.argv[1:]
jobs = [Job(str(i), {"do": action, "pid_file": f"{folder}/pid{i}"}) for i, action in enumerate(actions)]
try:
    results = list(executor.run(jobs))
    print(*[worker.pid for worker in executor._workers.values()], flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("interrupted", flush=True)
    executor.close()
"""


def start_driver(tmp_path, *actions):
    script = tmp_path / "script_without_guard.py"
    script.write_text(DRIVER)
    return subprocess.Popen(
        [sys.executable, str(script), str(tmp_path), *actions],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize("action", ["hang", "spin"])
def test_no_worker_outlives_a_killed_driver(tmp_path, action):
    with start_driver(tmp_path, action, action) as driver:
        pids = pids_in(tmp_path / "pid0") + pids_in(tmp_path / "pid1")
        driver.kill()
    wait_for(lambda: not any(is_running(pid) for pid in pids), 2.0)


def test_no_worker_outlives_a_driver_killed_while_they_are_idle(tmp_path):
    with start_driver(tmp_path, "describe", "describe") as driver:
        pids = [int(pid) for pid in driver.stdout.readline().split()]
        assert len(pids) == 2
        driver.kill()
    wait_for(lambda: not any(is_running(pid) for pid in pids), 2.0)


def test_interrupt_reaches_the_driver_only(tmp_path):
    with start_driver(tmp_path, "hang", "hang") as driver:
        pids = pids_in(tmp_path / "pid0") + pids_in(tmp_path / "pid1")
        os.killpg(driver.pid, signal.SIGINT)  # as a terminal does
        out, _ = driver.communicate(timeout=5)
    assert (out, driver.returncode) == ("interrupted\n", 0)
    assert not any(is_running(pid) for pid in pids)


def test_workers_outlive_the_thread_that_started_them():
    executor = make()
    starter = threading.Thread(target=executor.prestart)
    starter.start()
    starter.join()
    with executor:
        (result,) = executor.run([Job("a", {"seconds": 0.2})])
    assert result.attempts == 1
    assert result.value is not None
