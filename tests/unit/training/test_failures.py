"""Running out of memory, in words with figures."""

import pytest
import torch

from popnas.errors import CandidateFailed
from popnas.training.failures import memory_errors_named


@pytest.mark.parametrize(
    ("error", "figure"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.50 GiB. GPU"), "of 2.5 GiB was"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 3221225472 bytes."),
         "of 3 GiB was"),
        (MemoryError(), "at this batch size: lower"),
    ],
)  # fmt: skip
def test_memory_that_runs_out_is_told_with_what_was_asked_for_and_what_to_lower(error, figure):
    with pytest.raises(CandidateFailed) as failed, memory_errors_named(torch.device("cpu")):
        raise error
    assert failed.value.kind == "out_of_memory"
    assert figure in str(failed.value) and "lower dataset.batch_size or" in str(failed.value)


def test_a_tensor_that_no_memory_holds_is_told_with_its_size():
    asked = r"a tensor of 4,194,304 GiB was asked for"
    with pytest.raises(CandidateFailed, match=asked), memory_errors_named(torch.device("cpu")):
        torch.empty(1 << 50)


def test_other_errors_stay_what_they_are():
    with pytest.raises(RuntimeError, match="shapes differ"), memory_errors_named(torch.device("cpu")):
        raise RuntimeError("shapes differ")
