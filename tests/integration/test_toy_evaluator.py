"""A whole search without training: the driver knows nothing of what stands behind its candidates."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import popnas
from popnas import evaluators, executors
from popnas.cli.main import run
from popnas.config import RunConfig
from popnas.errors import ConfigError, DataError, UserError
from popnas.events import CandidateFinished, JobEvent, StepFinished, Told, Warned
from popnas.executors import Work
from popnas.executors.inline import InlineExecutor
from popnas.executors.processes import ProcessesExecutor
from popnas.runs import RunFolder, search_content
from popnas.workflows.models import final_training, selection
from popnas.workflows.models.evaluation import evaluate
from popnas.workflows.searching.plan import plan
from popnas.workflows.searching.rebuild import rebuild
from popnas.workflows.searching.search import resume, search
from popnas.workflows.settings import load_config, unused
from popnas.workflows.whole import end_to_end

TOY = Path(__file__).parents[1] / "unit" / "evaluators"


class Elsewhere(InlineExecutor):
    """Whose workers see no run folder."""

    shares_disk = False


class Afar(ProcessesExecutor):
    """The same in processes of their own, as those of a cluster are."""

    shares_disk = False
    told: ClassVar[list[str]] = []

    def __init__(self, work: Work, **options: Any) -> None:
        super().__init__(work, **options)
        self.told.append(json.dumps(work.payload))


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch, undrawn: None) -> Any:
    monkeypatch.syspath_prepend(TOY)  # workers that start are told this path, too
    import toy_table

    for registry, name, part in (
        (evaluators.REGISTRY, "toy", toy_table.ToyTable),
        (executors.REGISTRY, "elsewhere", Elsewhere),
        (executors.REGISTRY, "afar", Afar),
    ):
        registry.names()
        monkeypatch.setattr(registry, "_parts", registry._parts | {name: (part, "of the tests")})
    return toy_table


def document(kind: str = "inline", **changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "search_space": {"blocks": 3, "lookback_depth": 1, "operators": ["skip", "small", "large"]},
        "search_strategy": {"max_children": 4, "max_exploration_children": 2},
        "dataset": {"type": "image_classification"},
        "others": {
            "evaluator": "toy",
            "confirm": True,
            "accuracy_predictor_ensemble_units": 1,
            "executor": {"kind": kind, "workers": None if kind == "inline" else 2},
        },
    }
    for place, value in changes.items():
        section, key = place.split(".", 1)
        found[section][key] = value
    return found


class Ending:
    """Ends the process, as far as the search can tell, when `is_time` says so."""

    def __init__(self, is_time: Callable[[str, Any], bool]) -> None:
        self.is_time = is_time
        self.told: list[str] = []

    def __call__(self, event: JobEvent) -> None:
        match event:
            case Told(text) | Warned(text):
                self.told.append(text)
            case StepFinished(step) if self.is_time("step", step):
                raise KeyboardInterrupt
            case CandidateFinished(done) if self.is_time("candidate", (done.step, done.index)):
                raise KeyboardInterrupt


def never(kind: str, value: Any) -> bool:
    return False


def content_of(run: Path) -> list[str]:
    return search_content(RunFolder.open(run).journal.events())


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a search that was not disturbed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(TOY)
        import toy_table

        evaluators.REGISTRY.names()
        parts = evaluators.REGISTRY._parts | {"toy": (toy_table.ToyTable, "")}
        patch.setattr(evaluators.REGISTRY, "_parts", parts)
        listener = Ending(never)
        logs = tmp_path_factory.mktemp("logs")
        run = search(document(), name="run", logs=logs, tell=listener).folder
        assert listener.told == []  # no view is missing, nothing had to be warned about
    return run


def test_a_search_of_a_table_is_whole(whole: Path, toy: Any) -> None:
    state = RunFolder.open(whole).state()
    assert state.finish_reason == "completed"
    assert state.finished_steps == {0, 1, 2, 3}
    table = toy.Table()
    for evaluation in state.evaluations:
        assert evaluation.score == table[evaluation.cell].score
        assert (evaluation.inference_seconds, evaluation.flops) == (None, None)
    assert state.data == toy.ToyTable(load_config(document())).facts()
    assert len(state.confirmations) == 3 * 6  # the best five, and the best of one block
    assert (whole / "sampled_models" / "B1" / "0" / "note.txt").read_text().endswith("was looked up\n")
    assert not (whole / "best_model").exists() and not (whole / "restore" / "weights").exists()
    for name in (
        "report.html",
        "csv/training_results.csv",
        "csv/predictions_B2.csv",
        "csv/training_time.csv",
    ):
        assert (whole / name).stat().st_size > 0, name


@pytest.mark.parametrize("kind", ["inline", "processes"])
def test_what_an_evaluator_tells_oddly_is_warned_about_once(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    class TellsOddly(evaluators.REGISTRY.get("toy")):  # type: ignore[misc]
        evaluate = "toy_table:look_up_and_tell"

    monkeypatch.setitem(evaluators.REGISTRY._parts, "toy", (TellsOddly, ""))
    listener = Ending(never)
    run = search(document(kind), name="run", logs=tmp_path, tell=listener).folder
    assert content_of(run) == content_of(whole)
    (told,) = listener.told
    assert told.startswith("What evaluations tell is passed over, such as ") and "num_epochs" in told


@pytest.mark.parametrize(
    "is_time",
    [
        lambda kind, value: (kind, value) == ("step", 0),
        lambda kind, value: (kind, value) == ("step", 1),
        lambda kind, value: (kind, value) == ("step", 2),
        lambda kind, value: (kind, value) == ("candidate", (2, 1)),
    ],
)
def test_a_search_that_was_ended_goes_on_to_the_same(
    whole: Path, tmp_path: Path, is_time: Callable[[str, Any], bool]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        search(document(), name="run", logs=tmp_path, tell=Ending(is_time))
    assert content_of(tmp_path / "run") != content_of(whole)
    assert resume(tmp_path / "run").reason == "completed"
    assert content_of(tmp_path / "run") == content_of(whole)


@pytest.mark.parametrize("kind", ["processes", "elsewhere", "afar"])
def test_where_it_is_evaluated_changes_nothing(kind: str, whole: Path, tmp_path: Path) -> None:
    run = search(document(kind), name="run", logs=tmp_path).folder
    assert content_of(run) == content_of(whole)
    notes = [
        {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("note.txt")}
        for folder in (run, whole)
    ]
    assert notes[0] and notes[0] == notes[1]
    if kind == "afar":
        assert not any(str(tmp_path) in payload for payload in Afar.told)  # where they could not look


def test_it_is_planned(toy: Any) -> None:
    planned = plan(load_config(document()))
    assert planned.epoch_seconds is None and planned.memory_bytes is None
    assert [step.step for step in planned.steps] == [0, 1, 2, 3]
    assert planned.steps[1].seconds == pytest.approx(planned.steps[1].num_networks * 0.001)
    assert planned.data["kind"] == "a formula"


PROGRAM = """
import json, os, signal, sys
sys.path.insert(0, sys.argv[1])
import toy_table
from popnas import evaluators
from popnas.events import StepFinished
from popnas.workflows.searching.plan import plan
from popnas.workflows.searching.search import search
from popnas.workflows.settings import load_config

evaluators.REGISTRY.names()
evaluators.REGISTRY.register("toy", description="a formula")(toy_table.ToyTable)
document = json.loads(sys.argv[2])
"""
WITHOUT_TORCH = """
import sys

class Refusing:
    def find_spec(self, name, path, target=None):
        if name == "torch":
            raise ImportError("there is no torch here")

sys.meta_path.insert(0, Refusing())
"""
PLANNED_AND_SEARCHED = """
plan(load_config(document))
print(search(document, name="run").reason)
"""
KILLED = """
def tell(event):
    if event == StepFinished(1):
        os.kill(os.getpid(), signal.SIGKILL)

search(document, name="run", tell=tell)
"""


def of_program(program: str, folder: Path, content: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    arguments = [str(TOY), json.dumps(content)]
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=folder, capture_output=True, text=True
    )


def test_a_search_that_was_killed_goes_on_to_the_same(whole: Path, tmp_path: Path) -> None:
    killed = of_program(PROGRAM + KILLED, tmp_path, document("processes"))
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    run = tmp_path / "logs" / "run"
    assert RunFolder.open(run).state().finished_steps == {0, 1}
    assert resume(run, sets=['others.executor={"kind": "inline"}']).reason == "completed"
    assert content_of(run) == content_of(whole)


def test_a_search_that_predicts_nothing_needs_no_torch(tmp_path: Path) -> None:
    """Nothing of networks and data is behind the driver's back; the score predictor alone uses it."""
    content = document(**{"search_space.blocks": 1})
    done = of_program(WITHOUT_TORCH + PROGRAM + PLANNED_AND_SEARCHED, tmp_path, content)
    assert (done.returncode, done.stdout) == (0, "completed\n"), done.stderr


def test_a_finished_one_is_looked_at_again_without_a_worker(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    (run / "report.html").unlink()
    monkeypatch.setattr(executors, "create", None)
    assert resume(run).reason == "completed"
    (run / "csv" / "training_score.csv").unlink()
    rebuild(run)
    assert (run / "report.html").is_file() and (run / "csv" / "training_score.csv").is_file()


def test_another_table_is_refused(tmp_path: Path, toy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped = Ending(lambda kind, value: (kind, value) == ("step", 1))
    with pytest.raises(KeyboardInterrupt):
        search(document(), name="run", logs=tmp_path, tell=stopped)
    monkeypatch.setattr(toy.ToyTable, "content", "formula 2")
    with pytest.raises(DataError, match="not the one that this run was started with"):
        resume(tmp_path / "run")


def test_stages_that_train_say_that_there_is_nothing_to_train(whole: Path, tmp_path: Path) -> None:
    config: RunConfig = load_config(document())
    space = {"operators": ["skip", "small"]}
    classifier = popnas.PopnasClassifier(
        config={"search_space": space, "others": {"evaluator": "toy"}}, run_folder=tmp_path / "run"
    )
    for stage in (
        lambda: selection.select(whole),
        lambda: final_training.train(whole),
        lambda: evaluate(whole),
        lambda: end_to_end.end_to_end(config, logs=tmp_path),
        lambda: classifier.fit(np.zeros((8, 4, 4, 1), np.uint8), [0, 1] * 4),
    ):
        with pytest.raises(
            UserError, match=r"^others.evaluator: 'toy' gives figures of cells and no networks"
        ):
            stage()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "place", "words"),
    [
        ({"others.evaluator": "toyy"}, "others.evaluator", r"Did you mean 'toy'\?.*toy, training"),
        ({"others.evaluator": "training"}, "dataset", "needs a 'name'"),
        (
            {"search_space.operators": ["skip", "3x3 conv"]},
            "search_space.operators[1]",
            "the evaluator 'toy' knows no operator '3x3 conv'.*skip, small, large",
        ),
        (
            {"search_strategy.additional_pareto_objectives": ["time", "flops"]},
            "search_strategy.additional_pareto_objectives[1]",
            "the evaluator 'toy' does not measure 'flops'.*time, params",
        ),
        (
            {"search_strategy.constraints": {"inference_time": [0, 1]}},
            "search_strategy.constraints.inference_time",
            "does not measure 'inference_time'",
        ),
    ],
)
def test_what_it_does_not_know_is_told_with_all_other_mistakes(
    changes: dict[str, Any], place: str, words: str
) -> None:
    with pytest.raises(ConfigError, match=f"(?s){words}") as found:
        load_config(document(**changes, **{"others.seed": -1}))
    assert {place, "others.seed"} <= {problem.place for problem in found.value.problems}


def test_what_it_does_not_use_is_told_where_it_was_changed() -> None:
    assert unused(load_config(document())) == []
    changed = document(**{"dataset.folds": 3}) | {"training_hyperparameters": {"epochs": 3}}
    told = "\n".join(unused(load_config(changed)))
    assert "training_hyperparameters: has no effect: a table trains nothing." in told
    assert "dataset.folds: has no effect: a table has no folds." in told


def test_the_command_line_tells_what_there_is_and_nothing_of_networks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("toy.json").write_text(json.dumps(document(**{"search_space.blocks": 1})))
    said = []
    for command in (["list", "evaluators"], ["plan", "-j", "toy.json"], ["search", "-j", "toy.json"]):
        assert run(command) == 0
        said.append(capsys.readouterr().out)
    listed, planned, searched = said
    assert "toy" in listed and "score, time, params" in listed
    assert "Expected time" in planned and "One epoch" not in planned and "Memory" not in planned
    assert "Not counted" not in planned
    assert "Best cell" in searched and "Report" in searched and "Model:" not in searched


def test_a_journal_says_which_evaluator_it_is_of(whole: Path) -> None:
    start = json.loads((whole / "restore" / "journal.jsonl").read_text().splitlines()[0])
    assert start["content"]["config"]["others"]["evaluator"] == "toy"
