"""Figures of NAS-Bench-201 from a formula. Not a test: tests put this folder on the path."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from popnas.evaluators.nasbench201 import architectures, stored
from popnas.evaluators.nasbench201.stored import NasBench201


@cache
def made() -> NasBench201:
    """Equal functions score alike but for noise; dear operations score better."""
    codes = architectures.functions()
    edges = architectures.edges(codes)
    worth = np.array([0.0, 2.0, 5.0, 9.0, 3.0])[edges].sum(axis=1)
    rng = np.random.default_rng(0)
    data_sets = np.array([30.0, 10.0, 5.0])[:, None]
    truth = data_sets + worth + rng.normal(0, 0.2, size=(3, len(codes)))
    seeds = truth[:, :, None] + rng.normal(0, 0.3, size=(*truth.shape, 3))
    seeds[:, ::2, 2] = np.nan
    params = 1000 + 100 * (edges == 2).sum(axis=1) + 900 * (edges == 3).sum(axis=1)
    seconds = 500.0 + params / 10
    return NasBench201(
        about=np.array('{"source": "a formula"}'),
        index=rng.permutation(len(codes)),
        validation_12=(truth - 3).astype(np.float32),
        validation_200=seeds.astype(np.float32),
        test_200=truth.astype(np.float32),
        training_seconds=np.broadcast_to(seconds, truth.shape).astype(np.float32),
        params=np.broadcast_to(params, truth.shape).astype(np.int64),
    )


def timed() -> NasBench201:
    """With latencies, which are params here."""
    return replace(made(), latency_ms=(made().params / 100).astype(np.float32))


assert stored.fault_of(made()) is None and stored.fault_of(timed()) is None
