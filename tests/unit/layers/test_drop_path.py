from __future__ import annotations

import pytest
import torch

from popnas.layers import BlockJoin, ConcatJoin, drop_paths


def _ones(num_branches: int, batch: int = 4000) -> list[torch.Tensor]:
    """Branch i is 10^i everywhere, so that the sum shows which survived."""
    return [torch.full((batch, 2, 1, 1), 10.0**i) for i in range(num_branches)]


def test_joins_add_or_average() -> None:
    a, b = torch.randn(3, 4, 5), torch.randn(3, 4, 5)
    torch.testing.assert_close(BlockJoin("add")(a, b), a + b)
    torch.testing.assert_close(BlockJoin("avg")(a, b), (a + b) / 2)
    torch.testing.assert_close(ConcatJoin()(a, b), torch.cat([a, b], 1))


def test_at_least_one_branch_survives_and_survivors_are_scaled() -> None:
    torch.manual_seed(0)
    join = BlockJoin("add", rate=0.9).train()
    join.set_progress(1.0)
    sums = join(*_ones(2))[:, 0, 0, 0]
    assert set(sums.tolist()) == {2.0, 20.0, 11.0}  # one alone is doubled, both are as they are


@pytest.mark.parametrize(("rate", "progress"), [(0.4, 1.0), (0.6, 0.5), (0.8, 0.25)])
def test_the_probability_is_rate_times_progress(rate: float, progress: float) -> None:
    """Of two branches exactly one drops with 2p(1-p) + p²: if both would, one is revived."""
    torch.manual_seed(0)
    join = BlockJoin("add", rate).train()
    join.set_progress(progress)
    p = rate * progress
    sums = join(*_ones(2, batch=20_000))[:, 0, 0, 0]
    assert (sums != 11.0).float().mean().item() == pytest.approx(2 * p * (1 - p) + p * p, abs=0.015)
    assert (sums == 2.0).sum().item() == pytest.approx((sums == 20.0).sum().item(), rel=0.15)


def test_samples_are_dropped_apart_but_whole() -> None:
    torch.manual_seed(0)
    join = ConcatJoin(0.5).train()
    join.set_progress(1.0)
    y = join(*[torch.ones(500, 2, 3, 3)] * 3)
    assert y.shape == (500, 6, 3, 3)
    branches = y.unflatten(1, (3, 2))
    assert torch.equal(branches, branches[:, :, :1, :1, :1].expand_as(branches))
    survivors = (branches[:, :, 0, 0, 0] > 0).sum(1)
    assert survivors.min() == 1 and len(survivors.unique()) == 3
    torch.testing.assert_close(branches[:, :, 0, 0, 0].sum(1), torch.full((500,), 3.0))


def test_nothing_is_dropped_before_progress_in_evaluation_or_at_rate_zero() -> None:
    branches = _ones(2, batch=50)
    at_start = BlockJoin("add", 0.9).train()
    evaluated = BlockJoin("add", 0.9).eval()
    evaluated.set_progress(1.0)
    without = BlockJoin("add", 0.0).train()
    without.set_progress(1.0)
    for join in (at_start, evaluated, without):
        assert torch.all(join(*branches) == 11.0)


def test_progress_is_no_weight_and_all_joins_are_found() -> None:
    network = torch.nn.Sequential(BlockJoin("add", 0.1), torch.nn.ReLU(), ConcatJoin(0.2))
    assert not network.state_dict()
    assert drop_paths(network.modules()) == [network[0], network[2]]
