"""What only training shows: the score and the times."""

from popnas.objectives import REGISTRY, Objective

SCORE = REGISTRY.register(
    "score", description="the metric that search_strategy.score_metric names; always there"
)(Objective("score", "validation score", "0..1", is_maximized=True, origin="measured", field="score"))
TIME = REGISTRY.register("time", description="training time of a candidate")(
    Objective("time", "training time", "s", is_maximized=False, origin="measured", field="training_seconds")
)
INFERENCE_TIME = REGISTRY.register(
    "inference_time", description="time of one batch of dataset.inference_batch_size samples"
)(
    Objective(
        "inference_time",
        "inference time",
        "s",
        is_maximized=False,
        origin="measured",
        field="inference_seconds",
    )
)
