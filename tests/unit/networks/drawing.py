"""Random networks for properties: cells over all families of operators, every flag, lookbacks to -3."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from popnas import operators
from popnas.cells import Cell, SearchSpace
from popnas.networks.spec import NetworkSpec


def example_operators(num_dims: int) -> list[str]:
    """The examples of every family that suits the data."""
    return [
        name
        for _, family in operators.REGISTRY.items()
        for name in family.examples
        if operators.check_name(name, num_dims) is None
    ]


OPERATORS = {num_dims: example_operators(num_dims) for num_dims in (1, 2)}


@st.composite
def specs(draw: st.DrawFn, num_dims: int | None = None) -> NetworkSpec:
    dims = draw(st.sampled_from((1, 2))) if num_dims is None else num_dims
    size = draw(st.lists(st.integers(5, 17), min_size=dims, max_size=dims))
    flags = (
        "lookback_reshape",
        "concat_only_unused_blocks",
        "residual_cells",
        "se_cell_output",
        "multi_output",
    )
    return NetworkSpec(
        macro="classification",
        input_shape=(*size, draw(st.integers(1, 4))),
        num_classes=draw(st.integers(2, 5)),
        filters=draw(st.sampled_from((4, 5))),
        motifs=draw(st.integers(1, 3)),
        normal_cells_per_motif=draw(st.sampled_from((1, 1, 2))),
        block_join_operator=draw(st.sampled_from(("add", "avg"))),
        stem=draw(st.sampled_from((None, None, "conv", "half", "quarter"))),
        is_post_search=draw(st.booleans()),
        drop_path=draw(st.sampled_from((0.0, 0.3))),
        **{flag: draw(st.booleans()) for flag in flags},
    )


@st.composite
def segmentation_specs(draw: st.DrawFn) -> NetworkSpec:
    """Both decoders; enough motifs for several units, and few."""
    macro = draw(st.sampled_from(("segmentation_fixed", "segmentation_cells")))
    return draw(specs(2)).replace(macro=macro, motifs=draw(st.integers(1, 5)))


@st.composite
def spaces(draw: st.DrawFn, num_dims: int) -> SearchSpace:
    names = draw(st.lists(st.sampled_from(OPERATORS[num_dims]), min_size=1, max_size=6))
    return SearchSpace(names, draw(st.integers(1, 4)), draw(st.integers(1, 3)))


def random_cells(space: SearchSpace, count: int, seed: int) -> list[Cell]:
    """Cells of every length of the space, the empty one among them."""
    rng = np.random.default_rng(seed)
    cells = [Cell(())]
    for num_blocks in range(1, space.num_blocks + 1):
        cells += space.decode(space.random_cells(count, num_blocks, rng))
    return cells
