"""What is said of a file's answers is what the same answers get in training."""

import numpy as np
import pytest
import torch

from popnas.datasets import Split
from popnas.export.running import judged
from popnas.tasks._class_metrics import ClassificationMetrics
from popnas.tasks._pixel_metrics import figures


class Answering:
    """A session that gives these answers (N, K, ...), a batch after the other."""

    def __init__(self, answers):
        self.answers, self.start = answers, 0

    def run(self, names, feed):
        start, self.start = self.start, self.start + len(feed["input"])
        return [self.answers[start : self.start]]


def test_masks_have_the_mean_iou_of_all_labelled_pixels():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (70, 5, 4, 3)).astype(np.uint8)
    y = rng.choice([0, 1, 255], (70, 5, 4))  # class 3 is neither there nor answered, 255 does not count
    answers = rng.random((70, 4, 5, 4)).astype(np.float32)
    answers[:, 3] = -1
    confusion = np.zeros((4, 4), np.int64)
    np.add.at(confusion, (y[y < 4], answers.argmax(axis=1)[y < 4]), 1)
    found, expected = judged(Answering(answers), Split(x, y)), figures(torch.from_numpy(confusion))
    assert found.accuracy == pytest.approx(expected.pop("accuracy"))
    assert found.metrics == {name: pytest.approx(value) for name, value in expected.items()}


def test_labels_have_the_mean_f1_score():
    rng = np.random.default_rng(0)
    x, y = rng.random((90, 12, 1)), rng.integers(0, 3, 90)
    answers = rng.random((90, 4)).astype(np.float32)
    counted = ClassificationMetrics(4)
    counted.update(torch.from_numpy(answers), torch.from_numpy(y))
    found, expected = judged(Answering(answers), Split(x, y)), counted.compute()
    assert found.accuracy == pytest.approx(expected["accuracy"])
    assert found.metrics == {"f1_score": pytest.approx(expected["f1_score"])}
