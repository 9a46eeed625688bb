"""The spaces of the benchmarks' tables hold what their commands say."""

from __future__ import annotations

from pathlib import Path

import pytest

from popnas.workflows.settings import load_config, unused
from popnas.workflows.tables import chosen
from popnas.workflows.tables.request import TableRequest

TABLES = Path(__file__).parents[4] / "benchmarks" / "tables"
README = (TABLES.parent / "README.md").read_text()


@pytest.mark.parametrize(
    ("name", "samples", "held", "sizes"),
    [
        ("fashion_mnist", {"3": 400}, "1, 36, 2,178, 400", "1, 36, 2,178, 193,512"),
        ("swedish_leaf", {"3": 2300}, "1, 10, 315, 2,300", "1, 10, 315, 18,070"),
    ],
)
def test_a_space_has_the_cells_that_are_told(
    name: str, samples: dict[str, int], held: str, sizes: str
) -> None:
    path = TABLES / f"{name}.json"
    config = load_config(str(path))
    assert unused(config) == []
    request = TableRequest(samples, seeds=3, repeated=520)
    request.check(config.space)
    found = chosen.cells(config.space, request, config.others.seed)
    assert len(found.cells) >= 2500
    assert ", ".join(f"{size:,}" for size in found.space_sizes) == sizes
    (blocks, number) = next(iter(samples.items()))
    assert f"-j benchmarks/tables/{path.name} --name {name} --sample {blocks}={number} --seeds 3" in README
    assert f"| {held} | {sizes} | {len(found.cells) + 2 * request.repeated:,} |" in README
