from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from popnas.report.model_results import ClassFigures
from popnas.workflows.models.answers.tally import NUM_BINS, Confusion, Tally, class_figures


def classes_of(tally: Tally) -> list[ClassFigures]:
    return class_figures(tally.confusion.counts_KK, [str(k) for k in range(tally.num_classes)])


def _answers(n: int = 200, k: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    logits = rng.standard_normal((n, k)) * 2
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return probabilities.astype(np.float32), rng.integers(0, k, n)


def test_classes_agree_with_scikit_learn() -> None:
    probabilities, y = _answers()
    tally = Tally(4)
    for part in (slice(0, 70), slice(70, None)):
        tally.update(probabilities[part], y[part])
    predicted = probabilities.argmax(axis=1)
    np.testing.assert_array_equal(tally.confusion.counts_KK, confusion_matrix(y, predicted))
    expected = precision_recall_fscore_support(y, predicted)
    for name, values in zip(("precision", "recall", "f1_score", "support"), expected, strict=True):
        np.testing.assert_allclose([getattr(item, name) for item in classes_of(tally)], values)


def test_calibration_error_worked_out_by_hand() -> None:
    """Three answers of confidence 0.9, two of them right; one of 0.6, right."""
    tally = Tally(2)
    tally.update(np.array([[0.9, 0.1], [0.9, 0.1], [0.1, 0.9], [0.6, 0.4]]), np.array([0, 1, 1, 0]))
    calibration = tally.calibration()
    assert calibration.expected_calibration_error == pytest.approx((3 * (0.9 - 2 / 3) + 0.4) / 4)
    assert [item.count for item in calibration.bins if item.count] == [1, 3]
    assert calibration.bins[0].accuracy is None
    full = next(item for item in calibration.bins if item.count == 3)
    assert full.low < 0.9 <= full.high and full.accuracy == pytest.approx(2 / 3)


def test_certain_answers_are_in_the_last_bin() -> None:
    tally = Tally(2)
    tally.update(np.array([[1.0, 0.0]]), np.array([0]))
    assert tally.calibration().bins[NUM_BINS - 1].count == 1
    assert tally.calibration().expected_calibration_error == 0.0


def test_ignored_pixels_and_absent_classes() -> None:
    tally = Tally(3)
    probabilities = np.zeros((1, 3, 2, 2), np.float32)
    probabilities[:, 1] = 1.0
    tally.update(probabilities, np.array([[[1, 0], [255, -1]]]))
    assert tally.confusion.counts_KK.tolist() == [[0, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert classes_of(tally)[2] == ClassFigures("2", None, None, None, None, 0)


def test_iou_of_pixels_counted_by_hand() -> None:
    """Class 0: two right, one missed, none wrong; class 1: one right, one wrong; class 2 nowhere."""
    probabilities = np.zeros((1, 3, 1, 5), np.float32)
    for pixel, predicted in enumerate((0, 0, 1, 1, 2)):
        probabilities[0, predicted, 0, pixel] = 1
    tally = Tally(3)
    tally.update(probabilities, np.array([[[0, 0, 0, 1, 255]]], np.uint8))
    assert [item.iou for item in classes_of(tally)] == [2 / 3, 1 / 2, None]
    assert tally.confusion.counts_KK.tolist() == [[2, 1, 0], [0, 1, 0], [0, 0, 0]]


def test_confusion_counts_what_is_true_in_rows_and_leaves_out_what_is_no_class():
    counted = Confusion(3)
    counted.update(np.array([[0, 1], [2, 2]], np.uint8), np.array([[0, 0], [2, 255]], np.uint8))
    counted.update(np.array([1]), np.array([2]))
    assert counted.counts_KK.tolist() == [[1, 1, 0], [0, 0, 0], [0, 1, 1]]
    counted.update(np.array([1]), np.array([-1]))
    assert counted.counts_KK.sum() == 4
