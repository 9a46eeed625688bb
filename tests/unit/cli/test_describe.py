"""`popnas describe`: one line per cell, mistakes with their line numbers, no data where shapes are given."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from popnas.cli.main import run

SHAPE = ("--input-shape", "32x32x3", "--classes", "10")
CELLS = ["[]", "[(-1, 3x3 conv, -2, identity)]", "[(-1, identity, -2, 5x5:2dr conv);(-2, 3x3 conv, 0, cvt)]"]


def describe(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> tuple[str, str]:
    assert run(["describe", *arguments]) == status
    out, err = capsys.readouterr()
    return out, err


def described(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    out, _ = describe(capsys, *arguments, "--json")
    return [json.loads(line) for line in out.splitlines()]


def test_a_cell_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = described(capsys, "-j", "run_cifar10", "--spec", CELLS[1], *SHAPE)
    assert set(line) == {"cell", "canonical", "cells_stacked", "params", "flops", "partitions"}
    assert line["cell"] == CELLS[1]
    assert line["canonical"] == "[(-2, identity, -1, 3x3 conv)]"
    assert line["cells_stacked"] == 8
    assert line["partitions"]["input -> cell_0"] == 4 * 32 * 32 * 3
    assert isinstance(line["params"], int)


def test_cells_of_a_file_in_their_order_with_operators_outside_the_space(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    cells = [CELLS[1], "[]", "[(-3, 9x9 conv, -3, identity)]", CELLS[1]]
    (tmp_path / "cells.txt").write_text("\n".join(cells) + "\n\n")
    lines = described(capsys, "-j", "run_cifar10", "--specs", str(tmp_path / "cells.txt"), *SHAPE)
    assert [line["cell"] for line in lines] == cells
    assert [line["cells_stacked"] for line in lines] == [8, 0, 3, 8]
    assert lines[0] == lines[3]


def test_bad_lines_are_named_by_their_numbers(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    bad = [CELLS[1], "nonsense", "", "[(-1, 3x3 konv, -1, identity)]", "[(-1, 7 conv, -1, identity)]", "[]"]
    (tmp_path / "cells.txt").write_text("\n".join(bad))
    out, err = describe(capsys, "--specs", str(tmp_path / "cells.txt"), *SHAPE, "--json", status=2)
    assert out == ""
    assert all(f"line {number}: " in err for number in (2, 3, 4, 5))
    assert "line 1: " not in err and "line 6: " not in err
    assert "Did you mean '3x3 conv'" in err


def test_time_features_take_the_costs_as_they_are(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    costs = tmp_path / "costs.json"
    costs.write_text('{"3x3 conv": 1.5, "identity": 0.5, "7x7 conv": 9}')
    arguments = ("-j", "run_cifar10", "--spec", CELLS[1], *SHAPE, "--operator-costs", str(costs))
    (line,) = described(capsys, *arguments)
    assert line["time_features"] == pytest.approx([1, 8, 2.0, 1, 1.0, 0, 1, 0, 0.75])
    out, _ = describe(capsys, *arguments)
    assert "has_several_lookbacks" in out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"identity": 0.5}', "no cost for '3x3 conv'"),
        ("[1]", "it holds list"),
        ("{", "it is no JSON"),
        ('{"3x3 conv": "1", "identity": 0.5}', "'3x3 conv' has '1'"),
        ('{"3x3 conv": NaN, "identity": 0.5}', "line 1, column 14: NaN is no JSON"),
    ],
)
def test_bad_operator_costs(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: str, message: str
) -> None:
    (tmp_path / "costs.json").write_text(content)
    arguments = ("--spec", CELLS[1], *SHAPE, "--operator-costs", str(tmp_path / "costs.json"))
    assert message in describe(capsys, *arguments, status=2)[1]


def test_without_a_shape_the_data_tell_it(capsys: pytest.CaptureFixture[str]) -> None:
    digits = 'dataset={"type": "image_classification", "name": "digits"}'
    (line,) = described(capsys, "-j", "run", "--set", digits, "--spec", "[]")
    assert line["params"] == 1 * 10 + 10


def test_with_a_shape_no_data_are_touched(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(
        json.dumps({"dataset": {"type": "time_series_classification", "path": str(tmp_path / "no")}})
    )
    (line,) = described(capsys, "-j", str(config), "--spec", "[]", "--input-shape", "150x3", "--classes", "4")
    assert line["params"] == 3 * 4 + 4
    describe(capsys, "-j", str(config), "--spec", "[]", status=2)


@pytest.mark.parametrize("shape", ["32x32", "0x32x3", "32x-1x3", "axbxc", "32x32x3x1", ""])
def test_an_impossible_shape(capsys: pytest.CaptureFixture[str], shape: str) -> None:
    arguments = ("-j", "run_cifar10", "--spec", "[]", "--input-shape", shape, "--classes", "3")
    assert "32x32x3" in describe(capsys, *arguments, status=2)[1]


def test_the_space_and_the_schedule(capsys: pytest.CaptureFixture[str]) -> None:
    assert described(capsys, "-j", "run_cifar10", "--space") == [{"new_blocks": [300, 666, 1176, 1830, 2628]}]
    (line,) = described(capsys, "-j", "run_cifar10", "--schedule", "10")
    assert len(line["learning_rate"]) == len(line["weight_decay"]) == 210
    assert line["learning_rate"][0] == 0.01
    assert "2,628" in describe(capsys, "-j", "run_cifar10", "--space")[0]
    assert len(describe(capsys, "-j", "run_cifar10", "--schedule", "10")[0].splitlines()) == 22


def test_a_table_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = describe(capsys, "-j", "run_cifar10", "--spec", CELLS[1], *SHAPE)
    assert "cells stacked" in out and "cell_6 -> cell_7" in out


@pytest.mark.parametrize("arguments", [(), ("--spec", "[]", "--space"), ("--specs", "/nonexistent/cells")])
def test_nothing_or_too_much_to_describe(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    assert describe(capsys, "-j", "run_cifar10", *arguments, status=2)[1]


def test_a_cell_without_its_option_is_answered_with_the_command_that_works(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, err = describe(capsys, CELLS[1], status=2)
    remedy = err[err.index("popnas describe --spec") :]
    out, _ = describe(capsys, *shlex.split(remedy)[2:], *SHAPE)
    assert "params" in out


def test_a_run_in_the_place_of_a_cell_is_shown_by_other_commands(tmp_path, capsys):
    assert run(["describe", str(tmp_path)]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert f"popnas report {tmp_path}" in told and f"popnas pick {tmp_path}" in told
    assert f"--spec {tmp_path}" not in told
    assert run(["describe", "nonsense"]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "takes no argument 'nonsense'" in told and "--spec nonsense" not in told


def test_what_a_table_cannot_tell_is_asked_for(tmp_path, capsys):
    """It has figures and no data: what the messages ask for is what helps."""
    path = tmp_path / "tab.json"
    document = {
        "dataset": {"type": "image_classification", "path": "a table.npz"},
        "others": {"evaluator": "table"},
        "search_space": {"blocks": 1, "operators": ["identity"]},
    }
    path.write_text(json.dumps(document))
    assert run(["describe", "-j", str(path), "--spec", "[]"]) == 2
    assert "Give both: --input-shape and --classes." in " ".join(capsys.readouterr().err.split())
    assert run(["describe", "-j", str(path), "--spec", "[]", "--input-shape", "8x8x3", "--classes", "2"]) == 0
    assert run(["dataset", "inspect", "-j", str(path)]) == 2
    assert "bench show 'a table.npz'" in capsys.readouterr().err
