"""A table is built once and whole, however often it is interrupted, and holds what a search would measure."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from popnas import evaluators
from popnas.cells import Cell
from popnas.cli.main import run
from popnas.errors import DataError, RunFolderError, StorageError, UserError
from popnas.evaluation import CandidateJob, Measured
from popnas.evaluators.table import stored
from popnas.evaluators.training import candidate, training_data
from popnas.events import JobEvent, PhaseAdvanced, PhaseStarted, Told, Warned
from popnas.executors import Worker
from popnas.process_state import torch_in_turn
from popnas.runs import RunFolder
from popnas.runs.journal import Journal
from popnas.seeds import candidate_seed
from popnas.workflows.searching import finish
from popnas.workflows.searching.search import search
from popnas.workflows.settings import load_config
from popnas.workflows.tables import building, noise
from popnas.workflows.tables.building import build, resume
from popnas.workflows.tables.request import TableRequest

sys.path.insert(0, str(Path(__file__).parents[2] / "evaluators"))
from made_tables import made

REQUEST = TableRequest({"2": 4}, seeds=2, repeated=3)
SMALL = {"blocks": 2, "lookback_depth": 1, "operators": ["identity", "1x1 conv"]}


@pytest.fixture
def config(tiny_config: Callable[..., dict[str, Any]], quick_disk: None) -> Callable[..., Any]:
    def make(**changes: Any) -> Any:
        document = tiny_config(**{"dataset.samples": 60, "training_hyperparameters.epochs": 2, **changes})
        document["search_space"] = dict(SMALL)
        return load_config(document)

    return make


def check_equal(one: Path, other: Path) -> None:
    """Of folders of tables whose times are simulated: all but where they come from."""
    tables = [stored.read(folder / "table.npz").arrays() for folder in (one, other)]
    for name in tables[0]:
        if name != "about":
            np.testing.assert_array_equal(tables[0][name], tables[1][name], err_msg=name)


def trainings(folder: Path) -> list[tuple[str, int]]:
    lines = (folder / "build" / "journal.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    return [
        (event["content"]["cell"], event["content"]["repetition"])
        for event in events
        if event["event"] == "trained"
    ]


def built(config: Any, logs: Path, **options: Any) -> Path:
    with torch_in_turn(1):
        return build(config, REQUEST, name="table", logs=logs, **options).folder


@pytest.mark.parametrize("was_there", [False, True])
def test_a_folder_in_which_nothing_could_be_begun_does_not_take_its_name(
    was_there: bool, config: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_full(*_: object) -> None:
        raise StorageError("the disk is full")

    if was_there:
        (tmp_path / "table").mkdir()
        (tmp_path / "table" / "mine.txt").write_text("kept")
    with monkeypatch.context() as patched:
        patched.setattr(Journal, "append", is_full)
        with pytest.raises(StorageError):
            built(config(), tmp_path)
    left = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")]
    assert sorted(left) == (["table", "table/mine.txt"] if was_there else [])
    assert len(trainings(built(config(), tmp_path))) > 0


def test_a_table_holds_what_a_search_would_measure(config: Any, tmp_path: Path) -> None:
    folder = built(config(), tmp_path, command="popnas bench build -j x.json")
    table = stored.read(folder / "table.npz")
    assert table.held.tolist() == [1, 3, 4] and table.space_sizes.tolist() == [1, 3, 27]
    assert table.epochs.tolist() == [1, 2]
    assert sorted(table.repetitions.tolist()) == [1] * 5 + [2] * 3
    assert table.provenance["command"] == "popnas bench build -j x.json"
    assert {"processor", "torch", "cores"} <= set(table.provenance["environment"])  # type: ignore[arg-type]
    context = candidate.setup(evaluators.create(config()).payload(None, None), Worker())
    for row, number in ((0, 0), (2, 0), (int(np.argmax(table.repetitions == 2)), 1), (5, 0)):
        (cell,) = table.space.decode(table.cells[row : row + 1])
        seed = candidate_seed(0, cell.key, number)
        with torch_in_turn(1):
            job = CandidateJob(cell.key, len(cell), 0, seed, repetition=1)
            found = Measured.from_json(candidate.evaluate(context, job.to_json()))
        metrics = dict(zip(table.metric_names.tolist(), table.metrics[row, number, -1].tolist(), strict=True))
        assert metrics == pytest.approx(found.metrics, abs=1e-6)
        assert table.training_seconds[row, number, -1] == pytest.approx(found.training_seconds)
        assert table.inference_seconds[row, number] == pytest.approx(found.inference_seconds)
        assert (table.params[row], table.flops[row]) == (found.params, found.flops)
        assert (np.diff(table.metrics[row, number], axis=0) >= 0).all()
        assert (np.diff(table.training_seconds[row, number]) > 0).all()


def interrupted_after(number: int) -> Callable[[JobEvent], None]:
    def tell(event: JobEvent) -> None:
        if isinstance(event, PhaseAdvanced):
            tell.count += 1  # type: ignore[attr-defined]
            if tell.count == number:  # type: ignore[attr-defined]
                raise KeyboardInterrupt

    tell.count = 0  # type: ignore[attr-defined]
    return tell


def test_one_that_was_interrupted_goes_on_to_the_same(config: Any, tmp_path: Path) -> None:
    whole = built(config(), tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        built(config(), tmp_path, tell=interrupted_after(5))
    folder = tmp_path / "table"
    assert len(trainings(folder)) == 5 and not (folder / "table.npz").exists()
    with pytest.raises(KeyboardInterrupt):
        resume(folder, tell=interrupted_after(4))
    told: list[JobEvent] = []
    result = resume(folder, tell=told.append)
    assert any(isinstance(event, Told) and "trained already" in event.text for event in told)
    assert (result.reason, result.num_trained, result.num_failed, result.num_jobs) == ("completed", 11, 0, 11)
    check_equal(folder, whole)
    assert len(set(trainings(folder))) == len(trainings(folder)) == 11
    again = resume(folder)
    assert again.reason == "completed" and len(trainings(folder)) == 11


def test_a_killed_one_goes_on_to_the_same(config: Any, tmp_path: Path, warm: Any) -> None:
    whole = built(config(), tmp_path / "whole")
    document = config().to_json()
    document["others"]["executor"] = {"kind": "processes", "workers": 2, "threads": 1}
    (tmp_path / "c.json").write_text(json.dumps(document))
    asked = ["--sample", "2=4", "--seeds", "2", "--repeated", "3"]
    process = warm.start(["bench", "build", "-j", "c.json", "--name", "table", *asked], tmp_path)
    folder = tmp_path / "logs" / "table"
    try:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and process.poll() is None:
            if (folder / "build" / "journal.jsonl").exists() and len(trainings_so_far(folder)) >= 3:
                break
            time.sleep(0.05)
    finally:
        process.kill()
        process.communicate(timeout=30)
    assert len(trainings_so_far(folder)) >= 3
    assert resume(folder).reason == "completed"
    check_equal(folder, whole)
    assert len(set(trainings(folder))) == len(trainings(folder)) == 11


def trainings_so_far(folder: Path) -> list[str]:
    lines = (folder / "build" / "journal.jsonl").read_text().splitlines()
    return [line for line in lines if '"event":"trained"' in line.replace(" ", "")]


def test_a_time_limit_keeps_what_is_trained(config: Any, tmp_path: Path) -> None:
    folder = tmp_path / "table"
    result = build(config(**{"others.max_hours": 1e-7}), REQUEST, name="table", logs=tmp_path)
    assert (result.reason, result.table, result.num_trained) == ("max_hours", None, 0)
    assert not (folder / "table.npz").exists()


def test_other_seeds_are_spoken_of_only_where_there_are_some(config: Any, tmp_path: Path) -> None:
    for seeds, is_told in ((1, False), (2, True)):
        heard: list[JobEvent] = []
        request = TableRequest({"2": 1}, seeds=seeds, repeated=2)
        build(config(), request, name=str(seeds), logs=tmp_path, tell=heard.append)
        phases = [event.text for event in heard if isinstance(event, PhaseStarted)]
        assert any("with other seeds" in phase for phase in phases) == is_told
        assert not any(" 0 " in phase for phase in phases)


def test_a_search_finds_in_the_table_what_it_would_train(
    config: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the same seed and simulated times the whole journal's content is the same."""
    monkeypatch.setattr(finish, "views", lambda *_: None)
    table = build(config(), TableRequest(seeds=1), name="table", logs=tmp_path).table
    trained = search(config(), name="trained", logs=tmp_path).folder
    document = config().to_json()
    document["dataset"]["path"] = str(table)
    document["others"]["evaluator"] = "table"
    looked_up = search(document, name="looked_up", logs=tmp_path).folder
    states = [RunFolder.open(folder).state() for folder in (trained, looked_up)]
    found = [[(item.cell, item.params, item.flops) for item in state.evaluations] for state in states]
    assert found[0] == found[1]
    for one, other in zip(*(state.evaluations for state in states), strict=True):
        assert other.score == pytest.approx(one.score, abs=1e-7)
        assert other.training_seconds == pytest.approx(one.training_seconds, rel=1e-6)


def test_trainings_that_fail_are_results(config: Any, tmp_path: Path) -> None:
    failing = config(**{"others.max_candidate_seconds": 1e-9})
    with pytest.raises(Exception, match="none of the cells could be trained"):
        built(failing, tmp_path)
    assert len(trainings(tmp_path / "table")) == 11


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (TableRequest({"1": 5}), "`samples` 1=5: cells can be sampled of 2 to"),
        (TableRequest({"3": 5}), r"`samples` 3=5: .*search_space.blocks \(2\)"),
        (TableRequest({"2": 0}), "`samples` 2=0: at least 1 cell"),
        (TableRequest(seeds=0), "`seeds` 0: must be 1 to 32"),
        (TableRequest(repeated=-1), "`repeated` -1: must be 0 or more"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_before_a_folder_is_made(
    request_: TableRequest, words: str, config: Any, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=words):
        build(config(), request_, name="table", logs=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_table_is_not_built_of_a_table(config: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"others.evaluator: 'table' trains nothing"):
        build(load_config(config().to_json(), sets=["others.evaluator=table"]), REQUEST, logs=tmp_path)


def test_a_space_that_is_too_large_is_refused(config: Any, tmp_path: Path) -> None:
    operators = '["identity", "1x1 conv", "3x3 conv", "5x5 conv", "2x2 maxpool", "2x2 avgpool"]'
    sets = ["search_space.blocks=5", "search_space.lookback_depth=2", f"search_space.operators={operators}"]
    with pytest.raises(UserError, match=r"cells of 4 blocks come of [\d,]+ expansions, too many"):
        build(load_config(config().to_json(), sets=sets), TableRequest(), logs=tmp_path)


def test_folders_are_not_mixed_up(config: Any, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "build").mkdir()
    with pytest.raises(RunFolderError, match="exists already: choose another `name`"):
        build(config(), REQUEST, name="taken", logs=tmp_path)
    with pytest.raises(RunFolderError, match="is no folder in which `popnas bench build` began a table"):
        resume(tmp_path / "taken")
    with pytest.raises(RunFolderError, match="it does not exist"):
        resume(tmp_path / "nowhere")


def test_other_data_are_noticed(config: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyboardInterrupt):
        built(config(), tmp_path, tell=interrupted_after(1))
    of = training_data.DataFacts.of
    monkeypatch.setattr(
        training_data.DataFacts, "of", lambda dataset: replace(of(dataset), class_names=["a"])
    )
    with pytest.raises(DataError, match="classes were"):
        resume(tmp_path / "table")


def test_the_commands(config: Any, tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.json").write_text(json.dumps(config().to_json()))
    asked = ["--sample", "2=4", "--seeds", "2", "--repeated", "3", "--name", "t", "--json"]
    assert run(["bench", "build", "-j", "c.json", *asked]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["reason"], answer["num_trained"], answer["table"]) == ("completed", 11, "logs/t/table.npz")
    assert run(["bench", "show", "logs/t/table.npz"]) == 0
    shown = capsys.readouterr().out
    assert "4 of 27 of 2 blocks" in shown and "11 (0 failed), 3 cells with all 2 seeds" in shown
    assert run(["bench", "show", "logs/t/table.npz", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["about"]["command"].endswith("bench build -j c.json --sample 2=4 --seeds 2 --repeated 3")
    assert [row["epochs"] for row in told["fidelities"]] == [1, 2]
    assert run(["bench", "build", "-r", "logs/t", "--seeds", "4"]) == 2
    assert "leave out --seeds" in capsys.readouterr().err
    assert run(["bench", "build", "-j", "c.json", "--sample", "many"]) == 2
    assert "--sample many: must be written BLOCKS=N" in capsys.readouterr().err
    assert run(["bench", "build"]) == 2
    assert run(["search", "-r", "logs/t"]) == 2
    assert "not the folder of a run" in capsys.readouterr().err


def digits_at(place: Path, *, of: int = 0) -> Path:
    """Sixty images of two classes."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(n_class=2, return_X_y=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    x = (images[of : of + 60].reshape(-1, 8, 8) * 15).astype(np.uint8)
    np.savez(place, x_train=x, y_train=labels[of : of + 60])
    return place


def at_a_path(config: Any, place: str) -> Any:
    document = config().to_json()
    document["dataset"] = {"type": "image_classification", "path": place, "batch_size": 16}
    return load_config(document)


def test_one_goes_on_from_wherever_it_is_called(
    config: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits_at(tmp_path / "work" / "data.npz")
    monkeypatch.chdir(tmp_path / "work")
    with pytest.raises(KeyboardInterrupt):
        built(at_a_path(config, "data.npz"), tmp_path, tell=interrupted_after(2))
    monkeypatch.chdir(tmp_path)
    assert resume(tmp_path / "table").reason == "completed"
    about = stored.read(tmp_path / "table" / "table.npz").provenance
    # A table that is handed on does not say where things lay.
    assert str(tmp_path) not in json.dumps(about)


def test_data_that_were_moved_are_named_once_and_are_the_same(
    config: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = digits_at(tmp_path / "data.npz")
    with pytest.raises(KeyboardInterrupt):
        built(at_a_path(config, str(data)), tmp_path, tell=interrupted_after(2))
    moved = data.rename(tmp_path / "moved.npz")
    folder = str(tmp_path / "table")
    assert run(["bench", "build", "-r", folder]) == 2
    assert f"popnas bench build -r {folder} --set dataset.path=PLACE" in capsys.readouterr().err
    other = digits_at(tmp_path / "other.npz", of=100)
    assert run(["bench", "build", "-r", folder, "--set", f"dataset.path={other}"]) == 2
    assert "Give the place of the data that this table was started with" in capsys.readouterr().err
    assert run(["bench", "build", "-r", folder, "--set", "search_space.blocks=1"]) == 2
    assert "only dataset.path may be changed" in capsys.readouterr().err
    with pytest.raises(KeyboardInterrupt):
        resume(folder, sets=[f"dataset.path={moved}"], tell=interrupted_after(2))
    assert len(trainings(Path(folder))) == 4
    assert run(["bench", "build", "-r", folder, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["num_trained"] == 11


def test_times_of_several_kinds_of_machines_are_brought_to_one(
    config: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the second kind comes when it goes on."""
    setup = candidate.setup

    def on(kind: str, seconds: float) -> Callable[..., Any]:
        machine = {"machine": kind, "machine_seconds": seconds}
        return lambda *asked: replace(setup(*asked), machine=machine)

    told: list[JobEvent] = []
    whole = built(config(), tmp_path / "whole")
    monkeypatch.setattr(candidate, "setup", on("fast", 0.1))
    with pytest.raises(KeyboardInterrupt):
        built(config(), tmp_path, tell=interrupted_after(3))
    monkeypatch.setattr(candidate, "setup", on("slow", 0.2))
    resume(tmp_path / "table", tell=told.append)
    assert any(isinstance(event, Warned) and "several kinds" in event.text for event in told)
    tables = [stored.read(folder / "table.npz") for folder in (whole, tmp_path / "table")]
    ratio_N = tables[1].training_seconds[:, 0, -1] / tables[0].training_seconds[:, 0, -1]
    assert sorted(set(ratio_N.round(4).tolist())) == [0.5, 1.0] and (ratio_N == 1).sum() == 3
    np.testing.assert_allclose(
        tables[1].inference_seconds[:, 0] / tables[0].inference_seconds[:, 0], ratio_N, rtol=1e-5
    )


def test_what_only_a_search_has_is_told(config: Any, tmp_path: Path) -> None:
    told: list[JobEvent] = []
    names = ("trackers", "save_children_weights", "save_children_models", "confirm")
    odd = config(**{f"others.{name}": True for name in names[1:]}, **{"others.trackers": ["tensorboard"]})
    request = TableRequest({"2": 1}, seeds=1)
    build(odd, request, name="table", logs=tmp_path, tell=told.append)
    texts = [event.text for event in told if isinstance(event, Warned)]
    for name in names:
        assert any(text.startswith(f"others.{name}: has no effect here") for text in texts), name


def test_warnings_of_the_configuration_are_told(config: Any, tmp_path: Path) -> None:
    told: list[JobEvent] = []
    odd = config(**{"others.predictions_batch_size": 3})
    build(odd, TableRequest(seeds=1), name="table", logs=tmp_path, tell=told.append)
    assert any(isinstance(event, Warned) and "predictions_batch_size" in event.text for event in told)


def test_what_two_seeds_agree_on() -> None:
    worth = noise.worth(made())
    assert worth.cells == worth.space_sizes and worth.failed == 0
    first, last = worth.fidelities
    assert first.lowest <= first.median <= first.highest and last.with_last == pytest.approx(1.0)
    assert last.noise == pytest.approx(0.05 / np.sqrt(12), rel=0.2)
    assert 0.5 < last.between_seeds < 1  # type: ignore[operator]
    with pytest.raises(UserError, match="`metric` 'f1': the table has: accuracy, f1_score"):
        noise.worth(made(), "f1")


def test_what_cannot_be_ranked_is_zero() -> None:
    assert noise.rank_correlation(np.array([1.0, 1.0, 1.0]), np.array([1.0, 2.0, 3.0])) == 0
    assert noise.rank_correlation(np.array([1.0, np.nan]), np.array([1.0, 2.0])) == 0
    assert noise.rank_correlation(np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 9.0])) == pytest.approx(1)


def test_cells_of_a_sample_are_drawn_evenly_and_the_same() -> None:
    from popnas.cells import SearchSpace
    from popnas.workflows.tables import chosen

    space = SearchSpace(["a", "b", "c"], 2, 1)
    whole = chosen.cells(space, TableRequest(), 0)
    assert whole.space_sizes.tolist() == [1, 6, 111] and len(whole.cells) == 118
    found = [chosen.cells(space, TableRequest({"2": 30}), seed).cells for seed in range(40)]
    assert all(len(cells) == 37 for cells in found)
    again = chosen.cells(space, TableRequest({"2": 30}), 0).cells
    assert (again == found[0]).all() and (found[0] != found[1]).any()
    keys = [cell.key for cells in found for cell in space.decode(cells)]
    assert len(set(keys)) == 118
    assert Cell.parse(keys[0]).key == "[]"


def test_the_best_and_an_even_part_are_trained_again() -> None:
    from popnas.workflows.tables import chosen

    scores = np.r_[np.nan, np.linspace(0, 1, 99)]
    rows = chosen.repeated(scores, TableRequest(repeated=20), 0)
    assert len(set(rows.tolist())) == 20 and (np.diff(rows) > 0).all()
    assert (rows >= 85).sum() >= 10  # the best ten that were not drawn already
    assert len(chosen.repeated(scores, TableRequest(repeated=500), 0)) == 100
    assert len(chosen.repeated(scores, TableRequest(repeated=0), 0)) == 0


def test_environment_names_no_machine() -> None:
    import platform

    assert platform.node() not in json.dumps(building.environment())


def test_a_sample_is_asked_for_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Of two numbers the first was dropped without a word."""
    assert run(["bench", "build", "-j", "run", "--sample", "2=20", "--sample", "2=10"]) == 2
    assert "--sample 2=10: says for the second time" in capsys.readouterr().err


def test_workers_of_a_table_have_one_copy_of_the_data(
    config: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create, works = building.executors.create, []

    def watched(kind: str, work: Any, **options: Any) -> Any:
        works.append(work)
        assert work.folder is not None and any(Path(work.folder).iterdir())
        return create("inline", replace(work, folder=None), **options)

    monkeypatch.setattr(building.executors, "create", watched)
    built(config(**{"others.executor": {"kind": "processes", "workers": 2}}), tmp_path)
    assert len(works) == 1 and not Path(works[0].folder).exists()
