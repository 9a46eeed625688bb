"""NAS-Bench-201 from the files in which it comes, and searches over it."""

from __future__ import annotations

import bz2
import json
import pickle
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from popnas import evaluators
from popnas.cli.main import run
from popnas.errors import DataError, UserError
from popnas.evaluators.nasbench201 import architectures, mapping, stored
from popnas.evaluators.nasbench201.stored import DATA_SETS
from popnas.events import CandidateFinished, JobEvent, RunOpened
from popnas.workflows.searching import finish
from popnas.workflows.settings import max_networks
from popnas.workflows.tables import nasbench201, nasbench201_files
from popnas.workflows.tables.comparing import progressive
from popnas.workflows.tables.request import BenchmarkRequest

sys.path.insert(0, str(Path(__file__).parents[2] / "evaluators"))
import made_nasbench201
from made_nasbench201 import made

TEXTS = [architectures.text(edges) for edges in architectures.edges(np.array([4000, 3, 15_000]))]


def training(number: int, name: str, seed: int, epochs: int) -> dict[str, Any]:
    """What an official file says of one training."""
    base = 10 * number + seed / 1000 + epochs / 100 + len(name) / 10
    sets = {"cifar10-valid": ("x-valid", "ori-test"), "cifar10": ("ori-test",)}.get(
        name, ("x-valid", "x-test", "ori-test")
    )
    evaluated = {
        f"{part}@{epoch}": base + place for place, part in enumerate(sets) for epoch in range(epochs)
    }
    return {
        "name": "a cell",
        "net_state_dict": None,
        "train_acc1es": dict.fromkeys(range(epochs), base),
        "train_acc5es": None,
        "train_losses": dict.fromkeys(range(epochs), 1.0),
        "train_times": dict.fromkeys(range(epochs), 2.0 + number),
        "arch_config": {"arch_str": TEXTS[number]},
        "params": 0.5 + number,
        "flop": 7.0,
        "seed": seed,
        "epochs": epochs,
        "latency": [0.01],
        "eval_names": list(sets),
        "eval_acc1es": evaluated,
        "eval_times": dict.fromkeys(evaluated, 1.0),
        "eval_losses": dict.fromkeys(evaluated, 1.0),
    }


def of_architecture(number: int) -> dict[str, Any]:
    found = OrderedDict()
    for hp, seeds in (("12", [777]), ("200", [777, 888][: 1 + number % 2])):
        names = ["cifar10-valid", "cifar10", "cifar100", "ImageNet16-120"]
        found[hp] = {
            "arch_index": number,
            "arch_str": TEXTS[number],
            "all_results": {
                (name, seed): training(number, name, seed, int(hp)) for name in names for seed in seeds
            },
            "dataset_seed": {name: list(seeds) for name in names},
            "clear_net_done": True,
        }
    return found


def write_pickle(path: Path, content: Any) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(bz2.compress(pickle.dumps(content, protocol=4)))
    return path


@pytest.fixture(params=["file", "folder"])
def official(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Three architectures, as NATS-Bench's file or its folder has them."""
    if request.param == "file":
        infos = {number: of_architecture(number) for number in range(3)}
        content = {"meta_archs": TEXTS, "arch2infos": infos, "evaluated_indexes": [0, 1, 2]}
        return write_pickle(tmp_path / "NATS-tss-v1_0-tiny.pickle.pbz2", content)
    folder = tmp_path / "NATS-tss-v1_0-tiny-simple"
    write_pickle(folder / "meta.pickle.pbz2", {"meta_archs": TEXTS})
    for number in range(3):
        write_pickle(folder / f"{number:06d}.pickle.pbz2", of_architecture(number))
    return folder


def test_official_files_are_read(official: Path) -> None:
    pytest.importorskip("nats_bench")
    texts, index, figures = nasbench201_files._of_nats_bench(official, print)
    assert texts == TEXTS and index.tolist() == [0, 1, 2]
    for number in range(3):
        for place, name in enumerate(DATA_SETS):
            validated = "cifar10-valid" if name == "cifar10" else name
            short, long = training(number, validated, 777, 12), training(number, validated, 777, 200)
            assert figures["validation_12"][place, number] == np.float32(short["eval_acc1es"]["x-valid@11"])
            seeds_R = figures["validation_200"][place, number]
            assert seeds_R[0] == np.float32(long["eval_acc1es"]["x-valid@199"])
            assert bool(np.isfinite(seeds_R[1])) == (number == 1) and np.isnan(seeds_R[2])
            assert figures["training_seconds"][place, number] == 200 * (2 + number)
            assert figures["params"][place, number] == 500_000 + 1_000_000 * number
            part = "ori-test" if name == "cifar10" else "x-test"
            seeds = [777, 888][: 1 + number % 2]
            tests = [training(number, name, seed, 200)["eval_acc1es"][f"{part}@199"] for seed in seeds]
            assert figures["test_200"][place, number] == pytest.approx(np.mean(tests), rel=1e-6)


def test_files_without_all_architectures_are_refused(official: Path) -> None:
    pytest.importorskip("nats_bench")
    with pytest.raises(DataError, match="has 3 architectures in 3 rows, and must have all 15,625 once"):
        nasbench201_files.read(official)


class Harm:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("harmed"),))


def test_nothing_in_a_pickle_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("nats_bench")
    monkeypatch.chdir(tmp_path)
    path = write_pickle(tmp_path / "NATS-tss-x.pickle.pbz2", {"meta_archs": TEXTS, "arch2infos": Harm()})
    with pytest.raises(DataError, match=r"is not read: it asks for .*only plain containers and numbers"):
        nasbench201_files.read(path)
    assert not (tmp_path / "harmed").exists()
    numbers = {"one": np.float64(0.5), "two": OrderedDict(a=np.arange(3))}
    found = nasbench201_files.unpickled(write_pickle(tmp_path / "n.pickle.pbz2", numbers))
    assert isinstance(found, dict) and found["one"] == 0.5 and found["two"]["a"].tolist() == [0, 1, 2]
    for content in (b"no bz2", bz2.compress(b"no pickle")):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"cannot be read as a pickle|is not read"):
            nasbench201_files.read(path)


def columns() -> dict[str, Any]:
    table = made()
    edges = architectures.edges(np.arange(len(table.index)))
    found: dict[str, Any] = {"index": table.index, "arch": [architectures.text(row) for row in edges]}
    for place, name in enumerate(DATA_SETS):
        found[f"val12_{name}"] = table.validation_12[place]
        found[f"test200_{name}"] = table.test_200[place]
        found[f"train_time_s_{name}"] = table.training_seconds[place]
        found[f"params_{name}"] = table.params[place]
        for seed in range(3):
            found[f"val200_s{seed}_{name}"] = table.validation_200[place, :, seed]
    return found


def test_a_parquet_file_is_read_in_any_order(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    order = np.random.default_rng(3).permutation(15_625)
    shuffled = {name: np.asarray(column)[order] for name, column in columns().items()}
    parquet.write_table(pyarrow.table(shuffled), tmp_path / "n.parquet")
    found = nasbench201_files.read(tmp_path / "n.parquet")
    for name, array in made().arrays().items():
        if name != "about":
            np.testing.assert_array_equal(getattr(found, name), array, err_msg=name)
    del shuffled["val12_cifar100"]
    parquet.write_table(pyarrow.table(shuffled), tmp_path / "n.parquet")
    with pytest.raises(DataError, match="has no column 'val12_cifar100'; it has: index, arch"):
        nasbench201_files.read(tmp_path / "n.parquet")


def test_latencies_of_a_device_are_joined_by_architecture(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    edges = architectures.edges(np.arange(15_625))
    milliseconds = np.arange(1.0, 15_626.0)
    order = np.random.default_rng(4).permutation(15_625)
    rows: dict[str, Any] = {"arch": [architectures.text(edges[code]) for code in order]}
    rows |= {
        f"phone_latency_{name}": milliseconds[order] * (place + 1) for place, name in enumerate(DATA_SETS)
    }
    parquet.write_table(pyarrow.table(rows), path := tmp_path / "hw.parquet")
    found = nasbench201_files.with_latency(made(), path, "phone")
    assert made().latencies("cifar100") is None and found.sha256 != made().sha256
    stored.write(tmp_path / "n.npz", found)
    kept = stored.read(tmp_path / "n.npz")
    np.testing.assert_allclose(kept.latencies("cifar100"), milliseconds * 2 / 1000, rtol=1e-6)
    assert kept.provenance["latency"] == "phone, hw.parquet"
    with pytest.raises(DataError, match=r"no latencies of the device 'phome'; it has those of: phone\. Did"):
        nasbench201_files.with_latency(made(), path, "phome")
    rows = {name: column[1:] for name, column in rows.items()}
    parquet.write_table(pyarrow.table(rows), path)
    with pytest.raises(DataError, match="has 15,624 architectures"):
        nasbench201_files.with_latency(made(), path, "phone")


@pytest.mark.parametrize("lack", [-1.0, 0.0, None, float("nan")])
def test_a_device_that_cannot_run_all_is_answered_with_those_that_can(tmp_path: Path, lack: Any) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows: dict[str, Any] = {"arch": columns()["arch"]}
    for name in DATA_SETS:
        rows |= {f"{device}_latency_{name}": [1.0] * 15_625 for device in ("phone", "tpu", "chip")}
        rows[f"tpu_latency_{name}"] = [lack] * 7 + [1.0] * 15_618
    parquet.write_table(pyarrow.table(rows), path := tmp_path / "hw.parquet")
    words = r"no latency of 7 architectures on 'tpu' .* Devices with all of them: phone, chip\."
    with pytest.raises(DataError, match=words):
        nasbench201_files.with_latency(made(), path, "tpu")
    assert nasbench201_files.with_latency(made(), path, "chip").has_latency


@pytest.mark.parametrize(
    ("column", "values", "words"),
    [
        ("arch", [None], r"'None' is no architecture"),
        ("arch", [3], r"'3' is no architecture"),
        ("val12_cifar10", ["high"], "the column 'val12_cifar10' of .* holds string, and must hold numbers"),
        ("train_time_s_cifar100", [None], "'train_time_s_cifar100' of .* has 15,625 rows without a number"),
        ("params_cifar10", [float("nan")], "has 15,625 rows without a number"),
        ("index", ["x"], "the column 'index' of .* holds string"),
    ],
)
def test_columns_that_hold_something_else_are_told(
    column: str, values: list[Any], words: str, tmp_path: Path
) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows = {**columns(), column: values * 15_625}
    parquet.write_table(pyarrow.table(rows), tmp_path / "n.parquet")
    with pytest.raises(DataError, match=words):
        nasbench201_files.read(tmp_path / "n.parquet")


def test_what_is_no_such_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        nasbench201_files.read(tmp_path / "nowhere.npz")
    (tmp_path / "x.txt").write_text("x")
    with pytest.raises(DataError, match="is no file of NAS-Bench-201: give NATS-tss"):
        nasbench201_files.read(tmp_path / "x.txt")
    pytest.importorskip("nats_bench")
    with pytest.raises(DataError, match=r"has no meta\.pickle\.pbz2\. Give the unpacked folder"):
        nasbench201_files.read(tmp_path)
    (tmp_path / "x.pickle.pbz2").write_text("x")
    with pytest.raises(DataError, match="compressed with bz2: it is damaged, cut off, or none"):
        nasbench201_files.read(tmp_path / "x.pickle.pbz2")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data_set": "cifar"}, "`data_set` 'cifar': must be one of cifar10"),
        ({"epochs": 90}, "`epochs` 90: must be 12 or 200"),
        ({"runs": 0}, "`runs` 0: must be 1 to 1000"),
        ({"seed": -1}, "`seed` -1: must be 0 or more"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=words):
        nasbench201.benchmark(tmp_path / "n.npz", BenchmarkRequest(**changes), logs=tmp_path)


@pytest.fixture
def smaller_searches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finish, "views", lambda *_: None)
    published = nasbench201.configuration

    def smaller(table: Path, request: BenchmarkRequest, seed: int) -> Any:
        found = published(table, request, seed).to_json()
        assert found["search_strategy"]["max_children"] == 128  # type: ignore[index, call-overload]
        changes = ["search_strategy.max_children=6", "others.accuracy_predictor_ensemble_units=1"]
        return nasbench201.load_config(found, sets=changes)

    monkeypatch.setattr(nasbench201, "configuration", smaller)


def test_native_searches_take_no_more_queries_than_is_said(tmp_path: Path) -> None:
    stored.write(tmp_path / "n.npz", made())
    config = nasbench201.configuration(tmp_path / "n.npz", BenchmarkRequest(), 0)
    most = progressive.num_firsts(evaluators.create(config))
    most += sum(max_networks(config, step) for step in (2, 3, 4))
    assert f"at most {most} queries" in str(nasbench201.configuration.__doc__)


@pytest.mark.usefixtures("smaller_searches")
def test_interrupted_searches_go_on_to_the_same(tmp_path: Path) -> None:
    stored.write(tmp_path / "made.npz", made())
    request = BenchmarkRequest("compatible", runs=3)
    whole = nasbench201.benchmark(tmp_path / "made.npz", request, name="whole", logs=tmp_path)
    count = 0

    def interrupt(event: JobEvent) -> None:
        """In the midst of the second search."""
        nonlocal count
        count += isinstance(event, CandidateFinished)
        if count == whole.runs[0].queries + 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        nasbench201.benchmark(tmp_path / "made.npz", request, name="cut", logs=tmp_path, tell=interrupt)
    assert not (tmp_path / "cut" / "benchmark.json").exists()
    (tmp_path / "cut").rename(tmp_path / "moved")
    told: list[JobEvent] = []
    found = nasbench201.resume(tmp_path / "moved", tell=told.append)
    again = sum(isinstance(event, CandidateFinished) for event in told)
    assert again == sum(run.queries for run in whole.runs) - count
    assert [event.folder for event in told if isinstance(event, RunOpened)] == [tmp_path / "moved"]
    results = [(tmp_path / name / "benchmark.json").read_bytes() for name in ("whole", "moved")]
    assert results[0] == results[1] and found.mean == whole.mean
    assert [Path(run.folder) for run in found.runs] == [tmp_path / "moved" / str(seed) for seed in range(3)]
    # What has ended is not done again, and figures are not exchanged.
    told.clear()
    assert nasbench201.resume(tmp_path / "moved", tell=told.append) == found
    assert not any(isinstance(event, CandidateFinished) for event in told)
    stored.write(tmp_path / "moved" / "nasbench201.npz", made_nasbench201.timed())
    with pytest.raises(DataError, match="does not hold the figures"):
        nasbench201.resume(tmp_path / "moved")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "-p FILES says what is searched"),
        (["-r", "x", "--runs", "3"], "leave out --runs"),
        (["-r", "nowhere"], "does not exist"),
    ],
)
def test_the_command_line_is_answered(words: list[str], told: str, capsys: Any) -> None:
    assert run(["bench", "nasbench201", *words]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.usefixtures("smaller_searches")
def test_the_command_tells_test_accuracy_and_ceiling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    stored.write(tmp_path / "made.npz", made())
    asked = ["-p", "made.npz", "--mode", "compatible", "--runs", "2", "--name", "b"]
    assert run(["bench", "nasbench201", *asked, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    codes = mapping.compatible().codes
    assert told["ceiling"] == pytest.approx(float(made().test_200[0][codes].max()))
    assert told["optimum"] == pytest.approx(float(made().test_200[0].max())) and told["reach"] == 226
    assert [item["seed"] for item in told["runs"]] == [0, 1]
    for item in told["runs"]:
        (code,) = np.flatnonzero(made().index == item["index"])
        assert item["test"] == pytest.approx(float(made().test_200[0][code]), abs=1e-3)
        assert item["architecture"] == architectures.text(architectures.edges(np.array([code]))[0])
        assert item["test"] <= told["ceiling"] + 1e-3 and 12 <= item["queries"] <= 18
    assert told["mean"] == pytest.approx(np.mean([item["test"] for item in told["runs"]]))
    assert stored.read(tmp_path / "logs" / "b" / "nasbench201.npz").sha256 == made().sha256
    kept = json.loads((tmp_path / "logs" / "b" / "benchmark.json").read_text())
    assert kept["mean"] == told["mean"] and [item["folder"] for item in kept["runs"]] == ["0", "1"]
    assert run(["bench", "nasbench201", "-r", "logs/b", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == told
    assert run(["bench", "nasbench201", *asked]) == 2
    assert "exists already" in capsys.readouterr().err
