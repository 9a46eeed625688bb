"""Boosted oblivious trees: what they learn, and that they answer as they were grown."""

from __future__ import annotations

import numpy as np
import pytest

from popnas.predictors.tabular.boosted_trees import BoostingSettings, Trees, grow


def learnable(num_rows: int) -> tuple[np.ndarray, np.ndarray]:
    table_NF = np.random.default_rng(0).integers(0, 6, (num_rows, 5)).astype(np.float32)
    targets_N = table_NF[:, 0] * (table_NF[:, 1] > 2) - table_NF[:, 2]
    return table_NF, (targets_N - targets_N.mean()) / targets_N.std()


def one_by_one(trees: Trees, row_F: np.ndarray) -> float:
    total = trees.base
    for asked, values in zip(trees.asked, trees.values, strict=True):
        answers = [row_F[trees.columns[question]] > trees.thresholds[question] for question in asked]
        total += values[int("".join("01"[int(answer)] for answer in answers), 2)]
    return float(total)


def test_they_learn_what_two_columns_do_together() -> None:
    table_NF, targets_N = learnable(600)
    trees = grow(table_NF[:300], targets_N[:300], BoostingSettings(), seed=0)
    errors = trees.predict(table_NF[300:][:, trees.used_columns]) - targets_N[300:]
    assert np.square(errors).mean() < 0.05


@pytest.mark.parametrize("num_trees", [1, 4, 7])
def test_a_leaf_is_found_as_by_asking_one_question_after_the_other(num_trees: int) -> None:
    table_NF, targets_N = learnable(80)
    trees = grow(table_NF, targets_N, BoostingSettings(trees=num_trees), seed=1)
    found = trees.predict(table_NF[:, trees.used_columns])
    assert found.tolist() == [one_by_one(trees, row) for row in table_NF]


def test_the_order_of_rows_changes_no_sum() -> None:
    """With all rows in every tree: which ones are sampled depends on where they stand."""
    table_NF, targets_N = learnable(200)
    settings = BoostingSettings(trees=30, share_of_rows=1.0)
    order = np.random.default_rng(2).permutation(200)
    one, other = grow(table_NF, targets_N, settings, 3), grow(table_NF[order], targets_N[order], settings, 3)
    np.testing.assert_array_equal(one.asked, other.asked)
    np.testing.assert_array_equal(one.values, other.values)


def test_columns_that_are_equal_everywhere_teach_nothing() -> None:
    trees = grow(np.ones((10, 3)), np.arange(10.0), BoostingSettings(), seed=0)
    assert not len(trees.used_columns)
    assert trees.predict(np.empty((4, 0))).tolist() == [4.5] * 4
