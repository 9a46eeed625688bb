"""What an operator is, and how its name is read.

No torch at import time: names and costs are needed where no network is built. `Operator.build` imports the
layers.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

from popnas.errors import OperatorError, nearest
from popnas.operators._cost import Cost, strided
from popnas.registry import Registry

if TYPE_CHECKING:
    from torch import nn

KERNEL = r"([0-9]+(?:x[0-9]+)?)"
"""Pattern of a kernel, one group: `3x3` for images, `3` for series."""

MAX_KERNEL = {1: 255, 2: 31}
"""Longest kernel per axis, by number of dimensions.

Beyond any published use, short of exhausting the memory.
"""

DIMENSION_WORDS = {1: "series", 2: "images"}


@dataclass(frozen=True)
class Site:
    """Where an operator stands: what comes in and what has to come out.

    `size` is the input's, per axis; costs alone look at it. `stride` divides every axis, rounding up.
    `activation` is a Keras name.
    """

    num_dims: int
    in_channels: int
    out_channels: int
    stride: int
    size: tuple[int, ...]
    activation: str = "swish"

    @property
    def out_size(self) -> tuple[int, ...]:
        """The output's size per axis."""
        return strided(self.size, self.stride)

    @property
    def is_depth_changed(self) -> bool:
        """Whether the output has another number of channels than the input."""
        return self.in_channels != self.out_channels


class Operator(ABC):
    """One operator, e.g. `3x3 dconv`; a family, e.g. `dconv`, is a subclass, declared with
    `@REGISTRY.register(...)`.

    A family says how its names look, to people (`grammar`) and as a regular expression over the lower-case
    name (`pattern`), and gives `examples`. One that has figures in its names says in `of_groups` what they
    mean.
    """

    family: ClassVar[str]
    grammar: ClassVar[str]
    pattern: ClassVar[str]
    examples: ClassVar[tuple[str, ...]]
    num_dims_allowed: ClassVar[frozenset[int]] = frozenset({1, 2})

    def __init__(self, name: str, num_dims: int | None = None) -> None:
        self.name = name
        self.num_dims = num_dims

    @classmethod
    def parse(cls, text: str) -> Operator | None:
        """The operator that `text` (single spaces, lower case) names, or None if it is not of this family's
        form.

        Raises:
            OperatorError: the form is right, a figure in it is not.
        """
        found = re.fullmatch(cls.pattern, text)
        return None if found is None else cls.of_groups(*(group or "" for group in found.groups()))

    @classmethod
    def of_groups(cls, *groups: str) -> Operator:
        """The operator named by the groups that `pattern` found ("" for one that is left out)."""
        assert not groups, f"{cls.__name__} has groups in its pattern and must say what they mean"
        return cls(cls.family)

    @abstractmethod
    def build(self, site: Site) -> nn.Module:
        """A module from (B, in_channels, *size) to (B, out_channels, *ceil(size / stride)), for any size."""

    @abstractmethod
    def cost(self, site: Site) -> Cost:
        """Exactly the trainable parameters of `build(site)`, and the FLOPs of one sample (see `_cost`)."""

    def __repr__(self) -> str:
        return f"<operator '{self.name}'>"


REGISTRY: Registry[type[Operator]] = Registry("operator", "popnas.operators", "popnas.operators")


def normal_spelling(text: str) -> str:
    """Single spaces, lower case: what `Operator.parse` gets."""
    return " ".join(text.lower().split())


@lru_cache(maxsize=4096)
def parse(name: str, num_dims: int | None = None) -> Operator:
    """The operator of that name, always the same object for the same operator.

    Spaces and case do not matter, and `3x3:1dr conv` is `3x3 conv`; `.name` is the normal form. `num_dims`
    (1 series, 2 images), if given, must suit.

    Raises:
        OperatorError: no family reads the name, a figure in it is impossible, or it is of the other
            dimensionality.
    """
    try:
        operator = _parse_spelling(normal_spelling(name))
    except OperatorError as error:
        raise OperatorError(f"operator '{name}': {error}") from None
    except _NoFamilyError:
        message = f"'{name}' is no operator.{_nearest(name)} Operators are: {grammar(num_dims)}"
        raise OperatorError(message) from None
    if num_dims is not None:
        _check_dimensions(operator, num_dims)
    return operator


class _NoFamilyError(Exception):
    """Raised, not returned: an answer would be remembered, and somebody may register the operator yet."""


@lru_cache(maxsize=4096)
def _parse_spelling(text: str) -> Operator:
    found = [operator for _, family in REGISTRY.items() if (operator := family.parse(text)) is not None]
    if len(found) > 1:
        families = " and ".join(f"'{operator.family}'" for operator in found)
        raise OperatorError(f"it is read by several families of operators, {families}; rename one of them.")
    if not found:
        raise _NoFamilyError
    normal = normal_spelling(found[0].name)
    return found[0] if normal == text else _parse_spelling(normal)


def check_name(name: str, num_dims: int) -> str | None:
    """What is wrong with an operator of a search space, or None.

    Stricter than `parse`: the name must be in its normal form, so that equal operators are equal texts in
    cells.
    """
    try:
        operator = parse(name, num_dims)
    except OperatorError as error:
        return str(error)
    if operator.name != name:
        return f"'{name}' is another spelling of '{operator.name}'. Write '{operator.name}'."
    return None


def grammar(num_dims: int | None = None) -> str:
    """The forms of all families' names that suit data of so many dimensions."""
    return "; ".join(
        family.grammar
        for _, family in REGISTRY.items()
        if num_dims is None or num_dims in family.num_dims_allowed
    )


def _nearest(name: str) -> str:
    examples = {normal_spelling(e): e for _, family in REGISTRY.items() for e in family.examples}
    hint = nearest(normal_spelling(name), examples)
    for spelling, example in examples.items():
        hint = hint.replace(f"'{spelling}'", f"'{example}'")
    return hint


def _check_dimensions(operator: Operator, num_dims: int) -> None:
    wanted = DIMENSION_WORDS[num_dims]
    if num_dims not in operator.num_dims_allowed:
        allowed = " and ".join(DIMENSION_WORDS[n] for n in sorted(operator.num_dims_allowed))
        raise OperatorError(
            f"'{operator.name}' is for {allowed} only, the data are {wanted}. Use one of: {grammar(num_dims)}"
        )
    if operator.num_dims not in (None, num_dims):
        kernel = "3x3" if num_dims == 2 else "3"
        raise OperatorError(
            f"'{operator.name}' has a kernel for {DIMENSION_WORDS[operator.num_dims or num_dims]}, "
            f"the data are {wanted}. A kernel for {wanted} is written '{kernel}'."
        )


def read_kernel(text: str) -> tuple[int, ...]:
    """The taps per axis of a kernel that matched `KERNEL`.

    Raises:
        OperatorError: an axis has no tap, or more than `MAX_KERNEL`.
    """
    axes = text.split("x")
    return tuple(read_count(axis, "the kernel", 1, MAX_KERNEL[len(axes)]) for axis in axes)


def read_count(text: str, what: str, smallest: int, largest: int) -> int:
    """A whole number of a name, within its limits.

    Raises:
        OperatorError: it has leading zeros or lies outside.
    """
    is_plain = re.fullmatch(r"0|[1-9][0-9]{0,8}", text) is not None
    if not is_plain or not smallest <= int(text) <= largest:
        raise OperatorError(
            f"{what} must be a whole number from {smallest} to {largest}. Got '{text}' instead."
        )
    return int(text)


def join_kernel(kernel: Sequence[int]) -> str:
    """`3x3` of (3, 3), `3` of (3,)."""
    return "x".join(map(str, kernel))
