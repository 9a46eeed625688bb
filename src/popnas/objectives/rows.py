"""The objectives that popnas brings, a row each, the score first."""

from popnas.objectives._base import REGISTRY, Objective

SCORE = Objective("score", "validation score", "0..1", "score", "val score", is_maximized=True)
TIME = Objective("time", "training time", "s", "training_seconds", "training time(seconds)")
INFERENCE_TIME = Objective(
    "inference_time",
    "inference time",
    "s",
    "inference_seconds",
    "inference time(seconds)",
    features_file="training_time_inference.csv",
)
PARAMS = Objective("params", "parameters", "parameters", "params", "total params", is_computed=True)
FLOPS = Objective("flops", "FLOPs", "FLOPs", "flops", "flops", is_computed=True)

ROWS = (SCORE, TIME, INFERENCE_TIME, PARAMS, FLOPS)

COSTS = ROWS[1:]
"""What may stand beside the score."""

TIMES = tuple(row for row in COSTS if not row.is_computed)
"""What a predictor of times learns."""

_DESCRIPTIONS = (
    "the metric that search_strategy.score_metric names; always there",
    "training time of a candidate",
    "time of one batch of dataset.inference_batch_size samples",
    "trainable parameters",
    "floating-point operations for one sample (a multiply-add is 2)",
)
for _row, _description in zip(ROWS, _DESCRIPTIONS, strict=True):
    REGISTRY.register(_row.name, description=_description)(_row)
