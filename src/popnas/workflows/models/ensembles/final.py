"""Final training of an ensemble: each member in `member-1`, `member-2`, ..., model folders like any other,
then all of them as one model in the training's own folder.

`ensemble.json` says which they are before anything is trained; members that are done are never trained again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from popnas import tasks
from popnas.cells import Cell
from popnas.config import RunConfig
from popnas.datasets import Dataset
from popnas.errors import ExportError
from popnas.events import Listen, PhaseStarted, Told, Warned
from popnas.export import description
from popnas.export.model_values import HowTrained, MemberModel, Outcome
from popnas.networks import weights
from popnas.networks.network import Ensemble, Network
from popnas.printable import quoted
from popnas.report.sections import ensembles as stored
from popnas.report.sections.ensembles import EnsembleMember, EnsemblePlan
from popnas.runs import identity
from popnas.storage import storage_errors, write_bytes, write_json
from popnas.workflows.models import files, requests
from popnas.workflows.models.choices import NetworkChoice
from popnas.workflows.models.folder import ModelFolder, TrainingLog
from popnas.workflows.models.stored.repetitions import Repetition
from popnas.workflows.models.timing import deadlines
from popnas.workflows.models.training import (
    FINAL,
    ModelJob,
    OtherTrainingError,
    TrainedModel,
    check_same_job,
    read_trained,
)

TrainOne = Callable[[ModelJob], TrainedModel]


@dataclass(frozen=True)
class EnsembleJob:
    """What is trained: the ensemble of a `plan` in `folder`, with the stage's configuration (before the
    macro-architecture of a member), until the `deadline` (`time.monotonic()`)."""

    folder: Path
    plan: EnsemblePlan
    config: RunConfig
    deadline: float | None

    def members(self) -> list[ModelJob]:
        """Those of the members, without deadlines."""
        return [
            ModelJob(
                self.folder / f"member-{number}",
                member.cell,
                config_of(self.config, member),
                FINAL,
                origin=f"Member {number} ({member.origin})",
                repetition=Repetition(member.seed),
            )
            for number, member in enumerate(self.plan.delivered, start=1)
        ]


def config_of(config: RunConfig, member: EnsembleMember) -> RunConfig:
    """The stage's configuration with the macro-architecture of a member."""
    return requests.with_macro(config, member.motifs, member.normal_cells, member.filters, member.macro)


def planned(
    folder: Path,
    network: NetworkChoice,
    given: str | None,
    choose: Callable[[], EnsemblePlan],
    digest: str | None = None,
) -> EnsemblePlan:
    """The plan in a training's folder; a new one, which is written there, if there is none.

    `digest`: that of the selection as it is now. Where the plan was made from another, it is made
    anew, and stands if the same networks are delivered.

    Raises:
        OtherTrainingError: there is one that was asked for otherwise, one of other networks than the
            selection as it is now says, or a single network.
    """
    known = stored.read(folder)
    if known is None:
        if ModelFolder(folder).config_json.is_file():
            raise OtherTrainingError(f"{quoted(folder)} holds the training of a single network. {_REMEDY}")
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        return _written(folder, choose(), network, digest)
    if (known.asked, known.max_params, known.given) != (network.ensemble, network.max_params, given):
        raise OtherTrainingError(
            f"{quoted(folder)} holds an ensemble that was asked for otherwise. {_REMEDY}"
        )
    if known.digest == digest:
        return known
    plan = choose()
    if list(plan.delivered) != list(known.delivered):
        raise OtherTrainingError(
            f"{quoted(folder)} holds an ensemble of other networks than the model selection says as it is "
            f"now. {_REMEDY}"
        )
    plan = replace(plan, settings=known.settings, left_out=known.left_out)
    return _written(folder, plan, network, digest)


def _written(folder: Path, plan: EnsemblePlan, network: NetworkChoice, digest: str | None) -> EnsemblePlan:
    run = identity.of_enclosing(folder)
    plan = replace(plan, run=run, selection=network.selection, digest=digest)
    stored.write(folder, plan)
    return plan


_REMEDY = "Choose another `name`, or train anew with `renew`, which keeps the old one beside the new."


def check_same(job: EnsembleJob) -> None:
    """Raises OtherTrainingError if the folder holds the ensemble of other settings."""
    first = job.members()[0]
    if ModelFolder(job.folder).config_json.is_file():
        check_same_job(replace(first, folder=job.folder))


def train(job: EnsembleJob, dataset: Dataset, train_one: TrainOne, tell: Listen) -> TrainedModel:
    """Train the members that are not done, and make one model of all.

    Raises:
        CandidateFailed: a training diverged or ran out of memory.
        ExportError: no ONNX file reproduces the ensemble; the weights are kept.
        StorageError: the disk refused.
    """
    tell((Warned if job.plan.is_too_large else Told)(replace(job.plan, left_out=()).verdict))
    folder, members = ModelFolder(job.folder), job.members()
    write_json(folder.config_json, members[0].config.to_json())
    if folder.is_finished and not any(_is_open(each, job.deadline) for each in members):
        return read_trained(folder)
    for done in (folder.model_json, ModelFolder(folder.deploy).model_json):
        with storage_errors(done):
            done.unlink(missing_ok=True)
    costs = [_cost(each, dataset) for each in members]
    # What is fitted at once comes first: the others share what it leaves.
    order = sorted(range(len(members)), key=lambda number: costs[number] > 0)
    shares = deadlines.parts([costs[number] for number in order], workers=1)
    trained: dict[int, TrainedModel] = {}
    for number, part in zip(order, shares, strict=True):
        each = members[number]
        tell(Told(f"{each.origin}: {each.cell}"))
        trained[number] = train_one(replace(each, deadline=deadlines.until(job.deadline, part)))
    tell(PhaseStarted("joining the members"))
    results = [trained[number] for number in range(len(members))]
    left_out = _copies(results)
    plan = replace(job.plan, left_out=[number + 1 for number in left_out])
    if left_out or job.plan.left_out:
        stored.write(job.folder, plan)
    if left_out:
        tell(Warned(plan.verdict))
    return _joined(replace(job, plan=plan), dataset, results)


def _copies(trained: Sequence[TrainedModel]) -> list[int]:
    """The places of those that have the weights of an earlier training that one before them has: together
    they would answer as one does, for the price of all."""
    used = [each.weights_of for each in trained]
    return [place for place, weights_of in enumerate(used) if weights_of in {*used[:place]} - {None}]


def _cost(job: ModelJob, dataset: Dataset) -> float:
    spec = tasks.get(job.config.dataset.type).network_spec(job.config, dataset)
    return deadlines.cost(Cell.parse(job.cell), spec, job.config.dataset.batch_size)


def _is_open(job: ModelJob, deadline: float | None) -> bool:
    """Whether a member is still to be trained, or to be gone on with now."""
    folder = ModelFolder(job.folder)
    if not folder.is_finished:
        return True
    is_time_up = deadline is not None and time.monotonic() >= deadline
    return read_trained(folder).stopped is not None and not is_time_up


def _joined(job: EnsembleJob, dataset: Dataset, trained: Sequence[TrainedModel]) -> TrainedModel:
    """One model of all but those that are left out."""
    folder = ModelFolder(job.folder)
    logs = [ModelFolder(each.folder).log() for each in trained]
    stopped = next((each.stopped for each in trained if each.stopped), None)
    kept = [each for number, each in enumerate(trained, start=1) if number not in job.plan.left_out]
    described = [ModelFolder(each.folder).description() for each in kept]
    network = _together([ModelFolder(each.folder).load_network() for each in kept])
    write_bytes(folder.weights, weights.to_bytes(network.state_dict()), is_durable=True)
    check, warning = None, None
    try:
        check = files.export_onnx(network, dataset.preprocessing, folder.onnx)
    except ExportError as error:
        warning = str(error)
    log = TrainingLog(
        run=identity.of_enclosing(folder.path),
        cell=Cell.parse(described[0].cell).key,
        stage=FINAL,
        num_epochs=sum(each.num_epochs for each in trained),
        threads=logs[0].threads,
        training_seconds=sum(each.training_seconds for each in trained),
        wall_seconds=sum(each.wall_seconds or 0.0 for each in logs),
        epoch_seconds=[seconds for each in logs for seconds in each.epoch_seconds],
    )
    write_json(folder.training_json, log.to_json(), is_proven=True)
    epochs = max(each.num_epochs for each in kept)
    members = [
        MemberModel(one.cell, one.network, None if one.outcome is None else one.outcome.seed)
        for one in described
    ]
    model = replace(
        described[0],
        members=members if len(members) > 1 else None,
        params=sum(item.params or 0 for item in described),
        flops=sum(item.flops or 0 for item in described),
        outcome=Outcome(None, None, check),
        training=HowTrained(
            best_epoch=epochs,
            num_epochs=epochs,
            origin=job.plan.verdict,
            stopped=stopped,
            weights_of=", ".join(each.weights_of for each in kept if each.weights_of) or None,
            onnx_warning=warning,
            missing_views=[view for each in kept for view in each.missing_views],
        ),
    )
    description.write(folder.path, model, is_durable=True)
    return read_trained(folder)


def _together(networks: Sequence[Network | Ensemble]) -> Network | Ensemble:
    """One of them is what it is; several are an ensemble."""
    members = [network for network in networks if isinstance(network, Network)]
    assert len(members) == len(networks), "members are single networks"
    return members[0] if len(members) == 1 else Ensemble(members).eval()
