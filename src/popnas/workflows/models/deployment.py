"""A trained network as a folder that runs elsewhere, judged on the run's own test data."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from popnas import files
from popnas.command_lines import as_typed
from popnas.config import RunConfig
from popnas.datasets import Dataset
from popnas.errors import DataError, ExportError, MissingSplitError, PopnasError, UserError
from popnas.evaluators.training import describing, training_data
from popnas.events import Listen, Told, Warned, nobody
from popnas.export import description
from popnas.export.folder_readme import why_none
from popnas.export.model_values import ModelDescription
from popnas.networks.network import Ensemble
from popnas.printable import quoted, told_apart
from popnas.process_state import torch_as_imported
from popnas.runs import RunFolder, identity
from popnas.storage import write_text
from popnas.workflows.models.folder import ModelFolder


@torch_as_imported()
def deploy(
    model: ModelFolder,
    folder: Path | None = None,
    *,
    tell: Listen = nobody,
    told: Collection[str] = (),
) -> ModelDescription:
    """Write the deployment folder of a model (default: `deploy/` inside its own); returns its description.

    Without a test split the files are judged on validation data, which `tell` hears.

    Raises:
        ExportError: no ONNX file reproduces the network.
        RunFolderError, DataError: the model or its data cannot be read.
        StorageError: the disk refused.
        UserError: `folder` holds files of these names that no export has written, or is one of a run's own.
    """
    if folder is not None:
        if _real(folder) != _real(model.deploy):
            _check_is_no_run_s(folder, model, model.deploy)
        _check_nothing_is_lost(folder)
    network, dataset = model.load_network(), load_for_judging(model, tell, told)
    check_same_data(model, dataset)
    name, judged_on = ("validation", dataset.validation) if dataset.test is None else ("test", dataset.test)
    # The ONNX libraries take seconds to import: only once everything else is well.
    from popnas.export.deploy import write_deployment

    deployed = write_deployment(
        network,
        _with_making(model, dataset),
        folder or model.deploy,
        calibration=dataset.train,
        judged_on=judged_on,
        judged_name=name,
    )
    assert deployed.deployment is not None
    if not (int8 := deployed.deployment.int8).is_kept:
        tell(Told(f"No int8 file: {why_none(int8)}."))
    return deployed


def _check_is_no_run_s(folder: Path, model: ModelFolder, default: Path) -> None:
    """Raises UserError if what is written to `folder` would lie among the files of a run, or of the model
    itself; `default` is what is written without one, in the folder that is meant for it."""
    real = _real(folder)
    run = real if identity.of(real) is not None else identity.enclosing(real)
    own = [model.path] if run is None else RunFolder(run).own_folders()
    if real == run or any(real.is_relative_to(_real(place)) for place in own):
        whose = f"run '{run.name}'" if run is not None else f"model {quoted(model.path)}"
        raise UserError(
            f"{quoted(folder)} is a folder of the {whose} itself, into which nothing is exported: take "
            f"another, or none for the default, {quoted(default)}."
        )


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _check_nothing_is_lost(folder: Path) -> None:
    """Raises UserError if files in the folder would be replaced that are not of an earlier export."""
    held = [name for name in description.DEPLOYED if files.is_named(folder / name)]
    try:
        if held:
            description.read(folder)
    except PopnasError as error:
        raise UserError(
            f"{quoted(folder)} holds {', '.join(held)}, not known to be of an earlier export, and would lose "
            f"{'it' if len(held) == 1 else 'them'}. Take a new or empty folder, or move such files away."
        ) from error


def _with_making(model: ModelFolder, dataset: Dataset) -> ModelDescription:
    """The model's description with how its inputs are made, of the data themselves: models of earlier
    versions do not say."""
    known, preprocessing = model.description(), model.preprocessing()
    made = describing.model_input(known.network, model.config(), dataset)
    given = replace(known.input or made, values=made.values, origin=made.origin, how_to_make=made.how_to_make)
    return replace(known, input=given, preprocessing=preprocessing)


def load_with_test(config: RunConfig, run: Path | None = None) -> Dataset:
    """A run's data with their test split, if they have one: before long work, so that test data which cannot
    be used are told before it and not after.

    Raises:
        DataError: data that are missing, broken or unsuited.
    """
    try:
        return training_data.load(config, run, need_test=True)
    except MissingSplitError:
        return training_data.load(config, run)


def load_for_judging(model: ModelFolder, tell: Listen, told: Collection[str] = ()) -> Dataset:
    """The model's data with their test split, or without, if there is none."""
    try:
        dataset = model.load_dataset(need_test=True)
    except MissingSplitError as lack:
        tell(Told(f"{lack} The exported files are judged on validation data instead."))
        dataset = model.load_dataset()
    for warning in [*dataset.test_warnings, *model.told_of_changes(dataset)]:
        if warning not in told:
            tell(Warned(warning))
    return dataset


def check_same_data(model: ModelFolder, dataset: Dataset) -> None:
    """Raises DataError if the data are no longer those that the model was trained on."""
    known = model.description()
    names, shape = known.class_names, known.contract.input_shape
    if tuple(dataset.input_shape) != shape or dataset.class_names != names:
        raise DataError(
            f"{quoted(model.path)} was trained on samples {shape} of the classes {_listed(names)}, but "
            f"{dataset.place} now has samples {tuple(dataset.input_shape)} of the classes "
            f"{_listed(dataset.class_names)}. Put the data back, or train on the new ones."
        )


def _listed(names: list[str]) -> str:
    return ", ".join(told_apart(names)[:8]) + (f", ... ({len(names)} in all)" if len(names) > 8 else "")


def write_source(model: ModelFolder, path: Path | None = None) -> Path:
    """Write the network as one PyTorch file (default: `network.py` in the model's folder); returns its path.

    Raises:
        ExportError: a part of the network that has no source, or an ensemble.
        RunFolderError: the model cannot be read.
        StorageError: the disk refused.
        UserError: `path` lies in a folder of a run's own.
    """
    from popnas.export.source import network_source

    default = model.path / "network.py"
    if path is not None and _real(path.parent) != _real(model.path):
        _check_is_no_run_s(path.parent, model, default)
    path, network = path or default, model.load_network()
    if isinstance(network, Ensemble):
        members = sorted(folder.parent for folder in model.path.glob("member-*/model.json"))
        raise ExportError(
            f"{quoted(model.path)} is an ensemble {network}, and one file is of one network: average the "
            "probabilities of its members, each of which has a source of its own"
            + (f": {as_typed('export', '--source', '-p', members[0])}, and so on." if members else ".")
        )
    write_text(path, network_source(network, model.preprocessing()))
    return path
