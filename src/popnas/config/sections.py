"""The sections of a configuration: every field with its default, its bounds and its description.

The descriptions are the documentation: the JSON Schema, editors, `popnas init` and error messages are made
from these declarations. Rules that tie fields of different sections together live in `rules.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from popnas.config.optimizers import OptimizerSpec, SchedulerSpec, parse_optimizer, parse_scheduler
from popnas.errors import ConfigError

OBJECTIVES = ("time", "params", "inference_time", "flops")
SCORE_METRICS = ("accuracy", "f1_score", "mean_iou")
TASKS = ("image_classification", "time_series_classification", "image_segmentation")
ACTIVATIONS = (
    "swish", "silu", "relu", "relu6", "elu", "selu", "gelu", "leaky_relu", "mish", "tanh", "sigmoid",
    "hard_sigmoid", "softplus", "softsign",
)  # fmt: skip

Count = Annotated[int, Field(ge=1)]
Natural = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
Text = Annotated[str, Field(min_length=1)]


def _suggested(values: tuple[str, ...]) -> dict[str, Any]:
    """Schema of an open set of names: editors complete the known ones and accept a plug-in's."""
    return {"anyOf": [{"enum": list(values)}, {"type": "string"}]}


def _checked(parse: Any) -> AfterValidator:
    def check(text: str) -> str:
        try:
            parse(text)
        except ConfigError as mistake:
            raise ValueError(mistake.problems[0].message) from None
        return text

    return AfterValidator(check)


@dataclass(frozen=True)
class _NullMeans:
    """Annotation of a field whose null stands for `value`; the JSON Schema says so too."""

    value: Any

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._replace, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"anyOf": [handler(schema), {"type": "null"}]}

    def _replace(self, value: Any) -> Any:
        return self.value if value is None else value


class Section(BaseModel):
    """What all sections share: unknown keys refused, no conversion between types, immutable."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, use_attribute_docstrings=False
    )


class SearchSpaceConfig(Section):
    """Which cells can be found."""

    blocks: Count = Field(
        default=5, description="B, the largest number of blocks in a cell; the search has B steps."
    )
    lookback_depth: Count = Field(
        default=2,
        description="L: a block may read the outputs of the L previous cells (-1 is the previous one).",
    )
    operators: Annotated[tuple[Text, ...], Field(strict=False, min_length=1), _NullMeans(())] = Field(
        default=(),
        description="Names of the operators, e.g. 'identity', '3x3 conv' (images) or '7 dconv' (series); "
        "`popnas list operators` shows them. Default: those of the task's preset.",
    )


class SearchStrategyConfig(Section):
    """How many cells are trained, and what is good."""

    max_children: Count = Field(
        default=128, description="K: at most so many cells of the Pareto front are trained per step."
    )
    max_exploration_children: Natural = Field(
        default=16,
        description="At most so many more cells per step explore neglected operators and inputs; 0 = none.",
    )
    score_metric: Annotated[Literal["accuracy", "f1_score", "mean_iou"], _NullMeans("accuracy")] = Field(
        default="accuracy",
        description="The metric that is maximised. Default: accuracy; in segmentation mean_iou.",
    )
    additional_pareto_objectives: Annotated[tuple[Text, ...], Field(strict=False)] = Field(
        default=("time",),
        description="What is minimised beside: of time (training time), params, inference_time, flops; "
        "at least one outside PNAS mode.",
        json_schema_extra={"items": _suggested(OBJECTIVES)},
    )
    constraints: dict[str, Annotated[tuple[float, float], Field(strict=False)]] = Field(
        default_factory=dict,
        description="Ranges [min, max] of params, flops, time (seconds of training) or inference_time "
        "(seconds) that predicted cells must lie in.",
        json_schema_extra={"propertyNames": {"enum": list(OBJECTIVES)}},
    )


class LookaheadConfig(Section):
    """Lookahead: slow weights that follow the optimizer's."""

    sync_period: Count = Field(default=6, description="The slow weights move every so many steps.")
    slow_step_size: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.5, description="The share of the way to the fast weights that the slow weights move."
    )


class OptimizerConfig(Section):
    """Optimizer and learning-rate schedule."""

    type: Annotated[Text, _checked(parse_optimizer)] = Field(
        default="adamW", description="adamW | adam | SGDW: M momentum | SGD: M momentum | radam: A alpha."
    )
    scheduler: Annotated[Text, _checked(parse_scheduler)] | None = Field(
        default="cdr: 3 period",
        description="cdr: P period, T t_mul, M m_mul, A alpha (cosine, warm restarts) | cd: A alpha "
        "(one cosine) | null (constant). Parameters are optional, their order is fixed. radam takes null.",
    )
    warmup: Natural = Field(default=0, description="Epochs of linear warm-up from 0, before the schedule.")
    lookahead: LookaheadConfig | None = Field(
        default=None, description="Lookahead around the optimizer; null = none."
    )

    @property
    def optimizer_spec(self) -> OptimizerSpec:
        """`type`, parsed."""
        return parse_optimizer(self.type)

    @property
    def scheduler_spec(self) -> SchedulerSpec:
        """`scheduler`, parsed."""
        return parse_scheduler(self.scheduler)


class TrainingConfig(Section):
    """How each candidate network is trained."""

    epochs: Count = Field(default=21, description="Epochs of training per candidate.")
    learning_rate: Positive = Field(default=0.01, description="The peak learning rate.")
    weight_decay: Annotated[float, Field(ge=0)] | None = Field(
        default=5e-4, description="Weight decay per step (decoupled for adamW and SGDW); null = none."
    )
    drop_path: Share = Field(
        default=0.0,
        description="The largest probability that a block's branch is dropped; grows with time and depth.",
    )
    softmax_dropout: Share = Field(default=0.0, description="Dropout before the last dense layer.")
    label_smoothing: Share = Field(
        default=0.0, description="Label smoothing of the loss; no effect in segmentation."
    )
    optimizer: OptimizerConfig = Field(default_factory=OptimizerConfig)


class ArchitectureConfig(Section):
    """The network that a cell is built into."""

    filters: Count = Field(
        default=24, description="Depth (channels) of the first cell; doubles at each reduction."
    )
    motifs: Count = Field(
        default=3, description="M: the network is M times (normal cells, then a reduction cell)."
    )
    normal_cells_per_motif: Count = Field(default=2, description="N: normal cells per motif.")
    block_join_operator: Literal["add", "avg"] = Field(
        default="add", description="How a block joins its two branches."
    )
    lookback_reshape: bool = Field(
        default=False,
        description="Lookbacks larger than the cell's output are first reduced, once for all blocks.",
    )
    concat_only_unused_blocks: bool = Field(
        default=True,
        description="The cell's output joins only the blocks that no other block reads; false: all blocks.",
    )
    residual_cells: bool = Field(
        default=True, description="Add the nearest used lookback to the cell's output."
    )
    se_cell_output: bool = Field(default=False, description="Squeeze and excitation on the cell's output.")
    multi_output: bool = Field(
        default=False, description="A classification head on every cell, not only on the last one."
    )
    activation_function: Annotated[
        Literal[
            "swish", "silu", "relu", "relu6", "elu", "selu", "gelu", "leaky_relu", "mish", "tanh", "sigmoid",
            "hard_sigmoid", "softplus", "softsign",
        ],
        _NullMeans("swish"),
    ] = Field(default="swish", description="Activation, by its Keras name; null = swish.")  # fmt: skip
    macro_architecture: Text | None = Field(
        default=None,
        description="How cells make up a network, by name (plug-ins may add some); null: the task's.",
    )
    segmentation_decoder: Literal["fixed", "cells"] = Field(
        default="fixed", description="Segmentation only: a fixed decoder, or one built of cells."
    )


class DataAugmentationConfig(Section):
    """Augmentation of training images."""

    enabled: bool = Field(
        default=False, description="Random crops and horizontal flips of the training images."
    )
    use_cutout: bool = Field(default=False, description="Also blank out a random square.")


class ResizeConfig(Section):
    """A size in pixels."""

    width: Count = Field(description="Pixels.")
    height: Count = Field(description="Pixels.")


class DatasetConfig(Section):
    """The data, and how it is split and prepared."""

    type: Annotated[Text, Field(json_schema_extra=_suggested(TASKS))] = Field(
        description="The task: image_classification, time_series_classification or image_segmentation."
    )
    name: Text | None = Field(
        default=None, description="A data set by name, e.g. digits; with a path, only a label."
    )
    path: Text | None = Field(default=None, description="Folder or file of your own data.")
    classes_count: Annotated[int, Field(ge=2)] | None = Field(
        default=None, description="Number of classes; null = counted."
    )
    ignore_class: Natural | None = Field(
        default=None,
        description="Segmentation only: a label that counts neither in the loss nor in the metrics.",
    )
    batch_size: Count = Field(default=128, description="Training batch size.")
    val_test_batch_size: Count | None = Field(
        default=None, description="Batch size of validation and test; null = batch_size."
    )
    inference_batch_size: Annotated[Count, _NullMeans(1)] = Field(
        default=1, description="Batch size at which inference time is measured."
    )
    validation_size: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        default=0.1,
        description="Share of the training data that validates; null = a separate validation split exists.",
    )
    cache: bool = Field(default=True, description="Keep the prepared data on the device.")
    folds: Count = Field(
        default=1,
        description="Train each candidate on so many stratified splits of validation_size, and average.",
    )
    samples: Count | None = Field(
        default=None, description="Use only so many samples, drawn stratified; null = all."
    )
    balance_class_losses: bool = Field(
        default=False, description="Weight the loss so that each class counts the same."
    )
    class_labels_remapping: dict[str, Natural] | None = Field(
        default=None, description='Old label to new label, e.g. {"1": 0, "2": 1}; null = sorted labels.'
    )
    data_augmentation: Annotated[DataAugmentationConfig, _NullMeans({})] = Field(
        default_factory=DataAugmentationConfig
    )
    resize: ResizeConfig | None = Field(
        default=None,
        description="Resize images to this size; in segmentation: size of the random training crop.",
    )
    rescale: bool = Field(
        default=False, description="Series only: divide by the 98th percentile of the training values."
    )
    normalize: bool = Field(
        default=False,
        description="Series only: z-normalise each channel, fitted on training data, kept in the export.",
    )


class ExecutorConfig(Section):
    """Where candidates are evaluated."""

    kind: Annotated[Text, Field(json_schema_extra=_suggested(("inline", "processes", "ray")))] = Field(
        default="processes", description="inline (in this process), processes (local workers) or ray."
    )
    workers: Count | None = Field(default=None, description="Number of workers; null = one per core.")
    threads: Count = Field(
        default=1, description="Threads per worker on a CPU; measured times and results depend on it."
    )


class OthersConfig(Section):
    """Everything about a run that is neither data nor network."""

    accuracy_predictor_ensemble_units: Count = Field(
        default=5, description="Number of models in the score predictor's ensemble."
    )
    predictions_batch_size: Count = Field(
        default=1024, description="Cells per batch when scores are predicted."
    )
    save_children_weights: bool = Field(default=False, description="Keep the weights of every candidate.")
    save_children_models: bool = Field(default=False, description="Export every candidate as ONNX.")
    pnas_mode: bool = Field(
        default=False,
        description="Search as PNAS does: by score alone, without other objectives and exploration.",
    )
    train_strategy: Literal["auto", "CPU", "GPU", "multi-GPU", "TPU"] = Field(
        default="auto", description="The device; auto = the best one present."
    )
    enable_XLA_compilation: bool = Field(  # noqa: N815 (POPNAS)
        default=False, description="Compile candidate networks (pays on large ones on a GPU)."
    )
    use_mixed_precision: bool = Field(
        default=False, description="Train in two-byte floats where the device is faster so."
    )
    seed: Annotated[int, Field(ge=0, lt=2**63)] = Field(
        default=0, description="Everything random in the run derives from it."
    )
    timing: Literal["measured", "simulated"] = Field(
        default="measured",
        description="simulated: times are a fixed function of the network, so that runs repeat exactly.",
    )
    executor: Annotated[ExecutorConfig, _NullMeans({})] = Field(default_factory=ExecutorConfig)
    max_hours: Positive | None = Field(
        default=None,
        description="Stop after so many hours; running candidates finish first. null = no limit.",
    )
    max_candidate_seconds: Positive | None = Field(
        default=None, description="A candidate that trains longer counts as failed; null = no limit."
    )
    confirm: bool = Field(
        default=False, description="At the end, train the best five cells again with three seeds each."
    )
