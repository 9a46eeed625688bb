"""What is known of a network without building it."""

from popnas.objectives import REGISTRY, Objective

PARAMS = REGISTRY.register("params", description="trainable parameters")(
    Objective("params", "parameters", "parameters", is_maximized=False, origin="computed", field="params")
)
FLOPS = REGISTRY.register(
    "flops", description="floating-point operations for one sample (a multiply-add is 2)"
)(Objective("flops", "FLOPs", "FLOPs", is_maximized=False, origin="computed", field="flops"))
