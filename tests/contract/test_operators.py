"""What every operator must do, run over the examples of every registered family, users' own included."""

from __future__ import annotations

import io
import itertools
import math
import warnings

import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from popnas.operators import REGISTRY, Operator, Site, check_name, parse

NUM_DIMS = (1, 2)
SIZES = {1: [(1,), (2,), (9,), (12,)], 2: [(1, 1), (2, 5), (9, 9), (8, 12)]}
CHANNELS = {"equal": (5, 5), "changed": (4, 6)}


def _examples() -> list[tuple[str, int]]:
    """(name, num_dims) of every example, at each dimensionality that it suits."""
    names = [name for _, family in REGISTRY.items() for name in family.examples]
    return [(name, dims) for name in names for dims in NUM_DIMS if check_name(name, dims) is None]


EXAMPLES = _examples()
per_example = pytest.mark.parametrize(("name", "num_dims"), EXAMPLES, ids=[f"{n}-{d}d" for n, d in EXAMPLES])


def _sites(num_dims: int) -> list[Site]:
    return [
        Site(num_dims, *CHANNELS[depth], stride, size)
        for depth, stride, size in itertools.product(CHANNELS, (1, 2, 4), SIZES[num_dims])
    ]


def _build(operator: Operator, site: Site, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return operator.build(site)


def _input(site: Site, size: tuple[int, ...] | None = None, batch: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(7)
    return torch.randn(batch, site.in_channels, *(size or site.size), generator=generator)


def _num_trainable(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


@pytest.mark.parametrize("family", REGISTRY.names())
def test_a_family_declares_itself(family: str) -> None:
    part = REGISTRY.get(family)
    assert REGISTRY.description(family)
    assert part.family and part.grammar and part.examples
    for example in part.examples:
        operator = parse(example)
        assert type(operator) is part, f"'{example}' is read by another family"
        assert operator.name == example, "examples are in normal form"
        assert any(check_name(example, dims) is None for dims in NUM_DIMS)


@per_example
def test_shape_is_the_size_divided_rounding_up(name: str, num_dims: int) -> None:
    for site in _sites(num_dims):
        module = _build(parse(name), site).eval()
        with torch.no_grad():
            y = module(_input(site))
        expected = tuple(math.ceil(n / site.stride) for n in site.size)
        assert tuple(y.shape) == (3, site.out_channels, *expected), site
        assert torch.isfinite(y).all(), site


@per_example
def test_params_are_exact(name: str, num_dims: int) -> None:
    for site in _sites(num_dims):
        operator = parse(name)
        assert operator.cost(site).params == _num_trainable(_build(operator, site)), site


@per_example
def test_params_do_not_depend_on_the_size_and_flops_grow_with_it(name: str, num_dims: int) -> None:
    operator = parse(name)
    for (inner, outer), stride in itertools.product(CHANNELS.values(), (1, 2)):
        small = operator.cost(Site(num_dims, inner, outer, stride, (8,) * num_dims))
        large = operator.cost(Site(num_dims, inner, outer, stride, (16,) * num_dims))
        assert small.params == large.params
        assert 0 <= small.flops <= large.flops
        assert isinstance(small.params, int) and isinstance(small.flops, int)


@per_example
def test_training_is_finite_and_reaches_every_parameter(name: str, num_dims: int) -> None:
    for site in _sites(num_dims):
        if min(site.size) < 8:  # on a tiny map an attention has one key, a max pool one winner: zero is right
            continue
        module = _build(parse(name), site).train()
        x = _input(site).requires_grad_()
        y = module(x)
        (y * torch.randn(y.shape, generator=torch.Generator().manual_seed(1))).sum().backward()
        assert x.grad is not None and torch.isfinite(x.grad).all() and x.grad.abs().sum() > 0
        for label, parameter in module.named_parameters():
            assert parameter.grad is not None, f"{label} gets no gradient at {site}"
            assert torch.isfinite(parameter.grad).all(), f"{label} at {site}"


@per_example
def test_training_on_one_position_and_one_sample(name: str, num_dims: int) -> None:
    for size, batch in itertools.product(SIZES[num_dims][:2], (1, 2)):
        site = Site(num_dims, 4, 6, 2, size)
        module = _build(parse(name), site).train()
        y = module(_input(site, batch=batch))
        y.sum().backward()
        assert torch.isfinite(y).all()
        assert all(torch.isfinite(buffer).all() for buffer in module.buffers())


@per_example
def test_evaluation_repeats_and_treats_samples_apart(name: str, num_dims: int) -> None:
    site = Site(num_dims, 4, 6, 2, (9,) * num_dims)
    module = _build(parse(name), site)
    module(_input(site))  # in training mode: normalisations have statistics
    module.eval()
    x = _input(site)
    with torch.no_grad():
        whole, again, alone = module(x), module(x), module(x[1:2])
    assert torch.equal(whole, again)
    torch.testing.assert_close(whole[1:2], alone, rtol=1e-4, atol=1e-5)


@per_example
def test_the_same_seed_builds_the_same_weights(name: str, num_dims: int) -> None:
    site = Site(num_dims, 4, 6, 2, (9,) * num_dims)
    first, same = (_build(parse(name), site).state_dict() for _ in range(2))
    assert first.keys() == same.keys()
    assert all(torch.equal(first[key], same[key]) for key in first)
    assert all(torch.isfinite(value).all() for value in first.values())


@per_example
def test_one_module_takes_any_size(name: str, num_dims: int) -> None:
    site = Site(num_dims, 4, 6, 2, (9,) * num_dims)
    module = _build(parse(name), site).eval()
    for size in SIZES[num_dims]:
        with torch.no_grad():
            y = module(_input(site, size))
        assert tuple(y.shape[2:]) == tuple(math.ceil(n / 2) for n in size)


@per_example
def test_channels_last_gives_the_same(name: str, num_dims: int) -> None:
    """Images in channels-last memory, series also as images of height 1: the fast layouts."""
    site = Site(num_dims, 4, 6, 2, (9,) * num_dims)
    module = _build(parse(name), site).eval()
    x = _input(site)
    x_BCHW = x.unsqueeze(2) if num_dims == 1 else x
    with torch.no_grad():
        plain = module(x)
        fast = module.to(memory_format=torch.channels_last)(x_BCHW.to(memory_format=torch.channels_last))
    torch.testing.assert_close(plain, fast.squeeze(2) if num_dims == 1 else fast, rtol=1e-4, atol=1e-5)


@per_example
def test_builds_without_memory(name: str, num_dims: int) -> None:
    """On the meta device, as a network is counted."""
    site = Site(num_dims, 4, 6, 2, (9,) * num_dims)
    with torch.device("meta"):
        module = parse(name).build(site)
        y = module.eval()(torch.empty(2, 4, *site.size))
    assert tuple(y.shape) == (2, 6, *(5,) * num_dims)


@per_example
@pytest.mark.parametrize("stride", [1, 4])
def test_onnx_takes_any_batch_and_size(name: str, num_dims: int, stride: int) -> None:
    """A traced file, as the export writes it first, at other sizes than it was traced at, in ONNX Runtime."""
    site = Site(num_dims, 4, 6, stride, (9,) * num_dims)
    module = _build(parse(name), site).eval()
    axes = {0: "batch", **{2 + axis: f"size{axis}" for axis in range(num_dims)}}
    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # the exporter's deprecations, and that recurrences like a fixed batch
        torch.onnx.export(
            module, (_input(site),), content, dynamo=False, input_names=["x"], dynamic_axes={"x": axes}
        )
    session = onnxruntime.InferenceSession(content.getvalue(), providers=["CPUExecutionProvider"])
    for size, batch in itertools.product(SIZES[num_dims], (1, 4)):
        x = _input(site, size, batch)
        (y,) = session.run(None, {"x": x.numpy()})
        torch.testing.assert_close(torch.from_numpy(y), module(x).detach(), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@per_example
def test_torch_export_takes_any_batch(name: str, num_dims: int) -> None:
    site = Site(num_dims, 4, 6, 2, (9,) * num_dims)
    module = _build(parse(name), site).eval()
    x = _input(site)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.export finds fault with PyTorch's own recurrent modules
        program = torch.export.export(module, (x,), dynamic_shapes=({0: torch.export.Dim("batch", min=2)},))
    torch.testing.assert_close(program.module()(x[:2]), module(x[:2]), rtol=1e-4, atol=1e-5)


def test_the_same_name_is_the_same_operator() -> None:
    for name, num_dims in EXAMPLES:
        assert parse(name) is parse(name, num_dims)
        assert parse(f"  {name.upper()} ") is parse(name)
