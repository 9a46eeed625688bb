"""Augmentation of batches of series."""

from __future__ import annotations

import pytest
import torch

from popnas.datasets.augmentation.batch import Batch
from popnas.datasets.augmentation.series import SeriesChanges

MOVES = {"time_warp": 0.4, "window_warp": 0.2, "crop": 0.3, "shift": 0.2}
ALL = {**MOVES, "scaling": 0.2, "jitter": 0.1}
each_move = pytest.mark.parametrize("name", MOVES)
each = pytest.mark.parametrize("name", ALL)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def ramps(num_series: int = 8, num_steps: int = 51, lengths: list[int] | None = None) -> Batch:
    """Each value is its own time as a share of the series' length: what is read shows from where."""
    ends = torch.tensor(lengths if lengths is not None else [num_steps] * num_series)
    time_BL = torch.arange(num_steps) / (ends[:, None] - 1).clamp(min=1)
    x_BCL = (time_BL * (torch.arange(num_steps) < ends[:, None]))[:, None].repeat(1, 2, 1)
    return Batch(x_BCL, torch.arange(len(ends)), None if lengths is None else ends)


def changed(batch: Batch, seed: int = 0, **strengths: float) -> torch.Tensor:
    return SeriesChanges(**strengths)(batch, generator(seed)).x


@each_move
def test_time_goes_on_and_every_series_has_its_own(name: str) -> None:
    places = changed(ramps(30), **{name: MOVES[name]})
    assert torch.equal(places[:, 0], places[:, 1]), "channels move together"
    assert (places.diff(dim=2) >= -1e-6).all() and (places >= 0).all() and (places <= 1).all()
    assert len({tuple(series.tolist()) for series in places[:, 0]}) > 0.8 * len(places)


@pytest.mark.parametrize("name", ["time_warp", "window_warp"])
def test_a_warped_series_begins_and_ends_as_it_did(name: str) -> None:
    places = changed(ramps(), **{name: MOVES[name]})
    torch.testing.assert_close(places[:, 0, [0, -1]], torch.tensor([[0.0, 1.0]]).repeat(8, 1))


def test_a_window_is_passed_at_twice_or_half_the_speed_of_the_rest() -> None:
    speeds = changed(ramps(num_steps=201), window_warp=0.2)[:, 0].diff(dim=1)
    for series in speeds:
        inside, rest = series[:40].max(), series.median()
        ratio = max(series.max() / rest, rest / series.min()).item()
        assert ratio == pytest.approx(2.0, rel=0.05), inside


def test_smooth_speeds_have_the_deviation_that_was_asked_for() -> None:
    speeds = changed(ramps(4000, 41), time_warp=0.4)[:, 0].diff(dim=1).log()
    # About each series' own mean, as the whole time stays the same; knots lie at both ends and between.
    assert (speeds[:, 0] - speeds[:, -1]).std().item() == pytest.approx(0.4 * 2**0.5, rel=0.08)


def test_what_is_cut_off_is_at_most_the_share_and_what_is_moved_too() -> None:
    places = changed(ramps(500), crop=0.3)[:, 0]
    kept = places[:, -1] - places[:, 0]
    assert 0.7 <= kept.min() < 0.72 and kept.max() > 0.98
    moved = changed(ramps(500), shift=0.2)[:, 0, 25] - 0.5
    assert -0.2 <= moved.min() < -0.18 and 0.18 < moved.max() <= 0.2


def test_a_shifted_series_goes_on_with_its_first_or_last_value() -> None:
    batch = ramps()
    batch = batch._replace(x=batch.x + 3)
    found = changed(batch, shift=0.4)[:, 0]
    assert ((found[:, 0] == 3) | (found[:, -1] == 4)).all()


def test_noise_is_a_share_of_the_series_own_and_factors_are_per_channel() -> None:
    batch = Batch(torch.randn(50, 2, 400, generator=generator(9)), torch.zeros(50).long(), None)
    batch.x[:, 1] *= 100
    noise = changed(batch, jitter=0.1) - batch.x
    assert noise[:, 0].std().item() == pytest.approx(0.1, rel=0.1)
    assert noise[:, 1].std().item() == pytest.approx(10.0, rel=0.1)
    factors = changed(batch, scaling=0.2) / batch.x
    torch.testing.assert_close(factors[:, :, :1].expand_as(factors), factors, rtol=1e-3, atol=1e-3)
    assert factors[:, :, 0].std().item() == pytest.approx(0.2, rel=0.2)


@each
def test_what_lies_behind_the_end_changes_nothing_and_stays_zero(name: str) -> None:
    batch = ramps(lengths=[51, 30, 7, 1])
    found = changed(batch, **{name: ALL[name]})
    for index, length in enumerate(batch.lengths.tolist()):
        assert (found[index, :, length:] == 0).all()
    if name in MOVES:
        assert (found[1, 0, :30].diff() >= -1e-6).all() and found[1, 0, :30].max() <= 1
    longer = Batch(torch.nn.functional.pad(batch.x, (0, 0)), batch.y, batch.lengths)
    longer.x[1, :, 30:] = 7.0
    if name != "jitter":  # what lies behind is multiplied by zero, whatever it is
        torch.testing.assert_close(changed(longer, **{name: ALL[name]}), found)


@each_move
def test_series_of_full_length_are_read_as_those_without_lengths(name: str) -> None:
    batch = ramps()
    full = batch._replace(lengths=torch.full((8,), 51))
    moved = {name: MOVES[name]}
    torch.testing.assert_close(changed(full, **moved), changed(batch, **moved), atol=1e-5, rtol=1e-5)


@each
def test_choices_are_seeded(name: str) -> None:
    first, again, other = (changed(ramps(), seed, **{name: ALL[name]}) for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_one_step_is_left_alone() -> None:
    batch = Batch(torch.ones(3, 1, 1), torch.zeros(3).long(), None)
    assert torch.equal(changed(batch, **MOVES), batch.x)


def test_nothing_asked_for_is_nothing_done() -> None:
    batch = ramps()
    assert changed(batch) is batch.x
