"""The tables of parts, as Markdown, from the same rows that `popnas list FAMILY` prints."""

from __future__ import annotations

import json
import re
from typing import Any

import click
from click.testing import CliRunner

from popnas.cli.looking import list as listing

_HEADINGS = {
    "operators": "What a half of a block may apply: `search_space.operators`.",
    "macros": "How cells make up a network: `architecture_hyperparameters.macro_architecture`.",
    "predictors": "The surrogate models: `others.predictors.score` and `others.predictors.time`.",
    "objectives": "What a search optimises beside the score: `search_strategy.additional_pareto_objectives`.",
    "evaluators": "What stands behind a candidate: `others.evaluator`.",
    "executors": "Where candidates are evaluated: `others.executor.kind`.",
    "trackers": "Where figures go while they are made: `others.trackers`.",
    "tasks": "Kinds of work: `dataset.type`.",
    "datasets": "Where data come from: `dataset.name` and `dataset.path`.",
    "presets": "Configurations that come with popnas: `-j` of a search, `-jms` and `-jlt` of what follows "
    "it. The networks of a search are those of all its steps at most, without repeats and confirmation.",
}


def families() -> list[str]:
    """All families that `popnas list` knows, runs apart."""
    return [name for name in listing.command.commands if name != "runs"]


def rows(family: str) -> list[dict[str, Any]]:
    """What `popnas list FAMILY --json` prints."""
    command = listing.command.commands[family]
    assert isinstance(command, click.Command)
    result = CliRunner().invoke(command, ["--json"], standalone_mode=False)
    assert result.exit_code == 0, result.output
    found: list[dict[str, Any]] = json.loads(result.output)
    return found


def markdown() -> str:
    """A heading and a table per family."""
    lines: list[str] = []
    for family in families():
        table = rows(family)
        keys = list(table[0])
        lines += [f"## {family.capitalize()}", "", _HEADINGS.get(family, ""), ""]
        lines += [_line([key.replace("_", " ") for key in keys]), _line(["---"] * len(keys))]
        lines += [_line([_cell(key, row[key]) for key in keys]) for row in table]
        lines.append("")
    return "\n".join([*lines, *_grammars()])


def _grammars() -> list[str]:
    from popnas.config.optimizers import OPTIMIZER_GRAMMAR, SCHEDULER_GRAMMAR

    words = "Parameters may be left out; their order is fixed."
    return [
        *("## Optimizers", "", "`training_hyperparameters.optimizer.type` is one of these.", words, ""),
        *(f"- `{form.strip()}`" for form in OPTIMIZER_GRAMMAR.split("|")),
        *(
            "",
            "## Schedules",
            "",
            "`training_hyperparameters.optimizer.scheduler` is one of these.",
            words,
            "",
        ),
        *(f"- `{form.strip()}`" for form in SCHEDULER_GRAMMAR.split("|")),
        "",
    ]


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(key: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_cell(key, each) for each in value)
    text = str(value).replace("|", "\\|")
    is_code = key in ("name", "family", "form", "examples", "source", "names", "objectives", "score_metrics")
    return f"`{text}`" if is_code else re.sub(r"([<*_])", r"\\\1", text)
