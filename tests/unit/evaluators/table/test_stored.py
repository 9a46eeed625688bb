"""Tables of cells as files: what is written is read, and what is wrong is told in a sentence."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from popnas.command_lines import as_typed
from popnas.errors import DataError, PopnasError
from popnas.evaluators.table import stored
from popnas.evaluators.table.stored import CellTable

sys.path.insert(0, str(Path(__file__).parents[1]))
from made_tables import made, rows_of


@pytest.fixture(scope="module")
def table() -> CellTable:
    return made()


def test_a_table_is_read_as_it_was_written(table: CellTable, tmp_path: Path) -> None:
    path = tmp_path / "table.npz"
    assert stored.write(path, table) == path.stat().st_size
    found = stored.read(path)
    for name, array in table.arrays().items():
        np.testing.assert_array_equal(getattr(found, name), array, err_msg=name)
    assert found.sha256 == table.sha256
    assert found.provenance == {"made": "by a formula"}
    assert found.space.operators == ("1x1 conv", "3x3 conv", "identity")
    assert found.held.tolist() == found.space_sizes.tolist() and found.is_complete.all()


def test_where_it_comes_from_does_not_make_it_another(table: CellTable) -> None:
    assert replace(table, about=np.array('{"made": "elsewhere"}')).sha256 == table.sha256
    assert replace(table, flops=table.flops + 1).sha256 != table.sha256


def changed(name: str, change: Any) -> Any:
    def apply(table: CellTable) -> CellTable:
        array = getattr(table, name).copy()
        return replace(table, **{name: change(array)})

    return apply


def put(name: str, place: Any, value: Any) -> Any:
    def change(array: np.ndarray) -> np.ndarray:
        array[place] = value
        return array

    return changed(name, change)


def swapped(table: CellTable) -> CellTable:
    order = np.arange(len(table.cells))
    order[[3, 4]] = order[[4, 3]]
    return rows_of(table, order)


def twice(table: CellTable) -> CellTable:
    return rows_of(table, np.array([0, 1, 1, 2]))


FAULTS = [
    (changed("cells", lambda array: array.astype(float)), "'cells' must hold integers, but holds float64"),
    (changed("cells", lambda array: array[0]), r"'cells' must have 3 axes, but has the shape \(2, 4\)"),
    (
        changed("params", lambda array: array[:-1]),
        "'params' has the shape .* does not fit to the other arrays",
    ),
    (changed("space_sizes", lambda array: array[:-1]), "'space_sizes' has the shape .* does not fit"),
    (changed("epochs", lambda array: array[:1]), "'metrics' has the shape .* does not fit"),
    (lambda table: rows_of(table, np.arange(0)), "'cells' is empty"),
    (changed("about", lambda array: np.array("no JSON")), "'about' is no JSON object"),
    (changed("about", lambda array: np.array("[1]")), "'about' is no JSON object"),
    (changed("metric_names", lambda array: array[[0, 0]]), "'metric_names' must be different names"),
    (changed("lookback_depth", lambda array: np.array(0)), "a lookback depth of 0 and 2 blocks are no space"),
    (changed("operators", lambda array: array[::-1]), "'operators' must be sorted by name"),
    (changed("operators", lambda array: np.array(["a,b", "c", "d"])), "'operators': 'a,b' cannot be"),
    (put("cells", (5, 0, 0), -3), "row 5 of 'cells' is no cell of the space"),
    (put("cells", (5, 0, 1), 3), "row 5 of 'cells' is no cell of the space"),
    (put("cells", (5, 0), (0, -1, 0, -1)), "row 5 of 'cells' is no cell|a cell stands twice"),
    (
        put("cells", (3, 0), (-1, 2, -2, 0)),
        r"the cell \[\(-1, identity, -2, 1x1 conv\)\] is not in its canon",
    ),
    (swapped, "the rows of 'cells' are not in the order of canonical forms"),
    (twice, "a cell stands twice in 'cells'"),
    (put("space_sizes", 2, 7), r"'space_sizes' \[1, 21, 7\] are less than what is there"),
    (put("epochs", 1, 1), r"'epochs' must rise from 1 at least, but are \[1, 1\]"),
    (put("repetitions", 4, 4), "'repetitions' must be 1 to 3, but go from 1 to 4"),
    (put("failures", (4, 0), 5), "'failures' must be -1 to 4"),
    (put("flops", 4, -1), "'flops' has a negative number"),
    (put("metrics", (1, 0, 1, 0), 1.5), r"'metrics' of training 0 of \[\(-2, 1x1 conv, -2, 1x1 conv\)\] are"),
    (put("metrics", (1, 0, 1, 0), np.nan), "'metrics' of training 0 of"),
    (put("training_seconds", (2, 2, 0), np.inf), "'training_seconds' of training 2 of"),
    (put("inference_seconds", (0, 0), -1), r"'inference_seconds' of training 0 of \[\] are -1"),
]


@pytest.mark.parametrize(("change", "words"), FAULTS, ids=[words[:40] for _, words in FAULTS])
def test_each_fault_is_told_in_one_sentence(
    change: Any, words: str, table: CellTable, tmp_path: Path
) -> None:
    path = tmp_path / "table.npz"
    broken = change(table)
    stored.write(path, broken)
    with pytest.raises(DataError, match=words) as found:
        stored.read(path)
    told = str(found.value)
    assert told.startswith(str(path)) and "popnas bench build" in told and "\n" not in told
    with pytest.raises(PopnasError, match="is not sound"):
        stored.sound(broken)


def test_what_a_failed_training_lacks_is_no_fault(table: CellTable) -> None:
    failed = put("failures", (1, 0), 0)(put("metrics", (1, 0), np.nan)(table))
    assert stored.fault_of(failed) is None


def test_a_file_that_is_no_table_is_refused(table: CellTable, tmp_path: Path) -> None:
    path = tmp_path / "table.npz"
    np.savez(path, x=np.zeros(3))
    with pytest.raises(DataError, match="is no table of cells of a format that this popnas reads"):
        stored.read(path)
    np.savez(path, format=np.array("popnas table of cells 99"))
    with pytest.raises(DataError, match="it says 'popnas table of cells 99'"):
        stored.read(path)
    arrays = table.arrays()
    del arrays["flops"], arrays["epochs"]
    np.savez(path, format=np.array(stored.FORMAT), **arrays)
    with pytest.raises(DataError, match="lacks the arrays epochs, flops"):
        stored.read(path)
    arrays["about"] = np.array(object())
    np.savez(path, format=np.array(stored.FORMAT), **arrays, flops=table.flops, epochs=table.epochs)
    with pytest.raises(DataError, match=r"about.*Put back the file as `popnas bench build` wrote it"):
        stored.read(path)
    for content in (b"no zip", b"PK, cut off", b"\x93NUMPY"):
        path.write_bytes(content)
        with pytest.raises(DataError, match="Put back the file as `popnas bench build` wrote it") as found:
            stored.read(path)
        assert str(path) in str(found.value) and "savez" not in str(found.value)


def told_of(path: Path) -> str:
    with pytest.raises(DataError) as found:
        stored.read(path)
    return str(found.value)


def test_where_no_table_is_what_is_there_is_named(table: CellTable, tmp_path: Path) -> None:
    built, unfinished = tmp_path / "built", tmp_path / "unfinished"
    for folder in (built, unfinished):
        folder.mkdir()
    stored.write(built / stored.NAME, table)
    given = told_of(built).rpartition("Give the table in it: ")[2]
    assert stored.read(Path(given)).sha256 == table.sha256
    assert f"goes on with: {as_typed('bench', 'build', '-r', unfinished)}" in told_of(unfinished)
    mistyped = told_of(built / "tabel.npz")
    assert "does not exist" in mistyped and "table.npz" in mistyped.partition("Did you mean")[2]
    assert "`popnas bench build` wrote" in mistyped
