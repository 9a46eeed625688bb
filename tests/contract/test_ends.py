"""What lies behind a series' end, and what else is in the batch, changes nothing of its result."""

from __future__ import annotations

import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from popnas import export, networks
from popnas.cells import Block, Cell
from popnas.datasets.preprocessing import Preprocessing
from popnas.export.deployed import DeployedNetwork
from popnas.export.running import open_session
from popnas.export.source import network_source
from popnas.layers import BatchNorm, Ends, through
from popnas.networks.spec import NetworkSpec
from popnas.operators import REGISTRY, Site, parse

CHANNELS = 3
EXAMPLES = [
    example
    for _, family in REGISTRY.items()
    if 1 in family.num_dims_allowed
    for example in family.examples
    if parse(example).num_dims in (None, 1)
]
UNUSUAL = [
    "1 conv",
    "2 conv",
    "4:3dr dconv",
    "2-6 conv",
    "1 tconv",
    "4 tconv",
    "5:7z zconv",
    "3 avgpool",
    "5 maxpool",
]
LENGTHS = st.lists(st.integers(1, 23), min_size=1, max_size=4)


def batch_of(lengths: list[int], padding: int, seed: int = 0) -> tuple[list[Tensor], Tensor]:
    """Series (1, C, length) and the batch of them, zeros behind each end."""
    generator = torch.Generator().manual_seed(seed)
    alone = [torch.randn((1, CHANNELS, length), generator=generator) for length in lengths]
    together = torch.zeros(len(lengths), CHANNELS, max(lengths) + padding)
    for row, one in zip(together, alone, strict=True):
        row[:, : one.shape[2]] = one[0]
    return alone, together


def settled(module: nn.Module) -> nn.Module:
    """In eval mode, with normalisations that shift: zeros do not stay zeros."""
    torch.manual_seed(1)
    for part in module.modules():
        if isinstance(part, BatchNorm):
            nn.init.normal_(part.bias)
            nn.init.normal_(part.running_mean)
    return module.eval()


@pytest.mark.parametrize("name", [*EXAMPLES, *UNUSUAL])
@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    lengths=LENGTHS,
    padding=st.integers(0, 17),
    stride=st.sampled_from([1, 2, 4]),
    out=st.sampled_from([3, 5]),
)
def test_an_operator_ends_where_the_series_does(
    name: str, lengths: list[int], padding: int, stride: int, out: int
) -> None:
    alone, together = batch_of(lengths, padding)
    operator = settled(parse(name, 1).build(Site(1, CHANNELS, out, stride, (together.shape[2],))))
    ends = Ends(torch.tensor(lengths))
    with torch.no_grad():
        found = through(operator, together.unsqueeze(2), ends, ends.shrunk(stride)).squeeze(2)
        for row, one in zip(found, alone, strict=True):
            expected = operator(one)[0]
            end = expected.shape[1]
            torch.testing.assert_close(row[:, :end], expected, atol=1e-5, rtol=0)
            assert not row[:, end:].any()


ALL = tuple(dict.fromkeys([*EXAMPLES, "2-6 conv", "5:3z zconv"]))
FLAGS = st.fixed_dictionaries(
    {
        "lookback_reshape": st.booleans(),
        "residual_cells": st.booleans(),
        "se_cell_output": st.booleans(),
        "multi_output": st.booleans(),
        "concat_only_unused_blocks": st.booleans(),
        "is_post_search": st.booleans(),
        "block_join_operator": st.sampled_from(["add", "avg"]),
        "motifs": st.integers(1, 3),
        "normal_cells_per_motif": st.integers(0, 2),
        "activation": st.sampled_from(["swish", "sigmoid"]),
    }
)
BLOCK = st.builds(
    Block,
    st.sampled_from([-1, -2, -3]),
    st.sampled_from(ALL),
    st.sampled_from([-1, -2]),
    st.sampled_from(ALL),
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    blocks=st.lists(BLOCK, min_size=0, max_size=2), flags=FLAGS, lengths=LENGTHS, padding=st.integers(0, 30)
)
def test_a_network_answers_a_series_alone_as_in_a_batch(
    blocks: list[Block], flags: dict[str, object], lengths: list[int], padding: int
) -> None:
    alone, together = batch_of(lengths, padding)
    spec = NetworkSpec("classification", (together.shape[2], CHANNELS), 3, filters=4, has_lengths=True)
    torch.manual_seed(0)
    network = settled(networks.build(Cell(tuple(blocks)), replace(spec, **flags)))
    with torch.no_grad():
        found = network(together, torch.tensor(lengths))
        for number, one in enumerate(alone):
            expected = network(one, torch.tensor([lengths[number]]))
            for head, head_alone in zip(found, expected, strict=True):
                torch.testing.assert_close(head[number], head_alone[0], atol=1e-4, rtol=1e-4)


def trained(blocks: list[Block], flags: dict[str, object], x: Tensor, lengths: list[int]) -> list[Tensor]:
    """A step of training: logits, gradients, and the running statistics behind it."""
    spec = NetworkSpec("classification", (x.shape[2], CHANNELS), 3, filters=4, has_lengths=True)
    torch.manual_seed(0)
    network = networks.build(Cell(tuple(blocks)), spec.replace(**flags)).train()
    heads = network(x, torch.tensor(lengths))
    sum((logits.softmax(1)[:, 0]).sum() for logits in heads).backward()
    gradients = [part.grad for part in network.parameters() if part.grad is not None]
    return [*heads, *gradients, *network.buffers()]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(blocks=st.lists(BLOCK, max_size=2), flags=FLAGS, lengths=LENGTHS, padding=st.integers(1, 30))
def test_a_network_learns_the_same_however_far_series_are_padded(
    blocks: list[Block], flags: dict[str, object], lengths: list[int], padding: int
) -> None:
    _, short = batch_of(lengths, 0)
    _, long = batch_of(lengths, padding)
    for found, expected in zip(
        trained(blocks, flags, long, lengths), trained(blocks, flags, short, lengths), strict=True
    ):
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-3)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(lengths=LENGTHS, padding=st.integers(0, 9), is_half=st.booleans())
def test_batch_normalisation_counts_what_lies_before_the_ends(
    lengths: list[int], padding: int, is_half: bool
) -> None:
    """As PyTorch's of the positions before the ends, one after the other."""
    alone, together = batch_of(lengths, padding)
    together += 100 * (together == 0)  # whatever lies behind
    ours, theirs = BatchNorm(CHANNELS).train(), torch.nn.BatchNorm2d(CHANNELS).train()
    if is_half:
        together, alone = together.bfloat16(), [one.bfloat16() for one in alone]
    ends = Ends(torch.tensor(lengths))
    found = ours(together.unsqueeze(2), ends).squeeze(2)
    if sum(lengths) == 1:  # no variance: by the running statistics, as they were
        torch.testing.assert_close(ours.running_mean, theirs.running_mean)
        return
    expected = theirs(torch.cat(alone, dim=2).unsqueeze(2)).squeeze(2)
    tolerance = 0.05 if is_half else 1e-4
    inside = torch.cat([row[None, :, :end] for row, end in zip(found, lengths, strict=True)], dim=2)
    torch.testing.assert_close(inside, expected, atol=tolerance, rtol=tolerance)
    assert found.dtype == together.dtype
    assert not any(row[:, end:].any() for row, end in zip(found, lengths, strict=True))
    for name in ("running_mean", "running_var"):
        torch.testing.assert_close(getattr(ours, name), getattr(theirs, name), atol=1e-3, rtol=1e-3)


RAW = Preprocessing((0.5, -1.0, 0.0), (2.0, 0.25, 1.0), has_lengths=True)
FAMILIES = [
    next(name for name in family.examples if parse(name).num_dims in (None, 1))
    for _, family in REGISTRY.items()
    if 1 in family.num_dims_allowed
]


@pytest.mark.parametrize("name", FAMILIES)
def test_it_leaves_popnas_so_in_every_form(name: str, tmp_path: Path) -> None:
    """As ONNX and as PyTorch source; what lies behind the end may be anything, even no number."""
    spec = NetworkSpec("classification", (13, CHANNELS), 3, filters=4, motifs=2, has_lengths=True)
    torch.manual_seed(0)
    cell = Cell.parse(f"[(-1, {name}, -2, {name});(-2, {name}, -1, identity)]")
    network = settled(networks.build(cell, spec.replace(lookback_reshape=name == "identity")))
    lengths = [13, 1, 6, 9]
    alone, together = batch_of(lengths, padding=4)
    for row, length in zip(together, lengths, strict=True):
        row[:, length:] = torch.nan
    deployed = DeployedNetwork(network, RAW)
    with torch.no_grad():
        expected = torch.cat([deployed(one, torch.tensor([one.shape[2]])) for one in alone])
    assert export.save_onnx(network, RAW, tmp_path / "model.onnx").exporter == "trace"
    session = open_session(tmp_path / "model.onnx")
    feed = {"input": together.numpy(), "lengths": np.array(lengths)}
    found = torch.from_numpy(session.run(None, feed)[0])
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    (tmp_path / "written.py").write_text(network_source(network, RAW))
    written = runpy.run_path(str(tmp_path / "written.py"))
    rebuilt = written["Network"]()
    rebuilt.load_state_dict(network.state_dict())
    found = written["predict"](rebuilt.eval(), together, torch.tensor(lengths))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
