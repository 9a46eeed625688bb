"""A user's operator: one file with a declaration and an entry point, nothing else."""

from __future__ import annotations

import importlib.util
import inspect
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from popnas.cli.main import cli
from popnas.operators import REGISTRY
from popnas.operators._base import _parse_spelling, parse

CONTRACT = Path(__file__).parents[2] / "contract" / "test_operators.py"

MODULE = '''
from popnas.operators import REGISTRY, Operator, pointwise_cost


@REGISTRY.register("cpool", description="max pool, then a pointwise convolution")
class CPool(Operator):
    """Max pool of 3 with the stride, then a pointwise conv-BN-act."""

    family = "cpool"
    grammar = "cpool"
    pattern = "cpool"
    examples = ("cpool",)

    def build(self, site):
        from popnas import layers

        pool = layers.MaxPool(site.num_dims, (3,) * site.num_dims, site.stride)
        conv = layers.ConvBNAct(
            site.num_dims, site.in_channels, site.out_channels, activation=site.activation
        )
        return layers.chain(pool, conv)

    def cost(self, site):
        return pointwise_cost(site.num_dims, site.in_channels, site.out_channels, site.out_size)
'''


DIES = """
        import torch

        class Dies(torch.nn.Module):
            def forward(self, x):
                import os

                if os.getpid() != DRIVER:
                    os.write(2, b"libown: no such unit\\n")
                    os.abort()
                return x

        pool = layers.chain(pool, Dies())
"""


def _forget() -> None:
    parse.cache_clear()
    _parse_spelling.cache_clear()


@pytest.fixture
def own_operator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    REGISTRY.names()  # what is built in declares itself only once in a process
    (tmp_path / "cpool_plugin.py").write_text(MODULE)
    installed = tmp_path / "cpool_plugin-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: cpool-plugin\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("[popnas.operators]\ncpool = cpool_plugin\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(REGISTRY, "_parts", dict(REGISTRY._parts))
    monkeypatch.setattr(REGISTRY, "_is_discovered", False)
    _forget()
    yield "cpool"
    _forget()
    sys.modules.pop("cpool_plugin", None)


def test_where_it_ends_its_worker_the_search_tells_its_last_words(
    own_operator: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "cpool_plugin.py"
    dies = DIES.replace("DRIVER", str(os.getpid()))
    own.write_text(MODULE.replace("        conv = layers", f"{dies}        conv = layers"))
    monkeypatch.chdir(tmp_path)
    changes = {
        "search_space": {"blocks": 1, "operators": [own_operator], "lookback_depth": 1},
        "architecture_hyperparameters": {"filters": 4, "motifs": 1, "normal_cells_per_motif": 1},
        "training_hyperparameters": {"epochs": 1},
        "dataset": {"type": "image_classification", "name": "digits", "samples": 60, "validation_size": 0.25},
        "others": {"executor": {"workers": 1}, "train_strategy": "CPU"},
    }
    (tmp_path / "c.json").write_text(json.dumps(changes))
    result = CliRunner().invoke(cli, ["search", "-j", "c.json"])
    assert result.exit_code == 1, result.output
    told = " ".join(f"{result.output} {result.exception}".split())
    assert "worker_died: the worker was killed by SIGABRT" in told
    assert 'Its last words: "libown: no such unit / Fatal Python error: Aborted".' in told


def _popnas(*arguments: str) -> str:
    result = CliRunner().invoke(cli, list(arguments))
    assert result.exit_code == 0, result.output
    return result.output


def test_it_is_listed_configured_and_costed(own_operator: str) -> None:
    assert own_operator in _popnas("list", "operators")
    operators = json.dumps(["identity", own_operator])
    _popnas("config", "check", "-j", "run", "--set", f"search_space.operators={operators}")
    changes = [
        "architecture_hyperparameters.filters=4",
        "architecture_hyperparameters.motifs=1",
        "architecture_hyperparameters.normal_cells_per_motif=1",
        "architecture_hyperparameters.residual_cells=false",
        "architecture_hyperparameters.multi_output=false",
        "architecture_hyperparameters.se_cell_output=false",
    ]
    sets = [part for change in changes for part in ("--set", change)]
    cell = f"[(-1, {own_operator}, -1, {own_operator})]"
    shape = ["--input-shape", "8x8x3", "--classes", "5", "--json"]
    described = json.loads(_popnas("describe", "-j", "run", *sets, "--spec", cell, *shape))
    assert described["params"] == 2 * (3 * 4 + 2 * 4) + (4 * 5 + 5)


def test_it_passes_the_contract_suite(own_operator: str) -> None:
    spec = importlib.util.spec_from_file_location("operators_contract", CONTRACT)
    assert spec is not None and spec.loader is not None
    contract = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(contract)
    assert {(own_operator, 1), (own_operator, 2)} <= set(contract.EXAMPLES)
    contract.test_a_family_declares_itself(own_operator)
    checks = [
        check
        for name, check in vars(contract).items()
        if name.startswith("test_") and list(inspect.signature(check).parameters) == ["name", "num_dims"]
    ]
    assert len(checks) > 8
    for check in checks:
        for num_dims in (1, 2):
            check(own_operator, num_dims)
