"""The layout of a cell's drawing: boxes and lines on a plane, y downwards, in units of a CSS pixel.

Lookbacks stand at the top; below them the blocks, each at its depth, as a frame with its two operators and
their join; the output at the bottom. A value that skips layers runs in a lane of its own between the blocks,
one lane for all its readers, so that no line crosses a box.
"""

from __future__ import annotations

from dataclasses import dataclass

from popnas.cells import Cell
from popnas.report.drawing import placement
from popnas.report.drawing.families import colour

FONT_SIZE = 12.0
SMALL_FONT_SIZE = 10.0
_CHARACTER = 7.2  # a generous mean width at FONT_SIZE: text must fit whatever font is there
_PADDING = 10.0
_BOX, _JOIN = 26.0, 20.0
_OPERATOR_GAP, _JOIN_GAP = 10.0, 18.0
_FRAME_TOP, _FRAME_SIDE, _FRAME_BOTTOM = 12.0, 10.0, 8.0
_BLOCK = _FRAME_TOP + _BOX + _JOIN_GAP + _JOIN + _FRAME_BOTTOM
_GAP, _LAYER_GAP, _LANE, _MARGIN = 22.0, 40.0, 10.0, 10.0
_SOURCES = ("#475569", "#B45309", "#7E3FA8", "#0F766E", "#BE185D")
_FROM_BLOCK = "#1f2328"


@dataclass(frozen=True)
class Box:
    """A box with a text; `kind` is "lookback", "frame" (of a block), "operator", "join" or "output".

    (x, y) is its centre. `colour` is the operator's family's, or the lookback's.
    """

    kind: str
    label: str
    x: float
    y: float
    width: float
    height: float
    colour: str = _FROM_BLOCK


@dataclass(frozen=True)
class Line:
    """A line down through `points`, with vertical tangents; `has_arrow` at its end."""

    points: tuple[tuple[float, float], ...]
    colour: str
    has_arrow: bool = True


@dataclass(frozen=True)
class Layout:
    """A drawing: its size, its boxes (frames first) and its lines; `title` describes it for those who cannot
    see."""

    title: str
    width: float
    height: float
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]


def lay_out(cell: Cell, *, concatenates_only_unused: bool = True) -> Layout:
    """Lay a cell out (in its own order of blocks, not the canonical one)."""
    return _Drawing(cell, concatenates_only_unused).layout()


class _Drawing:
    """Items are "-1" (a lookback), "0" (a block), "out", and "-1@2" (the lane of -1 through layer 2)."""

    def __init__(self, cell: Cell, concatenates_only_unused: bool) -> None:
        self.cell = cell
        concatenated = cell.unused_blocks if concatenates_only_unused else tuple(range(len(cell)))
        self.inputs: dict[str, list[str]] = {
            str(index): [str(block.in1), str(block.in2)] for index, block in enumerate(cell.blocks)
        }
        self.inputs["out"] = [str(index) for index in concatenated] or ["-1"]
        self.lookbacks = [str(value) for value in reversed(cell.lookbacks)] or ["-1"]
        self.layer_of = dict.fromkeys(self.lookbacks, 0)
        for index in range(len(cell)):
            self.layer_of[str(index)] = 1 + max(self.layer_of[item] for item in self.inputs[str(index)])
        self.layer_of["out"] = 1 + max(self.layer_of.values())
        self.above: dict[str, list[str]] = {}
        self.layers = self._layers()
        self.widths = {item: self._width(item) for layer in self.layers for item in layer}

    def _layers(self) -> list[list[str]]:
        layers: list[list[str]] = [[] for _ in range(self.layer_of["out"] + 1)]
        for item, layer in self.layer_of.items():
            layers[layer].append(item)
        self.above = {item: [] for item in self.lookbacks}
        for item, sources in self.inputs.items():
            self.above[item] = [self._lane(layers, source, self.layer_of[item] - 1) for source in sources]
        return layers

    def _lane(self, layers: list[list[str]], source: str, layer: int) -> str:
        """The item of a layer from which the source's value can be read in the layer below."""
        if self.layer_of[source] == layer:
            return source
        lane = f"{source}@{layer}"
        if lane not in self.above:
            layers[layer].append(lane)
            self.above[lane] = [self._lane(layers, source, layer - 1)]
        return lane

    def _width(self, item: str) -> float:
        if "@" in item:
            return _LANE
        if item == "out":
            return _text_width(self._output_label())
        if item in self.lookbacks:
            return _text_width(_lookback_label(item))
        block = self.cell.blocks[int(item)]
        return _text_width(block.op1) + _text_width(block.op2) + _OPERATOR_GAP + 2 * _FRAME_SIDE

    def _output_label(self) -> str:
        return "concatenate → output" if len(self.inputs["out"]) > 1 else "output"

    def layout(self) -> Layout:
        below: dict[str, list[str]] = {item: [] for item in self.above}
        for item, sources in self.above.items():
            for source in sources:
                below[source].append(item)
        layers = placement.order_layers(self.layers, self.above, below)
        neighbours = {item: [*self.above[item], *below[item]] for item in self.above}
        centres = placement.positions(layers, self.widths, neighbours, _GAP)
        left = min(centres[item] - self.widths[item] / 2 for item in centres) - _MARGIN
        self.x = {item: centre - left for item, centre in centres.items()}
        width = max(self.x[item] + self.widths[item] / 2 for item in self.x) + _MARGIN
        self.top, self.bottom = self._heights()
        frames, boxes, lines = self._parts()
        return Layout(
            f"Drawing of the cell {self.cell}",
            width,
            self.bottom[-1] + _MARGIN,
            (*frames, *boxes),
            tuple(lines),
        )

    def _heights(self) -> tuple[list[float], list[float]]:
        """Per layer its upper and lower edge."""
        last = len(self.layers) - 1
        top, bottom, y = [], [], _MARGIN
        for layer in range(len(self.layers)):
            top.append(y)
            y += _BLOCK if 0 < layer < last else _BOX
            bottom.append(y)
            y += _LAYER_GAP
        return top, bottom

    def _parts(self) -> tuple[list[Box], list[Box], list[Line]]:
        frames, boxes, lines = [], [], []
        for item in self.lookbacks:
            y = (self.top[0] + self.bottom[0]) / 2
            box = (self.x[item], y, self.widths[item], _BOX)
            boxes.append(Box("lookback", _lookback_label(item), *box, _source_colour(item)))
        for index in range(len(self.cell)):
            frame, inside, drawn = self._block(index)
            frames.append(frame)
            boxes += inside
            lines += drawn
        lines += self._lanes()
        y = (self.top[-1] + self.bottom[-1]) / 2
        boxes.append(Box("output", self._output_label(), self.x["out"], y, self.widths["out"], _BOX))
        lines += self._into_output()
        return frames, boxes, lines

    def _block(self, index: int) -> tuple[Box, list[Box], list[Line]]:
        item, block = str(index), self.cell.blocks[index]
        halves = sorted(
            ((block.in1, block.op1), (block.in2, block.op2)), key=lambda half: self._source_x(item, half[0])
        )
        layer = self.layer_of[item]
        top, x, width = self.top[layer], self.x[item], self.widths[item]
        frame = Box("frame", f"block {index}", x, top + _BLOCK / 2, width, _BLOCK)
        operator_top = top + _FRAME_TOP
        join_y = operator_top + _BOX + _JOIN_GAP + _JOIN / 2
        boxes, lines = [Box("join", "+", x, join_y, _JOIN, _JOIN)], []
        edge = x - width / 2 + _FRAME_SIDE
        for (source, name), side in zip(halves, (-1, 1), strict=True):
            extent = _text_width(name)
            centre = edge + extent / 2
            boxes.append(Box("operator", name, centre, operator_top + _BOX / 2, extent, _BOX, colour(name)))
            start = self._end_of(str(source), layer - 1)
            lines.append(Line((start, (centre, operator_top)), _source_colour(str(source))))
            join = (x + side * _JOIN * 0.3, join_y - _JOIN * 0.4)
            lines.append(Line(((centre, operator_top + _BOX), join), _FROM_BLOCK, has_arrow=False))
            edge += extent + _OPERATOR_GAP
        lines.append(Line(((x, join_y + _JOIN / 2), (x, top + _BLOCK)), _FROM_BLOCK, has_arrow=False))
        return frame, boxes, lines

    def _source_x(self, item: str, source: int) -> float:
        return self._end_of(str(source), self.layer_of[item] - 1)[0]

    def _end_of(self, source: str, layer: int) -> tuple[float, float]:
        """Where a source's value leaves a layer."""
        item = source if self.layer_of[source] == layer else f"{source}@{layer}"
        return self.x[item], self.bottom[layer]

    def _lanes(self) -> list[Line]:
        lines = []
        for item in (lane for lane in self.above if "@" in lane):
            source, layer = item.split("@")
            start = self._end_of(source, int(layer) - 1)
            x = self.x[item]
            points = (start, (x, self.top[int(layer)]), (x, self.bottom[int(layer)]))
            lines.append(Line(points, _source_colour(source), has_arrow=False))
        return lines

    def _into_output(self) -> list[Line]:
        last = len(self.layers) - 1
        starts = sorted((self._end_of(source, last - 1), source) for source in self.inputs["out"])
        left, width = self.x["out"] - self.widths["out"] / 2, self.widths["out"]
        return [
            Line(
                (start, (left + width * (place + 1) / (len(starts) + 1), self.top[last])),
                _source_colour(source),
            )
            for place, (start, source) in enumerate(starts)
        ]


def _lookback_label(item: str) -> str:
    return {"-1": "-1: previous cell", "-2": "-2: the one before"}.get(item, f"{item}: {item[1:]} cells back")


def _source_colour(item: str) -> str:
    return _SOURCES[(-int(item) - 1) % len(_SOURCES)] if int(item) < 0 else _FROM_BLOCK


def _text_width(text: str) -> float:
    return len(text) * _CHARACTER + 2 * _PADDING
