"""What every registered executor must do."""

import json
import logging
import math
from pathlib import Path

import pytest

from popnas import executors
from popnas.errors import DeviceFilledError, ExecutorError, StorageError, UnknownNameError, UserError
from popnas.events import EpochFinished, Warned
from popnas.executors import REGISTRY, Job, Work, available_cores
from popnas.workflows.hearing import EpochsHeard

EVALUATORS = Path(__file__).parent.parent / "unit" / "executors"
ODD = (
    "a dict",
    "an empty dict",
    "nothing",
    "texts",
    "flags",
    "parts of epochs",
    "not a number",
    "below the first",
    "beyond the last",
    "huge",
    "too many digits",
    "no JSON",
    "long",
    "of several lines",
    "what cannot be shown",
)


@pytest.fixture(
    params=[
        # Each of its workers takes seconds to start.
        pytest.param(name, marks=[pytest.mark.slow] if name == "ray" else [])
        for name in REGISTRY.names()
    ]
)
def kind(request, monkeypatch):
    if request.param == "ray":
        connect_to_two_gpus(pytest.importorskip("ray"))
    monkeypatch.syspath_prepend(EVALUATORS)
    return request.param


def connect_to_two_gpus(ray):
    """For as long as this process lives. Ray believes in GPUs that it is told of."""
    if not ray.is_initialized():
        ray.init(
            address="local",
            num_cpus=len(available_cores()),
            num_gpus=2,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            configure_logging=False,
        )


def make(kind, payload=None, **options):
    options = {"num_workers": 2, **options}
    return executors.create(kind, Work("evaluators:setup", "evaluators:evaluate", payload or {}), **options)


def test_every_job_gives_one_result(kind):
    with make(kind, {"factor": 3}) as executor:
        results = list(executor.run([Job(str(i), {"x": i}) for i in range(7)]))
    assert {result.id: result.value["value"] for result in results} == {str(i): 3 * i for i in range(7)}
    assert all(result.error is None and result.attempts == 1 for result in results)
    assert all(0 <= result.worker < executor.num_workers for result in results)


def test_every_worker_finds_the_folder(kind, tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file").write_text("something")
    work = Work("evaluators:setup", "evaluators:evaluate", {}, str(tmp_path))
    with executors.create(kind, work, num_workers=2) as executor:
        results = list(executor.run([Job(str(i), {"do": "read_the_folder"}) for i in range(4)]))
    assert [result.value["files"] for result in results] == [{"deep/file": "something"}] * 4


def test_no_jobs_no_results_and_no_set_up(kind, tmp_path):
    with make(kind, {"setup_log": str(tmp_path / "log")}) as executor:
        assert list(executor.run([])) == []
    assert not (tmp_path / "log").exists()


def test_setup_runs_once_per_worker_over_several_runs(kind, tmp_path):
    log = tmp_path / "log"
    with make(kind, {"setup_log": str(log)}) as executor:
        for _ in range(2):
            assert len(list(executor.run([Job(str(i)) for i in range(4)]))) == 4
    pids = log.read_text().split()
    assert len(pids) == len(set(pids)) <= executor.num_workers


@pytest.mark.parametrize(
    ("action", "error_kind", "message"),
    [
        ("fail", "error", "ValueError: a broken candidate"),
        ("fail_on_purpose", "nan", "the loss is not a number"),
        ("run_out_of_memory", "out_of_memory", "out of memory: 60 GiB"),
        ("leave", "error", "SystemExit: 3"),
        (
            "return_nothing",
            "error",
            "TypeError: the evaluate function must return a dict. Got NoneType instead",
        ),
        ("return_no_json", "error", "TypeError: Object of type set is not JSON serializable"),
    ],
)
def test_a_failure_is_a_result_and_the_next_job_is_not_harmed(kind, action, error_kind, message):
    with make(kind, num_workers=1) as executor:
        failed, fine = executor.run([Job("a", {"do": action}), Job("b", {"x": 4})])
    assert (failed.id, failed.value, failed.error_kind, failed.error) == ("a", None, error_kind, message)
    assert failed.is_failed
    assert "Traceback" in failed.traceback
    assert fine.value["value"] == 8


def test_what_workers_warn_of_is_told_once_where_the_run_was_started(kind, caplog):
    """Their own output stands in a log that is read when something has failed."""
    jobs = [Job(str(number), {"do": "warn", "words": f"{kind}: the job is slow"}) for number in range(4)]
    with make(kind, {"setup_warns": f"no locks for {kind}"}, num_workers=2) as executor:
        assert all(result.error is None for result in executor.run(jobs))
    texts = [record.getMessage() for record in caplog.records if record.name == "popnas"]
    assert texts.count(f"Warning: no locks for {kind}.") == 1
    assert texts.count(f"Warning: {kind}: the job is slow.") == 1
    assert not any("below" in text for text in texts) or kind == "inline"


def test_a_worker_whose_gpu_answers_no_more_costs_an_attempt_of_one_job(kind, tmp_path):
    """In the driver's own process nothing can take its place, which ends the run."""
    if REGISTRY.get(kind).is_in_driver:
        pytest.skip("tests/unit/executors/test_inline.py")
    lost = {"do": "lose_the_gpu", "words": "CUDA error: device-side assert triggered\nand more"}
    jobs = [Job("once", {**lost, "marker": str(tmp_path / "marker"), "x": 1}), Job("always", lost)]
    with make(kind, num_workers=1) as executor:
        once, always, fine = executor.run([*jobs, Job("fine", {"x": 2})])
    assert (once.value["value"], once.attempts, fine.value["value"], fine.attempts) == (2, 2, 4, 1)
    assert (always.error_kind, always.attempts) == ("worker_died", 2)


def test_values_come_as_json_whatever_their_size(kind):
    with make(kind) as executor:
        (result,) = executor.run([Job("a", {"do": "return_much", "size": 3_000_000})])
    assert len(result.value["text"]) == 3_000_000
    assert math.isnan(result.value["nan"])
    assert result.value["list"] == [[1, 2.5], None]
    json.dumps(result.value)


def test_on_start_names_each_job_before_its_result(kind):
    started = []
    with make(kind) as executor:
        for result in executor.run([Job(str(i)) for i in range(5)], on_start=started.append):
            assert result.id in started
    assert started == [str(i) for i in range(5)]


def test_once_the_time_is_up_running_jobs_end_and_no_other_begins(kind):
    started = []
    with make(kind) as executor:
        jobs = [Job(str(i), {"seconds": 0.02}) for i in range(20)]
        results = executor.run(jobs, started.append, is_time_up=lambda: len(started) >= 3)
        assert sorted(result.id for result in results) == started == ["0", "1", "2"]
        assert list(executor.run([Job("late")], is_time_up=lambda: True)) == []
        (result,) = executor.run([Job("more", {"x": 1})])
        assert result.value["value"] == 2


def test_leaving_the_iteration_early_leaves_the_executor_usable(kind):
    with make(kind) as executor:
        for _ in executor.run([Job(str(i), {"seconds": 0.01}) for i in range(6)]):
            break
        (result,) = executor.run([Job("again", {"x": 1})])
        assert (result.id, result.value["value"]) == ("again", 2)


def test_a_failing_setup_is_an_error_that_tells_why(kind):
    with (
        make(kind, {"setup_raises": True}) as executor,
        pytest.raises(ExecutorError, match="the data is gone"),
    ):
        list(executor.run([Job("a")]))


def test_a_users_mistake_in_the_setup_stays_one(kind):
    with (
        make(kind, {"data_gone": True}) as executor,
        pytest.raises(UserError, match=r"^nowhere does not exist$"),
    ):
        list(executor.run([Job("a")]))


@pytest.mark.parametrize(
    ("action", "error", "words"),
    [
        ("find_the_disk_full", StorageError, r"^cannot write weights: the disk is full$"),
        ("find_the_gpu_filled", DeviceFilledError, r"^other processes hold the GPU$"),
    ],
)
def test_a_full_disk_or_gpu_is_no_result_of_a_job(kind, action, error, words):
    with make(kind, num_workers=1) as executor:
        with pytest.raises(error, match=words):
            list(executor.run([Job("a", {"do": action})]))
        assert [result.id for result in executor.run([Job("b")])] == ["b"]


@pytest.mark.parametrize("dotted", ["no_such_module:evaluate", "evaluators:no_such_function", "evaluators"])
def test_a_function_that_cannot_be_imported_is_named(kind, dotted):
    with (
        executors.create(kind, Work("evaluators:setup", dotted), num_workers=1) as executor,
        pytest.raises(ExecutorError, match=dotted),
    ):
        list(executor.run([Job("a")]))


def test_close_twice(kind):
    executor = make(kind)
    list(executor.run([Job("a")]))
    executor.close()
    executor.close()


def test_unknown_executor_lists_the_choices():
    with pytest.raises(UnknownNameError, match=r"'proceses'.* Did you mean 'processes'\?.*inline, processes"):
        executors.create("proceses", Work("a:b", "a:b"))


# --- workers and devices


@pytest.mark.parametrize("devices", [("cpu",), ("cuda:0",), ("cuda:0", "cuda:1")])
def test_workers_take_the_devices_in_turn(kind, devices):
    with make(kind, num_workers=4, devices=devices) as executor:
        jobs = [Job(str(i), {"do": "tell_place"}) for i in range(4 * executor.num_workers)]
        told = {(result.worker, *result.value.values()) for result in executor.run(jobs)}
    if executor.num_gpus() is not None:  # of a cluster, which shows each worker its own alone
        devices = devices[:1]
    assert told <= {(n, n, devices[n % len(devices)]) for n in range(executor.num_workers)}
    assert {executor.worker(n).device for n in range(executor.num_workers)} <= set(devices)


@pytest.mark.parametrize("threads", [1, 2])
def test_how_many_workers_there_are_is_the_class_s_to_say(kind, threads):
    executor, cores = REGISTRY.get(kind), max(1, len(available_cores()) // threads)
    most = 1 if executor.is_in_driver else 7
    assert executor.workers_for(7, threads, ["cpu"]) == executor.workers_for(7, threads, ["cuda:0"]) == most
    assert executor.workers_for(None, threads, ["cpu"]) == min(most, cores) or cores > 7
    # No two networks share a GPU unless that is asked for, and none is idle for want of cores. Of a cluster
    # all GPUs are used, by any name, but each worker needs its cores on the GPU's node.
    fitting = most if executor.num_gpus() is None else min(most, cores)
    assert executor.workers_for(None, threads, ["cuda:0"]) == min(fitting, executor.num_gpus() or 1)
    assert executor.workers_for(None, threads, ["cuda:0", "cuda:1"]) == min(fitting, 2)
    assert executor.workers_for(None, threads, ["cuda:0"] * 2) == min(fitting, 2)
    with make(kind, num_workers=None, devices=["cuda:0", "cuda:1"], threads=threads) as made:
        assert made.num_workers == executor.workers_for(None, threads, ["cuda:0", "cuda:1"])


def test_how_far_a_job_is_may_be_heard_and_decides_nothing(kind):
    heard = []
    with make(kind) as executor:
        jobs = [Job("a", {"do": "tell_often"}), Job("b", {"x": 1})]
        silent = [result.value for result in executor.run(jobs[:1])]
        results = list(executor.run(jobs, on_progress=lambda job_id, told: heard.append((job_id, told))))
    assert silent == [{"told": 2001}]
    assert {result.id for result in results} == {"a", "b"}
    assert {job_id for job_id, _ in heard} == {"a"}
    epochs = [told.epoch for _, told in heard]
    assert epochs[0] == 0 and epochs[-1] == 2000 and epochs == sorted(epochs)
    assert len(epochs) < 20, "what comes fast is left out"
    executors.tell(executors.Progress(1, 2))  # nobody evaluates: nothing happens


@pytest.mark.parametrize("what", ODD)
def test_what_is_told_oddly_harms_no_job_and_is_shown_in_a_few_words(kind, what):
    heard, told = [], []
    with make(kind, num_workers=1) as executor:
        jobs = [Job(str(number), {"do": "tell_oddly", "what": what}) for number in range(2)]
        results = list(executor.run(jobs, on_progress=lambda job_id, odd: heard.append((job_id, odd))))
    assert [result.value for result in results] == [{"done": True}] * 2
    hear = EpochsHeard(told.append)
    for job_id, odd in heard:
        assert isinstance(odd, executors.Misread)
        hear(job_id, odd)
    hear("2", executors.Progress(2, 5))
    warned, event = told  # once
    assert isinstance(warned, Warned) and "executors.Progress(epoch, num_epochs)" in warned.text
    assert len(warned.text) < 300 and warned.text.isprintable()
    assert event == EpochFinished("2", 2, 5)


def test_a_thread_of_a_job_may_tell_while_others_have_their_results(kind):
    jobs = [Job(str(number), {"do": "tell_in_a_thread", "is_first": number == 0}) for number in range(40)]
    with make(kind, num_workers=1) as executor:
        results = list(executor.run(jobs, on_progress=lambda job_id, told: None))
    assert [len(result.value["value"]) for result in results] == [100_000] * 40
