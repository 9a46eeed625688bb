"""The whole file: layers, stem, cells, the network, and how it is loaded and asked.

To be changed together with the `forward` of every network and decoder in `popnas.networks`; checked by
`tests/unit/export/test_source.py`, which runs the written file beside the network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from popnas import layers, networks
from popnas.datasets.preprocessing import Preprocessing
from popnas.export.source import rebuilt
from popnas.export.source.cells import CellWriter, block_class, member
from popnas.export.source.definitions import Definitions
from popnas.export.source.expressions import Records, class_name, render
from popnas.layers.activations import ACTIVATIONS
from popnas.networks.cell import BlockModule, CellModule
from popnas.networks.network import CellStack, ClassificationNetwork, Network

NetworkWriter = Callable[[Any, CellWriter], str]


def network_source(network: Network, preprocessing: Preprocessing) -> str:
    """A Python file that defines the network, needing PyTorch only (and safetensors to load weights).

    Its `Network` has the `state_dict` names of ours, `predict` takes raw values as the ONNX file does. Drop
    path, which only matters in a search's or our own training, is left out.

    Raises:
        ExportError: a part of the network that cannot be written as source.
    """
    records = Records()
    with records.watching({type(module) for module in network.modules()}), torch.device("meta"):
        twin = networks.build(network.cell, network.spec)
    cell_writer = CellWriter(records)
    body = WRITERS.get(type(network), _as_it_stands)(twin, cell_writer)
    definitions = _definitions(twin, records)
    parts = [
        _docstring(network),
        "\n".join(_imports(definitions)),
        "\n".join(_constants(definitions, preprocessing)),
    ]
    classes = [
        *definitions.texts.values(),
        *(
            [block_class(network.spec.block_join_operator, network.spec.has_lengths)]
            if cell_writer.classes
            else []
        ),
        *cell_writer.classes.values(),
        body,
        _LOAD,
        _predict(network),
    ]
    return "\n\n".join(parts) + "\n\n\n" + "\n\n\n".join(classes) + "\n"


def _classification(network: ClassificationNetwork, cells: CellWriter) -> str:
    names = [cells.name_of(cell) for cell in network.cells if isinstance(cell, CellModule)]
    stack = [f"                {name}()," for name in names]
    stem = [] if network.stem is None else [member("stem", cells.records.call(network.stem))]
    heads = [f"                {render(cells.records.call(head), 16, 17)}," for head in network.heads]
    lines = [
        "class Network(nn.Module):",
        '    """Cells, each reading the input or earlier ones, and heads; the last head is the main one."""',
        "",
        "    def __init__(self) -> None:",
        "        super().__init__()",
        *stem,
        *_module_list("cells", stack),
        *_module_list("heads", heads),
        "",
        "    def forward(self, x: Tensor, lengths_B: Tensor | None = None) -> tuple[Tensor, ...]:",
        '        """Preprocessed input -> the logits (B, classes) of every head."""',
        f"        x_BCHW = {'x.unsqueeze(2)' if network.spec.num_dims == 1 else 'x'}",
    ]
    ends = ""
    if network.spec.has_lengths:
        ends = ", ends"
        lines += ["        ends = Ends(lengths_B)", "        x_BCHW = ends.cut(x_BCHW)"]
    if stem:
        lines.append(f"        x_BCHW = self.stem(x_BCHW{ends})")
    for index, sources in enumerate(network.cells.sources):
        read = ", ".join(_output(source) for source in sources)
        lines.append(f"        cell{index} = self.cells[{index}]({read}{ends})")
    answers = [
        f"self.heads[{index}]({_output(position)}{ends})"
        for index, position in enumerate(network.read_by_heads)
    ]
    lines.append(f"        return {', '.join(answers)}{',' if len(answers) == 1 else ''}")
    return "\n".join(lines)


def _module_list(name: str, members: list[str]) -> list[str]:
    if not members:
        return [f"        self.{name} = nn.ModuleList()"]
    return [f"        self.{name} = nn.ModuleList(", "            [", *members, "            ]", "        )"]


def _output(source: int) -> str:
    return f"cell{source}" if source >= 0 else "x_BCHW"


def _as_it_stands(network: Network, cells: CellWriter) -> str:
    """Any macro-architecture: its own `forward`, its parts made in the constructor."""
    written = cells.records.rebuilt_arguments(network)
    constructor = ["    def __init__(self) -> None:", "        super().__init__()"]
    for name, value in written:
        start = f"        self.{name} = "
        constructor.append(start + render(value, 8, len(start)))
    return rebuilt.class_text(network, constructor, "Network")


WRITERS: dict[type[Network], NetworkWriter] = {ClassificationNetwork: _classification}
"""Who writes the networks of a class more plainly than `_as_it_stands`."""


def _definitions(network: Network, records: Records) -> Definitions:
    """The definitions of all layers, those inside other layers included."""
    replaced: dict[Any, str] = {
        cls: rebuilt.class_text(example, rebuilt.taking_parts(example))
        for cls, example in records.rebuilt.items()
    }
    definitions = Definitions({layers.activation: _activation(network, records), **replaced})
    definitions.imports |= {"import torch", "from torch import Tensor, nn", "from pathlib import Path"}
    for layer in _outermost(network, records):
        if class_name(type(layer)) != f"nn.{type(layer).__name__}":
            definitions.add(type(layer))
    built = [module for module in network.modules() if isinstance(module, CellModule)]
    if any(plan.upsample > 1 for cell in built if cell.merge is None for plan in cell.plans):
        definitions.add(layers.strided_size)
    if network.spec.has_lengths:
        definitions.add(layers.Ends)
        definitions.add(layers.through)
    return definitions


_WRITTEN = (Network, CellModule, BlockModule, CellStack, layers.BlockJoin, layers.ConcatJoin)
"""What the writers write out themselves."""


def _outermost(network: Network, records: Records) -> Iterable[nn.Module]:
    for module in network.modules():
        if not isinstance(module, _WRITTEN) or type(module) in records.rebuilt:
            yield module


def _activation(network: Network, records: Records) -> str:
    """`layers.activation` for the activations in use: its own source knows them all, and our errors."""
    used = {network.spec.activation}
    for module in network.modules():
        used |= {value for value in records.arguments(module).values() if isinstance(value, str)}
    made = {name: layers.activation(name) for name in ACTIVATIONS if name in used}
    calls = {name: f"{'nn.' if _is_torch(layer) else ''}{layer!r}" for name, layer in made.items()}
    if "softmax" in calls:
        calls["softmax"] = "nn.Softmax(dim=channel_axis)"
    lines = [f'    if name == "{name}":\n        return {call}' for name, call in calls.items()]
    return "\n".join(
        [
            "def activation(name: str, channel_axis: int = 1) -> nn.Module:",
            '    """The activation of that name."""',
            *lines,
            '    raise ValueError(f"unknown activation {name!r}")',
        ]
    )


def _is_torch(layer: nn.Module) -> bool:
    return class_name(type(layer)).startswith("nn.")


def _docstring(network: Network) -> str:
    spec = network.spec
    kind = "Images (B, C, H, W), 0..255," if spec.num_dims == 2 else "Series (B, C, L), as in the files,"
    usage = "predict(network, x, lengths)" if spec.has_lengths else "predict(network, x)"
    return f'''"""A network found by popnas, as plain PyTorch: `{network.cell}`.

{kind} to probabilities of {spec.num_classes} classes:

    network = load("weights.safetensors")
    probabilities = {usage}

Axes in names: B batch, C channels, H height, W width, L timesteps (a series is a map of height 1 inside).
"""

from __future__ import annotations'''


def _imports(definitions: Definitions) -> list[str]:
    found = set(definitions.imports)
    by_home: dict[str, set[str]] = {}
    plain = {line for line in found if line.startswith("import ")}
    for line in found - plain:
        home, names = line.removeprefix("from ").split(" import ")
        by_home.setdefault(home, set()).update(names.split(", "))
    lines = sorted(plain)
    lines += [f"from {home} import {', '.join(sorted(names))}" for home, names in sorted(by_home.items())]
    standard = [line for line in lines if line.split()[1].split(".")[0] not in ("torch", "numpy")]
    others = [line for line in lines if line not in standard]
    return [*standard, "", *others]


def _constants(definitions: Definitions, preprocessing: Preprocessing) -> list[str]:
    return [
        *(f"{name} = {text}" for name, text in definitions.constants.items()),
        f"OFFSET = {preprocessing.offset!r}  # network input = (raw - OFFSET) * SCALE, per channel",
        f"SCALE = {preprocessing.scale!r}",
    ]


_LOAD = '''def load(weights: str | Path) -> Network:
    """The network with the weights of a .safetensors file, ready to predict."""
    from safetensors.torch import load_file

    network = Network()
    network.load_state_dict(load_file(weights))
    return network.eval()'''


def _predict(network: Network) -> str:
    shape = "1, -1, 1, 1" if network.spec.num_dims == 2 else "1, -1, 1"
    lines = [
        "@torch.no_grad()",
        "def predict(network: Network, x: Tensor) -> Tensor:",
        '    """Raw values -> probabilities (B, classes)."""',
        f"    offset, scale = torch.tensor(OFFSET).reshape({shape}), torch.tensor(SCALE).reshape({shape})",
        "    ready = (x.float() - offset) * scale",
        "    return torch.softmax(network(ready)[-1], dim=1)",
    ]
    if network.spec.has_lengths:
        lines[1] = "def predict(network: Network, x: Tensor, lengths_B: Tensor) -> Tensor:"
        lines[2] = '    """Raw values and timesteps before the padding -> probabilities (B, classes)."""'
        lines[4:] = [
            "    ready = (x.float() - offset) * scale",
            "    is_behind = torch.arange(x.shape[2]) >= lengths_B[:, None, None]",
            "    ready = ready.masked_fill(is_behind, 0.0)  # not a product: NaN may stand there",
            "    return torch.softmax(network(ready, lengths_B)[-1], dim=1)",
        ]
    return "\n".join(lines)
