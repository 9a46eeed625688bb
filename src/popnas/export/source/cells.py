"""Cells as classes of their own, their blocks and the wiring written out."""

from __future__ import annotations

from torch import nn

from popnas.export.source.expressions import Call, Expression, Records, render
from popnas.networks.cell import BlockModule, CellModule
from popnas.networks.plan import CellPlan

_JOINS = {"add": ("added up", "{left} + {right}"), "avg": ("averaged", "({left} + {right}) / 2")}


def block_class(join: str, has_lengths: bool) -> str:
    """The class of blocks joined by `add` or `avg`; with lengths it is told where its inputs end."""
    words, result = _JOINS[join]
    arguments, left, right = "", "self.left(left_BCHW)", "self.right(right_BCHW)"
    if has_lengths:
        arguments = ", left_ends: Ends, right_ends: Ends, after: Ends"
        left = "through(self.left, left_BCHW, left_ends, after)"
        right = "through(self.right, right_BCHW, right_ends, after)"
    return f'''class Block(nn.Module):
    """Two operators, each on its input, {words}."""

    def __init__(self, left: nn.Module, right: nn.Module) -> None:
        super().__init__()
        self.left = left
        self.right = right

    def forward(self, left_BCHW: Tensor, right_BCHW: Tensor{arguments}) -> Tensor:
        return {result.format(left=left, right=right)}'''


class CellWriter:
    """Writes a class per kind of cell; equal cells share one. `classes`: text by name, in order."""

    def __init__(self, records: Records) -> None:
        self.records = records
        records.write_own = self._write_own
        self.classes: dict[str, str] = {}
        self._names: dict[str, str] = {}

    def _write_own(self, module: nn.Module) -> Call | None:
        return Call(f"{self.name_of(module)}") if isinstance(module, CellModule) else None

    def name_of(self, cell: CellModule) -> str:
        """The class of a cell, written if it is new."""
        plan: CellPlan = self.records.arguments(cell)["plan"]
        kind = "ReductionCell" if plan.is_reduction else "NormalCell"
        body = self._body(cell, plan, kind)
        if body not in self._names:
            self._names[body] = f"{kind}{len(self.classes)}"
            self.classes[self._names[body]] = f"class {self._names[body]}(nn.Module):\n{body}"
        return self._names[body]

    def _body(self, cell: CellModule, plan: CellPlan, kind: str) -> str:
        words = "reduction" if plan.is_reduction else "normal"
        names = [*map(_lookback, cell.lookbacks), *(["skip"] if cell.merge is not None else [])]
        has_lengths = self.records.arguments(cell)["spec"].has_lengths
        arguments = ", ".join([f"{name}: Tensor" for name in names] + ["ends: Ends"] * has_lengths)
        return "\n".join(
            [
                f'    """A {words} cell of {plan.output.channels} channels."""',
                "",
                "    def __init__(self) -> None:",
                "        super().__init__()",
                *self._members(cell),
                "",
                f"    def forward(self, {arguments}) -> Tensor:",
                *_forward(cell, has_lengths),
            ]
        )

    def _members(self, cell: CellModule) -> list[str]:
        lines = []
        if cell.reshapes:
            pairs = tuple((name, self.records.call(layer)) for name, layer in cell.reshapes.items())
            lines.append(member("reshapes", _module_dict(pairs)))
        if cell.merge is not None:
            lines.append(member("merge", self.records.call(cell.merge)))
        lines.append("        self.blocks = nn.ModuleList(")
        lines.append("            [")
        for block in cell.blocks:
            assert isinstance(block, BlockModule)
            in1, op1, in2, op2 = self.records.arguments(block)["block"]
            operators = tuple((None, self.records.call(layer)) for layer in (block.left, block.right))
            lines.append(f"                # {op1} of {_read(in1)}, {op2} of {_read(in2)}")
            lines.append(f"                {render(Call('Block', operators), 16, 17)},")
        lines += ["            ]", "        )"]
        for name in ("compress", "squeeze_excite", "residual"):
            layer = getattr(cell, name)
            if layer is not None and not isinstance(layer, nn.Identity):
                lines.append(member(name, self.records.call(layer)))
        return lines


def member(name: str, made: Expression) -> str:
    """The line of a constructor that makes a part."""
    start = f"        self.{name} = "
    return start + render(made, 8, len(start))


def _module_dict(pairs: tuple[tuple[str, Call], ...]) -> str:
    lines = [f'                "{name}": {render(made, 16, 22 + len(name))},' for name, made in pairs]
    return "\n".join(["nn.ModuleDict(", "            {", *lines, "            }", "        )"])


def _lookback(number: int) -> str:
    return f"lookback{-number}"


def _read(number: int) -> str:
    return _lookback(number) if number < 0 else f"block{number}"


def _forward(cell: CellModule, has_lengths: bool) -> list[str]:
    lines = _reshapes(cell, has_lengths)
    if cell.merge is not None:  # the merged map, always the first, has the size of the output
        lines[1:1] = _size(cell)
    else:
        lines[:0] = _size(cell)
    after = ""
    ends_of = dict.fromkeys(cell.lookbacks, "")
    if has_lengths:
        after = ", after"
        for number, plan in zip(cell.lookbacks, cell.plans, strict=True):
            ends_of[number] = f", {_ends(plan.seen.level)}"
        lines.insert(0, f"after = {_ends(cell.level)}")
    for index, inputs in enumerate(cell.inputs):
        told = [_read(number) for number in inputs]
        if has_lengths:
            told += [ends_of.get(number, after).removeprefix(", ") for number in inputs] + ["after"]
        lines.append(f"block{index} = self.blocks[{index}]({', '.join(told)})")
    joined = [f"block{index}" for index in cell.joined]
    y = joined[0]
    if cell.compress is not None:
        y = f"self.compress(torch.cat(({', '.join(joined)}), dim=1){after})"
    if cell.squeeze_excite is not None:
        y = f"self.squeeze_excite({y}{after})"
    if cell.residual is not None:
        nearest = cell.lookbacks[0]
        read = f"{_lookback(nearest)}{ends_of[nearest]}"
        is_plain = isinstance(cell.residual, nn.Identity)
        y += f" + {_lookback(nearest)}" if is_plain else f" + self.residual({read})"
    lines.append(f"return {y}")
    return [f"        {line}" for line in lines]


def _ends(level: int) -> str:
    return f"ends.shrunk({2**level})"


def _reshapes(cell: CellModule, has_lengths: bool) -> list[str]:
    lines = []
    for number, plan in zip(cell.lookbacks, cell.plans, strict=True):
        name = _lookback(number)
        if plan.merge is not None:
            lines.append(f"{name} = self.merge({name}, skip)")
        elif plan.upsample > 1 or plan.reshape_stride > 1:
            told = [name, *(["size"] if plan.upsample > 1 else [])]
            if has_lengths:
                told.append("after" if plan.upsample > 1 else _ends(plan.feature.level))
            lines.append(f'{name} = self.reshapes["{name}"]({", ".join(told)})')
    return lines


def _size(cell: CellModule) -> list[str]:
    """The cell's output size, which upsampled lookbacks are cropped to: see `CellModule`."""
    if all(plan.upsample == 1 or plan.merge is not None for plan in cell.plans):
        return []
    if cell.merge is not None:
        return [f"size = {_lookback(cell.lookbacks[0])}.shape[2:]"]
    sizes = []
    for number, plan in zip(cell.lookbacks, cell.plans, strict=True):
        stride = plan.stride * plan.reshape_stride
        extents = f"{_lookback(number)}.shape[2:]"
        if plan.upsample > 1:
            extents = f"[{plan.upsample} * n for n in {extents}]"
        sizes.append(f"strided_size({extents}, ({stride}, {stride}))")
    exact = [size for size, plan in zip(sizes, cell.plans, strict=True) if plan.upsample == 1]
    if exact:
        return [f"size = {exact[0]}"]
    return [f"size = [min(axis) for axis in zip({', '.join(sizes)}, strict=True)]"]
