"""Running out of memory, in words with figures."""

import contextlib
import weakref

import pytest
import torch

from popnas.errors import CandidateFailed
from popnas.training.failures import memory_errors_named, release, release_all


@pytest.mark.parametrize(
    ("error", "figure"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.50 GiB. GPU"), "of 2.5 GiB was"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 3221225472 bytes."),
         "of 3 GiB was"),
        (MemoryError(), "at this batch size: lower"),
        (RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"),
         "at this batch size: lower"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
         "at this batch size: lower"),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), "at this batch size: lower"),
        (RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"), "size: lower"),
        (RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED"), "size: lower"),
        (RuntimeError("CUDA driver error: out of memory"), "at this batch size: lower"),
        (RuntimeError("Triton Error [CUDA]: out of memory"), "at this batch size: lower"),
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


def test_what_a_failed_training_held_is_given_back(monkeypatch):
    """Where its traceback is gone: a cycle of error and frame would keep its tensors."""
    emptied = []
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "device", lambda device: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append(held()))

    class Graph:
        pass

    graph = Graph()
    graph.itself, held = graph, weakref.ref(graph)
    del graph
    release(torch.device("cuda:1"))
    assert emptied == [None]
    release(torch.device("cpu"))
    assert len(emptied) == 1


def test_what_a_process_keeps_of_any_gpu_is_given_back(monkeypatch):
    emptied, current = [], []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda number: 100 * (number > 0))
    monkeypatch.setattr(torch.cuda, "device", lambda device: contextlib.closing(_Current(current, device)))
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append(current[-1]))
    release_all()
    assert emptied == [], "a process that has used no GPU has nothing of it"
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    release_all()
    assert [str(device) for device in emptied] == ["cuda:1", "cuda:2"]


class _Current:
    def __init__(self, stack, device):
        self.stack = stack
        stack.append(device)

    def close(self):
        self.stack.pop()
