"""Whether what an event says can come from a search: its fields, their types and ranges.

A journal's checksums notice every change. Journals of popnas 0.1.0 have none, and what reads the state must
not stumble over a score that is a text. Only there are cells parsed: they are most of the time that a long
journal takes, and those on a line with a checksum are as the search wrote them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from popnas import objectives
from popnas.cells import Cell
from popnas.config import OthersConfig
from popnas.errors import CandidateFailed
from popnas.objectives.rows import COSTS, TIMES
from popnas.printable import counted
from popnas.records import Json, part
from popnas.runs import artifacts
from popnas.runs.journal import REASONS, Event
from popnas.runs.state import RunState
from popnas.runs.stored.rules import (
    LONGEST,
    Rule,
    has,
    is_amount,
    is_flag,
    is_number,
    is_object,
    is_share,
    list_of,
    mapping_of,
    or_none,
    shown,
    whole,
)

_is_count = whole(0, LONGEST**3)


def _is_text(value: Any) -> bool:
    """Names of files among it, whose bytes need be no UTF-8."""
    return isinstance(value, str)


def _one_of(*choices: object) -> Rule:
    return lambda value: value is None or (isinstance(value, str) and value in choices)


_ERROR: dict[str, Rule] = {"error": or_none(_is_text), "error_kind": _one_of(*CandidateFailed.KINDS)}
_SCORES: dict[str, Rule] = {"metrics": or_none(mapping_of(is_number)), "score": or_none(is_share)}
_FIT: dict[str, Rule] = {
    "hyperparameters": is_object,
    "loss_curve": list_of(or_none(is_number)),
    "cross_validation": or_none(mapping_of(or_none(is_number))),
}

# Per kind of event the fields that it must have; those that it may have; those of its volatile part.
_MUST: dict[str, dict[str, Rule]] = {
    "run_started": {},
    "proposals": {"step": _is_count, "cells": list_of(is_object)},
    "evaluation": {
        "cell": _is_text,
        "step": _is_count,
        "index": _is_count,
        "is_exploration": is_flag,
        "seed": _is_count,
        **_SCORES,
    },
    "operator_costs": {row.name: mapping_of(is_amount) for row in TIMES},
    "predictions": {"step": _is_count, "file": _is_text, "sha256": _is_text},
    "untrained_parents": {"step": _is_count, "cells": list_of(is_object)},
    "step_finished": {"step": _is_count},
    "confirmation": {"cell": _is_text, "repetition": whole(1)},
    "winner": {"cell": _is_text, "mean": is_number, "deviation": is_amount, "trainings": whole(1)},
    "run_finished": {"reason": lambda value: isinstance(value, str) and value in REASONS},
    "data": {"sha256": _is_text},
    "earlier_runs": {"runs": list_of(is_object)},
}
_OF_A_DATASET: dict[str, Rule] = {
    "input_shape": list_of(_is_count),
    "class_names": list_of(_is_text),
    "sizes": mapping_of(_is_count),
}
_MAY: dict[str, dict[str, Rule]] = {
    "run_started": {"config": is_object, "seed": or_none(_is_count)},
    "evaluation": {
        **{str(row.field): or_none(_is_count if row.is_computed else is_amount) for row in COSTS},
        "objectives": mapping_of(is_number),
        "head_metrics": list_of(mapping_of(is_number)),
        **_ERROR,
    },
    "predictions": {
        "num_candidates": _is_count,
        "num_expansions": _is_count,
        "front_size": _is_count,
        "predictors": mapping_of(has(_FIT)),
    },
    "confirmation": {
        "seed": or_none(_is_count),
        "training_seconds": or_none(is_amount),
        **_SCORES,
        **_ERROR,
    },
}
_VOLATILE: dict[str, Rule] = {
    "wall_seconds": or_none(is_amount),
    "epochs_seconds": or_none(is_amount),
    "validation_seconds": or_none(is_amount),
    "worker": or_none(_is_count),
    "attempts": or_none(_is_count),
    "machine": _is_text,
    "machine_seconds": is_amount,
    "times_by": is_amount,
    "time": or_none(_is_text),
    "dataset_path": or_none(_is_text),
    "weights_sha256": or_none(_is_text),
    "execution": is_object,
}
_CHOSEN: dict[str, Rule] = {
    "is_exploration": or_none(is_flag),
    "is_random": or_none(is_flag),
    "predictions": or_none(mapping_of(is_number)),
}
"""Of a cell that was proposed."""

_OF_A_SUCCESS = ("score", "training_seconds", "params")


def check(event: Event, state: RunState) -> None:
    """Raise ValueError if an event cannot follow on `state`; the message goes on from "the event"."""
    content = event.content
    _check_fields(content, _MUST.get(event.event, {}))
    _check_known(content, _MAY.get(event.event, {}))
    _check_known(event.volatile, _VOLATILE)
    if event.event in _MORE:
        _MORE[event.event](event, state)
    if not event.is_proven:
        for text, num_blocks in _cells(event, state):
            _check_cell(text, num_blocks, state)


def _check_fields(content: Json, rules: Mapping[str, Rule]) -> None:
    for name, rule in rules.items():
        if name not in content:
            raise ValueError(f"has no '{name}'")
        if not rule(content[name]):
            raise _wrong(name, content[name])


def _check_known(content: Json, rules: Mapping[str, Rule]) -> None:
    """Those of the fields that are there."""
    for name, rule in rules.items():
        if name in content and not rule(content[name]):
            raise _wrong(name, content[name])


def _check_value(name: str, value: Any, rule: Rule) -> None:
    if not rule(value):
        raise _wrong(name, value)


def _wrong(name: str, value: Any) -> ValueError:
    return ValueError(f"has {shown(value)} as its '{name}'")


def _cells(event: Event, state: RunState) -> list[tuple[str, int | None]]:
    """The cells that an event brings, each with the number of its blocks; None: any."""
    content = event.content
    if event.event == "earlier_runs":
        return [(cell, None) for item in content["runs"] for cell in item["cells"]]
    if event.event in ("proposals", "untrained_parents"):
        return [(item["cell"], content["step"]) for item in content["cells"]]
    if event.event == "evaluation" and content["step"] not in state.proposals:
        return [(content["cell"], content["step"])]
    if event.event == "confirmation" and state.evaluation(content["cell"]) is None:
        return [(content["cell"], None)]
    return []


def _check_cell(text: str, num_blocks: int | None, state: RunState) -> None:
    cell = Cell.parse(text)
    if cell.key != text:
        raise ValueError(f"has the cell {text}, which is not in canonical form")
    if num_blocks is not None and len(cell.blocks) != num_blocks:
        raise ValueError(f"has the cell {text} at step {num_blocks}")
    known = _operators(state)
    if known and not set(cell.operators) <= known:
        raise ValueError(f"has the cell {text}, whose operators are not all of the search")


def _operators(state: RunState) -> set[str]:
    names: Any = part(state.config, "search_space").get("operators")
    return set(names) if isinstance(names, list) and list_of(_is_text)(names) else set()


def _check_chosen(cells: list[Json], known: list[str]) -> None:
    """Cells that were chosen, none of which is among the `known`."""
    texts = list(known)
    for item in cells:
        _check_value("cell", item.get("cell"), _is_text)
        _check_known(item, _CHOSEN)
        texts.append(str(item["cell"]))
    if len(set(texts)) != len(texts):
        raise ValueError("proposes a cell twice")


def _check_earlier(event: Event, state: RunState) -> None:
    for item in event.content["runs"]:
        _check_fields(item, {"run": _is_text, "cells": list_of(_is_text), "scores": list_of(is_share)})
        if len(item["cells"]) != len(item["scores"]):
            told = counted(len(item["scores"]), "score"), counted(len(item["cells"]), "cell")
            raise ValueError(f"has {told[0]} of {told[1]} of an earlier run")


def _check_untrained_parents(event: Event, state: RunState) -> None:
    content = event.content
    trained = [proposed.cell for proposed in state.proposals.get(content["step"], [])]
    _check_chosen(content["cells"], trained)


def _check_proposals(event: Event, state: RunState) -> None:
    content = event.content
    step, num_rounds = content["step"], len(state.rounds.get(content["step"], []))
    if content.get("round", 0) > num_rounds:
        raise ValueError(f"is of round {content['round']} of step {step}, of which {num_rounds} are known")
    is_new = content.get("round", 0) == num_rounds
    _check_chosen(content["cells"], [proposed.cell for proposed in state.proposals.get(step, []) if is_new])


def _check_evaluation(event: Event, state: RunState) -> None:
    content = event.content
    step, index = content["step"], content["index"]
    proposed = state.proposals.get(step)
    if proposed is not None and (index >= len(proposed) or proposed[index].cell != content["cell"]):
        raise ValueError(f"is of {content['cell']}, which was not proposed as number {index} of step {step}")
    if content.get("error_kind") is None:
        for name in _OF_A_SUCCESS:
            if content.get(name) is None:
                raise ValueError(f"has no '{name}', though it did not fail")


def _check_costs(event: Event, state: RunState) -> None:
    content = event.content
    foreign = objectives.unknown(state.wanted)  # by packages that are not installed here
    kinds = [row.name for row in objectives.measured(name for name in state.wanted if name not in foreign)]
    for kind in [*kinds, *(name for name in foreign if name in content)]:
        if kind not in content:
            raise ValueError(f"has no '{kind}'")
        _check_value(kind, content[kind], mapping_of(is_amount))
        if lacking := _operators(state) - content[kind].keys():
            raise ValueError(f"has no '{kind}' of the operator '{min(lacking)}'")
    if unknown := content.keys() - {*kinds, *foreign}:
        raise ValueError(f"has costs of unknown kind: '{min(unknown)}'")


def _check_data(event: Event, state: RunState) -> None:
    """Evaluators other than training remember what they like of what stands behind their figures."""
    trains = OthersConfig.model_fields["evaluator"].default
    if part(state.config, "others").get("evaluator", trains) == trains:
        _check_fields(event.content, _OF_A_DATASET)


def _check_predictions(event: Event, state: RunState) -> None:
    content = event.content
    if content["file"] != f"predictions_{artifacts.of_round(content['step'], content.get('round', 0))}.npz":
        raise ValueError(f"has '{content['file']}' as its 'file'")


def _check_confirmation(event: Event, state: RunState) -> None:
    content = event.content
    if content.get("error_kind") is None and content.get("score") is None:
        raise ValueError("has no 'score', though it did not fail")


def _check_winner(event: Event, state: RunState) -> None:
    if all(item.cell != event.content["cell"] for item in state.allowed):
        raise ValueError(f"names a winner that is no result of the search: {event.content['cell']}")


_MORE: dict[str, Callable[[Event, RunState], None]] = {
    "earlier_runs": _check_earlier,
    "proposals": _check_proposals,
    "untrained_parents": _check_untrained_parents,
    "evaluation": _check_evaluation,
    "operator_costs": _check_costs,
    "data": _check_data,
    "predictions": _check_predictions,
    "confirmation": _check_confirmation,
    "winner": _check_winner,
}
