"""What belongs to the process is as before, also where two threads do the same at once; what the caller has
set in torch reaches nothing of ours."""

from __future__ import annotations

import logging
import pickle
import re
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import matplotlib
import numpy as np
import pytest
import torch
from sklearn.utils.parallel import Parallel, delayed

import popnas
from popnas import PopnasClassifier, process_state
from popnas.export import int8, onnx_file
from popnas.process_state import silence
from popnas.report import canvas
from popnas.training import device

TINY = {
    "search_space": {"blocks": 1, "lookback_depth": 1, "operators": ["3 conv"]},
    "training_hyperparameters": {"epochs": 2},
    "architecture_hyperparameters": {"filters": 4, "motifs": 1, "normal_cells_per_motif": 1},
}
Y = np.arange(24) % 2
X = np.random.default_rng(0).normal(size=(24, 1, 16)) + 2 * Y[:, None, None]


def classifier(**options: Any) -> PopnasClassifier:
    options = {"last_stage": "search", "n_jobs": 1, "random_state": 0, **options}
    return PopnasClassifier("time_series_classification", config=TINY, **options)


def state() -> dict[str, Any]:
    """What of the process a program would notice to be changed."""
    root = logging.getLogger()
    return {
        "streams": (sys.stdout, sys.stderr),
        "filters": [one for one in warnings.filters if one != silence.FILTER],
        "showwarning": warnings.showwarning,
        "logging": (
            root.level,
            list(root.handlers),
            list(root.filters),
            logging.getLogger("torch.onnx").level,
        ),
        "figures": dict(matplotlib.rcParams),
        "threads": torch.get_num_threads(),
        "dtype": torch.get_default_dtype(),
        "device": torch.get_default_device(),
        "modes": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "autocast": torch.is_autocast_enabled("cpu"),
        "random": torch.random.get_rng_state().tolist(),
        "denormal": device.flushes_denormal(),
    }


CONTEXTS: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "warnings": process_state.without_warnings,
    "the exporter's logger": onnx_file._QUIET,
    "the quantiser's remarks": int8._quiet,
    "torch": process_state.torch_as_imported,
}


@pytest.mark.parametrize("name", CONTEXTS)
def test_threads_that_overlap_leave_nothing_behind(name):
    """The second enters while the first is inside, and leaves after it."""
    before = state()
    is_first_in, is_second_in, is_first_out = threading.Event(), threading.Event(), threading.Event()

    def second() -> None:
        is_first_in.wait(10)
        with CONTEXTS[name]():
            is_second_in.set()
            is_first_out.wait(10)

    thread = threading.Thread(target=second)
    thread.start()
    with CONTEXTS[name]():
        is_first_in.set()
        assert is_second_in.wait(10)
    is_first_out.set()
    thread.join(10)
    assert state() == before


@pytest.mark.parametrize("context", [lambda: process_state.torch_in_turn(1), canvas.look])
def test_what_one_thread_alone_may_do_waits(context):
    before = state()
    is_in, seen = threading.Event(), list[str]()

    def second() -> None:
        is_in.wait(10)
        with context():
            seen.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with context():
        is_in.set()
        thread.join(0.2)
        seen.append("first")
    thread.join(10)
    assert seen == ["first", "second"] and state() == before


@pytest.mark.filterwarnings("error")
def test_warnings_are_silent_in_one_thread_and_heard_in_others():
    heard = list[str]()

    def tell(text: str) -> None:
        try:
            warnings.warn(text, UserWarning, stacklevel=1)
        except UserWarning as warning:
            heard.append(str(warning))

    with process_state.without_warnings():
        thread = threading.Thread(target=tell, args=("in another thread",))
        thread.start()
        thread.join(10)
        tell("ours")
    with process_state.without_warnings("Glyph .* missing"):
        tell("Glyph 9 missing from")
        tell("something else")
    tell("after it")
    assert heard == ["in another thread", "something else", "after it"]


def test_filters_can_be_rebuilt_and_sent_elsewhere():
    """scikit-learn does both with those of the caller, in searches for parameters."""
    with process_state.without_warnings():
        pass
    assert silence.FILTER in warnings.filters
    assert Parallel(n_jobs=1)(delayed(int)("7") for _ in range(2)) == [7, 7]
    assert [one[1] for one in pickle.loads(pickle.dumps(warnings.filters))[:1]] == [re.compile("(?!)")]


def test_two_fits_in_threads_are_as_two_in_a_row(capsys):
    alone = classifier().fit(X, Y).predict_proba(X)
    before, found = state(), list[np.ndarray]()
    threads = [
        threading.Thread(target=lambda: found.append(classifier().fit(X, Y).predict_proba(X)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert state() == before
    assert len(found) == 2 and all(np.array_equal(one, alone) for one in found)
    sys.stdout.write("still heard\n")
    assert capsys.readouterr().out == "still heard\n"


def test_remarks_of_the_quantiser_alone_are_dropped(caplog):
    handlers = list(logging.getLogger().handlers)
    with int8._quiet():
        logging.getLogger().warning("of the program")
    assert [record.message for record in caplog.records] == ["of the program"]
    assert logging.getLogger().handlers == handlers


@contextmanager
def default_dtype() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@contextmanager
def default_device() -> Iterator[None]:
    torch.set_default_device("meta")
    try:
        yield
    finally:
        torch.set_default_device(None)


@contextmanager
def flushing() -> Iterator[None]:
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


OF_THE_CALLER: dict[str, Callable[[], Any]] = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "default dtype": default_dtype,
    "default device": default_device,
    "device of a block": lambda: torch.device("meta"),
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "flush denormal": flushing,
}


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    folder = tmp_path_factory.mktemp("usual") / "deploy"
    model = classifier().fit(X, Y)
    model.export(folder)
    return folder, model.predict_proba(X)


@pytest.mark.parametrize("name", OF_THE_CALLER)
def test_what_the_caller_has_set_in_torch_reaches_no_network(name, usual):
    folder, expected = usual
    with OF_THE_CALLER[name]():
        before = state() | {"random": None}
        probabilities = classifier(backend="torch").fit(X, Y).predict_proba(X)
        loaded = popnas.load(folder, backend="torch").predict_proba(X)
        assert state() | {"random": None} == before
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)
    np.testing.assert_allclose(loaded, expected, atol=1e-5)
