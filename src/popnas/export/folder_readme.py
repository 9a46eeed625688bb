"""The README of a deployment folder: what the model takes and gives, how good it is, and a program that runs
it. No torch here."""

from __future__ import annotations

from collections.abc import Sequence

from popnas.export import making
from popnas.export.model_values import Int8Summary, ModelDescription
from popnas.printable import counted, printable, told_apart


def readme(model: ModelDescription) -> str:
    """Markdown, of the description of a deployment."""
    lines = "\n".join(
        [
            f"# {_title(model)}",
            "",
            f"{_what(model)}, {model.params:,} parameters, {model.flops:,} FLOPs a sample.",
            "",
            *_files(model),
            *_contract(model),
            *_figures(model),
            *_usage(model),
            *_making(model),
            "",
            model.licence or "",
            "",
        ]
    )
    return printable(lines)


_NUM_NAMED = 5


def _what(model: ModelDescription) -> str:
    if model.members is None:
        return f"A network found and trained by popnas: `{model.cell}`"
    cells = ", ".join(f"`{cell}`" for cell in dict.fromkeys(item.cell for item in model.members))
    number = counted(len(model.members), "network")
    return f"{number} chosen and trained by popnas, whose probabilities are averaged ({cells})"


def _title(model: ModelDescription) -> str:
    """The data's name if it has one, the task, and the classes: those who unpack it have nothing else."""
    dataset, names = model.dataset, model.class_names
    task = "classification" if dataset is None else dataset.type.replace("_", " ")
    classes = ", ".join(told_apart(names)) if len(names) <= _NUM_NAMED else f"{len(names)} classes"
    named = f"{dataset.name}, {task}" if dataset is not None and dataset.name else task.capitalize()
    return " ".join(f"{named}: {classes}".split())


def _files(model: ModelDescription) -> list[str]:
    assert model.deployment is not None
    lines = ["| file | is |", "|---|---|", "| `model.onnx` | the model, float32 |"]
    if model.deployment.int8.is_kept:
        lines.append("| `model.int8.onnx` | the same with 8-bit convolutions and dense layers |")
    return [
        *lines,
        "| `weights.safetensors` | its weights, for `popnas export --source` and `popnas.load` |",
        "| `model.json` | everything about it: network, input, classes, figures, versions |",
        "",
    ]


def _contract(model: ModelDescription) -> list[str]:
    assert model.input is not None and model.output is not None
    shape, contract = model.input.shape, model.contract
    is_image = contract.num_dims == 2
    axes = "batch, channels, height, width" if is_image else "batch, channels, timesteps"
    lines = [
        "## Input and output",
        "",
        f"- `input`: float32 ({axes}) = `{_shape(shape)}`, values {model.input.values}.",
    ]
    if "timesteps" in shape:
        (trained,) = contract.size
        done = "cut longer series" if contract.has_lengths else "cut longer series, fill up shorter ones"
        lines.append(
            f"- It was trained on {trained} timesteps and takes any number of them "
            f"(`popnas evaluate` and `popnas.load` {done})."
        )
    if "height" in shape:
        height, width = contract.size
        lines.append(f"- It was trained on images of {width}x{height} pixels and takes any size.")
    if contract.has_lengths:
        lines.append(
            "- `lengths`: int64 (batch,), the number of timesteps of each series before its padding, "
            "which is ignored."
        )
    output = model.output.shape
    return [
        *lines,
        f"- `probabilities`: float32 `{_shape(output)}`, in the order of `class_names` in `model.json`.",
        "",
    ]


def _shape(shape: Sequence[str | int]) -> str:
    return f"({', '.join(map(str, shape))})"


def _figures(model: ModelDescription) -> list[str]:
    assert model.deployment is not None
    measured, int8 = model.deployment.measured, model.deployment.int8
    lines = [
        "## Measured",
        "",
        f"On {measured.num_samples:,} samples ({measured.split}), by ONNX Runtime on these files:",
        "",
        "| file | accuracy | bytes | ms a batch |",
        "|---|---|---|---|",
    ]
    times = int8.times
    lines.append(_row("model.onnx", measured.accuracy, measured.bytes, times.fp32_milliseconds))
    if int8.is_kept:
        lines.append(_row("model.int8.onnx", int8.accuracy, int8.bytes, times.int8_milliseconds))
        lines += [
            "",
            f"Times: median, batches of {times.batch_size}, one thread of the machine that exported it.",
        ]
    else:
        lines += ["", f"There is no int8 file: {why_none(int8)}."]
    lines += [f"`model.onnx` also has: {name} {value:.4f}." for name, value in measured.others]
    return [*lines, ""]


def _row(name: str, accuracy: float | None, size: int | None, milliseconds: float | None) -> str:
    time = "" if milliseconds is None else f"{milliseconds:.2f}"
    return f"| `{name}` | {accuracy:.4f} | {size:,} | {time} |"


_PROGRAM = '''## Use

Needs `numpy` and `onnxruntime` only. Saved as `predict.py` in this folder:

```python
import json
import os
from pathlib import Path

import numpy as np

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # before it is imported: nothing is sent
import onnxruntime

FOLDER = Path(__file__).parent
session = onnxruntime.InferenceSession(FOLDER / "model.onnx", providers=["CPUExecutionProvider"])
class_names = json.loads((FOLDER / "model.json").read_text())["class_names"]


def predict({arguments}):
    """{doc}"""
    inputs = {inputs}
    (probabilities,) = session.run(["probabilities"], inputs)
    if not np.isfinite(probabilities).all():
        raise ValueError("values of x are no numbers, or too large")
    return probabilities


if __name__ == "__main__":
    x = np.zeros({example}, np.float32)  # put your samples here: see "How to make an input"
    print({printed})
```'''


def _usage(model: ModelDescription) -> list[str]:
    assert model.input is not None and model.output is not None
    shape, contract = model.input.shape, model.contract
    length = contract.size[0]
    extents = {"batch": 2, **dict(zip(contract.size_names, contract.size, strict=True))}
    example = [extents[extent] if isinstance(extent, str) else extent for extent in shape]
    inputs = ['"input": np.asarray(x, np.float32)']
    arguments = ["x"]
    call = "x"
    if contract.has_lengths:
        inputs.append('"lengths": np.asarray(lengths, np.int64)')
        arguments.append("lengths")
        call = f"x, [{length}, {length}]"
    if contract.is_per_pixel:
        printed = f"predict({call}).argmax(axis=1)"
    else:
        printed = f"[class_names[index] for index in predict({call}).argmax(axis=1)]"
    program = _PROGRAM.format(
        arguments=", ".join(arguments),
        doc=f"Probabilities {_shape(model.output.shape)} of x {_shape(shape)}.",
        inputs="{" + ", ".join(inputs) + "}",
        example=f"({', '.join(map(str, example))})",
        printed=printed,
    )
    return program.splitlines()


def _making(model: ModelDescription) -> list[str]:
    assert model.input is not None
    steps = [f"{number}. {step}" for number, step in enumerate(model.input.how_to_make or [], start=1)]
    return [
        "",
        "## How to make an input",
        "",
        "As the training data were made, so that the model sees what it was trained on:",
        "",
        *steps,
        "",
        "In Python (`make_input` of several examples are joined with `np.concatenate`):",
        "",
        "```python",
        *making.program(model).splitlines(),
        "```",
    ]


def why_none(int8: Int8Summary) -> str:
    """Why a deployment has no int8 file, with the figures."""
    times = int8.times
    if times.int8_milliseconds is None:
        return str(int8.reason)
    return (
        f"{int8.reason} ({times.int8_milliseconds:.2f} ms a batch of {times.batch_size}, "
        f"{times.fp32_milliseconds:.2f} in float32)"
    )
