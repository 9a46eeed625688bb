"""A package of one's own brings a part of every family by entry points alone: each can be configured,
searched with, listed, checked, completed by editors and seen on the report, without a change of popnas.
"""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import popnas
from popnas.errors import UnknownNameError, UserError
from popnas.runs import RunFolder

ROOT = Path(popnas.__file__).parents[2]
PACKAGE = Path(__file__).parent / "package"
CONFIG: dict[str, Any] = {
    "search_space": {"blocks": 2, "lookback_depth": 1, "operators": ["identity", "3x3 conv", "bottleneck"]},
    "search_strategy": {
        "max_children": 3,
        "max_exploration_children": 0,
        "score_metric": "near_accuracy",
        "additional_pareto_objectives": ["variety", "weight_norm"],
    },
    "training_hyperparameters": {"epochs": 1, "learning_rate": 0.01},
    "architecture_hyperparameters": {
        "filters": 4,
        "motifs": 2,
        "normal_cells_per_motif": 1,
        "macro_architecture": "one_motif",
    },
    "dataset": {"type": "graded_images", "name": "stripes", "batch_size": 32, "validation_size": 0.25},
    "others": {
        "timing": "simulated",
        "train_strategy": "CPU",
        "evaluator": "witnessed",
        "executor": {"kind": "logged"},
        "predictors": {"score": "linear_score", "time": "linear_time"},
        "trackers": ["lines"],
    },
}


@dataclass(frozen=True)
class Part:
    """A part of the package: its family's row in CONTRIBUTING.md, entry point group, list and key there, the
    place of its name in a configuration, and a name that is nearly right.
    """

    row: str
    group: str
    listed: str
    key: str
    name: str
    place: str
    misspelt: str


PARTS = [
    Part("an operator", "operators", "operators", "family", "bottleneck",
         "search_space.operators[2]", "botleneck"),
    Part("a data source", "datasets", "datasets", "source", "stripes", "dataset.name", "stripe"),
    Part("a macro-architecture", "networks", "macros", "name", "one_motif",
         "architecture_hyperparameters.macro_architecture", "one_motiv"),
    Part("a task", "tasks", "tasks", "name", "graded_images", "dataset.type", "graded_image"),
    Part("a predictor", "predictors", "predictors", "name", "linear_score",
         "others.predictors.score", "linear_scor"),
    Part("a predictor", "predictors", "predictors", "name", "linear_time",
         "others.predictors.time", "linear_tim"),
    Part("an objective", "objectives", "objectives", "name", "variety",
         "search_strategy.additional_pareto_objectives[0]", "varety"),
    Part("an objective", "objectives", "objectives", "name", "weight_norm",
         "search_strategy.additional_pareto_objectives[1]", "weight_nrm"),
    Part("an evaluator", "evaluators", "evaluators", "name", "witnessed", "others.evaluator", "witnesed"),
    Part("an executor", "executors", "executors", "name", "logged", "others.executor.kind", "loged"),
    Part("a tracker", "trackers", "trackers", "name", "lines", "others.trackers[0]", "line"),
]  # fmt: skip
ids = [part.name for part in PARTS]


def steps_of(place: str) -> list[str | int]:
    return [int(step) if step.isdigit() else step for step in re.findall(r"[^.\[\]]+", place)]


def with_name(place: str, name: str) -> dict[str, Any]:
    changed: dict[str, Any] = json.loads(json.dumps(CONFIG))
    *outer, last = steps_of(place)
    node: Any = changed
    for step in outer:
        node = node[step]
    node[last] = name
    return changed


@pytest.fixture(scope="module")
def run(extended: Any) -> RunFolder:
    """A search with all parts at once."""
    path = extended.config("all.json", CONFIG)
    assert extended.popnas("search", "-j", path, "--name", "all")[0] == 0, extended.errors
    return RunFolder.open(extended.folder / "logs" / "all")


@pytest.fixture(scope="module")
def events(run: RunFolder) -> list[Any]:
    return list(run.journal.events())


@pytest.fixture(scope="module")
def evaluations(events: list[Any]) -> list[dict[str, Any]]:
    return [event.content for event in events if event.event == "evaluation"]


@pytest.fixture(scope="module")
def page(run: RunFolder) -> str:
    return (run.path / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def lists(extended: Any) -> dict[str, list[dict[str, Any]]]:
    names = sorted({part.listed for part in PARTS})
    answers = extended.ask(*[["list", name, "--json"] for name in names])
    assert {status for status, _ in answers} == {0}
    return {name: json.loads(output) for name, (_, output) in zip(names, answers, strict=True)}


@pytest.fixture(scope="module")
def complaints(extended: Any) -> dict[str, str]:
    """By part what a configuration with its misspelt name is told at the part's place."""
    paths = [extended.config(f"{part.name}.json", with_name(part.place, part.misspelt)) for part in PARTS]
    answers = extended.ask(*[["config", "check", "-j", path, "--json"] for path in paths])
    assert {status for status, _ in answers} == {2}
    problems = [json.loads(output)["problems"] for _, output in answers]
    return {
        part.name: next(problem["message"] for problem in found if problem["place"] == part.place)
        for part, found in zip(PARTS, problems, strict=True)
    }


@pytest.fixture(scope="module")
def schema(extended: Any) -> dict[str, Any]:
    ((status, output),) = extended.ask(["config", "schema"])
    assert status == 0
    found: dict[str, Any] = json.loads(output)
    return found


def test_the_package_has_a_part_of_every_family() -> None:
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    brought = {group.removeprefix("popnas.") for group in project["entry-points"]}
    figures = {"figures"}  # without a name in configurations
    source = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
    families = set(re.findall(r'Registry\(\s*"[^"]+",\s*"[^"]+",\s*"popnas\.(\w+)"', source))
    assert brought == families == {part.group for part in PARTS} | figures


@pytest.mark.parametrize("part", PARTS, ids=ids)
def test_no_file_of_popnas_knows_it(part: Part) -> None:
    """As CONTRIBUTING.md says: how many files of popnas have to be changed for a part of one's own."""
    table = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    row = re.search(rf"^\| {part.row} \|.*\| `popnas\.{part.group}` \| (\d+) \|$", table, re.MULTILINE)
    assert row is not None, f"CONTRIBUTING.md has no row for {part.row}"
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py")]
    known = [text for text in texts if "popnas_extension" in text or f'"{part.name}"' in text]
    assert len(known) == int(row[1]) == 0


@pytest.mark.parametrize("part", PARTS, ids=ids)
def test_it_is_listed(part: Part, lists: dict[str, list[dict[str, Any]]]) -> None:
    rows = [row for row in lists[part.listed] if row[part.key] == part.name]
    assert len(rows) == 1 and rows[0]["description"]


@pytest.mark.parametrize("part", PARTS, ids=ids)
def test_a_misspelt_name_is_answered_with_it(part: Part, complaints: dict[str, str]) -> None:
    assert f"'{part.name}'" in complaints[part.name], complaints[part.name]


@pytest.mark.parametrize("part", PARTS, ids=ids)
def test_editors_complete_its_name(part: Part, schema: dict[str, Any]) -> None:
    node: Any = schema
    for step in steps_of(part.place):
        node = _solid(node, schema)
        node = node["items"] if isinstance(step, int) else node["properties"][step]
    assert part.name in json.dumps(node)


def _solid(node: Any, schema: dict[str, Any]) -> Any:
    """A node without reference and null."""
    for option in node.get("anyOf", []):
        if option.get("type") != "null":
            return _solid(option, schema)
    return schema["$defs"][node["$ref"].rsplit("/", 1)[-1]] if "$ref" in node else node


@pytest.mark.parametrize("part", PARTS, ids=ids)
def test_the_report_shows_it(part: Part, page: str) -> None:
    assert part.name in page


def test_the_operator_is_part_of_trained_cells(evaluations: list[dict[str, Any]]) -> None:
    assert {item["error"] for item in evaluations} == {None}
    used = {item["step"] for item in evaluations if "bottleneck" in item["cell"]}
    assert used >= {1}


def test_the_source_gave_the_data(events: list[Any]) -> None:
    (data,) = [event.content for event in events if event.event == "data"]
    assert data["input_shape"] == [8, 8, 1] and len(data["class_names"]) == 4
    assert data["sizes"]["train"] == 120


def test_the_macro_architecture_built_the_networks(extended: Any, evaluations: list[dict[str, Any]]) -> None:
    """One motif of a normal and a reduction cell or less: fewer params than two motifs have."""
    cell = max(item["cell"] for item in evaluations if item["step"] == 1 and "conv" in item["cell"])
    (own, usual) = (
        extended.config("own.json", CONFIG),
        extended.config(
            "usual.json", with_name("architecture_hyperparameters.macro_architecture", "classification")
        ),
    )
    answers = extended.ask(*[["describe", "--spec", cell, "-j", path, "--json"] for path in (own, usual)])
    params = [json.loads(output)["params"] for _, output in answers]
    (trained,) = {item["params"] for item in evaluations if item["cell"] == cell}
    assert params[0] == trained < params[1]


def test_the_task_scored_the_networks(evaluations: list[dict[str, Any]]) -> None:
    for item in evaluations:
        assert item["score"] == item["metrics"]["near_accuracy"] >= item["metrics"]["accuracy"]


def test_the_tasks_metric_has_its_column(run: RunFolder) -> None:
    header = (run.path / "csv" / "training_results.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header.startswith("val near accuracy,best val accuracy,val F1 score,")
    assert "different operators" in header and "norm of weights" in header


def test_the_predictors_predicted(events: list[Any]) -> None:
    (content,) = [event.content for event in events if event.event == "predictions"]
    assert content["predictors"].keys() == {"score", "weight_norm"}
    assert all(fit["hyperparameters"] == {"ridge": 1e-3} for fit in content["predictors"].values())


def test_the_objectives_have_figures(evaluations: list[dict[str, Any]], events: list[Any]) -> None:
    for item in evaluations:
        names = [name for name in CONFIG["search_space"]["operators"] if f", {name}" in item["cell"]]
        assert item["objectives"]["variety"] == len(names)
        assert item["objectives"]["weight_norm"] > 0
    proposed = [cell for event in events if event.event == "proposals" for cell in event.content["cells"]]
    grown = [cell["predictions"] for cell in proposed if cell["predictions"]]
    assert grown and all({"score", "variety", "weight_norm"} <= found.keys() for found in grown)


def test_the_executor_ran_the_jobs(run: RunFolder, evaluations: list[dict[str, Any]]) -> None:
    log = run.debug_log.read_text(encoding="utf-8")
    assert log.count("logged: job ") >= len(evaluations)


def test_the_evaluator_answered(events: list[Any]) -> None:
    answers = [event.volatile for event in events if event.event == "evaluation"]
    assert {answer["witness"] for answer in answers} == {"popnas_extension"}


def test_the_tracker_was_told_of_run_and_trainings(run: RunFolder, evaluations: list[dict[str, Any]]) -> None:
    own = (run.path / "lines.txt").read_text(encoding="utf-8").splitlines()
    assert len(own) == len(evaluations) and "weight_norm=" in own[0] and "score=" in own[0]
    trainings = [path for path in run.path.rglob("lines.txt") if path.parent != run.path]
    assert len(trainings) == len(evaluations)
    assert "validation/near_accuracy=" in trainings[0].read_text(encoding="utf-8")


def test_unused_settings_are_those_that_the_task_declares(extended: Any) -> None:
    changed = with_name("dataset.rescale", True)  # type: ignore[arg-type]
    changed["dataset"]["data_augmentation"] = {"enabled": True, "use_cutout": True}
    path = extended.config("unused.json", changed)
    ((status, output),) = extended.ask(["config", "check", "-j", path, "--json"])
    told = "\n".join(json.loads(output)["warnings"])
    assert status == 0
    assert "has no effect on grades, which a blank square changes." in told
    assert "dataset.rescale: has no effect on images" in told


def test_stages_after_the_search_take_it_on(extended: Any, run: RunFolder) -> None:
    """Selection and export of a network that only the package can build."""
    partial = extended.config("partial.json", {"training_hyperparameters": {"epochs": 1}})
    status, _ = extended.popnas("select", "-p", run.path, "-j", partial, "-k", "1", "-ts", "CPU")
    assert status == 0, extended.errors
    status, output = extended.popnas("evaluate", "-p", run.path / "best_model", "--json")
    assert status == 0, extended.errors
    assert "near_accuracy" in output


def test_workers_find_the_parts_too(extended: Any) -> None:
    """Processes of their own, which import nothing but what the configuration names."""
    changed = with_name("others.executor.kind", "processes")
    changed["others"]["executor"]["workers"] = 1
    changed["search_space"] = {"blocks": 1, "lookback_depth": 1, "operators": ["identity", "bottleneck"]}
    path = extended.config("workers.json", changed)
    assert extended.popnas("search", "-j", path, "--name", "workers")[0] == 0, extended.errors
    state = RunFolder.open(extended.folder / "logs" / "workers").state()
    assert len(state.successes) == len(state.evaluations) == 4
    assert all(item.objectives.keys() == {"variety", "weight_norm"} for item in state.successes)
    assert all("near_accuracy" in item.metrics for item in state.successes)


def test_a_run_can_be_read_without_the_package_and_says_what_is_missing(
    extended: Any, run: RunFolder
) -> None:
    """As on a machine where the package is not installed: this process has not."""
    state = run.state()
    assert state.best is not None and state.operator_costs is not None
    assert "weight_norm" in state.operator_costs
    told = "optimises or constrains 'variety', an objective that no package installed here brings. Install"
    with pytest.raises(UnknownNameError, match=told):
        _ = state.figures
    with pytest.raises(UserError, match=r"no package installed here brings: the task 'graded_images'"):
        popnas.select(run.path, popnas.CellChoice(1))


@pytest.mark.slow
def test_the_parts_keep_their_contracts(extended: Any) -> None:
    """The suites that popnas runs over its own parts; how well a predictor ranks is its own affair."""
    names = " or ".join(part.name for part in PARTS if part.group not in ("objectives", "datasets"))
    output = extended.python(
        "-m",
        "pytest",
        "-q",
        str(ROOT / "tests" / "contract"),
        "-k",
        f"({names}) and not outlier",
        "-p",
        "no:cacheprovider",
    )
    assert "failed" not in output


def test_the_classifier_learns_the_task(extended: Any) -> None:
    """Arrays are for image classification unless another task of one label per image is named."""
    whole = {name: part for name, part in CONFIG.items() if name not in ("dataset", "others")}
    others = {name: CONFIG["others"][name] for name in ("timing", "train_strategy", "executor")}
    short = {"search_space": {**CONFIG["search_space"], "blocks": 1}}
    changes = json.dumps({**whole, **short, "others": others, "dataset": {"batch_size": 16}})
    answer = extended.python("-c", _FIT, changes)
    assert answer.split() == ["graded_images", "near_accuracy", "(8,)"]


_FIT = """
import json, sys
import numpy as np, popnas
y = np.arange(80) % 4
x = np.random.default_rng(0).integers(0, 99, (80, 8, 8)) + 30 * y[:, None, None]
model = popnas.PopnasClassifier(
    "graded_images", config=json.loads(sys.argv[1]), last_stage="search", run_folder="fitted", n_jobs=1
)
model.fit(x, y)
config = popnas.Run("fitted").config
print(config["dataset"]["type"], config["search_strategy"]["score_metric"], model.predict(x[:8]).shape)
"""


def test_a_figure_of_ones_own_is_on_the_report(run: RunFolder, page: str) -> None:
    assert "Whether cells of many operators are better than others." in page
    assert list(run.path.rglob("score_by_variety.png"))
