"""The model of the best cell: its evaluator writes it, here is what it needs of the run, and what is shown of
it."""

from __future__ import annotations

from popnas import tasks
from popnas.errors import ExportError
from popnas.evaluation import Evaluation
from popnas.evaluators import BestModel, Evaluator
from popnas.events import Listen, PhaseStarted
from popnas.executors import Executor, Job
from popnas.report.views import Views
from popnas.runs import RunFolder, RunState, identity
from popnas.workflows.searching import candidate_jobs


def is_missing(folder: RunFolder, state: RunState, evaluator: Evaluator) -> bool:
    """Whether a search that has ended should have the model and has not: it was moved away or removed since,
    as messages about files of another run advise."""
    has_one = evaluator.has_weights and state.best is not None
    return has_one and not (folder.best_model / "model.json").is_file()


def write(folder: RunFolder, state: RunState, evaluator: Evaluator, executor: Executor, tell: Listen) -> None:
    """Write `best_model/`, of a network that predicts masks with a page of predicted validation masks.
    Nothing is written before a cell is evaluated, nor where cells are no networks of ours.

    Raises:
        ExportError: the weights are gone and evaluating the cell again failed.
        StorageError: the disk refused.
    """
    best = state.best
    if best is None or not evaluator.has_weights:
        return
    tell(PhaseStarted("exporting the best model"))
    model = BestModel(
        best,
        folder.best_model,
        folder.weights(best.cell),
        identity.of(folder.path),
        lambda: _evaluate_again(folder, best, executor),
    )
    evaluator.write_best(model, tell)
    if evaluator.dataset is not None and tasks.get(evaluator.config.dataset.type).is_per_pixel:
        # Only now: it imports the figures of evaluation.
        from popnas.workflows.models import predicted_masks
        from popnas.workflows.models.folder import ModelFolder

        with Views(tell).view("the page of predicted validation masks"):
            predicted_masks.write_sample(ModelFolder(folder.best_model), evaluator.dataset)


def _evaluate_again(folder: RunFolder, best: Evaluation, executor: Executor) -> None:
    job = candidate_jobs.again(best)
    for result in executor.run([Job("best", job.to_json())]):
        if result.error is not None:
            raise ExportError(
                f"the weights of the best cell {best.cell} are lost, and training it again failed: "
                f"{result.error}"
            )
        candidate_jobs.received(result, job, folder.path)
