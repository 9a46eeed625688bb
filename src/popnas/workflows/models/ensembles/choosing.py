"""Which networks answer together: chosen greedily on validation data (Caruana et al. 2004, "Ensemble
Selection from Libraries of Models") among those that model selection trained, seeds and known networks too.

The first is the best of the selection. Each next one is that with which the mean probabilities have the
lowest cross-entropy, which tells more of few examples than a score does. All figures are means over the
folds on which all networks of the selection are trained, each by the weights that were trained on it. Axes:
N examples (or pixels), K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from popnas import tasks
from popnas.cells import Cell
from popnas.datasets import Dataset
from popnas.errors import UserError
from popnas.evaluation import metric_title
from popnas.evaluators.training.placing import for_answers
from popnas.printable import quoted
from popnas.report.sections.ensembles import EnsembleMember, EnsemblePlan, EnsembleSize, best_size
from popnas.workflows.models import selection
from popnas.workflows.models.choices import NetworkChoice
from popnas.workflows.models.folder import ModelFolder
from popnas.workflows.models.selection import SelectedModel
from popnas.workflows.models.stored.repetitions import Repetition

_MOST_ROWS = 200_000
"""Pixels of a fold that masks are judged by here, drawn evenly: all of them would not fit into memory."""


@dataclass(frozen=True, eq=False)
class Answers:
    """What a network answers to a fold's validation data: probabilities (N, K), and the true classes (N,)."""

    probabilities: Tensor
    y: Tensor


@dataclass(frozen=True, eq=False)
class Candidate:
    """A network that may become a member, with its answers on every fold."""

    member: EnsembleMember
    answers: Sequence[Answers]


@dataclass(frozen=True)
class AnswersJudge:
    """How answers are judged: the score of a task's `metric`, and cross-entropy."""

    task: tasks.Task
    metric: str
    num_classes: int

    def figures(self, chosen: Sequence[Candidate]) -> tuple[float, float]:
        """Score and cross-entropy of the networks together, means over folds."""
        scores, losses = [], []
        for folds in zip(*(item.answers for item in chosen), strict=True):
            mean_NK = torch.stack([fold.probabilities for fold in folds]).mean(dim=0)
            logits_NK, y_N = mean_NK.clamp(min=1e-12).log(), folds[0].y
            losses.append(float(torch.nn.functional.nll_loss(logits_NK, y_N)))
            metrics = self.task.metrics(self.num_classes)
            if self.task.is_per_pixel:  # masks of one row
                metrics.update(logits_NK.T[None, :, None], y_N[None, None])
            else:
                metrics.update(logits_NK, y_N)
            scores.append(metrics.compute()[self.metric])
        return float(np.mean(scores)), float(np.mean(losses))


def chosen(
    candidates: Sequence[Candidate], judge: AnswersJudge, asked: int, max_params: int | None
) -> tuple[list[EnsembleMember], list[EnsembleSize], int]:
    """Members in the order in which they are chosen, `asked` at most, the figures of every number of them,
    and the number that is delivered (`best_size`).

    `candidates`: the best first. All members together have at most `max_params`; the smallest candidate alone
    is taken where none has so few, for a whole job is to deliver.
    """

    def fits(members: Sequence[Candidate]) -> bool:
        return max_params is None or sum(item.member.params for item in members) <= max_params

    smallest = min(candidates, key=lambda item: item.member.params)
    first = next((item for item in candidates if fits([item])), smallest)
    taken, sizes = [first], [_size([first], judge)]
    while len(taken) < asked:
        left = [item for item in candidates if item not in taken and fits([*taken, item])]
        if not left:
            break
        # Of equal losses the cheaper network.
        taken.append(min(left, key=lambda item: (judge.figures([*taken, item])[1], item.member.params)))
        sizes.append(_size(taken, judge))
    return [item.member for item in taken], sizes, _best(sizes)


def _size(taken: Sequence[Candidate], judge: AnswersJudge) -> EnsembleSize:
    members = [item.member for item in taken]
    score, loss = judge.figures(taken)
    return replace(size_of(members), score=score, loss=loss)


def size_of(members: Sequence[EnsembleMember]) -> EnsembleSize:
    """What the members cost together; how good they are is not known."""
    return EnsembleSize(
        len(members), sum(item.params for item in members), sum(item.flops for item in members)
    )


def _best(sizes: Sequence[EnsembleSize]) -> int:
    best = best_size(sizes, sizes[0])
    assert best is not None, "the first is no worse than itself"
    return best.members


def of_selection(place: Path, network: NetworkChoice) -> EnsemblePlan:
    """The ensemble of the model selection in a folder, for `network.ensemble` members at most.

    Raises:
        RunFolderError, DataError: the selection's models or their data cannot be read.
    """
    assert network.ensemble is not None
    library = _Library(selection.read_selection(place))
    judge = AnswersJudge(library.task, library.metric, library.dataset.num_classes)
    members, sizes, best = chosen(library.candidates(), judge, network.ensemble, network.max_params)
    words = metric_title(library.metric)
    return EnsemblePlan(network.ensemble, network.max_params, None, words, members, sizes, best)


def of_seeds(member: EnsembleMember, network: NetworkChoice, given: str | None) -> EnsemblePlan:
    """So many seeds of one network, as many as `network.max_params` allows, one at least; there is nothing to
    choose on."""
    assert network.ensemble is not None
    number = network.ensemble
    if network.max_params is not None:
        number = max(min(number, network.max_params // max(member.params, 1)), 1)
    members = [replace(member, seed=seed) for seed in range(number)]
    sizes = [size_of(members[:count]) for count in range(1, number + 1)]
    return EnsemblePlan(network.ensemble, network.max_params, given, "score", members, sizes, number)


class _Library:
    """The networks of a selection, by the folds that all of them are trained on: others are other exams."""

    def __init__(self, models: Sequence[SelectedModel]) -> None:
        done = [model for model in models if model.score is not None]
        assert done, "a selection that has a best model has a model"
        best = selection.best_of(done)
        self.models = sorted(done, key=lambda model: (model is not best, -(model.score or 0.0), model.params))
        self.config = ModelFolder(self.models[0].folder).config()
        self.task = tasks.get(self.config.dataset.type)
        self.metric = self.config.search_strategy.score_metric
        self.folds = sorted({each.fold for each in selection.alike(models)})

    @cached_property
    def dataset(self) -> Dataset:
        """The selection's data with all folds."""
        return ModelFolder(self.models[0].folder).load_dataset()

    def candidates(self) -> list[Candidate]:
        """The best first, by network and then by seed."""
        found = []
        for model in self.models:
            for seed in sorted({each.seed for each in model.repeated}):
                trained = [Repetition(seed, fold) for fold in self.folds]
                if all(each in model.repeated for each in trained):
                    folders = [ModelFolder(each.folder(model.folder)) for each in trained]
                    found.append(self._candidate(model, seed, folders))
        return found

    def _candidate(self, model: SelectedModel, seed: int, folders: Sequence[ModelFolder]) -> Candidate:
        described = folders[0].description()
        member = EnsembleMember(
            model.folder.name,
            Cell.parse(model.cell).key,
            *(model.motifs, model.normal_cells, model.filters, model.macro),
            seed,
            described.params or model.params,
            described.flops or 0,
        )
        return Candidate(member, [self._answers(*pair) for pair in zip(folders, self.folds, strict=True)])

    @torch.inference_mode()
    def _answers(self, folder: ModelFolder, fold: int) -> Answers:
        network = folder.load_network()
        place = for_answers(self.config, network.spec)
        network.to(place.device)
        split = self.dataset.folds[fold].validation
        rng, parts = np.random.default_rng(fold), list[tuple[Tensor, Tensor]]()
        pixels = 0 if split.pixel_counts is None else int(split.pixel_counts.sum())
        share = min(1.0, _MOST_ROWS / max(pixels, 1))
        for batch in self.task.evaluation_loader(self.config, self.dataset, split, place):
            logits = network(place.laid_out(batch.x), batch.lengths)[-1]
            if not torch.isfinite(logits).all():
                raise UserError(f"{quoted(folder.path)} answers with NaN. Remove it, and select anew.")
            probabilities, y = torch.softmax(logits, dim=1).cpu(), batch.y.cpu().reshape(-1)
            # Pixels become rows: (B, K, H, W) to (N, K).
            rows_NK = probabilities.movedim(1, -1).reshape(-1, probabilities.shape[1])
            kept_N = torch.from_numpy(rng.random(len(y)) < share) & (y < rows_NK.shape[1])
            parts.append((rows_NK[kept_N], y[kept_N].long()))
        return Answers(*(torch.cat(items) for items in zip(*parts, strict=True)))
