"""Pictures say what the arrays say, whatever their size."""

from __future__ import annotations

import io

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from popnas.report import pictures

seeds = st.integers(0, 10_000)


def decoded(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


@given(st.integers(1, 255))
def test_each_class_has_a_colour_of_its_own(num_classes):
    colours = pictures.class_colours(num_classes)
    assert colours.shape == (num_classes, 3)
    assert len(np.unique(colours, axis=0)) == num_classes
    assert (colours == pictures.class_colours(255)[:num_classes]).all()


@given(seed=seeds, num_classes=st.integers(2, 20))
def test_masks_can_be_read_off_their_picture(seed, num_classes):
    y_HW = np.random.default_rng(seed).integers(0, num_classes, (7, 9)).astype(np.uint8)
    y_HW[0, 0] = 255
    colours = pictures.class_colours(num_classes)
    shown = decoded(pictures.png(pictures.coloured(y_HW, colours)))
    labelled = y_HW < num_classes
    assert (shown[labelled] == colours[y_HW[labelled]]).all()
    assert any((shown[0, 0] == tone).all() for tone in pictures.UNLABELLED)


@given(seed=seeds, height=st.integers(1, 500), width=st.integers(1, 500))
def test_shrinking_keeps_the_ratio_and_never_mixes_labels(seed, height, width):
    rng = np.random.default_rng(seed)
    mask = pictures.class_colours(5)[rng.integers(0, 5, (height, width))]
    small = pictures.shrunk(mask, is_smooth=False, largest=40)
    assert max(small.shape[:2]) == min(40, max(height, width))
    assert {tuple(colour) for colour in small.reshape(-1, 3)} <= {tuple(c) for c in pictures.class_colours(5)}


def test_the_error_picture_marks_wrong_pixels_only():
    y = np.array([[0, 1, 255]], np.uint8)
    shown = pictures.error(np.zeros((1, 3, 3), np.uint8), y, np.array([[0, 0, 0]], np.uint8), 2)
    assert (shown[0, 1] == pictures.ERROR).all() and not (shown[0, 0] == pictures.ERROR).all()
    assert any((shown[0, 2] == tone).all() for tone in pictures.UNLABELLED)


def test_images_of_any_number_of_channels():
    for channels in (1, 2, 3, 5):
        assert pictures.as_rgb(np.zeros((2, 3, channels), np.uint8)).shape == (2, 3, 3)


def test_a_montage_has_room_for_the_largest():
    rows = [[np.zeros((4, 9, 3), np.uint8)] * 2, [np.zeros((6, 2, 3), np.uint8)] * 2]
    shown = pictures.montage(rows)
    assert shown.shape == (2 * 7 - 1, 2 * 10 - 1, 3)
    assert (shown[0, :9] == 0).all() and (shown[7:13, 2:9] == 255).all()


def test_names_are_escaped():
    assert "<b>" not in pictures.legend(["<b>"], pictures.class_colours(1), has_unlabelled=True)
