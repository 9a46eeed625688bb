"""An image and its mask keep fitting each other, and no label is made up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from popnas.datasets.masks.geometry import Geometry
from popnas.errors import DataError

sides = st.integers(1, 60)


@settings(deadline=None, max_examples=60)
@given(height=sides, width=sides, resize=st.none() | st.integers(1, 50), crop=st.none() | st.integers(1, 50))
def test_image_and_mask_have_one_size(height, width, resize, crop):
    geometry = Geometry(resize, crop)
    shorter, longer = sorted((height, width))
    if crop is not None and crop > (resize or shorter):
        with pytest.raises(DataError, match="too small for a crop"):
            geometry.size(height, width, "a.png")
        return
    rng = np.random.default_rng(height * 61 + width)
    y_HW = rng.choice([3, 7, 255], (height, width)).astype(np.uint16)
    size = geometry.size(height, width, "a.png")
    image, mask = geometry.of_image(np.zeros((height, width, 3), np.uint8)), geometry.of_mask(y_HW)
    assert image.shape == (*size, 3) and mask.shape == size
    assert set(np.unique(mask)) <= set(np.unique(y_HW)) and mask.dtype == y_HW.dtype
    if crop is not None:
        assert size == (crop, crop)
    elif resize is not None:
        assert min(size) == resize
        assert max(size) == max(resize, round(longer * (resize / shorter)))
        assert size[0] == size[1] or (size[0] < size[1]) == (height < width)
    else:
        assert (mask == y_HW).all()


def test_the_crop_is_the_centre():
    y_HW = np.arange(7 * 9).reshape(7, 9)
    assert (Geometry(crop=3).of_mask(y_HW) == y_HW[2:5, 3:6]).all()


@given(extent=st.integers(1, 12), times=st.integers(1, 5))
def test_whole_enlargements_repeat_pixels(extent, times):
    y_HW = np.arange(extent * extent).reshape(extent, extent)
    expected = y_HW.repeat(times, axis=0).repeat(times, axis=1)
    assert (Geometry(resize=extent * times).of_mask(y_HW) == expected).all()


def test_the_edge_of_a_mask_stays_where_that_of_its_image_is():
    """Both are resized about the centres of pixels: a shift of half a pixel would spoil thin classes."""
    x_HWC = np.zeros((120, 160, 3), np.uint8)
    x_HWC[:, 64:] = 255
    geometry = Geometry(resize=48)
    image, mask = geometry.of_image(x_HWC)[..., 0], geometry.of_mask((x_HWC[..., 0] > 0).astype(np.uint8))
    assert ((image > 127) != mask).mean() < 1 / 64


def test_a_crop_without_room_says_how_to_get_it():
    with pytest.raises(
        DataError, match=r"a\.png is 40x20 \(width x height\) \(from 80x40\).*`crop` 20 or less"
    ):
        Geometry(20, 21).size(40, 80, "a.png")
