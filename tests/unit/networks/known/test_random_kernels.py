"""Random kernels: a classifier of series that is fitted at once, and is a network as any other."""

from dataclasses import dataclass

import pytest
import torch

from popnas.cells import Cell
from popnas.datasets.preprocessing import Preprocessing
from popnas.networks import NetworkSpec, build, network_cost, partitions
from popnas.networks.known import random_kernels
from popnas.networks.known.random_kernels import NUM_PATTERNS, KernelShares, dilations
from popnas.networks.known.references import (
    RANDOM_KERNELS,
    RANDOM_KERNELS_OF_DIFFERENCES,
    kernel_features,
)
from popnas.networks.network import Ensemble

DIFFERENCES = "random_kernels_differences"
both = pytest.mark.parametrize("macro", ["random_kernels", DIFFERENCES])


@dataclass
class Batch:
    x: torch.Tensor
    y: torch.Tensor
    lengths: torch.Tensor | None = None


def spec(timesteps=40, channels=1, **changes):
    known = {"macro": "random_kernels", "input_shape": (timesteps, channels), "num_classes": 2, "filters": 5}
    return NetworkSpec(**(known | changes))


def waves(number, timesteps, channels=1, seed=0):
    """Waves of two lengths in the first channel, noise in the others."""
    generator = torch.Generator().manual_seed(seed)
    y_N = torch.arange(number) % 2
    start_N1 = 6 * torch.rand(number, 1, generator=generator)
    x_NCL = 0.3 * torch.randn(number, channels, timesteps, generator=generator)
    x_NCL[:, 0] += torch.sin(torch.arange(timesteps) * torch.where(y_N == 0, 0.5, 1.0)[:, None] + start_N1)
    return x_NCL, y_N


def fitted(a_spec, batches, seed=0):
    network = build(Cell(()), a_spec).eval()
    network.fit(batches, seed)
    return network


def accuracy(network, x, y, lengths=None):
    with torch.no_grad():
        return float((network(x, lengths)[-1].argmax(1) == y).float().mean())


@both
@pytest.mark.parametrize("channels", [1, 3, 12])
def test_it_learns_what_series_are_made_of(channels, macro):
    x_NCL, y_N = waves(40, 40, channels)
    network = fitted(
        spec(channels=channels, filters=20, macro=macro),
        [Batch(x_NCL[:25], y_N[:25]), Batch(x_NCL[25:], y_N[25:])],
    )
    assert accuracy(network, *waves(60, 40, channels, seed=1)) > 0.9


@pytest.mark.parametrize(("timesteps", "features"), [(1, 7), (9, 119), (24, 119), (500, 119), (3000, 24)])
def test_dilations_share_all_features_and_reach_no_further_than_a_series(timesteps, features):
    found = dilations(timesteps, features)
    assert sum(found.values()) == features
    assert min(found) == 1
    assert 8 * max(found) <= max(timesteps - 1, 8)


@both
def test_what_stands_behind_the_end_of_a_series_says_nothing(macro):
    x_NCL, y_N = waves(20, 40)
    lengths_N = 20 + torch.arange(20)
    x_NCL = x_NCL * (torch.arange(40) < lengths_N[:, None, None])
    network = fitted(spec(has_lengths=True, macro=macro), [Batch(x_NCL, y_N, lengths_N)])
    longer_NCL = torch.cat([x_NCL, torch.zeros(20, 1, 9)], dim=2)
    with torch.no_grad():
        torch.testing.assert_close(network(x_NCL, lengths_N)[0], network(longer_NCL, lengths_N)[0])
    assert accuracy(network, x_NCL, y_N, lengths_N) == 1.0


@pytest.mark.parametrize("seed", [0, 1])
def test_equal_seeds_give_equal_networks_and_others_other_ones(seed):
    x_NCL, y_N = waves(20, 40, 3)
    first, second = (fitted(spec(channels=3), [Batch(x_NCL, y_N)], each) for each in (0, seed))
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    assert all(torch.equal(*pair) for pair in pairs) == (seed == 0)


@both
@pytest.mark.parametrize("has_lengths", [False, True])
def test_its_file_answers_series_of_any_length_constant_ones_too(tmp_path, has_lengths, macro):
    from popnas.export import save_onnx
    from popnas.export.running import open_session

    x_NCL, y_N = waves(20, 12, 2)
    lengths_N = torch.full((20,), 12) if has_lengths else None
    network = fitted(spec(12, 2, has_lengths=has_lengths, macro=macro), [Batch(x_NCL, y_N, lengths_N)])
    check = save_onnx(network, Preprocessing((0.0,) * 2, (1.0,) * 2, has_lengths), tmp_path / "model.onnx")
    assert check.has_dynamic_size and check.exporter == "trace"
    session = open_session(tmp_path / "model.onnx")
    for timesteps in (1, 30):
        x = torch.full((1, 2, timesteps), 3.7)
        lengths = torch.tensor([timesteps]) if has_lengths else None
        feed = {"input": x.numpy()} | ({} if lengths is None else {"lengths": lengths.numpy()})
        with torch.no_grad():
            expected = network(x, lengths)[0].softmax(1).numpy()
        assert session.run(None, feed)[0] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("macro", "readings"), [("random_kernels", 1), (DIFFERENCES, 2)])
def test_it_costs_what_its_head_has_and_stacks_no_cell(macro, readings):
    cost = network_cost(Cell(()), spec(macro=macro))
    assert cost.params == readings * 2 * NUM_PATTERNS * 5 + 2
    assert cost.flops > 0
    assert partitions(Cell(()), spec(macro=macro)) == {}


def test_differences_tell_what_slow_drifts_hide():
    """Two classes of rare steps up or down on drifts that are far larger."""
    generator = torch.Generator().manual_seed(0)
    y_N = torch.arange(80) % 2
    drift_NL = 30 * torch.randn(80, 1, generator=generator) * torch.linspace(0, 1, 40)
    steps_NL = (torch.rand(80, 40, generator=generator) < 0.2) * (2.0 * y_N[:, None] - 1)
    x_NCL = (drift_NL + steps_NL.cumsum(dim=1) + 30 * torch.randn(80, 1, generator=generator))[:, None]
    scores = []
    for macro in ("random_kernels", DIFFERENCES):
        network = fitted(spec(macro=macro, filters=20), [Batch(x_NCL[:40], y_N[:40])])
        scores.append(accuracy(network, x_NCL[40:], y_N[40:]))
    assert scores[1] > scores[0] + 0.1 and scores[1] > 0.9, scores


@pytest.mark.parametrize(("classes", "examples", "features"), [(2, 100, 119), (100, 100, 59), (2, 9000, 24)])
def test_many_classes_or_examples_get_fewer_features(classes, examples, features):
    found = kernel_features(spec(num_classes=classes), examples)
    assert found == features
    of_both = kernel_features(spec(num_classes=classes, macro=DIFFERENCES), examples)
    assert of_both == (features if classes == 2 else features // 2)
    assert RANDOM_KERNELS.is_fitted and RANDOM_KERNELS_OF_DIFFERENCES.macro == DIFFERENCES


@both
@pytest.mark.parametrize(("timesteps", "examples"), [(2000, 4000), (500, 3601), (100, 50_000), (40, 10**6)])
def test_many_and_long_series_are_fitted_in_seconds_and_in_a_few_gib(macro, timesteps, examples):
    features = kernel_features(spec(timesteps, macro=macro), examples)
    total = features * NUM_PATTERNS * (2 if macro == DIFFERENCES else 1)
    assert features == 1 or (total * examples <= 10**8 and total * examples * timesteps <= 10**10)
    assert 1 <= features < 119


@pytest.mark.parametrize("size", [7, 16, 100])
def test_biases_are_of_series_drawn_from_all(size):
    """Files are often sorted by class."""
    x_NCL = torch.arange(100.0)[:, None, None].expand(100, 1, 40)
    ends_N = torch.arange(100) % 30 + 10
    batches = [
        Batch(x, torch.zeros(len(x)), ends)
        for x, ends in zip(x_NCL.split(size), ends_N.split(size), strict=True)
    ]
    found, ends = random_kernels._some(batches, 16, seed=3)
    drawn = found[:, 0, 0]
    assert len(drawn) == 16 and torch.equal(drawn, drawn.sort().values) and len(set(drawn.tolist())) == 16
    assert torch.equal(ends, ends_N[drawn.long()])
    assert (drawn < 50).sum() >= 3 and (drawn >= 50).sum() >= 3
    every, _ = random_kernels._some(batches, 100, seed=3)
    assert torch.equal(every, x_NCL)


def test_neither_it_nor_an_ensemble_with_it_is_tried_in_8_bits():
    kernels = fitted(spec(), [Batch(*waves(12, 40))])
    found = build(
        Cell.parse("[(-1, 3 conv, -1, identity)]"), spec(macro="classification", filters=4, motifs=1)
    )
    assert "biases" in kernels.no_int8 and found.no_int8 is None
    assert Ensemble([found, kernels]).no_int8 == kernels.no_int8
    assert Ensemble([found]).no_int8 is None


@pytest.mark.parametrize("timesteps", [40, 3000])
def test_how_many_biases_are_compared_at_once_changes_nothing(timesteps):
    batch = Batch(*waves(6, timesteps))
    network = fitted(spec(timesteps), [batch])
    shares = [part for part in network.modules() if isinstance(part, KernelShares)]
    together = [part._num_together for part in shares]
    answers = network(batch.x)[0]
    for part in shares:
        part._num_together = 1
    assert torch.equal(network(batch.x)[0], answers)
    assert together == [51 if timesteps == 40 else 1]
