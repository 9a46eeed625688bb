"""One trained network in a folder of its own: what lies there and how it is read.

Model selection and final training make model folders (`training`), a search makes `best_model`;
evaluation, deployment and the Python API read them. A folder counts as finished when it has a `model.json`,
which is written last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from popnas import config as configurations
from popnas import files, networks
from popnas.config import RunConfig
from popnas.datasets import Dataset
from popnas.datasets.findings import in_line
from popnas.datasets.preprocessing import Preprocessing
from popnas.errors import ConfigError, DataError, PopnasError, RunFolderError, UserError
from popnas.evaluators.training import training_data
from popnas.export import description
from popnas.export.model_values import ModelDescription
from popnas.export.stored import network_of
from popnas.networks.network import Ensemble
from popnas.printable import quoted
from popnas.records import Json, Record
from popnas.runs import RunFolder, identity
from popnas.runs.stored.reading import is_there, read_json, read_record
from popnas.runs.stored.rules import is_amount, is_object, is_text, list_of, whole
from popnas.workflows.data import run_data

_DEEPEST = 4
"""Folders between a run and the deepest model, a repetition in `model_selection/NAME/MODEL`."""

_MOST_THREADS = 1024
_LOG_MUST = {"threads": whole(1, _MOST_THREADS), "training_seconds": is_amount}
_LOG_MAY = {
    "cell": is_text,
    "num_epochs": whole(1),
    "wall_seconds": is_amount,
    "epoch_seconds": list_of(is_amount),
    "epochs": list_of(is_object),
}


@dataclass(frozen=True, kw_only=True)
class TrainingLog(Record):
    """How a training goes, or went: `training_seconds` as the run's timing has them; `wall_seconds` in all,
    and `epoch_seconds` of each epoch with all that belongs to it; `epochs`: what each brought. popnas 0.1.0
    may not say what is None."""

    run: str | None = None
    cell: str | None = None
    stage: str | None = None
    num_epochs: int | None = None
    device: str | None = None
    threads: int
    metrics_are_of: str | None = None
    training_seconds: float
    wall_seconds: float | None = None
    epoch_seconds: list[float] = field(default_factory=list)
    epochs: list[Json] = field(default_factory=list)


class ModelFolder:
    """The paths and the content of one trained network. Reading raises RunFolderError where it cannot be."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.model_json = self.path / "model.json"
        self.config_json = self.path / "config.json"
        self.weights = self.path / "weights.safetensors"
        self.onnx = self.path / "model.onnx"
        self.untrained_onnx = self.path / "untrained.onnx"
        self.training_json = self.path / "training.json"
        self.checkpoint = self.path / "checkpoint.pt"
        self.tensorboard = self.path / "tensorboard"
        self.deploy = self.path / "deploy"
        self.data_path: str | None = None
        """Where its data are now, if they were moved."""

    @property
    def is_finished(self) -> bool:
        """Whether the network is trained and its files are written."""
        return self.model_json.is_file()

    def description(self) -> ModelDescription:
        """`model.json`: cell, network, input contract, classes, figures."""
        if not is_there(self.model_json):
            raise RunFolderError(_unfinished(self))
        return description.read(self.path)

    def kind(self) -> str:
        """The task that the network is for."""
        dataset = self.description().dataset
        if dataset is None:
            raise RunFolderError(f"{quoted(self.model_json)} is not a model's of a run: it has no dataset.")
        return dataset.type

    def config(self) -> RunConfig:
        """The configuration that the network was trained with: the folder's own, or that of the training or
        the search in whose folder it lies.
        """
        around = [self.path, *self.path.absolute().parents[:_DEEPEST]]
        places = [folder / name for folder in around for name in ("config.json", "restore/run.json")]
        source = next((place for place in places if place.is_file()), self.config_json)
        run = RunFolder(source.parents[1])
        is_runs = source.name == "run.json" and run.journal_path.is_file()
        document = RunFolder.open(run.path).config_json() if is_runs else read_json(source)
        if source == self.config_json and self.is_finished:
            description.check_file(self.description(), source, self._read(source))
        try:
            found = configurations.load(document)
            if self.data_path is not None:
                found = configurations.changed(found, {run_data.FIELD: self.data_path})
        except ConfigError as error:
            raise RunFolderError(f"{source} is not a run's configuration: {error}") from error
        if self.is_finished and (kind := self.kind()) != found.dataset.type:
            raise RunFolderError(
                f"{quoted(self.path)} holds a model for {kind}, but its configuration {source} is for "
                f"{found.dataset.type}. Put the folder's own files back, or train it again."
            )
        return found

    @property
    def has_log(self) -> bool:
        """Whether a training was begun here, though its log may be damaged."""
        return is_there(self.training_json)

    def log(self) -> TrainingLog:
        """`training.json`: how the training goes, or went."""
        return read_record(
            self.training_json,
            TrainingLog,
            must=_LOG_MUST,
            may=_LOG_MAY,
            remedy=f"remove {quoted(self.path)}, and the command that made it trains this network anew",
        )

    def preprocessing(self) -> Preprocessing:
        """The numbers between raw values and the network's input."""
        known = self.description().preprocessing
        return self.load_dataset().preprocessing if known is None else known

    def load_network(self) -> networks.Network | Ensemble:
        """The network with its weights, or all of an ensemble, on the CPU, in eval mode."""
        return network_of(self.description(), self.weights, self._read(self.weights))

    def check_onnx(self) -> None:
        """Raises RunFolderError unless `model.onnx` is as it was saved."""
        description.check_file(self.description(), self.onnx, self._read(self.onnx))

    def _read(self, path: Path) -> bytes:
        identity.check_place(path)
        try:
            return files.read_bytes(path)
        except OSError as error:
            raise RunFolderError(
                f"cannot read {quoted(path)}: {files.reason(error)}. {description.REMEDY}"
            ) from error

    def load_dataset(self, *, need_test: bool = False) -> Dataset:
        """The data that the network was trained on."""
        return training_data.load(self.config(), identity.enclosing(self.path), need_test=need_test)

    def told_of_changes(self, dataset: Dataset) -> list[str]:
        """A warning if the data are no longer those of the run's search. Unlike a stage that trains, what
        only looks at them goes on, and whatever else is wrong with the run is not its matter."""
        run = identity.enclosing(self.path)
        try:
            return (
                [] if run is None else run_data.told_of_changes(RunFolder.open(run), self.config(), dataset)
            )
        except DataError as error:
            return [in_line(str(error))]
        except PopnasError:
            return []


def read_data_from(models: Sequence[ModelFolder], sets: Sequence[str]) -> None:
    """Let models of a run read their data from the place that `sets` name.

    Raises:
        UserError: `sets` change something else.
        DataError: the data there are not those of the run.
    """
    others = [text for text in sets if text.partition("=")[0].strip() != run_data.FIELD]
    if others:
        raise UserError(
            f"`sets` {' '.join(others)}: a trained network keeps its configuration; only {run_data.FIELD} "
            "may be changed, where the data were moved."
        )
    place = run_data.new_place(sets)
    if place is None:
        return
    for run in {found for model in models if (found := identity.enclosing(model.path)) is not None}:
        run_data.check_same(RunFolder.open(run), place)
    for model in models:
        model.data_path = place


def _unfinished(folder: ModelFolder) -> str:
    if folder.checkpoint.is_file():
        return (
            f"{quoted(folder.path)} holds a training that is not finished. Run the command that started it "
            "again: it goes on where it was."
        )
    what = "has no model.json." if folder.path.is_dir() else files.missing(folder.path)
    return (
        f"{quoted(folder.path)} is not a model's folder: it {what} Models lie in best_model/, "
        "model_selection/*/ and final_training/ of a run's folder."
    )
