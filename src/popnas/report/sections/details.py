"""Tables for those who want to know more: times, hypervolume, predictors, failures, settings, versions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from popnas.records import Json
from popnas.report import durations, hypervolumes, markup
from popnas.report.markup import Value
from popnas.report.run_data import RunData


def times(run: RunData) -> str:
    """Seconds per step, and in all."""
    steps = durations.per_step(run)
    if not steps:
        return ""
    total = sum(item.total for item in steps)
    training = sum(item.training for item in steps)
    rows = [
        [
            markup.count(item.step),
            markup.count(item.num_networks),
            *(markup.seconds(value) for value in (item.training, item.validation, item.other, item.failed)),
            markup.seconds(item.total),
        ]
        for item in steps
    ]
    header = ["step", "networks", "training", "validation", "the rest", "failed", "together"]
    share = f"{100 * training / total:.0f} %" if total else "–"
    return (
        f"<p>The candidates took {markup.duration(total)} over all workers, {share} of it training. Fitting "
        "predictors, scoring candidates and writing are not in these "
        f"figures.</p>{markup.table(header, rows)}"
    )


def volumes(run: RunData) -> str:
    """The hypervolume per step."""
    rows = [
        [markup.count(item.step), markup.score(item.alone), markup.score(item.so_far)]
        for item in hypervolumes.per_step(run)
    ]
    return markup.table(["step", "hypervolume of its cells", "of all cells so far"], rows)


def fits(run: RunData) -> str:
    """How each predictor was fitted in each step."""
    rows: list[list[Value | str]] = []
    for (step, round_number), content in sorted(run.state.predictions.items()):
        for name, report in content.predictors.items():
            rows.append(
                [
                    markup.count(step),
                    markup.count(round_number + 1),
                    str(name),
                    _figures(report.cross_validation or {}),
                    _figures(report.hyperparameters),
                    markup.count(content.num_candidates),
                ]
            )
    header = ["step", "round", "predicts", "cross-validation", "hyper-parameters", "candidates predicted"]
    return markup.table(header, rows)


def _figures(values: Json) -> str:
    shown = {name: f"{value:.4g}" if isinstance(value, float) else value for name, value in values.items()}
    return ", ".join(f"{name} {value}" for name, value in shown.items()) or "–"


def failures(run: RunData) -> str:
    """Candidates without a result, and why."""
    rows: list[list[Value | str]] = [
        [
            markup.count(item.step),
            (item.error_kind or "").replace("_", " "),
            item.error or "",
            markup.seconds(item.wall_seconds),
            Value(markup.code(item.cell), item.cell),
        ]
        for item in run.state.evaluations
        if item.is_failed
    ]
    rows += [
        [
            "confirmation",
            (item.error_kind or "").replace("_", " "),
            item.error or "",
            "–",
            Value(markup.code(item.cell), item.cell),
        ]
        for item in run.state.confirmations
        if item.is_failed
    ]
    return markup.table(["step", "kind", "reason", "after", "cell"], rows)


def settings(run: RunData) -> str:
    """The resolved configuration, and what the run ran on."""
    parts = []
    for section, fields in run.config.items():
        if isinstance(fields, Mapping):
            rows = "".join(
                f'<tr><th scope="row">{markup.text(name)}</th><td>{_setting(value)}</td></tr>'
                for name, value in fields.items()
            )
            parts.append(f"<div><h3>{markup.text(section.replace('_', ' '))}</h3><table>{rows}</table></div>")
    return (
        "<details><summary>All settings of the run</summary>"
        f'<div class="settings">{"".join(parts)}</div></details>'
        f"{_sessions(run)}"
    )


def _setting(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return markup.text(", ".join(value)) or "–"
    return markup.code(json.dumps(value, ensure_ascii=False))


def _of_session(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _sessions(run: RunData) -> str:
    names = sorted({name for session in run.sessions for name in session} - {"pid"})
    if not names:
        return ""
    names.sort(key=lambda name: (name != "time", name))
    rows = [["resumed" if place else "started", *(_of_session(session.get(name, "–")) for name in names)]
            for place, session in enumerate(run.sessions)]  # fmt: skip
    return markup.table(["the search", *names], rows)
