"""The ridge head: what it says of examples left out is what fits without them say."""

import pytest
import torch

from popnas.networks.known import ridge


def problem(num_examples, num_features, noise):
    generator = torch.Generator().manual_seed(1)
    y_N = torch.arange(num_examples) % 3
    means_KF = torch.randn(3, num_features, generator=generator)
    return means_KF[y_N] + noise * torch.randn(num_examples, num_features, generator=generator), y_N


@pytest.mark.parametrize("num_features", [4, 40])
@pytest.mark.parametrize("penalty", [0.001, 10.0])
def test_predictions_left_out_are_those_of_fits_to_all_others(num_features, penalty):
    x_NF, y_N = problem(15, num_features, 1.0)
    x_NF = x_NF.double() - x_NF.double().mean(0)
    targets_NK = 2.0 * torch.nn.functional.one_hot(y_N, 3).double() - 1
    centred_NK = targets_NK - targets_NK.mean(0)
    found_NK = ridge._left_out(*ridge._decomposed(x_NF), centred_NK, penalty)
    for i in range(len(x_NF)):
        others = torch.arange(len(x_NF)) != i
        mean_F, offset_K = x_NF[others].mean(0), centred_NK[others].mean(0)
        x, t = x_NF[others] - mean_F, centred_NK[others] - offset_K
        weight_FK = torch.linalg.solve(x.T @ x + penalty * torch.eye(num_features).double(), x.T @ t)
        expected_K = (x_NF[i] - mean_F) @ weight_FK + offset_K
        torch.testing.assert_close(found_NK[i], expected_K, rtol=1e-6, atol=1e-6)


def test_the_head_tells_classes_apart_and_its_loss_is_that_of_new_examples():
    x_NF, y_N = problem(600, 8, 2.0)
    head = ridge.fit(x_NF[:200], y_N[:200], 3)
    logits_NK = x_NF[200:] @ head.weight.T + head.bias
    assert (logits_NK.argmax(1) == y_N[200:]).float().mean() > 0.75
    loss = torch.nn.functional.cross_entropy(logits_NK, y_N[200:])
    assert float(loss) == pytest.approx(head.loss, rel=0.25)


def test_more_features_than_examples_that_are_noise_promise_nothing():
    generator = torch.Generator().manual_seed(2)
    head = ridge.fit(torch.randn(30, 500, generator=generator), torch.arange(30) % 2, 2)
    assert head.loss > 0.6  # that of guessing is 0.693


def test_constant_features_get_no_weight_and_classes_may_be_missing():
    x_NF, y_N = problem(12, 6, 0.1)
    x_NF[:, 1] = 7.0
    head = ridge.fit(x_NF, y_N, 5)
    assert head.weight[:, 1].abs().max() == 0
    assert bool(((x_NF @ head.weight.T + head.bias).argmax(1) == y_N).all())
