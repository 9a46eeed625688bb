"""The sections of a configuration: every field with its default, its bounds and its description.

The descriptions are the documentation: the JSON Schema, editors, `popnas init` and error messages are made
from these declarations. Rules that tie fields of different sections together live in `rules.py`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from popnas.config.declarations import Because, NullMeans, Section, checked, named_by
from popnas.config.optimizers import OptimizerSpec, SchedulerSpec, parse_optimizer, parse_scheduler

Text = Annotated[str, Field(min_length=1)]
Batch = Annotated[
    int,
    Field(ge=1, le=2**20),
    Because("a million examples at once is beyond any training; all data in one batch is their number"),
]
Epochs = Annotated[
    int,
    Field(ge=0, le=100_000),
    Because("published trainings take a few thousand at most"),
]
Pixels = Annotated[
    int, Field(ge=1, le=8192), Because("an image of 8192 x 8192 takes 800 MB as three channels of floats")
]


Limit = Annotated[
    float,
    Field(ge=-1e18, le=1e18),
    Because("no network costs as much; 1e18 is as good as no limit"),
]
MOST_CHILDREN = 10_000
Children = Annotated[int, Field(ge=1, le=MOST_CHILDREN), Because("each is a network to train in every step")]


class SearchSpaceConfig(Section):
    """Which cells can be found."""

    blocks: Annotated[
        int,
        Field(ge=1, le=32),
        Because(
            "every block is one more step of the search and makes all later cells dearer; published "
            "searches use 5"
        ),
    ] = Field(default=5, description="B, the largest number of blocks in a cell; the search has B steps.")
    lookback_depth: Annotated[
        int,
        Field(ge=1, le=16),
        Because("each adds to the single-block cells, which are all trained; published searches use 2"),
    ] = Field(
        default=2,
        description="L: a block may read the outputs of the L previous cells (-1 is the previous one).",
    )
    operators: Annotated[
        tuple[Annotated[Text, Field(json_schema_extra=named_by("operators"))], ...],
        Field(strict=False, min_length=1),
        NullMeans(()),
    ] = Field(
        default=(),
        description="Names of the operators, e.g. 'identity', '3x3 conv' (images) or '7 dconv' (series); "
        "`popnas list operators` shows them. Default: those of the task's preset.",
    )


class SearchStrategyConfig(Section):
    """How many cells are trained, and what is good."""

    max_children: Children = Field(
        default=128, description="K: at most so many cells of the Pareto front are trained per step."
    )
    max_exploration_children: Annotated[
        int, Field(ge=0, le=MOST_CHILDREN), Because("each is a network to train in every step")
    ] = Field(
        default=16,
        description="At most so many more cells per step explore neglected operators and inputs; 0 = none.",
    )
    score_share: Annotated[float, Field(ge=0, le=1), Because("it is a share of max_children")] = Field(
        default=0.0,
        description="The share of max_children that goes to the best predicted scores, whatever they cost; "
        "places that a small front leaves go to them, too. 0 = the front alone.",
    )
    rounds: Annotated[
        int,
        Field(ge=1, le=100),
        Because("after each all workers wait for its last network, and the predictors are fitted"),
    ] = Field(
        default=1,
        description="A step's cells are chosen in so many rounds; after each the predictors learn from what "
        "it trained.",
    )
    random_children: Annotated[
        int, Field(ge=0, le=10_000), Because("each is a network to train in every step")
    ] = Field(
        default=0,
        description="So many more cells per step are drawn evenly among its expansions: a control group that "
        "tells how good the predictors are, and that they learn from; 0 = none.",
    )
    single_block_repeats: Annotated[
        int, Field(ge=0, le=1000), Because("there are never so many cells of one block with one operator")
    ] = Field(
        default=0,
        description="Step 1 trains only so many single-block cells that every operator on every lookback is "
        "in so many of them (2 at least); 0 = all single-block cells, whose number grows with the square of "
        "the operators'.",
    )
    growth_share: Annotated[float, Field(gt=0, le=1), Because("it is a share of max_children")] = Field(
        default=1.0,
        description="The steps between the first and the last train this share of max_children.",
    )
    untrained_parents: Annotated[
        int, Field(ge=0, le=MOST_CHILDREN), Because("all that grows of each is predicted at once")
    ] = Field(
        default=0,
        description="So many cells that a step did not train, the best predicted ones, are grown by the next "
        "step beside those that it trained. No network more is trained, only more cells predicted; 0 = none.",
    )
    repeats: Annotated[int, Field(ge=0, le=MOST_CHILDREN), Because("each is one more training")] = Field(
        default=0,
        description="After the last step so many trainings with other seeds go to the cells that may be the "
        "best, and the winner is the best by all its trainings, of which many count more than few; 0 = the "
        "luckiest single one wins.",
    )
    score_metric: Annotated[str, NullMeans(""), Field(json_schema_extra=named_by("score metrics"))] = Field(
        default="",
        description="The metric that is maximised, one of those that `popnas list tasks` shows for the task. "
        "Default: its first (accuracy; in segmentation mean_iou).",
    )
    additional_pareto_objectives: Annotated[tuple[Text, ...], Field(strict=False)] = Field(
        default=("time",),
        description="What is optimised beside: of time (training time), params, inference_time, flops, and "
        "what `popnas list objectives` shows; at least one outside PNAS mode.",
        json_schema_extra={"items": named_by("objectives")},
    )
    constraints: dict[str, Annotated[tuple[Limit, Limit], Field(strict=False)]] = Field(
        default_factory=dict,
        description="Ranges [min, max] of params, flops, time (seconds of training), inference_time "
        "(seconds) or another objective that predicted cells must lie in.",
        json_schema_extra={"propertyNames": named_by("objectives")},
    )


class LookaheadConfig(Section):
    """Lookahead: slow weights that follow the optimizer's."""

    sync_period: Annotated[
        int,
        Field(ge=1, le=100_000),
        Because("it counts steps, and an epoch has fewer; to do without, lookahead is null", is_both=True),
    ] = Field(default=6, description="The slow weights move every so many steps.")
    slow_step_size: Annotated[
        float,
        Field(gt=0, lt=1),
        Because(
            "at 1 the slow weights are the fast ones, at 0 they never move; to do without, lookahead is null",
            is_both=True,
        ),
    ] = Field(default=0.5, description="The share of the way to the fast weights that the slow weights move.")


class OptimizerConfig(Section):
    """Optimizer and learning-rate schedule."""

    type: Annotated[Text, checked(parse_optimizer)] = Field(
        default="adamW", description="adamW | adam | SGDW: M momentum | SGD: M momentum | radam: A alpha."
    )
    scheduler: Annotated[Text, checked(parse_scheduler)] | None = Field(
        default="cdr: 3 period",
        description="cdr: P period, T t_mul, M m_mul, A alpha (cosine, warm restarts) | cd: A alpha "
        "(one cosine) | null (constant). Parameters are optional, their order is fixed. radam takes null.",
    )
    warmup: Annotated[Epochs, NullMeans(0)] = Field(
        default=0, description="Epochs of linear warm-up from 0, before the schedule; null = 0."
    )
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

    epochs: Annotated[Epochs, Field(ge=1)] = Field(
        default=21, description="Epochs of training per candidate."
    )
    learning_rate: Annotated[
        float,
        Field(ge=1e-8, le=10),
        Because(
            "below, weights of 32 bits do not move; above, no training converges; 0.01 is a good start",
            is_both=True,
        ),
    ] = Field(default=0.01, description="The peak learning rate.")
    weight_decay: (
        Annotated[float, Field(ge=0, le=1), Because("1 takes all of a weight in a step; 5e-4 is usual")]
        | None
    ) = Field(default=5e-4, description="Weight decay per step (decoupled for adamW and SGDW); null = none.")
    drop_path: Annotated[
        float, Field(ge=0, le=1), Because("a probability: at 1 one branch alone survives in the end")
    ] = Field(
        default=0.0,
        description="The largest probability that a block's branch is dropped; grows with time and depth.",
    )
    softmax_dropout: Annotated[
        float,
        Field(ge=0, lt=1),
        Because("at 1 nothing reaches the last layer, and nothing can be learnt; 0.5 is a strong dropout"),
    ] = Field(default=0.0, description="Dropout before the last dense layer.")
    ema_decay: (
        Annotated[
            float,
            Field(gt=0, lt=1),
            Because("at 1 the average never moves; null = none, 0.99 to 0.9999 are usual", is_both=True),
        ]
        | None
    ) = Field(
        default=None,
        description="Of an exponential moving average of the weights, which is then what validates and is "
        "kept: its decay per step, less in the first steps; null = no average.",
    )
    label_smoothing: Annotated[
        float,
        Field(ge=0, lt=1),
        Because("at 1 all classes are equally right, and nothing can be learnt; 0.1 is usual"),
    ] = Field(default=0.0, description="Label smoothing of the loss; no effect in segmentation.")
    optimizer: OptimizerConfig = Field(default_factory=OptimizerConfig)


class ArchitectureConfig(Section):
    """The network that a cell is built into."""

    filters: Annotated[
        int,
        Field(ge=1, le=4096),
        Because("a 3x3 convolution of 4096 channels has 150 million weights; published networks take 24"),
    ] = Field(default=24, description="Depth (channels) of the first cell; doubles at each reduction.")
    motifs: Annotated[
        int,
        Field(ge=1, le=16),
        Because(
            "each halves the size and doubles the channels, 2^16 times in all; published networks have 3"
        ),
    ] = Field(default=3, description="M: the network is M times (normal cells, then a reduction cell).")
    normal_cells_per_motif: Annotated[
        int,
        Field(ge=1, le=30),
        Because(
            "a cell that only adds triples its input, and 3^40 has no square in floats of 32 bits; published "
            "networks have 18"
        ),
    ] = Field(default=2, description="N: normal cells per motif.")
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
            "hard_sigmoid", "softplus", "softsign", "linear", "exponential", "softmax",
        ],
        NullMeans("swish"),
    ] = Field(default="swish", description="Activation, by its Keras name; null = swish.")  # fmt: skip
    stem: Literal["conv", "half", "quarter"] | None = Field(
        default=None,
        description="What stands before the first cell: a convolution (conv), one that halves the size "
        "(half), two that quarter it (quarter); null: nothing.",
    )
    macro_architecture: Annotated[Text, Field(json_schema_extra=named_by("macros"))] | None = Field(
        default=None,
        description="How cells make up a network, by name (plug-ins may add some); null: the task's.",
    )
    segmentation_decoder: Literal["fixed", "cells"] = Field(
        default="fixed", description="Segmentation only: a fixed decoder, or one built of cells."
    )


Share = Annotated[float, Field(ge=0, lt=1), Because("a share of a series' length: at 1 nothing is left")]
Deviation = Annotated[
    float, Field(ge=0, le=2), Because("a standard deviation: at 2 little is left of what a series was")
]
Beta = Annotated[
    float,
    Field(ge=0, le=100),
    Because(
        "both parameters of a beta distribution: at 100 all examples are mixed half and half; 0.2 is usual"
    ),
]


class DataAugmentationConfig(Section):
    """Augmentation of training examples, whole batches at once."""

    enabled: bool = Field(
        default=False,
        description="Training images are moved at random (masks: cropped) and flipped horizontally, and "
        "whatever the fields beside it say; without it they say nothing. The usual presets of model "
        "selection and final training set it.",
    )
    use_cutout: bool = Field(default=False, description="Images: also blank out a random square.")
    flips: bool = Field(
        default=True, description="Images: false for text and digits, which mirrored are something else."
    )
    trivial_augment: bool = Field(
        default=False,
        description="Images: one random change of random strength each (TrivialAugment: turned, sheared, "
        "moved, colours changed); masks are moved with them.",
    )
    erasing: Annotated[float, Field(ge=0, le=1), Because("a probability")] = Field(
        default=0.0, description="Images: the probability that a random rectangle becomes one colour."
    )
    time_warp: Deviation | None = Field(
        default=None,
        description="Series: time passes faster and slower, smoothly; the standard deviation of the "
        "logarithm of its speed. null: 0 in the search, later what the task's preset says (0.4), which a "
        "number keeps from it.",
    )
    window_warp: Share = Field(
        default=0.0,
        description="Series: time passes twice as fast, or half as fast, in a random window of this share of "
        "the length.",
    )
    crop: Share = Field(
        default=0.0, description="Series: up to this share is cut off and the rest stretched to the length."
    )
    shift: Share = Field(default=0.0, description="Series: moved in time by up to this share of the length.")
    scaling: Deviation = Field(
        default=0.0, description="Series: standard deviation of a random factor of each channel, about 1."
    )
    jitter: Deviation = Field(
        default=0.0,
        description="Series: standard deviation of noise that is added, as a share of the series' own.",
    )
    mixup: Beta = Field(
        default=0.0,
        description="Examples are blended in pairs, labels with them; the beta distribution's parameter.",
    )
    cutmix: Beta = Field(
        default=0.0,
        description="A piece of each example is another one's, and so is the label; the beta distribution's "
        "parameter. With mixup, every batch has one of them.",
    )


Label = Annotated[
    int,
    Field(ge=0, le=65_535),
    Because("a mask's pixel holds 16 bits; where every label counts, write null", is_both=True),
]
NewLabel = Annotated[
    int,
    Field(ge=0, le=65_535),
    Because(
        "a label is a class index or a mask's value of 16 bits; pixels that shall not count get one of their "
        "own, usually 255, which dataset.ignore_class names",
        is_both=True,
    ),
]


class ResizeConfig(Section):
    """A size in pixels."""

    width: Pixels = Field(description="Pixels.")
    height: Pixels = Field(description="Pixels.")


class DatasetConfig(Section):
    """The data, and how it is split and prepared."""

    type: Annotated[Text, Field(json_schema_extra=named_by("tasks"))] = Field(
        description="The task: image_classification, time_series_classification, image_segmentation or "
        "another that `popnas list tasks` shows."
    )
    name: Annotated[Text, Field(json_schema_extra=named_by("data sets"))] | None = Field(
        default=None, description="A data set by name, e.g. digits; with a path, only a label."
    )
    path: Text | None = Field(default=None, description="Folder or file of your own data.")
    classes_count: (
        Annotated[
            int,
            Field(ge=2, le=10_000),
            Because(
                "of a single class nothing can be learnt, and the table of true and predicted ones has as "
                "many entries as the square of it; null counts them",
                is_both=True,
            ),
        ]
        | None
    ) = Field(default=None, description="Number of classes; null = counted.")
    ignore_class: Label | None = Field(
        default=None,
        description="Segmentation only: a label that counts neither in the loss nor in the metrics.",
    )
    batch_size: Batch = Field(default=128, description="Training batch size.")
    val_test_batch_size: Batch | None = Field(
        default=None, description="Batch size of validation and test; null = batch_size."
    )
    inference_batch_size: Annotated[
        int,
        Field(ge=1, le=8192),
        Because("such a batch is made up and held in memory whole"),
        NullMeans(1),
    ] = Field(default=1, description="Batch size at which inference time is measured.")
    validation_size: (
        Annotated[
            float,
            Field(gt=0, lt=1),
            Because(
                "at 0 nothing validates, at 1 nothing trains; 0.1 is usual, null takes the validation split "
                "that your data bring",
                is_both=True,
            ),
        ]
        | None
    ) = Field(
        default=0.1,
        description="Share of the training data that validates; null = a separate validation split exists.",
    )
    cache: bool = Field(default=True, description="Keep the prepared data on the device.")
    folds: Annotated[
        int, Field(ge=1, le=100), Because("each fold is one more training of every network; 5 is usual")
    ] = Field(
        default=1,
        description="Train each candidate, and each network of model selection, on so many stratified splits "
        "of validation_size, and average: where few examples validate, one split chooses by chance.",
    )
    samples: (
        Annotated[int, Field(ge=1, le=10**9), Because("no data set here has more; null takes all")] | None
    ) = Field(default=None, description="Use only so many samples, drawn stratified; null = all.")
    balance_class_losses: bool = Field(
        default=False, description="Weight the loss so that each class counts the same."
    )
    class_labels_remapping: dict[str, NewLabel] | None = Field(
        default=None, description='Old label to new label, e.g. {"1": 0, "2": 1}; null = sorted labels.'
    )
    data_augmentation: Annotated[DataAugmentationConfig, NullMeans({})] = Field(
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

    kind: Annotated[Text, Field(json_schema_extra=named_by("executors"))] = Field(
        default="processes",
        description="inline (in this process), processes (local workers), ray (a cluster, see "
        "docs/cluster.md) or a plug-in's, by name; `popnas list executors` shows them.",
    )
    workers: (
        Annotated[int, Field(ge=1, le=1024), Because("each is a process of several hundred MB")] | None
    ) = Field(default=None, description="Number of workers; null = one per core, or as many as GPUs take.")
    workers_per_gpu: (
        Annotated[
            int,
            Field(ge=1, le=64),
            Because("each takes memory of the GPU for itself, and time of the others"),
        ]
        | None
    ) = Field(
        default=None,
        description="How many workers share a GPU, if `workers` is null, and on a Ray cluster; null = in a "
        "search as many as gain by it, which is tried out, elsewhere one.",
    )
    threads: Annotated[
        int,
        Field(ge=1, le=64),
        Because("threads beyond the cores only slow a worker down; 1 suits small networks"),
    ] = Field(default=1, description="Threads per worker on a CPU; measured times and results depend on it.")


class PredictorsConfig(Section):
    """Which surrogate models predict what was not trained; `popnas list predictors` shows them."""

    score: Annotated[Text, Field(json_schema_extra=named_by("predictors of score"))] = Field(
        default="gin", description="The score predictor, by name (plug-ins may add some)."
    )
    time: Annotated[Text, Field(json_schema_extra=named_by("predictors of time"))] = Field(
        default="svr",
        description="The predictor of training and inference time, and of what else is measured, by name.",
    )
    earlier_runs: Annotated[tuple[Text, ...], Field(strict=False), NullMeans(())] = Field(
        default=(),
        description="Folders of earlier runs with some of the same operators: the score predictor (trees, or "
        "another that can) also learns how they ranked their cells.",
    )


class OthersConfig(Section):
    """Everything about a run that is neither data nor network."""

    accuracy_predictor_ensemble_units: Annotated[
        int, Field(ge=1, le=100), Because("each model learns from all cells trained so far; 5 is usual")
    ] = Field(default=5, description="Number of models in the score predictor's ensemble.")
    predictors: Annotated[PredictorsConfig, NullMeans({})] = Field(default_factory=PredictorsConfig)
    predictions_batch_size: Annotated[
        int, Field(ge=1, le=2**20), Because("a step predicts a few million cells at most")
    ] = Field(
        default=1024,
        description="Of POPNAS; without effect here, where predictions choose their batches themselves.",
    )
    save_children_weights: bool = Field(default=False, description="Keep the weights of every candidate.")
    save_children_models: bool = Field(default=False, description="Export every candidate as ONNX.")
    pnas_mode: bool = Field(
        default=False,
        description="Search as PNAS does: by score alone, without other objectives and exploration.",
    )
    train_strategy: Literal["auto", "CPU", "GPU", "multi-GPU", "TPU"] = Field(
        default="auto",
        description="The device; auto = the best present; multi-GPU = all GPUs, in final training together.",
    )
    enable_XLA_compilation: bool = Field(  # noqa: N815 (POPNAS)
        default=False, description="Compile networks whose training is long enough for it to pay."
    )
    use_mixed_precision: bool = Field(
        default=False, description="Train in two-byte floats where that is faster on the device."
    )
    seed: Annotated[int, Field(ge=0, lt=2**63), Because("generators of random numbers take 63 bits")] = Field(
        default=0, description="Everything random in the run derives from it."
    )
    timing: Literal["measured", "simulated"] = Field(
        default="measured",
        description="simulated: times are a fixed function of the network, so that runs repeat exactly.",
    )
    executor: Annotated[ExecutorConfig, NullMeans({})] = Field(default_factory=ExecutorConfig)
    trackers: Annotated[
        tuple[Annotated[Text, Field(json_schema_extra=named_by("trackers"))], ...],
        Field(strict=False),
        NullMeans(("tensorboard",)),
    ] = Field(
        default=("tensorboard",),
        description="Where figures of the run and its trainings go while they run, by name, several at once: "
        "tensorboard (files), mlflow, neptune (servers; see docs/trackers.md), a plug-in's; [] = nowhere.",
    )
    evaluator: Annotated[Text, Field(json_schema_extra=named_by("evaluators"))] = Field(
        default="training",
        description="What stands behind a candidate, by name (plug-ins may add some): training its network.",
    )
    max_hours: (
        Annotated[float, Field(gt=0, le=87_600), Because("that is ten years; null = no limit")] | None
    ) = Field(
        default=None,
        description="Stop after so many hours; running candidates finish first. A search, selection or "
        "training that is resumed has as many again; a whole job (`popnas e2e`) has them in all. null = no "
        "limit.",
    )
    max_candidate_seconds: (
        Annotated[float, Field(gt=0, le=31_536_000), Because("that is a year; null = no limit")] | None
    ) = Field(
        default=None,
        description="A candidate that trains longer by the clock, on all folds together, compiling and waits "
        "for others on its GPU included, counts as failed; null = no limit.",
    )
    confirm: bool = Field(
        default=False, description="At the end, train the best five cells again with three seeds each."
    )
    selection_seeds: Annotated[
        int, Field(ge=1, le=100), Because("each is one more training of every network; 3 is usual")
    ] = Field(
        default=1,
        description="Model selection trains each network with so many seeds, on every fold, and averages.",
    )
    selection_budget: Literal["epochs", "seconds"] = Field(
        default="epochs",
        description="What the networks of model selection have alike: their epochs, or their training time, "
        "that of the best cell's network. A whole job whose time limit cuts trainings takes seconds.",
    )
