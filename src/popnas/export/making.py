"""How a user's own file or array becomes what a model takes: in sentences, for `model.json` and the report,
and as a program, for the README of a deployment folder. No torch here.

Both say what the source of the training data did (`Origin`), so that whoever follows them gives the network
the numbers that it was trained on.
"""

from __future__ import annotations

from dataclasses import replace

from popnas.datasets.preprocessing import Origin, Preprocessing
from popnas.export.model_values import ModelDescription, ModelInput

_STRETCHED = (
    "with Pillow's bilinear filter (which averages where it shrinks), whatever the ratio of the sides was "
    "(dataset.resize)"
)


def told(
    given: ModelInput, origin: Origin, preprocessing: Preprocessing, shape: tuple[int, ...] | None
) -> ModelInput:
    """A model's input with what tells of this; `shape`: the (height, width, channels) or (timesteps,
    channels) that it takes, None if images of any size.
    """
    numbers = "0 to 255" if origin.kind != "series" else "as in the files of the training data"
    turned = "" if origin.white == 255 else f" (of the data's own 0 to {origin.white}, see how_to_make)"
    return replace(
        given,
        values=f"{numbers}{turned}; scaling and normalisation are inside the model",
        origin=origin,
        how_to_make=sentences(origin, preprocessing, shape),
    )


def sentences(origin: Origin, preprocessing: Preprocessing, shape: tuple[int, ...] | None) -> list[str]:
    """What to do with one example of one's own, step by step."""
    if origin.kind == "series":
        assert shape is not None
        return _of_series(shape[0], preprocessing)
    num_channels = len(preprocessing.scale)
    make = _of_file if origin.kind == "image file" else _of_array
    return [
        *make(origin, num_channels),
        _of_size(origin, shape),
        "Leave the values in 0 to 255, as float32, with the channels first: (1, channels, height, width). "
        "The model itself divides by 255.",
    ]


def _of_file(origin: Origin, num_channels: int) -> list[str]:
    colours = (
        "Convert it to RGB, channels in the order red, green, blue: transparency is dropped (the colours "
        "stored under it are seen), and grey is repeated in all three channels."
    )
    if num_channels == 1:
        colours = (
            "It must be a grey image, as all training images were: one channel; transparency is dropped. One "
            "in colour is refused."
        )
    return [
        "Decode the image file with Pillow, its first frame or page, and turn it as its EXIF orientation "
        "says. Grey files of more than 8 bits per channel are refused.",
        colours,
    ]


def _of_array(origin: Origin, num_channels: int) -> list[str]:
    steps = [f"Take the image as an array (height, width[, channels]) of values 0 to {origin.white}."]
    if origin.white != 255:
        steps.append(
            f"Bring the values 0 to {origin.white} to 0 to 255, as was done with the training data: "
            f"round(x * 255 / {origin.white})."
        )
    channels = f"All {num_channels} channels are taken in the order in which they are stored"
    grey = "; a grey image repeats its one channel." if num_channels > 1 else "."
    return [*steps, channels + grey if num_channels > 1 else "It has one channel."]


def _of_size(origin: Origin, shape: tuple[int, ...] | None) -> str:
    if origin.resized is not None:
        height, width = origin.resized
        return f"Stretch it to {width}x{height} pixels (width x height) {_STRETCHED}."
    if shape is None:
        return "It may have any size: nothing is resized."
    size = f"{shape[1]}x{shape[0]} pixels (width x height)"
    return f"It must have {size}, as all training images: nothing is resized."


def _of_series(num_timesteps: int, preprocessing: Preprocessing) -> list[str]:
    filled = (
        "with zeros; `lengths` says how many timesteps were there before, and what comes after is ignored"
        if preprocessing.has_lengths
        else "with what is zero once the model has normalised it"
    )
    return [
        "Take the series as (timesteps, channels), values as in the files of the training data, as float32: "
        "rescaling and normalisation are inside the model.",
        f"Cut it after {num_timesteps} timesteps, the longest of the training data, and fill a shorter one "
        f"up to them at its end {filled}.",
        "Put the channels first: (1, channels, timesteps).",
    ]


def program(model: ModelDescription) -> str:
    """Lines of Python that define `make_input`, of a model whose input tells its origin."""
    assert model.input is not None and model.input.origin is not None and model.preprocessing is not None
    origin = model.input.origin
    height, *others, num_channels = model.network.input_shape
    if origin.kind == "series":
        return _series_program(height, model.preprocessing)
    size = origin.resized
    is_any_size = "height" in model.input.shape
    wanted = None if is_any_size or size is not None else (height, others[0])
    if origin.kind == "image file":
        return _file_program(size, wanted, num_channels)
    return _array_program(origin, wanted, num_channels)


_FILE_PROGRAM = '''import numpy as np
from PIL import Image, ImageOps


def make_input(path):
    """The image file at `path` as (1, {channels}, height, width) float32."""
    with Image.open(path) as image:
        if image.mode[0] in "IF":
            raise ValueError("more than 8 bits per channel")
{colours}{size}
    x = np.asarray(image, np.float32).reshape(image.height, image.width, {channels})
    return np.moveaxis(x, -1, 0)[None]'''

_GREY_ONLY = """        if image.mode not in ("1", "L", "LA", "La"):
            raise ValueError("no grey image")
        image = ImageOps.exif_transpose(image).convert("L")"""
_IN_COLOUR = '        image = ImageOps.exif_transpose(image).convert("RGB")'


def _file_program(size: tuple[int, int] | None, wanted: tuple[int, int] | None, num_channels: int) -> str:
    lines = ""
    if size is not None:
        lines = f"\n    image = image.resize({size[::-1]}, Image.Resampling.BILINEAR)"
    elif wanted is not None:
        lines = (
            f"\n    if image.size != {wanted[::-1]}:"
            f'\n        raise ValueError(f"{{image.size}} is not {wanted[::-1]}")'
        )
    colours = _GREY_ONLY if num_channels == 1 else _IN_COLOUR
    return _FILE_PROGRAM.format(channels=num_channels, colours=colours, size=lines)


_ARRAY_PROGRAM = '''import numpy as np
{imports}

def make_input(image):
    """`image` (height, width[, channels]), values 0 to {white}, as (1, {channels}, height, width) float32."""
    x = np.asarray(image)
    x = x[..., None] if x.ndim == 2 else x
{lines}
    return np.moveaxis(x, -1, 0)[None].astype(np.float32)'''

_RESIZED_ARRAY = """    planes = [Image.fromarray(plane) for plane in np.moveaxis(x, -1, 0)]
    x = np.stack([plane.resize({size}, Image.Resampling.BILINEAR) for plane in planes], axis=-1)"""


def _array_program(origin: Origin, wanted: tuple[int, int] | None, num_channels: int) -> str:
    turned = "x" if origin.white == 255 else f"(x * 255 / {origin.white}).round()"
    lines = [f"    x = {turned}.astype(np.uint8)"]
    if origin.resized is not None:
        lines.append(_RESIZED_ARRAY.format(size=origin.resized[::-1]))
    if num_channels > 1:
        lines.append(f"    x = np.repeat(x, {num_channels}, axis=-1) if x.shape[-1] == 1 else x")
    if wanted is not None:
        shape = (*wanted, num_channels)
        lines.append(f"    if x.shape != {shape}:")
        lines.append(f'        raise ValueError(f"{{x.shape}} is not {shape}")')
    return _ARRAY_PROGRAM.format(
        imports="" if origin.resized is None else "from PIL import Image\n",
        white=origin.white,
        channels=num_channels,
        lines="\n".join(lines),
    )


_SERIES_PROGRAM = '''import numpy as np


def make_input(series):
    """`series` (timesteps, channels) as (1, {channels}, {timesteps}) float32{also}."""
    x = np.asarray(series, np.float32)[:{timesteps}]
    filled = {filled}
    filled[: len(x)] = x
    return filled.T[None]{lengths}'''


def _series_program(num_timesteps: int, preprocessing: Preprocessing) -> str:
    num_channels, has_lengths = len(preprocessing.scale), preprocessing.has_lengths
    filled = f"np.zeros(({num_timesteps}, {num_channels}), np.float32)"
    if not has_lengths and any(preprocessing.offset):
        filled = f"np.tile(np.array({list(preprocessing.offset)}, np.float32), ({num_timesteps}, 1))"
    return _SERIES_PROGRAM.format(
        channels=num_channels,
        timesteps=num_timesteps,
        also=" and `lengths`" if has_lengths else "",
        filled=filled,
        lengths=", np.array([len(x)])" if has_lengths else "",
    )
