"""What is told of the driver's own process, where jobs run inline."""

from pathlib import Path

import pytest

from popnas import executors
from popnas.errors import ExecutorError
from popnas.executors import Job, Work


def test_a_gpu_that_answers_no_more_ends_the_run_and_is_no_failure_of_the_job(monkeypatch):
    """All that come after it would be recorded as failed."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    work = Work("evaluators:setup", "evaluators:evaluate")
    words = "CUDA error: an illegal memory access was encountered"
    told = f"{words}. Nothing else can be trained in it; start again.*executor.kind 'processes'"
    with executors.create("inline", work) as executor, pytest.raises(ExecutorError, match=told):
        list(executor.run([Job("a", {"do": "lose_the_gpu", "words": words}), Job("b", {})]))


def test_an_interruption_is_no_failure_of_the_job(monkeypatch):
    """Recorded as one it would never be tried again."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    work = Work("evaluators:setup", "evaluators:evaluate")
    with executors.create("inline", work) as executor, pytest.raises(KeyboardInterrupt):
        list(executor.run([Job("a", {"do": "be_interrupted_while_loading"})]))
