"""Operators: what a cell's blocks apply to their inputs. One file per family, or per pair of families that
share all but a layer.

Here live names, grammar, costs and the composition of an operator from `popnas.layers`; modules themselves
live there. Importing this package must not import torch (names and costs are needed without), so a family
imports layers in `build`. Families do not know one another. To add a family: a new file with a subclass of
`Operator` declared by `@REGISTRY.register(name, description=...)`; or, from another package, the same in a
module named by an entry point of the group `popnas.operators`. The contract suite
(tests/contract/test_operators.py) picks it up by its `examples`.
"""

from popnas.operators._base import (
    KERNEL,
    REGISTRY,
    Operator,
    Site,
    check_name,
    grammar,
    join_kernel,
    parse,
    read_count,
    read_kernel,
)
from popnas.operators._cost import (
    Cost,
    conv_bn_cost,
    conv_cost,
    dense_cost,
    norm_cost,
    pointwise_cost,
    separable_cost,
    squeeze_excite_cost,
    strided,
)

__all__ = [
    "KERNEL",
    "REGISTRY",
    "Cost",
    "Operator",
    "Site",
    "check_name",
    "conv_bn_cost",
    "conv_cost",
    "dense_cost",
    "grammar",
    "join_kernel",
    "norm_cost",
    "parse",
    "pointwise_cost",
    "read_count",
    "read_kernel",
    "separable_cost",
    "squeeze_excite_cost",
    "strided",
]
