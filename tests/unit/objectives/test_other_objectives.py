"""Objectives of other packages: a search optimises, predicts, stores and shows them like its own."""

import csv
import json

import numpy as np
import pytest
from click.testing import CliRunner

import popnas
from popnas import config, objectives
from popnas.cli.main import cli
from popnas.errors import ConfigError, JournalError, PopnasError, UnknownNameError, UserError
from popnas.objectives import REGISTRY, Objective
from popnas.runs import RunFolder, replay
from popnas.runs.front import Limits
from popnas.runs.front import pick as pick_of
from popnas.runs.journal import Event
from popnas.workflows.searching.plan import plan
from popnas.workflows.settings import load_config, unused


def distinct_operators(cells_NB4, space, spec):
    """How many different operators a cell has."""
    operators = np.concatenate([cells_NB4[:, :, 1], cells_NB4[:, :, 3]], axis=1)
    return np.array([len(set(row[row >= 0])) for row in operators], dtype=np.int64)


def norm(network, spec, placement):
    return float(sum(parameter.detach().abs().sum() for parameter in network.parameters()))


VARIETY = Objective(
    "variety",
    "variety",
    "operators",
    None,
    "operators used",
    is_maximized=True,
    is_computed=True,
    compute=distinct_operators,
)
NORM = Objective("weight_norm", "weight norm", "", None, "norm of weights", measure=norm)

CONFIG = {
    "search_space": {"blocks": 2, "lookback_depth": 1, "operators": ["identity", "3x3 conv", "2x2 maxpool"]},
    "search_strategy": {
        "max_children": 3,
        "max_exploration_children": 0,
        "additional_pareto_objectives": ["variety", "weight_norm"],
        "constraints": {"variety": [1, 2]},
    },
    "training_hyperparameters": {"epochs": 1},
    "architecture_hyperparameters": {"filters": 4, "motifs": 2, "normal_cells_per_motif": 1},
    "dataset": {
        "type": "image_classification",
        "name": "digits",
        "batch_size": 32,
        "validation_size": 0.25,
        "samples": 160,
    },
    "others": {"timing": "simulated", "executor": {"kind": "inline"}, "train_strategy": "CPU"},
}


@pytest.fixture(scope="module")
def brought():
    """Two objectives as an entry point would bring them, gone afterwards."""
    before = dict(REGISTRY._parts) if REGISTRY.names() else {}
    for row in (VARIETY, NORM):
        REGISTRY.register(row.name, description=f"{row.title} of a network")(row)
    yield
    REGISTRY._parts = before


@pytest.fixture(scope="module")
def run(brought, tmp_path_factory):
    return popnas.search(CONFIG, name="run", logs=tmp_path_factory.mktemp("logs")).folder


@pytest.fixture
def state(run):
    return RunFolder.open(run).state()


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_candidate_has_its_figures(state):
    assert {item.step for item in state.successes} == {0, 1, 2}
    for item in state.successes:
        assert item.objectives.keys() == {"variety", "weight_norm"}
        names = {name for name in CONFIG["search_space"]["operators"] if f", {name}" in item.cell}
        assert item.objectives["variety"] == len(names)
        assert item.objectives["weight_norm"] > 0


def test_one_is_predicted_and_the_other_computed(state):
    proposed = state.proposals[2]
    assert proposed
    for item in proposed:
        trained = state.evaluation(item.cell)
        assert item.predictions["variety"] == trained.objectives["variety"] <= 2
        assert item.predictions["weight_norm"] > 0
        assert "time" not in item.predictions
    assert state.predictions[2, 0].predictors.keys() == {"score", "weight_norm"}
    assert state.operator_costs.keys() == {"time", "inference_time", "weight_norm"}
    assert max(state.operator_costs["weight_norm"].values()) == 1.0


def test_tables_show_them(run, state):
    found = rows(run / "csv" / "training_results.csv")
    by_cell = {row["cell structure"]: row for row in found}
    for item in state.successes:
        row = by_cell[item.cell]
        assert float(row["operators used"]) == item.objectives["variety"]
        assert float(row["norm of weights"]) == item.objectives["weight_norm"]
    predicted = rows(run / "csv" / "predictions_B2.csv")
    assert {"variety", "weight_norm", "params"} <= predicted[0].keys()
    assert rows(run / "csv" / "pareto_front_B2.csv")[0]["variety"] in ("1", "2")
    assert (run / "csv" / "reindex_op_weight_norm.csv").is_file()
    assert "weight_norm" in (run / "csv" / "training_weight_norm.csv").read_text().splitlines()[0]


def test_the_report_shows_them(run):
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "weight norm" in page and "variety" in page


def test_pick_limits_them(run, state):
    def picked(*arguments):
        done = CliRunner().invoke(cli, ["pick", str(run), "--json", *arguments], catch_exceptions=False)
        return json.loads(done.output)

    least = min(item.objectives["weight_norm"] for item in state.allowed)
    found = picked("--limit", "weight_norm", str(least))
    assert found["weight_norm"] == least
    assert picked("--limit", "variety", "2")["variety"] == 2  # more is better: at least
    with pytest.raises(UserError, match=r"weight norm of at most .* Loosen a limit"):
        picked("--limit", "weight_norm", str(least / 2))
    with pytest.raises(UserError, match="params has a limit"):
        picked("--max-params", "7", "--limit", "params", "8")


def test_what_the_search_has_no_figures_of_cannot_be_limited(run):
    state = RunFolder.open(run).state()
    state.config["search_strategy"] |= {"additional_pareto_objectives": ["variety"], "constraints": {}}
    with pytest.raises(UserError, match=r"no figures of 'weight_norm'.* Limit one of: .*variety"):
        pick_of(state, Limits({"weight_norm": 1.0}))
    with pytest.raises(UnknownNameError, match="Did you mean 'weight_norm'"):
        pick_of(state, Limits({"weight_nrm": 1.0}))


def test_a_search_that_does_not_ask_for_them_has_none(brought):
    assert objectives.others(["score", "time"]) == ()
    assert [row.name for row in objectives.measured(["time"])] == ["time", "inference_time"]


def test_the_plan_goes_without_what_only_training_tells(brought):
    found = plan(load_config(CONFIG))
    assert found.steps[-1].num_networks >= 1


def test_configurations_are_told_of_them(brought):
    def problem(objective):
        with pytest.raises(ConfigError) as caught:
            config.load({**CONFIG, "search_strategy": {"additional_pareto_objectives": [objective]}})
        return str(caught.value)

    assert "Did you mean 'variety'?" in problem("varety")
    assert "Choose one of: time, inference_time, params, flops, variety, weight_norm." in problem("speed")
    strategy = {"constraints": {"weight_norm": [0, 9]}}
    with pytest.raises(ConfigError, match="PNAS mode predicts no weight norm"):
        config.load({**CONFIG, "search_strategy": strategy, "others": {"pnas_mode": True}})
    found = config.load({**CONFIG, "others": {"predictors": {"time": "other"}}})
    assert not [told for told in unused(found) if "predictors.time" in told]


def test_a_journal_without_the_costs_of_one_is_damaged(brought, run, tmp_path):
    events = list(RunFolder.open(run).journal.events())
    spoilt = [
        Event(event.seq, event.event, {**event.content, "weight_norm": {}}, event.volatile)
        if event.event == "operator_costs"
        else event
        for event in events
    ]
    with pytest.raises(JournalError, match="'weight_norm' of the operator"):
        replay(spoilt)


@pytest.mark.parametrize(
    ("value", "told"), [(float("nan"), "nan"), (-1.0, "-1.0"), ("much", "'much'"), (None, "None")]
)
def test_a_measurement_that_is_no_amount_is_refused(value, told):
    row = Objective("odd", "odd", "", None, "odd", measure=lambda *_: value)
    with pytest.raises(PopnasError, match=f"'odd' must give a finite number of at least 0, got {told}"):
        row.measured(None, None, None)


@pytest.mark.parametrize(
    ("values", "told"),
    [(np.zeros(2), "must give 3 numbers"), (np.array([1, np.inf, 1]), "inf for 1 of 3"), (["a"] * 3, "<U1")],
)
def test_computed_values_are_checked(values, told):
    row = Objective("odd", "odd", "", None, "odd", is_computed=True, compute=lambda *_: values)
    with pytest.raises(PopnasError, match=told):
        row.computed(np.zeros((3, 1, 4), np.int16), None, None)


@pytest.mark.parametrize(
    "arguments",
    [
        {"name": "two words"},
        {"name": "../up"},
        {"field": "params"},
        {"compute": distinct_operators},
        {"measure": None},
    ],
)
def test_what_no_objective_can_be_is_refused(arguments):
    given = {"name": "mine", "title": "", "unit": "", "field": None, "column": "", "measure": norm}
    with pytest.raises(PopnasError, match=r"must be a Python identifier|needs either"):
        Objective(**given | arguments)
