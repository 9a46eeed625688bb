"""What requests ask for as commands of popnas: lists of arguments, never a shell's text, each option in one
word with its value so that no value can be taken for another option."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from popnas import config as configurations
from popnas.cells import Cell
from popnas.errors import ConfigError, Problem, UserError
from popnas.printable import shortened
from popnas.runs import RunFolder
from popnas.runs.front import has_networks
from popnas.server.access.places import check_run_name, run_folder
from popnas.server.access.settings import ServerSettings
from popnas.server.answers import Document, NewEvaluation, NewRun, NewSelection, NewTraining
from popnas.server.configurations import Checker, check_own_places, with_own_places
from popnas.server.jobs.queue import BusyError, JobQueue
from popnas.server.jobs.record import OPEN, RunJob, Stage
from popnas.server.watching.results import folders_in, has_file
from popnas.storage import plain
from popnas.workflows.models.choices import CellChoice

_NAME_TRIES = 20
_MODEL = "model.json"


@dataclass(frozen=True)
class Commands:
    """Turns what was asked for into jobs."""

    settings: ServerSettings
    jobs: JobQueue
    checker: Checker

    def search(self, asked: NewRun) -> RunJob:
        """A new search.

        Raises:
            ConfigError: mistakes in the configuration.
            BusyError: the name is taken.
        """
        if asked.name is not None:
            check_run_name(asked.name)
        config = with_own_places(asked.config, self.settings.data_roots, self.settings.root)
        self._check(config)
        if asked.name is not None:
            return self._search(asked.name, asked, config)
        for _ in range(_NAME_TRIES):  # somebody else may have got the same one in this second
            with suppress(BusyError):
                return self._search(self._free_name(), asked, config)
        return self._search(self._free_name(), asked, config)

    def _search(self, name: str, asked: NewRun, config: Document) -> RunJob:
        arguments = ["search", f"--logs={self.settings.root}", f"--name={name}"]
        arguments += ["--confirm"] if asked.confirm else []
        return self.jobs.add(name, "search", arguments, config, is_new=True)

    def resume(self, run: str) -> RunJob:
        """Go on with a search."""
        folder = self._folder(run)
        if folder.state().is_finished:
            raise UserError(f"the search of the run {run!r} is finished; there is nothing to go on with.")
        return self.jobs.add(run, "search", ["search", f"-r{folder.path}"], None)

    def select(self, run: str, asked: NewSelection) -> RunJob:
        """Model selection."""
        folder = self._trained(run)
        low_high = None if asked.params is None else ";".join(f"{value:.0f}" for value in asked.params)
        choice = CellChoice(asked.num_cells, _cell(asked.cell), asked.source, low_high)
        arguments = ["select", f"-p{folder.path}"]
        arguments += _option("-k", choice.num_cells) + _option("--from=", choice.source)
        arguments += _option("--params=", choice.params) + _option("--spec=", choice.cell)
        return self.jobs.add(run, "select", arguments, self._own(folder, asked.config))

    def train(self, run: str, asked: NewTraining) -> RunJob:
        """Final training."""
        folder = self._trained(run)
        arguments = ["train", f"-p{folder.path}"]
        arguments += _option("-m", asked.motifs) + _option("-n", asked.normal_cells)
        arguments += _option("-f", asked.filters) + _option("--spec=", _cell(asked.cell))
        return self.jobs.add(run, "train", arguments, self._own(folder, asked.config))

    def evaluate(self, run: str, asked: NewEvaluation) -> RunJob:
        """Evaluation on test data."""
        folder = self._trained(run)
        if asked.all_selected and asked.model is not None:
            raise UserError("`model` names one model, `all_selected` takes all of the selection: give one.")
        arguments = ["evaluate", f"-p{folder.path}"]
        if asked.model is None:
            self._check_evaluable(folder.path, "select" if asked.all_selected else "search")
        else:
            if not has_file(folder.path, asked.model, _MODEL):
                raise UserError(
                    f"`model` {shortened(asked.model)!r} is no trained network of the run {run!r}: take the "
                    "folder of one, such as 'best_model', as the run's results list them."
                )
            arguments.append(f"-f{folder.path / asked.model}")
        arguments += ["--top"] if asked.all_selected else []
        return self.jobs.add(run, "evaluate", arguments, None)

    def _check_evaluable(self, run: Path, maker: Stage) -> None:
        """Raises UserError where there is nothing to evaluate, nor a job that is to make it."""
        if any(job.stage == maker and job.state in OPEN for job in self.jobs.of(run.name)):
            return
        if maker == "search" and not has_file(run, "best_model", _MODEL):
            raise UserError(
                f"the run {run.name!r} has no best model: its search writes that at its end. Go on with the "
                "search, or name a trained network as `model`."
            )
        selected = folders_in(run, "model_selection")
        if maker == "select" and not any(has_file(run, place, _MODEL) for place in selected):
            raise UserError(
                f"the run {run.name!r} has no network of a model selection: start one first, or leave "
                "`all_selected` out for the best model of the search."
            )

    def _own(self, folder: RunFolder, document: Document | None) -> Document | None:
        """A partial configuration, right over the run's own."""
        if document is None:
            return None
        found = with_own_places(document, self.settings.data_roots, self.settings.root)
        merged = configurations.merge(configurations.load(folder.config_json()), found)
        self._check(plain(merged.to_json()))
        return found

    def _check(self, document: Document) -> None:
        checked = self.checker.check(document)
        if not checked.is_valid:
            raise ConfigError([Problem(item.place, item.value, item.message) for item in checked.problems])

    def _folder(self, run: str) -> RunFolder:
        """The folder of a run that can be worked on, whose data the server may read."""
        folder = RunFolder.open(run_folder(self.settings.root, run))
        check_own_places(folder.config_json(), self.settings.data_roots)
        return folder

    def _trained(self, run: str) -> RunFolder:
        """The same, of a run whose candidates are networks."""
        folder = self._folder(run)
        if not has_networks(folder.path, folder.config_json()):
            raise UserError(f"the candidates of the run {run!r} are figures of a table, not networks.")
        if folder.state().best is None:
            raise UserError(f"no cell of the run {run!r} was trained successfully yet.")
        return folder

    def _free_name(self) -> str:
        stamp = time.strftime("%Y-%m-%d-%H-%M-%S")
        taken = {job.run for job in self.jobs.all()}
        names = [stamp, *(f"{stamp}-{number}" for number in range(2, 1000))]
        return next(
            name for name in names if name not in taken and not Path(self.settings.root, name).exists()
        )


def _cell(text: str | None) -> str | None:
    """A cell's text as popnas writes it; raises CellSyntaxError for what is none."""
    return None if text is None else str(Cell.parse(text))


def _option(name: str, value: object) -> list[str]:
    return [] if value is None else [f"{name}{value}"]
