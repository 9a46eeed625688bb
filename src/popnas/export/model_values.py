"""What a model on disk is, as values: all that its `model.json` says, each field once. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from popnas.datasets.preprocessing import Origin, Preprocessing
from popnas.networks.spec import Contract, NetworkSpec
from popnas.records import Json, JsonValue, Record, names_of
from popnas.runs import identity

Kind = TypeVar("Kind", bound=Record)

FORMAT = 1
"""Version of the description, `format` in it. Files of earlier development versions have none."""


@dataclass(frozen=True)
class OnnxCheck(Record):
    """What was compared before an ONNX file was called saved.

    `max_difference`: the largest absolute difference of a probability between ONNX Runtime and PyTorch;
    `batch_sizes`, `sizes`: at which it was measured ((height, width) or (timesteps,)); `has_dynamic_size`:
    whether series of any length, or images of any size (segmentation), may be given; `exporter`: "trace" or
    "export".
    """

    max_difference: float
    batch_sizes: list[int]
    sizes: list[list[int]]
    has_dynamic_size: bool
    exporter: str
    opset: int


@dataclass(frozen=True, kw_only=True)
class ModelInput(Record):
    """What an exported network takes: `shape` by axis, a name where any extent will do; `values`: of what
    range, in words; `origin` and `how_to_make`: how an example of one's own becomes one, None and empty where
    that is not known (popnas 0.1.0)."""

    name: str = "input"
    dtype: str = "float32"
    shape: list[str | int]
    has_lengths: bool = False
    values: str = ""
    origin: Origin | None = None
    how_to_make: list[str] | None = None


@dataclass(frozen=True, kw_only=True)
class ModelOutput(Record):
    """What it gives, likewise."""

    name: str = "probabilities"
    shape: list[str | int]


@dataclass(frozen=True, kw_only=True)
class DataOfModel(Record):
    """The data that a model was trained on: name or place, and the task (`dataset.type`)."""

    name: str | None = None
    path: str | None = None
    type: str


@dataclass(frozen=True)
class Outcome(Record):
    """What a model that a stage keeps came to: its score on validation data (final training: none), the
    seed of its training, the check of its ONNX file (None: there is none)."""

    score: float | None = None
    seed: int | None = None
    onnx: OnnxCheck | None = None


@dataclass(frozen=True)
class HowTrained(Record):
    """What a training after the search tells: the epoch that is kept and how many there were, from 1; where
    its cell comes from (in words), why it `stopped` before the last, why there is no ONNX file, and which
    logs and pictures could not be made (sentences). `weights_of`: the model, by its place in the run's
    folder, whose weights are kept because they were trained longer than there was time for here."""

    best_epoch: int
    num_epochs: int
    origin: str | None = None
    stopped: str | None = None
    weights_of: str | None = None
    onnx_warning: str | None = None
    missing_views: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class MeasuredFile(Record):
    """How good a file of a deployment is on a split, by ONNX Runtime. `metrics`: by name the one that counts
    every class the same; None of files of earlier versions."""

    file: str
    split: str
    num_samples: int
    accuracy: float
    bytes: int | None = None
    metrics: Mapping[str, float] | None = None

    @property
    def others(self) -> list[tuple[str, float]]:
        """Beside the accuracy, with names as people write them."""
        return [(_WORDS.get(name, name), value) for name, value in (self.metrics or {}).items()]


_WORDS = {"mean_iou": "mean IoU", "f1_score": "F1 score"}


@dataclass(frozen=True)
class Int8Times(Record):
    """Median milliseconds per batch of both files; None where nothing was measured."""

    batch_size: int | None
    fp32_milliseconds: float | None
    int8_milliseconds: float | None


@dataclass(frozen=True)
class Int8Summary(Record):
    """What the int8 file costs and brings (see `int8.Int8Report`); `file` is None where it is not offered."""

    is_kept: bool
    reason: str | None
    num_calibration: int
    num_samples: int
    bytes: int | None
    accuracy: float | None
    accuracy_loss: float | None
    file: str | None
    times: Int8Times


@dataclass(frozen=True)
class Deployment(Record):
    """What only a deployment folder has measured."""

    measured: MeasuredFile
    int8: Int8Summary


@dataclass(frozen=True)
class MemberModel(Record):
    """A network of an ensemble: its canonical cell, what is built from it, the seed of its training."""

    cell: str
    network: NetworkSpec
    seed: int | None = None


@dataclass(frozen=True)
class BareModel(Record):
    """What every model's description says; None where it does not.

    Attributes:
        cell: canonical text; of an ensemble that of its first member.
        network: what is built from it.
        members: of an ensemble all of its networks, whose probabilities are averaged; None: it is one.
        class_names: in the order of the outputs.
        input, output: of the exported file.
        preprocessing: between raw values and the network's input.
        params, flops: of the network with one head; of all members together.
        dataset: what it was trained on.
        licence: what binds whoever uses it.
        versions: of the packages that made it.
        run: which run it is of (`runs.identity`).
        stage: "search", "model_selection" or "final_training".
        validation_metrics: of its main head.
        files: checksums of the files beside it.
    """

    cell: str
    network: NetworkSpec
    class_names: list[str]
    members: list[MemberModel] | None = None
    input: ModelInput | None = None
    output: ModelOutput | None = None
    preprocessing: Preprocessing | None = None
    params: int | None = None
    flops: int | None = None
    dataset: DataOfModel | None = None
    licence: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    run: str | None = None
    stage: str | None = None
    validation_metrics: Mapping[str, float | None] | None = None
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelDescription(BareModel):
    """A trained network as its folder describes it.

    `outcome`, `training`, `deployment`: what only stages that keep a model, trainings after the search, and
    deployments have, side by side with all else in the file; `others`: what this version does not know, kept
    as it is.
    """

    outcome: Outcome | None = None
    training: HowTrained | None = None
    deployment: Deployment | None = None
    others: Json = field(default_factory=dict)

    @property
    def contract(self) -> Contract:
        """What the network takes and gives."""
        spec = self.network
        # Files of earlier development versions may say nothing of the output.
        is_per_pixel = spec.macro != "classification" if self.output is None else len(self.output.shape) > 2
        return Contract(spec.input_shape, spec.num_classes, spec.has_lengths, is_per_pixel)

    def to_json(self) -> Json:
        """As `model.json` has it, without the fields of which it says nothing."""
        bare = BareModel(**{name: getattr(self, name) for name in names_of(BareModel)}).to_json()
        found = {name: value for name, value in bare.items() if value is not None or name in _ALWAYS}
        for group in (self.outcome, self.training, self.deployment):
            found |= {} if group is None else group.to_json()
        if self.deployment is not None and self.dataset is not None:
            # Without the place of the data: it is this machine's, and the folder goes elsewhere.
            found["dataset"] = {"name": self.dataset.name, "type": self.dataset.type}
        ordered = {name: found[name] for name in ORDER if name in found}
        return {"format": FORMAT, **ordered, **self.others}

    @classmethod
    def from_json(cls, content: Json) -> ModelDescription:
        """The inverse of `to_json`; files of popnas 0.1.0 say less.

        Raises:
            FormError: it is none.
        """
        known = {name: _as_now(name, value) for name, value in content.items() if name in ORDER}
        bare = BareModel.of_known(known)
        return cls(
            **{name: getattr(bare, name) for name in names_of(BareModel)},
            outcome=_group(Outcome, known),
            training=_group(HowTrained, known),
            deployment=_group(Deployment, known),
            others={name: content[name] for name in content if name not in (*ORDER, "format")},
        )


ORDER = (
    *(
        "cell",
        "network",
        "members",
        "input",
        "output",
        "preprocessing",
        "class_names",
        "params",
        "flops",
        "dataset",
    ),
    *("licence", "versions", identity.KEY, "stage", "origin", "validation_metrics", "score", "best_epoch"),
    *(
        "num_epochs",
        "stopped",
        "weights_of",
        "seed",
        "onnx",
        "onnx_warning",
        "missing_views",
        "files",
        "measured",
        "int8",
    ),
)
"""All fields, as they stand in a file."""
_ALWAYS = (identity.KEY, "validation_metrics")
"""Fields that are written where they say nothing, too."""


def _group(kind: type[Kind], content: Json) -> Kind | None:
    """Fields that stand beside others in the file; None where there is none of them."""
    return kind.of_known(content) if any(name in content for name in names_of(kind)) else None


def _as_now(name: str, value: JsonValue) -> JsonValue:
    """A field as this version writes it: the check of an ONNX file spoke of lengths once."""
    if name != "onnx" or not isinstance(value, Mapping) or "has_dynamic_length" not in value:
        return value
    others = {key: item for key, item in value.items() if key != "has_dynamic_length"}
    return {**others, "has_dynamic_size": value["has_dynamic_length"]}
