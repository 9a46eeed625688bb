"""What the figures compute, against what the journal says."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from popnas.cells import Cell
from popnas.report import canvas, durations, hypervolumes
from popnas.report.figures import (
    FIGURES,
    cost_correlations,
    head_scores,
    operator_costs,
    pareto_fronts,
    pareto_fronts_3d,
    predicted_real,
    predictions,
    step_boxes,
    step_overview,
    usage,
)
from popnas.report.run_data import RunData
from popnas.runs import RunFolder
from popnas.runs.front import trained_front

MakeRun = Callable[..., RunFolder]


def data(folder: RunFolder) -> RunData:
    return RunData.of(folder, folder.state())


def test_operators_stand_dearest_first(make_run: MakeRun) -> None:
    info = operator_costs.compute(data(make_run(blocks=1)))
    assert info is not None and list(info.costs) == ["time", "inference_time"]
    values = list(info.costs["time"].values())
    assert values == sorted(values, reverse=True) and values[0] == 1
    assert list(info.costs["inference_time"]) == list(info.costs["time"])


def test_overview_holds_every_success(make_run: MakeRun) -> None:
    run = data(make_run(blocks=2, failures="some"))
    info = step_overview.compute(run)
    assert info is not None
    assert sum(map(len, info.scores.values())) == len(run.state.successes) < len(run.state.evaluations)
    assert max(max(values) for values in info.scores.values()) == run.state.best.score  # type: ignore[union-attr]
    boxes = step_boxes.compute(run)
    assert boxes is not None and 0 not in boxes.panels[0].values


def test_usage_adds_up_and_counts_by_hand(make_run: MakeRun) -> None:
    run = data(make_run(blocks=3))
    for compute in (usage.compute_operators, usage.compute_inputs):
        info = compute(run)
        assert info is not None and set(info.groups) == {"front", "exploration", "trained"}
        for steps in info.groups.values():
            for shares in steps.values():
                assert sum(shares.values()) == pytest.approx(1)
                assert set(shares) <= set(info.elements)
    front = [Cell.parse(item.cell) for item in run.state.proposals[2] if not item.is_exploration]
    names = [name for cell in front for block in cell.blocks for name in (block.op1, block.op2)]
    found = usage.compute_operators(run)
    assert found is not None
    assert found.groups["front"][2]["identity"] == pytest.approx(names.count("identity") / len(names))
    assert "exploration" in found.groups and 3 not in found.groups["exploration"]


def test_no_exploration_no_column(make_run: MakeRun) -> None:
    info = usage.compute_operators(data(make_run(blocks=2, num_exploration=0)))
    assert info is not None and set(info.groups) == {"front", "trained"}


def test_predicted_values_stand_beside_the_real_ones(make_run: MakeRun) -> None:
    run = data(make_run(blocks=3, objectives=("time", "params"), failures="some"))
    info = predicted_real.compute(run)
    assert info is not None
    # params are computed, not predicted.
    assert [(item.objective, item.step) for item in info.comparisons] == [
        ("score", 2), ("score", 3), ("time", 2), ("time", 3),
    ]  # fmt: skip
    comparison = info.comparisons[2]
    proposed = [item for item in run.state.proposals[2] if not run.state.evaluation(item.cell).is_failed]  # type: ignore[union-attr]
    assert comparison.predicted.tolist() == [item.predictions["time"] for item in proposed]
    assert comparison.groups == [item.group for item in proposed]
    assert comparison.figures["Spearman"] > 0.5  # type: ignore[operator]


def test_a_control_group_alone_judges_the_predictor() -> None:
    predicted, real = np.arange(8.0), np.array([7.0, 6, 5, 4, 1, 2, 3, 4])
    groups = ["front"] * 4 + ["random"] * 4
    judged = predicted_real.Comparison("score", "score", "", 2, predicted, real, groups)
    assert judged.is_of_random and judged.figures["Spearman"] == pytest.approx(1.0)
    few = predicted_real.Comparison("score", "score", "", 2, predicted, real, ["front"] * 5 + ["random"] * 3)
    assert not few.is_of_random and few.figures["Spearman"] < 0  # type: ignore[operator]
    assert predicted_real.paint(predicted_real.PredictedReal([judged])).axes


@pytest.mark.parametrize(("rounds", "words"), [(1, "of random cells"), (3, "of random cells, round 1 of 3")])
def test_a_control_group_says_which_round_it_judges(make_run: MakeRun, rounds: int, words: str) -> None:
    """It is drawn in the first one, and the others learn from it."""
    run = data(make_run(blocks=2))
    chosen = run.state.proposals[2]
    run.state.proposals[2] = [replace(item, is_random=item.index < 5) for item in chosen]
    run.state.rounds[2] = [len(chosen) - rounds + 1] + [1] * (rounds - 1)
    info = predicted_real.compute(run)
    assert info is not None
    titles = {axes.get_title().splitlines()[0] for axes in predicted_real.paint(info).axes}
    assert titles == {f"step 2, {words}"}


def test_quality_of_many_cells_looks_at_each_a_few_times():
    """Of 50,000 cells all were counted for every one: minutes of a report, and of the server's page."""

    class Counted(list[str]):
        num_counts = 0

        def count(self, value: object) -> int:
            Counted.num_counts += 1
            return super().count(value)

    values = np.linspace(0.1, 0.9, 200)
    item = predicted_real.Comparison("score", "score", "", 2, values, values, Counted(["front"] * 200))
    assert item.figures["Spearman"] == pytest.approx(1.0)
    assert Counted.num_counts == 1


def test_fronts_are_those_of_the_table(make_run: MakeRun) -> None:
    run = data(make_run(objectives=("time", "params")))
    info = pareto_fronts.compute(run)
    assert info is not None and info.values.shape[1] == 3
    assert int(info.is_on_front.sum()) == len(trained_front(run.state))
    assert {step: values.shape for step, values in info.predicted.items()} == {2: (8, 3), 3: (8, 3)}
    assert pareto_fronts_3d.compute(run) is not None


def test_fronts_need_two_objectives(make_run: MakeRun) -> None:
    run = data(make_run(is_pnas=True, blocks=2))
    assert pareto_fronts.compute(run) is None and pareto_fronts_3d.compute(run) is None
    info = predictions.compute(run)
    assert info is not None and info.x is None
    two = data(make_run("two", blocks=2))
    assert pareto_fronts_3d.compute(two) is None


def test_no_prediction_is_left_out(make_run: MakeRun) -> None:
    folder = make_run(blocks=2, num_candidates=700)
    run = data(folder)
    info = predictions.compute(run)
    assert info is not None
    (step,) = info.steps
    assert step.counts.sum() == step.num_candidates == run.state.predictions[2, 0].num_candidates
    assert {group: len(points) for group, points in step.selected.items()} == {
        "front": 8, "exploration": 0, "random": 0,
    }  # fmt: skip
    folder.predictions_npz(2).unlink()
    assert predictions.compute(run) is None


def test_heads_of_the_usual_number(make_run: MakeRun) -> None:
    run = data(make_run(blocks=2, num_heads=3))
    info = head_scores.compute(run)
    assert info is not None and info.scores.shape == (len(run.cells), 3)
    assert np.all(np.diff(info.scores, axis=1) > 0)
    assert head_scores.compute(data(make_run("one", blocks=1))) is None


def test_costs_go_together_as_made(make_run: MakeRun) -> None:
    info = cost_correlations.compute(data(make_run(blocks=2)))
    assert info is not None and [panel.title for panel in info.panels] == [
        "parameters", "FLOPs", "inference time",
    ]  # fmt: skip


def test_times_add_up_to_the_clock(make_run: MakeRun) -> None:
    run = data(make_run(blocks=2, failures="some"))
    steps = durations.per_step(run)
    total = sum(item.volatile["wall_seconds"] for item in run.state.evaluations)
    assert sum(item.total for item in steps) == pytest.approx(total, rel=0.02)
    assert sum(item.failed for item in steps) > 0


def test_hypervolume_never_shrinks_and_is_that_of_the_definition(make_run: MakeRun) -> None:
    run = data(make_run())
    steps = hypervolumes.per_step(run)
    so_far = [item.so_far for item in steps]
    assert so_far == sorted(so_far) and so_far[0] >= 0 and so_far[-1] <= 1
    points = hypervolumes.values(run.state.successes, run.objectives)
    scaled = (points - points.min(axis=0)) / np.ptp(points, axis=0)
    # The area under the staircase of (time, score), by hand.
    order = np.argsort(scaled[:, 1])
    area, best = 0.0, 0.0
    for place, index in enumerate(order):
        best = max(best, scaled[index, 0])
        end = scaled[order[place + 1], 1] if place + 1 < len(order) else 1.0
        area += best * (end - scaled[index, 1])
    assert so_far[-1] == pytest.approx(area)


def test_runs_share_one_scale(make_run: MakeRun) -> None:
    good, bad = data(make_run("good", gain=0.04)), data(make_run("bad", gain=0.0))
    alone = hypervolumes.per_step(bad)[-1].so_far
    first, second = hypervolumes.of_runs([good, bad], good.objectives)
    assert first[-1].so_far > second[-1].so_far != pytest.approx(alone)


def test_a_legend_over_points_has_a_ground(make_run: MakeRun) -> None:
    info = predicted_real.compute(data(make_run(blocks=3)))
    figure = FIGURES.get("predicted_real").figure(info)
    legends = [legend for axes in figure.axes if (legend := axes.get_legend()) is not None]
    assert legends and all(legend.get_frame_on() for legend in legends)


@pytest.mark.parametrize("num_steps", [1, 2, 3, 5, 8])
def test_the_dots_of_every_step_can_be_told_from_the_paper(num_steps):
    """Contrast of at least 3 to 1 (WCAG 2.2, 1.4.11), and no two steps alike."""
    colours = canvas.step_colours(range(num_steps))
    assert min(map(contrast, colours.values())) >= 3.0
    assert len(set(colours.values())) == num_steps


def test_a_single_candidate_is_seen_among_the_predictions(make_run: MakeRun) -> None:
    info = predictions.compute(data(make_run(blocks=2, num_candidates=700)))
    assert info is not None
    figure = FIGURES.get("predictions").figure(info)
    (counts,) = figure.axes[0].collections
    assert contrast(counts.to_rgba(1.0)) >= 1.5


def contrast(colour: Any) -> float:
    """Of a colour to white, as WCAG 2.2 defines it."""
    red, green, blue = (
        value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4 for value in to_rgb(colour)
    )
    return 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05)


def test_a_step_that_selected_nothing_is_painted_without_a_word(make_run: MakeRun) -> None:
    """As where none keeps to the constraints: matplotlib warns of legends without anything in them."""
    info = predictions.compute(data(make_run(blocks=2, num_candidates=100)))
    assert info is not None
    (step,) = info.steps
    step = replace(step, selected={group: points[:0] for group, points in step.selected.items()})
    figure = FIGURES.get("predictions").figure(replace(info, steps=[step]))
    assert figure.axes[0].get_legend() is None


def test_legends_are_made_in_one_place() -> None:
    """That knows of nothing to explain; pictures of masks draw theirs themselves."""
    files = [path for path in Path(canvas.__file__).parent.rglob("*.py") if path != Path(canvas.__file__)]
    found = [
        path.name
        for path in files
        if ".legend(" in re.sub(r"(canvas|pictures)\.legend\(", "", path.read_text())
    ]
    assert len(files) > 20 and found == []
