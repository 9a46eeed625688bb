"""A run of popnas 0.1.0 and its network, as that version wrote them, are used by this one.

`tests/data/run_0.1.0` is a small search on digits by commit 15425c0, without the views (plots, tables).
`answers.json` holds what 0.1.0 itself answered to the images below: probabilities (N, K), to six digits.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import popnas
from popnas.cli.main import run as popnas_command

OLD = Path(__file__).parents[2] / "data" / "run_0.1.0"
IMAGES_NHW = (np.arange(3 * 64).reshape(3, 8, 8) * 37 % 256).astype(np.uint8)


@pytest.fixture
def old(tmp_path):
    return shutil.copytree(OLD, tmp_path / "old")


def test_a_network_answers_as_it_did(old):
    answers_NK = json.loads((OLD / "answers.json").read_text())
    np.testing.assert_allclose(popnas.load(old).predict_proba(IMAGES_NHW), answers_NK, atol=2e-6)


def test_from_weights_it_is_refused_as_it_does_not_say_how_input_is_made(old):
    with pytest.raises(popnas.UserError, match='use backend="onnx"'):
        popnas.load(old, backend="torch")


def test_a_run_is_read_as_it_was(old):
    found = popnas.Run(old)
    assert found.best is not None
    assert found.best.cell == "[(-1, 3x3 conv, -1, identity)]"
    assert found.best.params == 691
    assert len(found.table("training_results")) == 4


@pytest.mark.parametrize(
    "arguments", [["pick"], ["journal"], ["report"], ["evaluate", "-p"]], ids=lambda words: words[0]
)
def test_commands_take_it(old, arguments, capsys):
    assert popnas_command([*arguments, str(old)]) == 0, capsys.readouterr().err
