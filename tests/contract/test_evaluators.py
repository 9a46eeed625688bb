"""What every registered evaluator promises the driver of a search; a table without networks is one more."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from popnas import evaluators, executors, objectives
from popnas.cells import Cell
from popnas.config import changed
from popnas.errors import DataError
from popnas.evaluation import CandidateJob, Evaluation, Measured
from popnas.evaluators.nasbench201 import stored as nasbench201
from popnas.evaluators.table import stored
from popnas.events import nobody
from popnas.executors import Job, Work, create
from popnas.executors.inline import InlineExecutor
from popnas.runs import artifacts
from popnas.workflows.settings import load_config

TOY = Path(__file__).parents[1] / "unit" / "evaluators"
NAMES = [*evaluators.REGISTRY.names(), "toy"]


@pytest.fixture(params=NAMES)
def evaluator(request, monkeypatch, tmp_path_factory) -> evaluators.Evaluator:
    """Each evaluator, for a tiny search that suits it."""
    name = request.param
    monkeypatch.syspath_prepend(TOY)
    import made_nasbench201
    import made_tables
    import toy_table

    parts = evaluators.REGISTRY._parts | {"toy": (toy_table.ToyTable, "a formula")}
    monkeypatch.setattr(evaluators.REGISTRY, "_parts", parts)
    kind = evaluators.REGISTRY.get(name)
    dataset: dict[str, Any] = {"type": "image_classification"}
    if kind.needs_dataset:
        dataset |= {"name": "digits", "samples": 100, "batch_size": 32, "validation_size": 0.25}
    if name == "table":
        dataset["path"] = str(tmp_path_factory.mktemp("table") / "table.npz")
        stored.write(Path(dataset["path"]), made_tables.made())
    if name.startswith("nasbench201"):
        dataset |= {"name": "cifar10", "path": str(tmp_path_factory.mktemp("table") / "n.npz")}
        nasbench201.write(Path(dataset["path"]), made_nasbench201.timed())
    is_of_one_input = name.startswith("nasbench201")
    document = {
        "search_space": {
            "blocks": 2,
            "lookback_depth": 1 if is_of_one_input else 2,
            "operators": list(kind.operators or ("identity", "3x3 conv"))[:2],
        },
        "training_hyperparameters": {"epochs": 12 if is_of_one_input else 1},
        "architecture_hyperparameters": {"filters": 2, "motifs": 1, "normal_cells_per_motif": 1},
        "dataset": dataset,
        "others": {"evaluator": name, "timing": "simulated", "executor": {"kind": "inline"}},
    }
    return evaluators.create(load_config(document))


def some_cells(evaluator: evaluators.Evaluator) -> list[Cell]:
    space = evaluator.space
    cells_NB4 = space.random_cells(200, 2, np.random.default_rng(0))
    singles_NB4 = space.new_blocks(1)[:, None]
    known = [found[evaluator.knows(found)] for found in (singles_NB4, cells_NB4)]
    return [Cell(), space.decode(known[0][:1])[0], *space.decode(known[1][:2])]


def evaluated(
    evaluator: evaluators.Evaluator, cells: list[Cell], root: Path | None, shared: str | None = None
) -> list[tuple[CandidateJob, Measured]]:
    """What an executor brings of these cells; `root`: the run folder, None: workers do not see it; `shared`:
    as `sharing` gave it."""
    if root is not None:
        root.mkdir(exist_ok=True)
    payload = evaluator.payload(None if root is None else str(root), "a run")
    payload = json.loads(json.dumps(payload))
    keys = [cell.canonical().key for cell in cells]
    jobs = [CandidateJob(key, len(cell), 0, 7) for key, cell in zip(keys, cells, strict=True)]
    work = Work(evaluator.setup, evaluator.evaluate, payload, shared)
    with create("inline", work, devices=evaluator.devices) as executor:
        results = list(executor.run([Job(str(index), job.to_json()) for index, job in enumerate(jobs)]))
    return [(jobs[int(result.id)], Measured.from_json(result.value)) for result in results]


def asked_for(evaluator: evaluators.Evaluator) -> list[objectives.Objective]:
    """What it knows of the figures that the search has."""
    rows = objectives.figures(evaluator.config.wanted_objectives)
    return [row for row in rows if row.name in evaluator.objectives()]


def test_its_objectives_are_known_and_those_that_a_search_needs_are_among_them(evaluator):
    offered = set(evaluator.objectives())
    assert offered <= set(objectives.REGISTRY.names())
    assert offered >= {"score", "time", "params"}


def test_a_success_has_every_objective_and_the_computed_ones_are_exact(evaluator, tmp_path):
    cells = some_cells(evaluator)
    offered = asked_for(evaluator)
    for job, measured in evaluated(evaluator, cells, tmp_path):
        found = Evaluation.of(job, measured, is_exploration=False)
        assert not found.is_failed, found.error
        assert 0 <= found.score <= 1
        assert all(row.value(found) is not None for row in offered)
        costs = evaluator.costs(evaluator.space.encode([Cell.parse(job.cell)], 2))
        assert sorted(costs) == sorted(row.name for row in offered if row.is_computed)
        for name, values_N in costs.items():
            assert values_N.dtype == np.int64 and values_N.shape == (1,)
            assert values_N[0] == objectives.get(name).value(found)


def test_the_same_job_gives_the_same(evaluator, tmp_path):
    cells = some_cells(evaluator)[1:2]
    once, again = (evaluated(evaluator, cells, tmp_path / name)[0][1] for name in ("a", "b"))
    assert once == again  # but for what is volatile


@pytest.mark.parametrize("sees_disk", [True, False])
def test_what_workers_share_changes_no_figure_and_is_gone_afterwards(
    evaluator, tmp_path, monkeypatch, sees_disk
):
    """Whether their executor is in this process, sees its disk, or neither."""
    kinds = {"inline": InlineExecutor, "afar": type("Afar", (InlineExecutor,), {"shares_disk": False})}
    kinds["near"] = type("Near", (InlineExecutor,), {"is_in_driver": False})
    executors.REGISTRY.names()
    parts = {name: (kind, "of the tests") for name, kind in kinds.items()}
    monkeypatch.setattr(executors.REGISTRY, "_parts", executors.REGISTRY._parts | parts)
    cells, shared, heard = some_cells(evaluator)[1:2], tmp_path / "shared", []
    shared.mkdir()
    root = tmp_path / "run" if sees_disk else None
    alone = evaluated(evaluator, cells, tmp_path / "alone")[0][1]
    for kind in kinds:
        changes = {"others.executor.kind": kind}
        again = evaluators.create(changed(evaluator.config, changes))
        with again.sharing(shared, heard.append) as place:
            assert list(shared.iterdir()) == [] or kind == "near"
            found = evaluated(again, cells, root, place)[0][1]
        assert replace(found, files={}) == alone
        assert list(shared.iterdir()) == [] and heard == []


def test_arrays_in_give_arrays_out(evaluator):
    cells_NB4 = evaluator.space.encode(some_cells(evaluator), 2)
    stacked_N = evaluator.cells_stacked(cells_NB4)
    assert stacked_N.shape == (len(cells_NB4),) and (stacked_N[1:] >= 1).all()  # the empty cell stacks none
    assert all(values_N.shape == (len(cells_NB4),) for values_N in evaluator.costs(cells_NB4).values())


def test_it_says_which_cells_it_can_evaluate(evaluator):
    cells_NB4 = evaluator.space.encode(some_cells(evaluator), 2)
    is_known_N = evaluator.knows(cells_NB4)
    assert is_known_N.dtype == bool and is_known_N.all()
    assert evaluator.knows(cells_NB4[:0]).shape == (0,)
    assert all(values_N.shape == (0,) for values_N in evaluator.costs(cells_NB4[:0]).values())


def test_a_run_is_looked_at_with_the_same_cells_stacked(evaluator, tmp_path):
    cells_NB4 = evaluator.space.encode(some_cells(evaluator), 2)
    stacked = evaluators.stacking(evaluator.config, tmp_path)
    assert stacked(cells_NB4).tolist() == evaluator.cells_stacked(cells_NB4).tolist()


def test_it_knows_its_data_again(evaluator):
    facts = evaluator.facts()
    assert json.loads(json.dumps(facts)) == facts
    assert isinstance(facts["sha256"], str)
    assert evaluators.create(evaluator.config).compare(facts) is None


def test_other_data_are_noticed(evaluator):
    try:
        warning = evaluator.compare({**evaluator.facts(), "sha256": "other"})
    except DataError as error:
        warning = str(error)
    assert warning


def test_a_forecast_has_what_is_measured(evaluator):
    forecast = evaluator.forecast(nobody)
    cells_NB4 = evaluator.space.encode(some_cells(evaluator), 2)
    expected = forecast.expect(cells_NB4)
    measured = {row.name for row in asked_for(evaluator) if not row.is_computed and row.name != "score"}
    assert set(expected.measured) == measured
    for values_N in (expected.seconds, *expected.measured.values()):
        assert values_N.shape == (len(cells_NB4),) and (values_N >= 0).all()
    assert (forecast.epoch_seconds(cells_NB4) is not None) == evaluator.has_weights
    assert forecast.memory_bytes(cells_NB4) is None or forecast.memory_bytes(cells_NB4) > 0


def test_files_come_where_workers_do_not_see_the_run_folder(evaluator, tmp_path):
    cells = some_cells(evaluator)[1:2]
    ((job, here),) = evaluated(evaluator, cells, tmp_path / "here")
    ((_, there),) = evaluated(evaluator, cells, None)
    assert here.files == {}
    assert here == Measured(**{**there.__dict__, "files": {}})
    names = [artifacts.of_candidate(job.step, job.index), artifacts.of_weights(job.cell)]
    artifacts.unpack(there.files, tmp_path / "there", names)
    written = [_files(tmp_path / place) for place in ("here", "there")]
    assert written[0] == written[1]
    assert written[0] or not evaluator.has_weights
    assert (tmp_path / "here" / names[1]).is_file() == evaluator.has_weights


def _files(folder: Path) -> dict[str, bytes | None]:
    """Names and content; events of TensorBoard have the time in both."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            is_log = "tfevents" in path.name
            name = str(path.relative_to(folder))
            found[str(Path(name).parent) if is_log else name] = None if is_log else path.read_bytes()
    return found
