"""What a network is made from beside its cell (input, macro-architecture, flags), and what any network takes
and gives, as torch-free values.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from popnas.records import Record

if TYPE_CHECKING:
    from popnas.config import RunConfig

STEMS = (None, "conv", "half", "quarter")
"""What may stand before the first cell; see `plan.StackPlan.stem`."""


@dataclass(frozen=True)
class Contract:
    """What a network that answers takes and gives, whatever it is made of: all that export, evaluation and
    the Python API know of one.

    `input_shape` is channels-last as users write it, (height, width, channels) or (timesteps, channels), and
    as the network was trained. `has_lengths`: it takes the timesteps of each series before its padding, too.
    `is_per_pixel`: it answers images of any height and width with a class for each pixel.
    """

    input_shape: tuple[int, ...]
    num_classes: int
    has_lengths: bool = False
    is_per_pixel: bool = False

    @property
    def num_dims(self) -> int:
        """Spatial dimensions: 2 for images, 1 for series."""
        return len(self.input_shape) - 1

    @property
    def size(self) -> tuple[int, ...]:
        """Spatial size of the input: (height, width) or (timesteps,)."""
        return self.input_shape[:-1]

    @property
    def num_channels(self) -> int:
        """Channels of the input."""
        return self.input_shape[-1]

    @property
    def input_names(self) -> tuple[str, ...]:
        """Of an exported file's inputs."""
        return ("input", "lengths") if self.has_lengths else ("input",)

    @property
    def size_names(self) -> tuple[str, ...]:
        """Of the axes of `size`."""
        return ("height", "width") if self.num_dims == 2 else ("timesteps",)

    @property
    def may_vary_in_size(self) -> bool:
        """Whether other sizes than that of the training make sense: of series, and where pixels are
        answered."""
        return self.num_dims == 1 or self.is_per_pixel


@dataclass(frozen=True)
class NetworkSpec(Record):
    """Everything that determines a network together with a cell.

    `input_shape` is channels-last as users write it: (height, width, channels) or (timesteps, channels).
    `has_lengths` says that the network takes the samples' lengths as a second input (series of unequal
    lengths). `is_post_search` networks (model selection, final training) have exactly two heads, whatever
    `multi_output` says.
    """

    macro: str
    input_shape: tuple[int, ...]
    num_classes: int
    filters: int = 24
    motifs: int = 3
    normal_cells_per_motif: int = 2
    block_join_operator: str = "add"
    lookback_reshape: bool = False
    concat_only_unused_blocks: bool = True
    residual_cells: bool = True
    se_cell_output: bool = False
    multi_output: bool = False
    stem: str | None = None
    activation: str = "swish"
    drop_path: float = 0.0
    softmax_dropout: float = 0.0
    has_lengths: bool = False
    is_post_search: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "input_shape", tuple(int(extent) for extent in self.input_shape))
        assert len(self.input_shape) in (2, 3), self.input_shape
        assert min(self.input_shape) >= 1, self.input_shape
        assert min(self.num_classes, self.filters, self.motifs) >= 1, self
        assert self.normal_cells_per_motif >= 0, self
        assert self.block_join_operator in ("add", "avg"), self.block_join_operator
        assert self.stem in STEMS, self.stem

    @property
    def num_dims(self) -> int:
        """Spatial dimensions: 2 for images, 1 for series."""
        return len(self.input_shape) - 1

    @property
    def input_size(self) -> tuple[int, ...]:
        """Spatial size of the input: (height, width) or (timesteps,)."""
        return self.input_shape[:-1]

    @property
    def input_channels(self) -> int:
        """Channels of the input."""
        return self.input_shape[-1]

    def replace(self, **changes: Any) -> NetworkSpec:
        """A copy with other values, e.g. `spec.replace(filters=48, is_post_search=True)`."""
        return replace(self, **changes)

    @classmethod
    def from_config(
        cls, config: RunConfig, input_shape: tuple[int, ...], num_classes: int, **changes: Any
    ) -> NetworkSpec:
        """The spec of a run's networks; `changes` set what the configuration does not know (`macro`,
        `has_lengths`...).
        """
        architecture = config.architecture_hyperparameters
        training = config.training_hyperparameters
        values: dict[str, Any] = {
            "macro": architecture.macro_architecture or "classification",
            "filters": architecture.filters,
            "motifs": architecture.motifs,
            "normal_cells_per_motif": architecture.normal_cells_per_motif,
            "block_join_operator": architecture.block_join_operator,
            "lookback_reshape": architecture.lookback_reshape,
            "concat_only_unused_blocks": architecture.concat_only_unused_blocks,
            "residual_cells": architecture.residual_cells,
            "se_cell_output": architecture.se_cell_output,
            "multi_output": architecture.multi_output,
            "stem": architecture.stem,
            "activation": architecture.activation_function or "swish",
            "drop_path": training.drop_path,
            "softmax_dropout": training.softmax_dropout,
        }
        return cls(input_shape=input_shape, num_classes=num_classes, **(values | changes))
