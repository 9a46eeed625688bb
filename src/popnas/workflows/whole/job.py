"""A whole job under way: its stages one after the other, each with its share of the time."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from popnas import config as configurations
from popnas import report, tasks
from popnas.cells import Cell
from popnas.command_lines import as_typed
from popnas.config import RunConfig
from popnas.errors import PopnasError
from popnas.evaluators.training import training_data
from popnas.evaluators.training.placing import num_workers
from popnas.events import Listen, PhaseStarted, RunOpened, Told
from popnas.report.views import Views
from popnas.runs import RunFolder, RunState
from popnas.runs.front import check_constraints
from popnas.runs.stored import progress
from popnas.runs.stored.job_clock import Ahead
from popnas.storage import write_json
from popnas.training.failures import release_all
from popnas.workflows.models import final_training, requests, selection
from popnas.workflows.models.choices import CellChoice, NetworkChoice, StageChanges
from popnas.workflows.models.folder import ModelFolder
from popnas.workflows.models.stored import repetitions
from popnas.workflows.models.timing import epoch_time
from popnas.workflows.settings import load_config, load_run_config
from popnas.workflows.whole import budget, costs, time_left
from popnas.workflows.whole.budget import EpochShare
from popnas.workflows.whole.costs import NetworkCosts
from popnas.workflows.whole.stages import Stage, Stages
from popnas.workflows.whole.state import JobState

_MOST_BESIDE = 3.0
"""How far what a stage took beside its trainings may change what is expected of later ones, either way."""


class WholeJob:
    """A job as its folder has it, under way or done. `began` (`time.monotonic()`): since when its time goes
    on; `told`: the warnings that were."""

    def __init__(
        self, folder: RunFolder, stages: Stages, tell: Listen, began: float, told: Sequence[str] = ()
    ) -> None:
        self.folder, self.path, self.stages, self.tell = folder, folder.path, stages, tell
        self.told = list(told)
        self.state = JobState.read(self.path)
        self.spent_before, self.began = self.state.spent_seconds, began

    def run(self) -> None:
        """Run what is not finished.

        Raises:
            PopnasError: a stage failed, or the search found no network.
        """
        self.tell(RunOpened(self.path))
        for number, name in enumerate(self.state.stages, start=1):
            if name in self.state.finished:
                continue
            self._run_stage(number, name)
            if name == "search":
                if self._is_worth_more():
                    why = ", with more time: its share ended before a network was trained"
                    self._run_stage(number, name, why)
                self._check_found()
            if name == self.state.last != "search":
                # The search's report knows neither the final network nor all cuts.
                self.tell(PhaseStarted("writing the report"))
                report.write(self.folder, self.folder.state(), Views(self.tell))
            self.state.finished[name] = self._spent()
            self._write()

    def _run_stage(self, number: int, name: str, why: str = "") -> None:
        work = {
            "search": self._search,
            "selection": self._selection,
            "training": self._training,
            "evaluation": self._evaluation,
        }[name]()
        if work is None:
            return
        ahead = self._ahead(name)
        limit = None if self.state.max_hours is None else max(self._left(), 0.0)
        left = time_left.words(None if ahead is None else ahead.seconds, limit)
        self.tell(Told("; ".join(filter(None, [f"[{number}/{len(self.state.stages)}] {name}{why}", left]))))
        self.state.started.setdefault(name, self._spent())
        self._write()
        release_all()  # what probes in this process took is for those who train
        work(Stage(name, self.path, ahead, self.told, self._write))
        self.told += progress.warnings(self.folder.progress_json)
        self._write()

    def _is_worth_more(self) -> bool:
        """Whether the search has spent its share before any network was trained, as on a busy machine it may,
        and there is more time: it then gets a share of that."""
        state = self.folder.state()
        if state.best is not None or state.finish_reason != "max_hours" or self.state.max_hours is None:
            return False
        more = budget.SEARCH_SHARE * self._left()
        self.state.search_seconds = self._spent() + more
        return more > budget.STAGE_OVERHEAD

    def _check_found(self) -> None:
        """Tell the search's best cell: the other stages tell theirs, or the next one does."""
        state = self.folder.state()
        if state.best is not None:
            self.tell(Told(f"Best cell of the search: {state.best.cell}, validation {state.best.score:.4f}"))
        elif state.finish_reason is not None:
            check_constraints(state)
            if state.finish_reason == "max_hours":
                go_on = as_typed("search", "-r", self.path, "--set", "others.max_hours=null")
                raise PopnasError(
                    "the time was up before any network was trained. Start a new job with a longer "
                    f"max_hours; the search of this one alone goes on without a limit with: {go_on}"
                )
            raise requests.no_network(self.path)

    # --- the stages
    # ------------------------------------------------------------------------------------------------

    def _search(self) -> Callable[[Stage], None] | None:
        share, shared = self.state.search_seconds, self.state.workers_per_gpu
        sets = [] if shared is None else [f"others.executor.workers_per_gpu={shared}"]
        if share is not None:
            left = share - self._spent()
            if left <= 0 and self.folder.state().best is not None:
                return None
            sets.append(f"others.max_hours={max(left - budget.STAGE_END, 1.0) / 3600}")
        return lambda stage: self.stages.search(stage, sets)

    def _selection(self) -> Callable[[Stage], None]:
        if self.state.max_hours is not None and self.folder.state().finish_reason == "max_hours":
            self._cut("search: ended by its share of max_hours before its last step")
        if self._is_measured("selection"):
            searched = self.folder.state()
            self._learn_beside("search", _searched_seconds(searched) / _num_at_once(searched))
            self._decide_selection()
        cells = CellChoice(self.state.num_cells, params=self.state.params, has_references=True)
        partial, changes = self._partial("selection"), StageChanges(self.state.batch_size)
        return lambda stage: self.stages.select(stage, cells, partial, changes)

    def _training(self) -> Callable[[Stage], None]:
        if self._is_measured("training"):
            self._decide_training()
        partial, changes = self._partial("training"), StageChanges(self.state.batch_size)
        network = NetworkChoice(ensemble=self.state.ensemble, max_params=self.state.max_params)
        return lambda stage: self.stages.train(stage, network, partial, changes)

    def _evaluation(self) -> Callable[[Stage], None]:
        if "evaluation" not in self.state.started:
            self._learn_beside("training", _trained([self.folder.final_training]))
        return lambda stage: self.stages.evaluate(stage, self.folder.final_training.name)

    def _partial(self, name: str) -> Path:
        """The stage's configuration as it was decided, in a file."""
        config = self._config(name)
        hours = config.others.max_hours  # of this stage alone
        if self.state.max_hours is not None:
            share = max(self.state.until[name] - self._spent(), 1.0) / 3600
            hours = share if hours is None else min(hours, share)
        searched = self._searched()  # cut, where the search had to be: nothing else of it is a stage's own
        strategy, space = searched.search_strategy, searched.search_space
        changes = {
            "others.max_hours": hours,
            "search_strategy.max_children": strategy.max_children,
            "search_strategy.max_exploration_children": strategy.max_exploration_children,
            "search_strategy.repeats": strategy.repeats,
            "search_space.blocks": space.blocks,
            "search_space.lookback_depth": space.lookback_depth,
        }
        path = self.folder.restore / f"e2e_{name}.json"
        write_json(path, configurations.changed(config, changes).to_json())
        return path

    def _config(self, name: str) -> RunConfig:
        """The stage's configuration as it was decided, with the data where they are now."""
        place = self._searched().dataset.path
        return configurations.changed(load_config(self.state.configs[name]), {"dataset.path": place})

    def _as_trained(self, name: str) -> RunConfig:
        """The same for probes."""
        return requests.as_trained(self._config(name), self.state.batch_size)

    def _searched(self) -> RunConfig:
        """The search's configuration, as it is now."""
        return load_run_config(self.folder)

    # --- what stages take, and what they get of the time limit
    # ------------------------------------------------------------------------------------------------

    def _is_measured(self, name: str) -> bool:
        """Whether the stage is to be measured now: for a limit or somebody who waits, and only once, so that
        a job goes on as it would have gone."""
        if self.state.max_hours is not None:
            return name not in self.state.until
        return self.stages.tells_time_left and name not in self.state.started

    def _decide_selection(self) -> None:
        config = self._as_trained("selection")
        self.tell(PhaseStarted("probing the best cell's network"))
        dataset = training_data.load(config, self.path)
        cells = selection.chosen_cells(self.folder, self.state.num_cells, is_from_front=False)
        spec, params = epoch_time.spec_of(config, dataset), self.state.params
        cost = epoch_time.sample_cost(config, dataset, cells[0], params)
        sizes = {cell: epoch_time.sizes_of(cell, spec, params) for cell in cells}
        networks = NetworkCosts.of(dataset, cost, [size for each in sizes.values() for size in each])
        networks, times = networks.with_references(config), len(repetitions.wanted_by(config))
        if self.state.max_hours is not None:
            later, stored = 0.0, self._config("selection")
            if "training" in self.state.stages:
                later = costs.epochs_of(self._config("training"), networks.training_epoch)
                later = budget.MARGIN * later + budget.STAGE_OVERHEAD
            epoch = networks.selection_epoch(num_workers(config), times)
            if costs.epochs_of(config, epoch) + budget.STAGE_OVERHEAD + later > self._left():
                # The final training will have as many epochs as fit into its time, a cheap network more.
                stored = configurations.changed(stored, {"others.selection_budget": "seconds"})
            if stored.others.selection_budget == "seconds":
                epoch = networks.alike.selection_epoch(num_workers(config), times)
            epochs = config.training_hyperparameters.epochs
            share = budget.selection_share(self._left(), epochs, epoch, later)
            self._decided("selection", stored, share, budget.STAGE_END)
        once, state = self.state.expected.once_share, self.folder.state()
        relative = {
            cell: [cost.seconds(size) / cost.seconds(each[0]) for size in each]
            for cell, each in sizes.items()
        }
        measured = costs.searched_networks(state, once, relative, networks.whole)
        measured = networks if measured is None else measured.with_references(config)
        is_equal = self._config("selection").others.selection_budget == "seconds"
        selected = measured.alike if is_equal else measured
        self._expect("selection", selected.selection_epoch(num_workers(config), times))
        self._expect("training", measured.training_epoch)

    def _decide_training(self) -> None:
        config = self._config("training")
        models = selection.read_selection(self.folder.model_selection)
        folders = [each.folder(model.folder) for model in models for each in model.repeated]
        workers = min(num_workers(self._as_trained("selection")), max(len(folders), 1))
        self._learn_beside("selection", _trained(folders) / workers)
        best = selection.best_of(models)
        assert best is not None, "a selection that ended well has a best model"
        delivered, trained = self._delivered(models, best), self._as_trained("training")
        epoch = sum(self._training_epoch(trained, model) for model in delivered)
        if self.state.max_hours is not None:
            late = self.state.finished["selection"] - self.state.until["selection"]
            overhead = budget.measured_overhead(late)
            epochs = config.training_hyperparameters.epochs
            self._decided(
                "training", config, budget.training_share(self._left(), epochs, epoch, overhead), overhead
            )
        self._expect("training", epoch)

    def _delivered(
        self, models: Sequence[selection.SelectedModel], best: selection.SelectedModel
    ) -> list[selection.SelectedModel]:
        """The models of the selection that final training trains."""
        if self.state.ensemble is None:
            return [best]
        if final_training.is_reshaped(self._searched(), self._config("training")):
            return [best] * self.state.ensemble  # so many seeds of one network of that shape
        self.tell(PhaseStarted("choosing the members"))
        network = NetworkChoice(ensemble=self.state.ensemble, max_params=self.state.max_params)
        plan = final_training.ensemble_of_selection(self.folder, self.folder.final_training, network)
        by_name = {model.folder.name: model for model in models}
        return [by_name[member.origin] for member in plan.delivered]

    def _training_epoch(self, config: RunConfig, best: selection.SelectedModel) -> float:
        """Seconds of an epoch of final training."""
        dataset = training_data.load(config, self.path)
        log = ModelFolder(best.folder).log()
        found = epoch_time.logged(log)
        if best.reference in [item.name for item in tasks.get(config.dataset.type).fitted_references]:
            found = log.training_seconds / config.training_hyperparameters.epochs
        if found is not None:
            return found * len(dataset.full_train) / len(dataset.train)
        changed = requests.with_macro(config, best.motifs, best.normal_cells, best.filters, best.macro)
        seconds = epoch_time.probed(changed, dataset, Cell.parse(best.cell))
        if seconds is None:  # few epochs tell little, but more than nothing
            seconds = statistics.median(log.epoch_seconds) / len(dataset.train)
        return seconds * len(dataset.full_train)

    def _decided(self, name: str, config: RunConfig, share: EpochShare, end: float) -> None:
        """Keep a decision, so that the job goes on as it would have gone; the stage stops training `end`
        seconds before its share is over."""
        self.state.configs[name] = requests.with_epochs(config, share.epochs).to_json()
        self.state.until[name] = self._spent() + max(share.seconds - end, 1.0)
        if share.cut is not None:
            self._cut(share.cut)
        self._write()

    def _cut(self, text: str) -> None:
        if text not in self.state.cuts:
            self.state.cuts.append(text)
            self.tell(Told(f"Cut to keep max_hours: {text}"))

    # --- the time left
    # ------------------------------------------------------------------------------------------------

    def _expect(self, name: str, epoch: float) -> None:
        """Another expectation of a stage's trainings, of which one epoch takes so long."""
        if name in self.state.expected.costs:
            trainings = costs.epochs_of(self._config(name), epoch)
            self.state.expected = self.state.expected.with_trainings(name, trainings)

    def _learn_beside(self, name: str, trained: float) -> None:
        """What a finished stage took beside `trained` seconds of trainings counts for those that follow, too:
        on a busy machine all of it takes longer."""
        if name not in self.state.expected.costs or name not in self.state.started:
            return
        beside = self.state.finished[name] - self.state.started[name] - trained
        ratio = beside / max(self.state.expected.costs[name].beside, 0.1)
        ratio = min(max(ratio, 1 / _MOST_BESIDE), _MOST_BESIDE)
        self.state.expected = self.state.expected.with_beside(self._stages_after(name), ratio)

    def _ahead(self, name: str) -> Ahead | None:
        """What is expected as a stage begins, or goes on; None where nothing was measured."""
        expected = self.state.expected
        if name not in expected.costs:
            return None
        cost, spent = expected.costs[name], self._spent()
        later = [expected.costs[stage] for stage in self._stages_after(name)]
        share = self.state.search_seconds if name == "search" else self.state.until.get(name)
        is_limited = self.state.max_hours is not None
        return Ahead(
            start=cost.start,
            trainings=max(cost.trainings + cost.files - (spent - self.state.started.get(name, spent)), 0.0),
            end=cost.end,
            later_trainings=sum(item.trainings for item in later),
            later_beside=sum(item.beside for item in later),
            steps=expected.steps if name == "search" else (),
            confirmations=expected.confirmations,
            num_best=self.state.num_cells,
            best_candidate=expected.best_candidate,
            stage_limit=max(share - spent, 1.0) + cost.end if is_limited and share is not None else None,
            job_limit=max(self._left(), 0.0) if is_limited else None,
        )

    def _stages_after(self, name: str) -> tuple[str, ...]:
        return self.state.stages[self.state.stages.index(name) + 1 :]

    # --- the state
    # ------------------------------------------------------------------------------------------------

    def _spent(self) -> float:
        return self.spent_before + time.monotonic() - self.began

    def _left(self) -> float:
        assert self.state.max_hours is not None
        return float(self.state.max_hours * 3600 - self._spent())

    def _write(self) -> None:
        self.state.spent_seconds = self._spent()
        self.state.write(self.path)


def _searched_seconds(state: RunState) -> float:
    """Of all candidates, and of confirmations as many as their cells took before."""
    walls = {item.cell: item.wall_seconds or 0.0 for item in state.evaluations}
    return sum(walls.values()) + sum(walls.get(item.cell, 0.0) for item in state.confirmations)


def _num_at_once(state: RunState) -> int:
    """Workers that evaluated candidates."""
    return max(len({item.volatile.get("worker") for item in state.evaluations}), 1)


def _trained(models: Sequence[Path]) -> float:
    """Seconds of all epochs of these models."""
    logs = [model.log() for model in map(ModelFolder, models) if model.has_log]
    return float(sum(sum(log.epoch_seconds) for log in logs))
