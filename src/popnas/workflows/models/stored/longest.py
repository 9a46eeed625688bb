"""What a final training that had no time falls back on: the training of the same network, in the run's search
or model selection, that saw the most examples."""

from __future__ import annotations

from dataclasses import dataclass

from popnas.errors import PopnasError
from popnas.export.model_values import ModelDescription
from popnas.networks.spec import NetworkSpec
from popnas.records import part
from popnas.runs import RunFolder
from popnas.workflows.models.folder import ModelFolder


@dataclass(frozen=True)
class EarlierTraining:
    """A model of a run, and how many epochs it was trained for."""

    model: ModelFolder
    num_epochs: int


def longest(run: RunFolder, wanted: ModelDescription) -> EarlierTraining | None:
    """The longest of those whose weights fit `wanted`: the same cell and network, on values that are prepared
    in the same way, with the same classes; None: there is none. What is damaged or unfinished is none."""
    selected = sorted(run.model_selection.glob("*/model.json"))
    models = [ModelFolder(path.parent) for path in (*selected, run.best_model / "model.json")]
    found = [
        EarlierTraining(model, number)
        for model in models
        if (number := _num_epochs(run, model, wanted)) is not None
    ]
    return max(found, key=lambda each: each.num_epochs, default=None)


def _num_epochs(run: RunFolder, model: ModelFolder, wanted: ModelDescription) -> int | None:
    try:
        if not model.is_finished or _key(model.description()) != _key(wanted):
            return None
        if model.path != run.best_model:
            return len(model.log().epochs)
        epochs = part(run.config_json(), "training_hyperparameters").get("epochs")
    except PopnasError:
        return None
    return epochs if isinstance(epochs, int) else None


def _key(model: ModelDescription) -> tuple[object, ...]:
    return (model.cell, _answering(model.network), model.class_names, model.preprocessing, model.members)


def _answering(network: NetworkSpec) -> NetworkSpec:
    """Without what only a training is told."""
    return network.replace(is_post_search=False, drop_path=0.0, softmax_dropout=0.0)
