"""Where candidates are probed: in this process, or by a worker where workers are on other machines.

`evaluate` is handed to executors by its dotted name and speaks JSON only.
"""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

from popnas import executors
from popnas.config import RunConfig
from popnas.datasets import Dataset
from popnas.errors import PopnasError
from popnas.evaluators.training import candidate, probing, shared_data
from popnas.evaluators.training.candidate import CandidateSetup
from popnas.evaluators.training.context import CandidateContext
from popnas.evaluators.training.placing import of_workers, placement
from popnas.events import JobEvent, Listen, PhaseAdvanced, PhaseStarted
from popnas.executors import Job, Misread, Progress, Work
from popnas.networks.spec import NetworkSpec
from popnas.records import Json


def probed(config: RunConfig, dataset: Dataset, spec: NetworkSpec, tell: Listen) -> probing.Probes:
    """What candidates cost on the first device that trains any; `tell` hears what is being probed.

    Raises:
        PopnasError: no worker could probe.
    """
    if executors.REGISTRY.get(config.others.executor.kind).shares_disk:
        here = CandidateContext(config, dataset, spec, placement(config, spec), None, None)
        return probing.probed(here, tell)
    return _elsewhere(config, dataset, tell)


def _elsewhere(config: RunConfig, dataset: Dataset, tell: Listen) -> probing.Probes:
    settings, total = config.others.executor, 2 * len(config.space.operators)
    payload = CandidateSetup(config.to_json(), None, None, judges_memory=False).to_json()

    def hear(_: str, told: Progress | Misread) -> None:
        if isinstance(told, Progress):
            tell(PhaseAdvanced(told.epoch))

    with (
        tempfile.TemporaryDirectory(prefix="popnas-plan-") as folder,
        shared_data.shared(config, dataset, Path(folder), tell) as shared,
        executors.create(
            settings.kind,
            Work(f"{candidate.__name__}:setup", f"{__name__}:evaluate", payload, shared.place),
            num_workers=1,
            threads=settings.threads,
            devices=of_workers(config),
        ) as executor,
    ):
        tell(PhaseStarted(f"probing operators on a machine of '{settings.kind}'", total))
        (result,) = executor.run([Job("probes")], on_progress=hear)
    if result.value is None:
        raise PopnasError(
            f"what candidates cost could not be probed there where they are trained: {result.error}."
        )
    return probing.Probes.from_json(result.value)


def evaluate(context: CandidateContext, payload: Json) -> Json:
    """`probing.Probes` as JSON."""
    total = 2 * len(context.config.space.operators)
    done = itertools.count()

    def hear(event: JobEvent) -> None:
        if isinstance(event, PhaseAdvanced):
            executors.tell(Progress(min(next(done), total), total))

    return probing.probed(context, hear).to_json()
