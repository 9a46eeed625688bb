import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from popnas.datasets.preprocessing import Preprocessing, fit_series
from popnas.errors import DataError


def series(seed=0, n=20, t=15, c=3):
    x = np.random.default_rng(seed).normal(size=(n, t, c)) * [1, 10, 0.1] + [0, -5, 3]
    return x.astype(np.float32)


def fit(x, lengths=None, *, rescale=False, normalize=False):
    return fit_series(x, lengths, rescale=rescale, normalize=normalize)


def padded(seed):
    x, lengths = series(seed), np.random.default_rng(seed).integers(1, 16, 20)
    x[np.arange(15) >= lengths[:, None]] = 0
    return x, lengths


@given(st.integers(0, 1000))
def test_normalised_training_values_have_mean_0_and_variance_1_without_padding(seed):
    x, lengths = padded(seed)
    ready = fit(x, lengths, normalize=True).apply(x, lengths)
    inside = ready[np.arange(15) < lengths[:, None]]
    assert inside.mean(axis=0) == pytest.approx([0, 0, 0], abs=1e-3)
    assert inside.std(axis=0) == pytest.approx([1, 1, 1], abs=1e-3)
    assert (ready[np.arange(15) >= lengths[:, None]] == 0).all()


def test_rescale_divides_by_the_98th_percentile_of_all_training_values_without_padding():
    x, lengths = padded(1)
    values = x[np.arange(15) < lengths[:, None]]
    found = fit(x, lengths, rescale=True)
    assert found.scale == pytest.approx([1 / np.percentile(values, 98)] * 3)
    assert found.offset == (0, 0, 0)


def test_nothing_asked_for_leaves_values_alone():
    assert np.array_equal(fit(series()).apply(series()), series())


def test_a_zero_percentile_cannot_rescale():
    with pytest.raises(DataError, match=r"98th percentile of the training values is 0.*normalize"):
        fit(np.zeros((4, 5, 1), np.float32), rescale=True)


def test_a_constant_channel_is_only_centred():
    x = series()
    x[..., 1] = 1e6
    assert (fit(x, normalize=True).apply(x)[..., 1] == 0).all()


def test_images_become_0_to_1():
    x = np.array([[[[0, 51, 255]]]], dtype=np.uint8)
    assert Preprocessing.of_images(3).apply(x).ravel().tolist() == pytest.approx([0, 0.2, 1])


def test_survives_json():
    found = fit(*padded(2), normalize=True)
    assert Preprocessing.from_json(json.loads(json.dumps(found.to_json()))) == found
