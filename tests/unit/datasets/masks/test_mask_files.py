"""Mask files: labels as they are stored, or a message that names the file."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from popnas.datasets.masks.mask_files import ColourTable, read_mask
from popnas.errors import DataError

LABELS = np.array([[0, 1, 3], [2, 3, 0]], dtype=np.uint8)


def saved(tmp_path, image, name="mask.png", **options):
    image.save(tmp_path / name, **options)
    return tmp_path / name


def table(tmp_path, text, name="colors.csv"):
    (tmp_path / name).write_text(text)
    return ColourTable.read(tmp_path / name)


def test_grey_bytes_are_labels(tmp_path):
    found = read_mask(saved(tmp_path, Image.fromarray(LABELS)))
    assert found.dtype == np.uint8 and (found == LABELS).all()


def test_sixteen_bits_are_all_read(tmp_path):
    labels = LABELS.astype(np.uint16) * 257
    assert (read_mask(saved(tmp_path, Image.fromarray(labels))) == labels).all()


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_an_indexed_mask_holds_its_indices_whatever_its_colours(tmp_path, bits):
    labels = LABELS & (2**bits - 1)
    image = Image.new("P", (3, 2))
    image.putdata(labels.ravel().tolist())
    image.putpalette([200, 0, 0, 0, 200, 0, 0, 0, 200, 9, 9, 9])
    assert (read_mask(saved(tmp_path, image, bits=bits)) == labels).all()


def test_an_indexed_mask_with_a_colour_table_is_read_by_its_colours(tmp_path):
    image = Image.new("P", (3, 2))
    image.putdata(LABELS.ravel().tolist())
    image.putpalette([200, 0, 0, 0, 200, 0, 0, 0, 200, 9, 9, 9])
    colours = table(tmp_path, "200,0,0,7\n0,200,0,5\n0,0,200,6\n9,9,9,255\n")
    expected = np.array([7, 5, 6, 255])[LABELS]
    assert (read_mask(saved(tmp_path, image), colours) == expected).all()


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_few_grey_bits_are_not_stretched(tmp_path, bits):
    """Pillow shows 2 bits of grey as 0, 85, 170, 255."""
    import struct
    import zlib

    labels = LABELS & (2**bits - 1)
    rows = b"".join(
        b"\0"
        + int("".join(f"{v:0{bits}b}" for v in row).ljust(8 * -(-len(row) * bits // 8), "0"), 2).to_bytes(
            -(-len(row) * bits // 8), "big"
        )
        for row in labels.tolist()
    )

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", 3, 2, bits, 0, 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    (tmp_path / "mask.png").write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    assert (read_mask(tmp_path / "mask.png") == labels).all()


def test_black_and_white_is_two_labels(tmp_path):
    mask = saved(tmp_path, Image.fromarray(LABELS > 1))
    assert (read_mask(mask) == (LABELS > 1)).all()


def test_transparency_beside_grey_is_dropped(tmp_path):
    image = Image.merge("LA", (Image.fromarray(LABELS), Image.fromarray(LABELS * 0)))
    assert (read_mask(saved(tmp_path, image)) == LABELS).all()


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_colours_through_a_table(tmp_path, mode):
    colours = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0], [128, 64, 32]], np.uint8)
    image = Image.fromarray(colours[LABELS]).convert(mode)
    lines = "red,green,blue,label,name\n0,0,0,0,sky\n255, 0,0,1\n\n0,255,0,2\n128,64,32,300\n"
    expected = np.array([0, 1, 2, 300])[LABELS]
    assert (read_mask(saved(tmp_path, image), table(tmp_path, lines)) == expected).all()


def test_one_channel_of_colours(tmp_path):
    pixels = np.zeros((2, 3, 3), np.uint8)
    pixels[..., 0] = LABELS
    assert (read_mask(saved(tmp_path, Image.fromarray(pixels)), channel=0) == LABELS).all()


def test_colours_without_a_table_are_refused_with_both_remedies(tmp_path):
    mask = saved(tmp_path, Image.new("RGB", (3, 2)))
    with pytest.raises(DataError, match=r"mask\.png is in colours.*colors\.csv.*--masks red"):
        read_mask(mask)


def test_a_colour_that_the_table_lacks(tmp_path):
    pixels = np.zeros((2, 3, 3), np.uint8)
    pixels[0, 0] = 1, 2, 3
    with pytest.raises(
        DataError, match=r"mask\.png has 1 colour that .*colors\.csv does not list: 1,2,3 \(16"
    ):
        read_mask(saved(tmp_path, Image.fromarray(pixels)), table(tmp_path, "0,0,0,0\n"))


def test_lossy_files_are_refused(tmp_path):
    mask = saved(tmp_path, Image.fromarray(LABELS), "mask.jpg")
    with pytest.raises(DataError, match=r"mask\.jpg is a jpg file, whose compression changes labels.*PNG"):
        read_mask(mask)


def test_fractions_are_refused(tmp_path):
    mask = saved(tmp_path, Image.fromarray(LABELS.astype(np.float32)), "mask.tif")
    with pytest.raises(DataError, match=r"mask\.tif has pixels of the kind 'F'.*whole numbers"):
        read_mask(mask)


def test_negative_and_too_large_values_are_refused(tmp_path):
    labels = np.array([[-3, 2]], np.int32)
    with pytest.raises(DataError, match=r"holds values of -3\.\.2; labels lie in 0\.\.65535"):
        read_mask(saved(tmp_path, Image.fromarray(labels), "mask.tif"))


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "mask.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    with pytest.raises(DataError, match=r"mask\.png cannot be read.*Replace or remove"):
        read_mask(tmp_path / "mask.png")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("", "is empty"),
        ("red,green,blue,label\n", "is empty"),
        ("0,0,0,0\n1,2,3\n", "line 2: '1,2,3' is no entry"),
        ("0,0,0,0\n1,2,3,x\n", "line 2"),
        ("256,0,0,0\n", "line 1: '256,0,0,0' is out of range"),
        ("0,0,0,65536\n", "out of range"),
        ("0,0,0,1\n0,0,0,2\n", "line 2: the colour 0,0,0 has two labels"),
    ],
)
def test_mistakes_in_a_colour_table(tmp_path, lines, message):
    with pytest.raises(DataError, match=message):
        table(tmp_path, lines)


def test_a_channel_of_a_grey_mask_is_refused(tmp_path):
    with pytest.raises(DataError, match="has one channel"):
        read_mask(saved(tmp_path, Image.fromarray(LABELS)), channel=0)
