"""A small finished search as journal events."""

from types import SimpleNamespace

import pytest

from popnas.evaluation import Evaluation
from popnas.runs.journal import Event

CONFIG = {
    "search_strategy": {"additional_pareto_objectives": ["time"]},
    "dataset": {"type": "image_classification", "batch_size": 64},
    "architecture_hyperparameters": {"filters": 8, "motifs": 2, "normal_cells_per_motif": 1},
    "others": {"seed": 5},
}
SINGLE = "[(-1, 3x3 conv, -1, 3x3 conv)]", "[(-1, identity, -1, identity)]", "[(-2, identity, -1, 3x3 conv)]"
DOUBLE = (
    "[(-1, identity, -1, identity);(-1, identity, 0, 3x3 conv)]",
    "[(-1, 3x3 conv, -1, 3x3 conv);(-2, identity, 0, 3x3 conv)]",
)


def evaluation(cell, step, index, score, seconds, params=100, **changes):
    fields = {
        "cell": cell,
        "step": step,
        "index": index,
        "is_exploration": False,
        "seed": 1,
        "metrics": {"accuracy": score, "f1_score": score - 0.01, "top_k_accuracy": 1.0},
        "score": score,
        "training_seconds": seconds,
        "inference_seconds": seconds / 1000,
        "params": params,
        "flops": 10 * params,
        **changes,
    }
    item = Evaluation(**fields, volatile={"worker": index})
    return ("evaluation", item.content(), item.volatile)


def failed(cell, step, index, **changes):
    item = Evaluation(cell, step, index, False, 1, error="the loss is no number", error_kind="nan", **changes)
    return ("evaluation", item.content(), item.volatile)


def proposals(step, cells, **changes):
    return (
        "proposals",
        {"step": step, "cells": [{"cell": cell, "is_exploration": False, **changes} for cell in cells]},
        {},
    )


def number(triples):
    """(event, content, volatile) triples as Events."""
    return [Event(seq, *triple) for seq, triple in enumerate(triples, start=1)]


@pytest.fixture
def triples():
    grown = proposals(2, DOUBLE, predictions={"score": 0.9, "time": 3.0})
    grown[1]["cells"][1]["is_exploration"] = True
    return [
        ("run_started", {"version": 1, "seed": 5, "config_sha256": "x", "config": CONFIG}, {"host": "a"}),
        proposals(0, ["[]"]),
        evaluation("[]", 0, 0, 0.95, 0.5, 10),
        ("step_finished", {"step": 0}, {}),
        proposals(1, SINGLE),
        evaluation(SINGLE[0], 1, 0, 0.8, 2.0, 300),
        evaluation(SINGLE[1], 1, 1, 0.5, 1.0, 100),
        failed(SINGLE[2], 1, 2),
        (
            "operator_costs",
            {"time": {"3x3 conv": 1.0, "identity": 0.25}, "inference_time": {"3x3 conv": 1.0}},
            {},
        ),
        ("step_finished", {"step": 1}, {}),
        ("predictions", {"step": 2, "file": "predictions_B2.npz", "sha256": "y"}, {}),
        grown,
        evaluation(DOUBLE[0], 2, 0, 0.9, 3.0, 200),
        evaluation(DOUBLE[1], 2, 1, 0.85, 4.0, 400, is_exploration=True),
        ("step_finished", {"step": 2}, {}),
        ("confirmation", {"cell": DOUBLE[0], "repetition": 2, "score": 0.91}, {}),
        ("confirmation", {"cell": DOUBLE[0], "repetition": 1, "score": 0.89}, {"worker": 1}),
        ("run_finished", {"reason": "completed"}, {}),
    ]


@pytest.fixture
def events(triples):
    return number(triples)


@pytest.fixture
def sample():
    """What the tests build their own events with (test modules cannot import one another)."""
    return SimpleNamespace(
        CONFIG=CONFIG,
        SINGLE=SINGLE,
        DOUBLE=DOUBLE,
        evaluation=evaluation,
        failed=failed,
        proposals=proposals,
        number=number,
    )
