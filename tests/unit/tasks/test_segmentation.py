"""Loss and metrics of a class per pixel against loops over pixels; the task's loaders."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from popnas import config, tasks
from popnas.datasets import Dataset, Preprocessing, Split
from popnas.datasets.dataset import Fold
from popnas.datasets.masks.mask_files import IGNORED
from popnas.datasets.preprocessing import Origin
from popnas.datasets.ragged import Ragged
from popnas.placement import Placement
from popnas.tasks._pixel_metrics import SegmentationLoss, SegmentationMetrics
from popnas.tasks.image_segmentation import figures

CPU = Placement(torch.device("cpu"))

TASK = tasks.get("image_segmentation")


def drawn(seed, num_classes, share_ignored, batch=2, size=(4, 5)):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(batch, num_classes, *size, generator=generator)
    y = torch.randint(0, num_classes, (batch, *size), generator=generator)
    y[torch.rand(y.shape, generator=generator) < share_ignored] = IGNORED
    return logits, y


def naive_loss(logits, y, weights=None):
    total, count = 0.0, 0
    for b, row, column in np.ndindex(*y.shape):
        label = int(y[b, row, column])
        if label == IGNORED:
            continue
        scores = [float(v) for v in logits[b, :, row, column]]
        loss = math.log(sum(math.exp(score) for score in scores)) - scores[label]
        total += loss * (1.0 if weights is None else float(weights[label]))
        count += 1
    return total / max(count, 1)


def naive_metrics(predicted, y, num_classes):
    pairs = [(int(p), int(t)) for p, t in zip(predicted.flatten(), y.flatten(), strict=True) if t != IGNORED]
    ious = []
    for k in range(num_classes):
        both = sum(p == k and t == k for p, t in pairs)
        either = sum(p == k or t == k for p, t in pairs)
        if either:
            ious.append(both / either)
    return {
        "accuracy": sum(p == t for p, t in pairs) / max(len(pairs), 1),
        "mean_iou": sum(ious) / max(len(ious), 1),
    }


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 6), st.sampled_from([0.0, 0.3, 1.0]), st.booleans())
def test_loss_is_that_of_a_loop_over_pixels(seed, num_classes, share_ignored, is_weighted):
    logits, y = drawn(seed, num_classes, share_ignored)
    weights = np.linspace(0.2, 3, num_classes).astype(np.float32) if is_weighted else None
    logits.requires_grad_()
    loss = SegmentationLoss(weights)(logits, y)
    assert loss.item() == pytest.approx(naive_loss(logits.detach(), y, weights), rel=1e-5, abs=1e-6)
    loss.backward()
    assert logits.grad.isfinite().all()
    assert (logits.grad.abs().sum(dim=1)[y == IGNORED] == 0).all()


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 8), st.sampled_from([0.0, 0.3, 0.95]))
def test_metrics_are_those_of_a_loop_over_pixels(seed, num_classes, share_ignored):
    """Few pixels, many classes: some have no union and are left out."""
    logits, y = drawn(seed, num_classes, share_ignored, size=(2, 3))
    metrics = SegmentationMetrics(num_classes)
    for part in (slice(0, 1), slice(1, 2)):
        metrics.update(logits[part], y[part])
    assert metrics.compute() == pytest.approx(naive_metrics(logits.argmax(dim=1), y, num_classes))


def test_a_class_without_union_is_left_out_of_the_mean():
    y = torch.tensor([[[0, 0, 1, IGNORED]]])
    metrics = SegmentationMetrics(4)
    metrics.update_classes(torch.tensor([[[0, 1, 1, 3]]]), y)
    assert metrics.compute() == pytest.approx({"accuracy": 2 / 3, "mean_iou": 0.5})
    confusion_KK = np.array([[1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    assert figures(confusion_KK) == metrics.compute()


def test_nothing_but_ignored_pixels_scores_zero_and_costs_nothing():
    logits, y = torch.zeros(1, 3, 2, 2), torch.full((1, 2, 2), IGNORED)
    metrics = SegmentationMetrics(3)
    metrics.update(logits, y)
    assert metrics.compute() == {"accuracy": 0.0, "mean_iou": 0.0}
    assert SegmentationLoss()(logits, y).item() == 0.0


def test_masks_may_have_255_classes():
    logits, y = drawn(0, 255, 0.2)
    metrics = SegmentationMetrics(255)
    metrics.update(logits, y)
    assert metrics.compute() == pytest.approx(naive_metrics(logits.argmax(dim=1), y, 255))
    assert SegmentationLoss()(logits, y).item() == pytest.approx(naive_loss(logits, y), rel=1e-5)


def dataset_of(sizes):
    split = Split(
        Ragged.of([np.zeros((*size, 3), np.uint8) for size in sizes]),
        Ragged.of([np.zeros(size, np.uint8) for size in sizes]),
        pixel_counts=np.array([[h * w, 0, 0] for h, w in sizes]),
    )
    fold = Fold(split, slice(None), slice(None))
    return Dataset(
        place="made", full_train=split, folds=[fold], test=None, class_names=["0", "1"],
        class_weights=None, preprocessing=Preprocessing.of_images(3), origin=Origin("image file"),
        network_size=(4, 4),
    )  # fmt: skip


def run_config(**dataset):
    section = {"type": "image_segmentation", "path": "made", "batch_size": 8, **dataset}
    return config.load({"dataset": section})


def test_training_sees_crops_and_evaluation_whole_images():
    dataset = dataset_of([(9, 7)] * 5 + [(5, 8)] * 5)
    chosen = run_config(resize={"width": 4, "height": 3})
    train = TASK.train_loader(chosen, dataset, dataset.train, CPU, seed=0)
    assert {tuple(batch.y.shape[1:]) for batch in train} == {(3, 4)}
    whole = TASK.evaluation_loader(chosen, dataset, dataset.train, CPU)
    assert sum(int((batch.y != IGNORED).sum()) for batch in whole) == 5 * (9 * 7 + 5 * 8)


def test_evaluation_batches_of_large_images_are_smaller():
    """Eight crops of 4x4 make a batch, and an evaluation batch has twice their pixels at most: 256."""
    dataset = dataset_of([(8, 8)] * 10)
    for settings_, expected in (({}, [4, 4, 2]), ({"val_test_batch_size": 14}, [7, 3])):
        loader = TASK.evaluation_loader(run_config(**settings_), dataset, dataset.train, CPU)
        assert [len(batch.y) for batch in loader] == expected
    huge = dataset_of([(40, 40)] * 3)
    loader = TASK.evaluation_loader(run_config(), huge, huge.train, CPU)
    assert [len(batch.y) for batch in loader] == [1, 1, 1]


def test_the_decoder_names_the_macro_architecture():
    for decoder in ("fixed", "cells"):
        chosen = config.load(
            {
                "dataset": {"type": "image_segmentation", "path": "made"},
                "architecture_hyperparameters": {"segmentation_decoder": decoder},
            }
        )
        assert TASK.network_spec(chosen, dataset_of([(4, 4)])).macro == f"segmentation_{decoder}"


def test_balanced_losses_weigh_pixels_and_labels_are_not_smoothed():
    dataset = dataset_of([(4, 4)])
    chosen = config.load(
        {
            "dataset": {"type": "image_segmentation", "path": "made"},
            "training_hyperparameters": {"label_smoothing": 0.2},
        }
    )
    logits, y = drawn(1, 2, 0.1)
    assert TASK.loss(chosen, dataset)(logits, y).item() == pytest.approx(naive_loss(logits, y), rel=1e-5)
