"""Times that a machine does not shake: fixed functions of a network's cost, for `timing = "simulated"`.

Two runs with the same seed then have equal search content whatever the number of workers and the load. The
constants are those of one core of a common server of 2025, so that simulated and measured times are of one
order: a training step costs three times the operations of a forward pass, and every weight is read and
written a few times by the optimizer.
"""

from __future__ import annotations

FLOPS_PER_SECOND = 2.0e10
BYTES_PER_SECOND = 5.0e9
SAMPLE_SECONDS = 1.0e-5
"""What a training sample costs beside its operations."""

CALL_SECONDS = 1.0e-3
"""What a forward pass costs beside its operations, whatever the number of samples."""

_BYTES_PER_PARAM = 4
_TRAINING_PASSES = 3
_OPTIMIZER_TRANSFERS = 7
_BATCH_SIZE = 64


def training_seconds(flops: int, params: int, num_samples: int, epochs: int = 1) -> float:
    """Seconds to train on `num_samples` samples `epochs` times.

    `flops` is of one sample's forward pass, `params` counts trainable weights; the batch is taken to be 64.
    """
    compute = _TRAINING_PASSES * flops / FLOPS_PER_SECOND
    transfer = _OPTIMIZER_TRANSFERS * params * _BYTES_PER_PARAM / BYTES_PER_SECOND / _BATCH_SIZE
    return epochs * num_samples * (SAMPLE_SECONDS + compute + transfer)


def inference_seconds(flops: int, params: int, batch_size: int = 1) -> float:
    """Seconds of one forward pass over a batch."""
    return CALL_SECONDS + batch_size * flops / FLOPS_PER_SECOND + params * _BYTES_PER_PARAM / BYTES_PER_SECOND
