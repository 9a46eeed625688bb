"""The whole job: search, model selection, final training, evaluation, each in a process of its own.

`e2e.json` in the run's folder says what was asked, which stages are done, how long it took and what was cut
to keep `max_hours`. It exists from the first moment of the folder on, so the job can be resumed at any point.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from popnas import config as configurations
from popnas import report, tasks
from popnas.cells import Cell
from popnas.command_lines import as_typed
from popnas.config import RunConfig, Source
from popnas.datasets import Dataset
from popnas.errors import PopnasError, RunFolderError
from popnas.evaluators.training import fits, training_data
from popnas.evaluators.training.forecast import epoch_samples
from popnas.evaluators.training.placing import num_workers
from popnas.events import Listen, PhaseStarted, RunOpened, Told, Warned, nobody
from popnas.executors import how_ended
from popnas.networks.cost import network_cost
from popnas.networks.spec import NetworkSpec
from popnas.report.views import Views
from popnas.runs import RunFolder, identity
from popnas.runs.folder import RunExistsError, create_run, place_of_run
from popnas.runs.stored import progress
from popnas.runs.stored.reading import is_there, read_json
from popnas.runs.stored.rules import (
    has,
    is_amount,
    is_object,
    is_share,
    is_text,
    list_of,
    mapping_of,
    or_none,
    whole,
)
from popnas.storage import write_json
from popnas.workflows import describe
from popnas.workflows.models import deployment, final_training, macro_variants, requests, selection
from popnas.workflows.models.choices import CellChoice, StageChanges
from popnas.workflows.models.folder import ModelFolder
from popnas.workflows.searching import plan
from popnas.workflows.searching.search import environment
from popnas.workflows.settings import load_config, name_rules, unused
from popnas.workflows.whole import budget, epoch_time, time_left
from popnas.workflows.whole.request import JobRequest
from popnas.workflows.whole.stage_processes import run_stage

STAGES = ("search", "selection", "training", "evaluation")
_USUAL = JobRequest()


@dataclass(frozen=True)
class EndToEndResult:
    """`folder`: the run; `model`: the final model's folder; `deployed`: `model.json` of its deployment, with
    the accuracy of the exported file; `cuts`: what was cut to keep `max_hours`, in words."""

    folder: Path
    model: Path
    deployed: dict[str, Any]
    cuts: list[str]
    seconds: float


def end_to_end(
    source: Source,
    request: JobRequest = _USUAL,
    *,
    name: str | None = None,
    logs: Path | str = "logs",
    is_quiet: bool = False,
    tell: Listen = nobody,
    began: float | None = None,
) -> EndToEndResult:
    """Search, select and train; `others.max_hours` of the configuration is for all three together, from
    `began` on (`time.monotonic()`; default now: a program's imports take seconds, too).

    Raises:
        UserError: mistakes in any of the configurations or in the data; no folder is made then.
        PopnasError: a stage failed.
    """
    began = time.monotonic() if began is None else began
    told: list[str] = []
    config = source if isinstance(source, RunConfig) else load_config(source)
    if request.params is not None:
        macro_variants.parse_params_range(request.params)
    merged = {}
    partials = {
        "selection": selection.PARTIAL if request.selection_partial is None else request.selection_partial,
        "training": final_training.PARTIAL if request.training_partial is None else request.training_partial,
    }
    for stage, partial in partials.items():
        requests.stage_config(config, partial, StageChanges(request.batch_size))  # for its mistakes
        base = requests.without_limit(config)
        merged[stage] = configurations.merge(base, partial, names=name_rules())
    path = place_of_run(logs, name)
    if name is not None and path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise RunExistsError(
            f"{path} exists already. Go on with it (`{as_typed('e2e', '-r', path)}`), or choose another "
            "`name`."
        )
    requests.check_has_networks(config)
    dataset = deployment.load_with_test(config)
    for warning in [*unused(config), *dataset.told]:
        told.append(warning)
        tell(Warned(warning))
    for each in merged.values():
        fits.check_time(each, dataset, num_trainings=1)
    fits.check_search(config, dataset)
    state: dict[str, Any] = {
        "request": {
            "num_cells": CellChoice(request.num_cells).number,
            "params": request.params,
            "batch_size": request.batch_size,
        },
        "max_hours": config.others.max_hours,
        "spent_seconds": 0.0,
        "search_seconds": None,
        "configs": {stage: found.to_json() for stage, found in merged.items()},
        "finished": {},
        "cuts": [],
    }
    if config.others.max_hours is not None:
        tell(PhaseStarted("probing this machine, to fit the whole job into max_hours"))
        stages = (merged["selection"], merged["training"])
        config = _cut_search(config, *stages, dataset, state, tell)
    state["spent_seconds"] = time.monotonic() - began
    folder = create_run(logs, name, lambda free: _create(free, config, state))
    return _EndToEnd(folder, is_quiet, tell, told=told).run()


def resume(
    path: Path | str,
    *,
    is_quiet: bool = False,
    tell: Listen = nobody,
    began: float | None = None,
) -> EndToEndResult:
    """Go on with an interrupted job; a finished one is only read. `began`: as for `end_to_end`.

    Raises:
        UserError: no such job there.
    """
    folder = RunFolder.open(path)
    if not is_there(state_path(folder.path)):
        raise RunFolderError(
            f"{folder.path} was not started by `popnas e2e`. Go on with "
            f"`{as_typed('search', '-r', folder.path)}`, then `{as_typed('select', '-p', folder.path)}` and "
            f"`{as_typed('train', '-p', folder.path)}`."
        )
    return _EndToEnd(folder, is_quiet, tell, began).run()


def state_path(run: Path) -> Path:
    """Where the job's state lies in a run's folder."""
    return run / "e2e.json"


_STATE = {
    "request": has({"num_cells": whole(1), "params": or_none(is_text), "batch_size": or_none(whole(1))}),
    "max_hours": or_none(is_amount),
    "spent_seconds": is_amount,
    "search_seconds": or_none(is_amount),
    "configs": has({stage: has({"dataset": is_object}) for stage in ("selection", "training")}),
    "finished": lambda value: mapping_of(is_amount)(value) and value.keys() <= set(STAGES),
    "cuts": list_of(is_text),
}
_DECIDED = {"selection_until": is_amount, "training_until": is_amount}
_DEPLOYED = {
    "cell": is_text,
    "params": whole(0),
    "measured": has({"split": is_text, "accuracy": is_share, "num_samples": whole(1)}),
}


def _read_state(path: Path) -> dict[str, Any]:
    """The job's state; raises RunFolderError unless a job could have written it."""
    place = state_path(path)
    commands = [as_typed("select", "-p", path), as_typed("train", "-p", path)]
    remedy = f"go on without it: {' and '.join([as_typed('search', '-r', path), *commands])}"
    state = read_json(place, must=_STATE, may=_DECIDED, remedy=remedy)
    is_decided = "selection_until" in state or "selection" not in state["finished"]
    if (state["search_seconds"] is None) != (state["max_hours"] is None) or (
        state["max_hours"] is not None and not is_decided
    ):
        raise RunFolderError(f"{place} contradicts itself. Put back a copy of the file; or {remedy}.")
    return state


def _create(path: Path, config: RunConfig, state: dict[str, Any]) -> RunFolder:
    """The run's folder with the job's state in it, both or neither."""
    return RunFolder.create(
        path,
        config.to_json(),
        volatile=environment(),
        fill=lambda folder: write_json(
            state_path(folder), {**state, identity.KEY: identity.of(folder)}, is_durable=True, is_proven=True
        ),
    )


def _cut_search(
    config: RunConfig,
    selected: RunConfig,
    trained: RunConfig,
    dataset: Dataset,
    state: dict[str, Any],
    tell: Listen,
) -> RunConfig:
    """The configuration with as many children as fit into the search's share of `max_hours`."""
    assert config.others.max_hours is not None
    planned = plan.plan(config, tell)
    assert planned.epoch_seconds is not None, "the evaluator trains"
    epoch = planned.epoch_seconds * budget.MARGIN
    num_cells = state["request"]["num_cells"]
    rounds = -(-num_cells // min(planned.num_workers, num_cells))
    whole = len(dataset.full_train) / len(dataset.train)
    later = epoch * (
        rounds * selected.training_hyperparameters.epochs + whole * trained.training_hyperparameters.epochs
    )
    share = budget.search_share(
        config.others.max_hours * 3600,
        later + 2 * budget.STAGE_OVERHEAD,
        [budget.StepCost(step.num_networks, step.most_seconds) for step in planned.steps],
        config.search_strategy.max_children,
        config.search_strategy.max_exploration_children,
    )
    state["search_seconds"] = share.seconds
    state["cuts"] += [share.cut] if share.cut else []
    return share.cut_search(config)


class _EndToEnd:
    """A job under way, or done."""

    def __init__(
        self,
        folder: RunFolder,
        is_quiet: bool,
        tell: Listen,
        began: float | None = None,
        told: Sequence[str] = (),
    ) -> None:
        self.told = list(told)  # warnings, by the job or one of its stages
        self.folder, self.path, self.is_quiet, self.tell = folder, folder.path, is_quiet, tell
        self.state = _read_state(self.path)
        self.spent_before = float(self.state["spent_seconds"])
        self.began = time.monotonic() if began is None else began

    def run(self) -> EndToEndResult:
        self.tell(RunOpened(self.path))
        for number, stage in enumerate(STAGES, start=1):
            if stage in self.state["finished"]:
                continue
            arguments = {
                "search": self._search_arguments,
                "selection": self._selection_arguments,
                "training": self._training_arguments,
                "evaluation": lambda: [
                    "evaluate",
                    "-p",
                    str(self.path),
                    "-f",
                    self.folder.final_training.name,
                ],
            }[stage]()
            if arguments:
                limit = None if self.state["max_hours"] is None else max(self._left(), 0.0)
                left = time_left.words(self._whole_left(stage), limit)
                self.tell(Told("; ".join(filter(None, [f"[{number}/{len(STAGES)}] {stage}", left]))))
                self._run_stage(stage, arguments)
                if stage == "search":  # the other stages tell theirs, or the next one does
                    self._tell_best()
            if stage == STAGES[-1]:  # the search's report knows neither the final network nor all cuts
                report.write(self.folder, self.folder.state(), Views(self.tell))
            self.state["finished"][stage] = self._spent()
            self._write()
        return self._result()

    def _tell_best(self) -> None:
        if (cell := self.folder.state().best) is not None:
            self.tell(Told(f"Best cell of the search: {cell.cell}, validation {cell.score:.4f}"))

    def _run_stage(self, stage: str, arguments: list[str]) -> None:
        status = run_stage([*arguments, *(["--json"] if self.is_quiet else [])], self._write, self.told)
        self.told += progress.warnings(self.folder.progress_json)
        self._write()
        if status == 130:
            raise KeyboardInterrupt
        if status != 0:
            told = ", as told above" if status > 0 else ""  # what a signal ends tells nothing
            raise PopnasError(
                f"{stage} {how_ended(status)}{told}. What is finished is kept; "
                f"`{as_typed('e2e', '-r', self.path)}` goes on with it."
            )

    # --- the stages' command lines
    # ------------------------------------------------------------------------------------------------

    def _search_arguments(self) -> list[str]:
        arguments = ["search", "-r", str(self.path)]
        share = self.state["search_seconds"]
        if share is not None:
            left = share - self._spent()
            if left <= 0 and self.folder.state().best is not None:
                return []
            arguments += ["--set", f"others.max_hours={max(left - budget.STAGE_END, 1.0) / 3600}"]
        return arguments

    def _selection_arguments(self) -> list[str]:
        request = self.state["request"]
        config = self._config("selection")
        if self.state["max_hours"] is not None:
            if self.folder.state().finish_reason == "max_hours":
                self._cut("search: ended by its share of max_hours before its last step")
            self._decide_selection(config)
        arguments = ["select", "-p", str(self.path), "-k", str(request["num_cells"])]
        if request["params"] is not None:
            arguments += ["--params", request["params"]]
        return [*arguments, *self._shared_arguments("selection")]

    def _training_arguments(self) -> list[str]:
        if self.state["max_hours"] is not None:
            self._decide_training(self._config("training"))
        return ["train", "-p", str(self.path), *self._shared_arguments("training")]

    def _shared_arguments(self, stage: str) -> list[str]:
        """The stage's configuration as it was decided, and the batch size, which scales its learning rate."""
        path = self.folder.restore / f"e2e_{stage}.json"
        hours = None
        if self.state["max_hours"] is not None:
            hours = max(self.state[f"{stage}_until"] - self._spent(), 1.0) / 3600
        searched = self.folder.config_json()["search_strategy"]  # cut, where the search had to be
        changes = {
            f"search_strategy.{key}": searched[key] for key in ("max_children", "max_exploration_children")
        }
        config = configurations.changed(self._config(stage), {"others.max_hours": hours, **changes})
        write_json(path, config.to_json())
        batch_size = self.state["request"]["batch_size"]
        return ["-j", str(path), *(["-b", str(batch_size)] if batch_size is not None else [])]

    def _config(self, stage: str) -> RunConfig:
        """The stage's configuration as it was decided, with the data where they are now."""
        place = self.folder.config_json()["dataset"]["path"]
        return configurations.changed(load_config(self.state["configs"][stage]), {"dataset.path": place})

    # --- the time limit
    # ------------------------------------------------------------------------------------------------

    def _decide_selection(self, config: RunConfig) -> None:
        if "selection_until" in self.state:
            return
        self.tell(PhaseStarted("probing the best cell's network"))
        dataset = training_data.load(config, self.path)
        cells = selection.chosen_cells(self.folder, self.state["request"]["num_cells"], is_from_front=False)
        seconds = epoch_time.probed(config, dataset, cells[0])
        spec = tasks.get(config.dataset.type).network_spec(config, dataset)
        flops = [self._flops(cell, spec) for cell in cells]
        weights = [max(sum(found) / flops[0][0], budget.LEAST_SHARE) for found in flops]
        workers = num_workers(config)
        epoch = seconds * epoch_samples(dataset) * max(sum(weights) / workers, max(weights))
        later = (
            seconds
            * len(dataset.full_train)
            * budget.MARGIN
            * self._config("training").training_hyperparameters.epochs
        )
        share = budget.selection_share(
            self._left(), config.training_hyperparameters.epochs, epoch, later + budget.STAGE_OVERHEAD
        )
        self._decided("selection", config, share, budget.STAGE_END)

    def _flops(self, cell: Cell, spec: NetworkSpec) -> list[float]:
        """FLOPs of every network that selection trains of a cell, the original first."""
        shapes = [macro_variants.original(cell, spec)]
        if self.state["request"]["params"] is not None:
            allowed = macro_variants.parse_params_range(self.state["request"]["params"])
            shapes += macro_variants.alternatives(cell, spec, allowed)
        specs = [
            spec.replace(
                motifs=shape.motifs, normal_cells_per_motif=shape.normal_cells, filters=shape.filters
            )
            for shape in shapes
        ]
        return [float(network_cost(cell, changed).flops) for changed in specs]

    def _decide_training(self, config: RunConfig) -> None:
        if "training_until" in self.state:
            return
        best = selection.best_of(selection.read_selection(self.folder.model_selection))
        assert best is not None, "a selection that ended well has a best model"
        epoch = self._training_epoch(config, best)
        late = self.state["finished"]["selection"] - self.state["selection_until"]
        overhead = budget.measured_overhead(late)
        epochs = config.training_hyperparameters.epochs
        share = budget.training_share(self._left(), epochs, epoch, overhead)
        self._decided("training", config, share, overhead)

    def _training_epoch(self, config: RunConfig, best: selection.SelectedModel) -> float:
        """Seconds of an epoch of final training."""
        dataset = training_data.load(config, self.path)
        found = epoch_time.logged(ModelFolder(best.folder).log())
        if found is not None:
            return found * len(dataset.full_train) / len(dataset.train)
        shape = (best.motifs, best.normal_cells, best.filters)
        changed = requests.with_macro(config, *shape)
        return epoch_time.probed(changed, dataset, Cell.parse(best.cell)) * len(dataset.full_train)

    def _decided(self, stage: str, config: RunConfig, share: budget.EpochShare, end: float) -> None:
        """Keep a decision, so that the job goes on as it would have gone; the stage stops training `end`
        seconds before its share is over."""
        self.state["configs"][stage] = budget.with_epochs(config, share.epochs).to_json()
        self.state[f"{stage}_until"] = self._spent() + max(share.seconds - end, 1.0)
        if share.cut is not None:
            self._cut(share.cut)
        self._write()

    def _cut(self, text: str) -> None:
        if text not in self.state["cuts"]:
            self.state["cuts"].append(text)
            self.tell(Told(f"Cut to keep max_hours: {text}"))

    def _whole_left(self, stage: str) -> float | None:
        """Seconds until the job is done, as `stage` begins; None while there is no honest estimate: before
        the search has measured anything, and for a stage that was begun before."""
        if stage == "evaluation":
            final = [self.folder.final_training]
            return time_left.from_evaluation(self._beside_epochs("selection", "training", final))
        seconds = None
        if stage == "selection" and not self.folder.model_selection.exists():
            seconds = self._left_from_selection()
        elif stage == "training" and not self.folder.final_training.exists():
            seconds = self._left_from_training()
        if seconds is None or self.state["max_hours"] is None:
            return seconds
        return min(seconds, max(self._left(), 0.0))

    def _left_from_selection(self) -> float | None:
        request = self.state["request"]
        state = self.folder.state()
        if state.best is None or state.data is None:
            return None
        selected, trained = self._config("selection"), self._config("training")
        shape = "x".join(map(str, state.data["input_shape"]))
        spec = describe.network_spec(selected, shape, len(state.data["class_names"]))
        cells = selection.chosen_cells(self.folder, request["num_cells"], is_from_front=False)
        flops = {cell: self._flops(cell, spec) for cell in cells}
        return time_left.from_selection(state, self.folder.config_json(), flops, selected, trained)

    def _left_from_training(self) -> float | None:
        best = selection.best_of(selection.read_selection(self.folder.model_selection))
        if best is None:
            return None
        epoch = epoch_time.logged(ModelFolder(best.folder).log())
        if epoch is None:
            return None
        num_epochs = self._config("training").training_hyperparameters.epochs
        models = [model.folder for model in selection.read_selection(self.folder.model_selection)]
        workers = min(num_workers(self._config("selection")), len(models))
        return time_left.from_training(
            epoch * num_epochs * time_left.whole_share(self.folder.state()),
            self._beside_epochs("search", "selection", models, workers),
        )

    def _beside_epochs(self, before: str, stage: str, models: Sequence[Path], workers: int = 1) -> float:
        """Seconds that a finished stage took beside the epochs of its models: start-up, data, exports."""
        begun = [model for model in map(ModelFolder, models) if model.has_log]
        epochs = [sum(model.log().get("epoch_seconds", [])) for model in begun]
        finished = self.state["finished"]
        return float(finished[stage] - finished[before] - sum(epochs) / workers)

    # --- the state
    # ------------------------------------------------------------------------------------------------

    def _spent(self) -> float:
        return self.spent_before + time.monotonic() - self.began

    def _left(self) -> float:
        return float(self.state["max_hours"] * 3600 - self._spent())

    def _write(self) -> None:
        self.state["spent_seconds"] = self._spent()
        write_json(state_path(self.path), self.state, is_durable=True, is_proven=True)

    def _result(self) -> EndToEndResult:
        model = ModelFolder(self.folder.final_training)
        deployed = read_json(ModelFolder(model.deploy).model_json, must=_DEPLOYED)
        return EndToEndResult(
            self.path, model.path, deployed, self.state["cuts"], self.state["finished"][STAGES[-1]]
        )
