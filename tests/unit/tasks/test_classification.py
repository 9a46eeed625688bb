import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score, top_k_accuracy_score

from popnas import config, tasks
from popnas.datasets.loader import Batching
from popnas.placement import Placement
from popnas.tasks._class_metrics import ClassificationLoss, ClassificationMetrics
from popnas.tasks._classification import ClassificationTask
from popnas.workflows.settings import unused

CPU = Placement(torch.device("cpu"))


def batch(n=64, k=7, seed=0):
    rng = np.random.default_rng(seed)
    return torch.tensor(rng.normal(size=(n, k)), dtype=torch.float32), torch.tensor(rng.integers(0, k, n))


def test_loss_is_smoothed_cross_entropy_times_the_weight_of_the_true_class_over_the_batch_size():
    logits, y = batch()
    weights, smoothing = np.linspace(0.2, 3, 7).astype(np.float32), 0.1
    target = torch.full((64, 7), smoothing / 7)
    target[torch.arange(64), y] += 1 - smoothing
    per_sample = -(target * logits.log_softmax(dim=1)).sum(dim=1)
    weighted = (per_sample * torch.tensor(weights)[y]).sum() / 64
    assert ClassificationLoss(smoothing, weights)(logits, y).item() == pytest.approx(
        weighted.item(), rel=1e-6
    )
    assert ClassificationLoss(smoothing)(logits, y).item() == pytest.approx(
        per_sample.mean().item(), rel=1e-6
    )
    as_torch_weighs = torch.nn.functional.cross_entropy(
        logits, y, weight=torch.tensor(weights), label_smoothing=smoothing
    )
    assert ClassificationLoss(smoothing, weights)(logits, y).item() != pytest.approx(
        as_torch_weighs.item(), rel=1e-3
    )


def test_loss_has_gradients():
    logits, y = batch()
    logits.requires_grad_()
    ClassificationLoss(0.1, np.ones(7, np.float32))(logits, y).backward()
    assert logits.grad.abs().sum() > 0


@pytest.mark.parametrize("k", [5, 7, 12])
def test_metrics_agree_with_scikit_learn(k):
    metrics, seen = ClassificationMetrics(k), []
    for seed in range(3):
        seen.append(batch(64 + seed, k, seed))
        metrics.update(*seen[-1])
    logits, y = (torch.cat(parts).numpy() for parts in zip(*seen, strict=True))
    predicted = logits.argmax(axis=1)
    found = metrics.compute()
    assert found["accuracy"] == pytest.approx(accuracy_score(y, predicted))
    assert found["f1_score"] == pytest.approx(f1_score(y, predicted, average="macro"))
    if k > 5:
        assert found["top_k_accuracy"] == pytest.approx(top_k_accuracy_score(y, logits, k=5, labels=range(k)))
    else:
        assert found["top_k_accuracy"] == 1


def test_f1_leaves_out_classes_that_are_neither_true_nor_predicted():
    metrics = ClassificationMetrics(4)
    logits = torch.eye(4)[torch.tensor([0, 0, 1, 2])]
    metrics.update(logits, torch.tensor([0, 0, 1, 1]))
    # Classes 0, 1, 2 have F1 of 1, 2/3, 0; class 3 does not occur.
    assert metrics.compute()["f1_score"] == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert metrics.compute()["top_k_accuracy"] == 1


def settings(**dataset):
    return config.load(
        {
            "dataset": {"type": "image_classification", "name": "digits", **dataset},
            "training_hyperparameters": {"label_smoothing": 0.2},
        }
    )


def test_the_task_takes_what_it_needs_from_the_configuration():
    task = tasks.get("image_classification")
    chosen = settings(
        balance_class_losses=True,
        batch_size=100,
        val_test_batch_size=50,
        cache=False,
        data_augmentation={"enabled": True, "use_cutout": True},
    )
    dataset = task.load(chosen)
    loss = task.loss(chosen, dataset)
    logits, y = batch(k=10)
    assert loss(logits, y).item() == pytest.approx(
        ClassificationLoss(0.2, dataset.class_weights)(logits, y).item()
    )
    train = task.train_loader(chosen, dataset, dataset.train, CPU, seed=1)
    assert train.batching == Batching(100, shuffle=True, seed=1) and train.augmentation.use_cutout
    validation = task.evaluation_loader(chosen, dataset, dataset.validation, CPU)
    assert validation.batching == Batching(50) and validation.augmentation is None
    spec = task.network_spec(chosen, dataset)
    assert (spec.input_shape, spec.num_classes, spec.has_lengths) == ((8, 8, 1), 10, False)


def test_augmentation_is_off_unless_asked_for_and_series_have_none():
    assert tasks.get("image_classification").augmentation(settings()) is None
    series = config.load(
        {
            "dataset": {
                "type": "time_series_classification",
                "name": "UnitTest",
                "data_augmentation": {"enabled": True},
            }
        }
    )
    assert tasks.get("time_series_classification").augmentation(series) is None
    assert any("data_augmentation" in warning for warning in unused(series))


def test_the_split_follows_the_run_seed_alone():
    task = tasks.get("image_classification")
    first, again = (task.load(settings()) for _ in range(2))
    other = task.load(
        config.load({"dataset": {"type": "image_classification", "name": "digits"}, "others": {"seed": 1}})
    )
    assert np.array_equal(first.train.x, again.train.x) and not np.array_equal(first.train.x, other.train.x)


def test_the_metric_for_classes_of_very_different_sizes():
    class Own(ClassificationTask):
        score_metrics = ("precision",)

    assert [tasks.get("image_classification").metric_for(is_uneven=flag) for flag in (False, True)] == [
        "accuracy",
        "f1_score",
    ]
    masks = tasks.get("image_segmentation")
    assert [masks.metric_for(is_uneven=flag) for flag in (False, True)] == ["mean_iou", "mean_iou"]
    assert Own.metric_for(Own, is_uneven=True) == "precision"  # what is inherited is not among its own
