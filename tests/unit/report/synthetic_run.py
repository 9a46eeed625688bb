"""Run folders as a search leaves them, with plausible made-up numbers: nothing is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from popnas import config
from popnas.cells import Cell, SearchSpace
from popnas.evaluation import Evaluation
from popnas.runs import RunFolder
from popnas.storage import save_arrays

OPERATORS = ["identity", "3x3 dconv", "3x3 conv", "1x3-3x1 conv", "2x2 maxpool"]


class SyntheticRun:
    """Writes the journal of a search step by step.

    `failures`: "none", "some" or "all"; `last_step`: the search was killed after it (None: it went to
    its end).
    """

    def __init__(
        self,
        path: Path,
        *,
        blocks: int = 3,
        objectives: tuple[str, ...] = ("time",),
        operators: list[str] | None = None,
        num_children: int = 8,
        num_exploration: int = 2,
        is_pnas: bool = False,
        num_heads: int = 1,
        failures: str = "none",
        last_step: int | None = None,
        has_confirmations: bool = False,
        gain: float = 0.01,
        num_candidates: int = 1500,
        seed: int = 0,
    ) -> None:
        self.rng = np.random.default_rng(seed)
        self.space = SearchSpace(operators or OPERATORS, blocks, 2)
        self.objectives = ["score"] if is_pnas else ["score", *objectives]
        self.num_children, self.num_exploration = num_children, 0 if is_pnas else num_exploration
        self.num_heads, self.failures, self.gain = num_heads, failures, gain
        self.num_candidates = num_candidates
        self.weights = {name: self.rng.uniform(0.2, 1.0) for name in self.space.operators}
        self.folder = RunFolder.create(path, self._config(is_pnas, objectives), volatile=_SESSION)
        with self.folder.journal:
            self._write(blocks if last_step is None else last_step)
            if last_step is None and failures != "all":
                if has_confirmations:
                    self._confirm()
                self._append("run_finished", {"reason": "completed"})

    def _config(self, is_pnas: bool, objectives: tuple[str, ...]) -> dict[str, Any]:
        return config.load(
            {
                "search_space": {
                    "blocks": self.space.num_blocks,
                    "lookback_depth": 2,
                    "operators": list(self.space.operators),
                },
                "search_strategy": {
                    "max_children": self.num_children,
                    "max_exploration_children": self.num_exploration,
                    "additional_pareto_objectives": list(objectives),
                },
                "architecture_hyperparameters": {"multi_output": self.num_heads > 1},
                "dataset": {"type": "image_classification", "name": "digits"},
                "others": {"pnas_mode": is_pnas},
            }
        ).to_json()

    def _append(self, event: str, content: dict[str, Any], volatile: dict[str, Any] | None = None) -> None:
        self.folder.journal.append(event, content, volatile or {})

    def _write(self, last_step: int) -> None:
        self._step(0, [Cell()])
        if last_step >= 1:
            blocks = self.space.new_blocks(1)[:, None]
            cells = [cell.canonical() for cell in self.space.decode(blocks)]
            self._step(1, list(dict.fromkeys(cells)))
        if self.failures == "all":
            return
        for step in range(2, last_step + 1):
            self._grow(step)

    def _grow(self, step: int) -> None:
        cells = self.space.decode(self.space.random_cells(self.num_candidates, step, self.rng))
        cells = list({cell.key: cell.canonical() for cell in cells}.values())
        noise = self.rng.normal(0, 0.01, len(cells))
        predicted = {name: np.array([self._value(cell, name) for cell in cells]) for name in self.objectives}
        predicted["score"] = np.clip(predicted["score"] + noise, 0, 1)
        arrays = {
            "cells": self.space.encode(cells, step),
            "operators": np.array(self.space.operators),
            "score_spread": np.full(len(cells), 0.01),
            **predicted,
        }
        path = self.folder.predictions_npz(step)
        content = {
            "step": step,
            "file": path.name,
            "sha256": save_arrays(path, arrays),
            "num_candidates": len(cells),
            "predictors": {
                name: {
                    "hyperparameters": {"C": 10.0, "epsilon": 0.01},
                    "loss_curve": [],
                    "cross_validation": {"mape": 3.2, "spearman": 0.9},
                }
                for name in predicted
                if name not in ("params", "flops")
            },
        }
        self._append("predictions", content)
        order = np.argsort(-predicted["score"], kind="stable")
        spread = order[: self.num_children * 6 : 6]
        explored: Any = (
            order[self.num_children * 6 :][: self.num_exploration] if step < self.space.num_blocks else []
        )
        self._step(
            step,
            [cells[index] for index in [*spread, *explored]],
            [{name: float(predicted[name][index]) for name in predicted} for index in [*spread, *explored]],
            num_front=len(spread),
        )

    def _step(
        self,
        step: int,
        cells: list[Cell],
        predictions: list[dict[str, float]] | None = None,
        num_front: int | None = None,
    ) -> None:
        front = len(cells) if num_front is None else num_front
        proposals = [
            {
                "cell": cell.key,
                "is_exploration": index >= front,
                "predictions": predictions[index] if predictions else {},
            }
            for index, cell in enumerate(cells)
        ]
        self._append("proposals", {"step": step, "cells": proposals})
        for index, cell in enumerate(cells):
            evaluation = self._evaluation(cell, step, index, index >= front)
            self._append("evaluation", evaluation.content(), evaluation.volatile)
        if step == 1:
            share = 0.0 if self.failures == "all" else 1.0
            costs = {
                name: share * weight / max(self.weights.values()) for name, weight in self.weights.items()
            }
            self._append(
                "operator_costs", {"time": costs, "inference_time": {**costs, "identity": 0.05 * share}}
            )
        self._append("step_finished", {"step": step})

    def _evaluation(self, cell: Cell, step: int, index: int, is_exploration: bool) -> Evaluation:
        shared: dict[str, Any] = {
            "cell": cell.key,
            "step": step,
            "index": index,
            "is_exploration": is_exploration,
            "seed": index,
            "params": int(self._value(cell, "params")),
            "flops": int(self._value(cell, "flops")),
        }
        volatile = {"device": "cpu", "worker": index % 2, "wall_seconds": self._value(cell, "time") * 1.4}
        if self.failures == "all" or (self.failures == "some" and index % 5 == 2):
            kind = ("nan", "out_of_memory", "time_limit")[index % 3]
            return Evaluation(
                **shared, error=f"the loss <b>is</b> {kind}", error_kind=kind, volatile=volatile
            )
        score = float(np.clip(self._value(cell, "score") + self.rng.normal(0, 0.006), 0, 1))
        seconds = self._value(cell, "time") * float(self.rng.lognormal(0, 0.05))
        heads = [
            {"accuracy": score * (0.85 + 0.15 * (head + 1) / self.num_heads)}
            for head in range(self.num_heads)
        ]
        return Evaluation(
            **shared,
            metrics={"accuracy": score, "f1_score": score - 0.004},
            score=score,
            training_seconds=seconds,
            inference_seconds=self._value(cell, "inference_time") * float(self.rng.lognormal(0, 0.03)),
            head_metrics=heads,
            volatile={**volatile, "epochs_seconds": seconds, "validation_seconds": 0.12 * seconds},
        )

    def _value(self, cell: Cell, name: str) -> float:
        """A made-up figure that grows with the cell, in its usual magnitude."""
        cost = sum(self.weights[op] for block in cell.blocks for op in (block.op1, block.op2))
        if name == "score":
            return 0.8 + 0.05 * float(np.tanh(cost / 2)) + self.gain * len(cell)
        scale = {"time": 0.9, "inference_time": 4e-4, "params": 2600.0, "flops": 410_000.0}[name]
        power = {"params": 1.3, "flops": 1.15}.get(name, 1.0)
        return scale * (0.4 + cost**power)

    def _confirm(self) -> None:
        ranked = [item for item in self.folder.state().successes if item.step > 0]
        ranked.sort(key=lambda item: -(item.score or 0))
        single = next(item for item in ranked if item.step == 1)
        for item in [*ranked[:5], *([] if single in ranked[:5] else [single])]:
            for repetition in range(1, 4):
                score = self._value(Cell.parse(item.cell), "score") + float(self.rng.normal(0, 0.004))
                content = {"cell": item.cell, "repetition": repetition, "seed": repetition, "score": score}
                self._append("confirmation", {**content, "metrics": {"accuracy": score}})


_SESSION = {
    "time": "2025-03-04T12:00:00+00:00",
    "host": "box",
    "pid": 7,
    "python": "3.12.1",
    "popnas": "0.1.0",
}
