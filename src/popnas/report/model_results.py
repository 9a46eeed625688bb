"""What a trained network is worth on a split, as values: what pages show and what lies beside them as JSON.

Axes: K classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from popnas.datasets.dataset import FittedLengths
from popnas.export.model_values import ModelDescription
from popnas.records import Json, JsonValue, Record
from popnas.storage import plain


@dataclass(frozen=True)
class ClassFigures(Record):
    """A class's precision, recall, F1 and (of pixels) IoU, None where nothing is to divide by; `support`: how
    often it is the true one."""

    name: str
    precision: float | None
    recall: float | None
    f1_score: float | None
    iou: float | None
    support: int


@dataclass(frozen=True)
class HeadResult:
    """A head's metrics, and its weight in the loss."""

    weight: float
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class ConfidenceBin(Record):
    """Answers of a confidence between `low` and `high`: how many, their mean confidence and accuracy (None
    where there are none)."""

    low: float
    high: float
    count: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True)
class Calibration(Record):
    """Expected calibration error over equal bins of confidence (Guo et al. 2017, eq. 3), and the bins."""

    expected_calibration_error: float
    bins: list[ConfidenceBin]


@dataclass(frozen=True)
class EvaluatedModel:
    """Which model was evaluated: its folder's name, the file that answered, and what it says of itself."""

    name: str
    file: str
    description: ModelDescription


@dataclass(frozen=True)
class EvaluationResult:
    """A model on test data.

    Attributes:
        model: which.
        num_samples: of the split.
        test_lengths: how series of other lengths than those of the training were made to fit.
        metrics: of the main head.
        heads: of all, by PyTorch.
        classes: in the order of the outputs; `unseen`: names of those that no training data have.
        calibration: of the confidence.
        confusion: (K, K), how often true classes (rows) were answered with which ones.
        is_per_pixel: what is counted are pixels.
        masks: name of the page of predicted masks, None where there is none.
    """

    model: EvaluatedModel
    num_samples: int
    test_lengths: FittedLengths | None
    metrics: Mapping[str, float]
    heads: Sequence[HeadResult]
    classes: Sequence[ClassFigures]
    unseen: Sequence[str]
    calibration: Calibration
    confusion: list[list[int]]
    is_per_pixel: bool = False
    masks: str | None = None

    def to_json(self) -> Json:
        """As `eval.json` has it."""
        described = self.model.description
        content = {
            "model": self.model.name,
            "split": "test",
            "file": self.model.file,
            "cell": described.cell,
            "params": described.params,
            "flops": described.flops,
            "dataset": described.to_json().get("dataset"),
            "validation_metrics": described.validation_metrics,
            "num_samples": self.num_samples,
            "test_lengths": None if self.test_lengths is None else asdict(self.test_lengths),
            "metrics": self.metrics,
            "heads": [{"weight": head.weight, **head.metrics} for head in self.heads],
            "classes": [
                {**self._figures(item), "is_unseen": item.name in self.unseen} for item in self.classes
            ],
            "calibration": self.calibration.to_json(),
            "confusion": self.confusion,
            **({"masks": self.masks} if self.is_per_pixel else {}),
        }
        return plain(content)  # type: ignore[no-any-return]

    def _figures(self, figures: ClassFigures) -> dict[str, JsonValue]:
        """IoU is of pixels only."""
        found = dict(figures.to_json())
        return found if self.is_per_pixel else {name: found[name] for name in found if name != "iou"}


@dataclass(frozen=True)
class MaskScores(Record):
    """How good the predicted mask of an image is."""

    name: str
    mean_iou: float
    accuracy: float


@dataclass(frozen=True)
class MasksResult(Record):
    """What a page of predicted masks shows of a split, worst images first; `num_in_report`: how many of them
    a run's report shows; `note`: what must be known to read the figures right."""

    model: str
    split: str
    num_images: int
    metrics: Mapping[str, float]
    classes: list[ClassFigures]
    images: list[MaskScores]
    num_in_report: int
    note: str | None = None

    @property
    def class_names(self) -> list[str]:
        """In the order of the labels."""
        return [item.name for item in self.classes]
