"""What is told of the driver's own process, where jobs run inline."""

from pathlib import Path

import pytest

from popnas import executors
from popnas.executors import Job, Work


def test_an_interruption_is_no_failure_of_the_job(monkeypatch):
    """Recorded as one it would never be tried again."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    work = Work("evaluators:setup", "evaluators:evaluate")
    with executors.create("inline", work) as executor, pytest.raises(KeyboardInterrupt):
        list(executor.run([Job("a", {"do": "be_interrupted_while_loading"})]))
