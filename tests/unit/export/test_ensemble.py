"""Networks that answer together, as a module and as the one file that is deployed."""

import numpy as np
import pytest
import torch

from popnas import export, networks
from popnas.cells import Cell
from popnas.datasets.preprocessing import Preprocessing
from popnas.export.running import open_session
from popnas.networks.network import Ensemble
from popnas.networks.spec import NetworkSpec

SERIES = NetworkSpec("classification", (12, 2), 3, filters=4, motifs=2, normal_cells_per_motif=1)
LENGTHS = SERIES.replace(has_lengths=True)
MASKS = NetworkSpec("segmentation_cells", (16, 12, 3), 2, filters=4, motifs=2, normal_cells_per_motif=1)


def built(spec, cells):
    torch.manual_seed(0)
    return [networks.build(Cell.parse(cell), spec).eval() for cell in cells]


@pytest.mark.parametrize(
    ("spec", "cells"),
    [
        (
            SERIES,
            ["[(-1, 3 conv, -1, identity)]", "[(-1, 3 conv, -1, identity)]", "[(-1, 5 conv, -1, 3 conv)]"],
        ),
        (LENGTHS, ["[(-1, 3 conv, -1, identity)]", "[(-1, lstm, -1, identity)]"]),
        (MASKS, ["[(-1, 3x3 conv, -1, identity)]", "[(-1, 3x3 dconv, -1, identity)]"]),
    ],
)
def test_the_file_answers_with_the_mean_of_the_members_probabilities(spec, cells, tmp_path):
    members = built(spec, cells)
    ensemble = Ensemble(members).eval()
    assert len({id(weight) for weight in ensemble.parameters()}) == sum(
        len(list(member.parameters())) for member in members
    )
    channels = spec.input_channels
    preprocessing = Preprocessing((0.5,) * channels, (2.0,) * channels, spec.has_lengths)
    check = export.save_onnx(ensemble, preprocessing, tmp_path / "model.onnx")
    assert check.has_dynamic_size and check.max_difference < 1e-4

    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, channels, *(extent + 3 for extent in spec.input_size))).astype(np.float32)
    feed = {"input": x} | ({"lengths": np.array([15, 9])} if spec.has_lengths else {})
    deployed = [export.DeployedNetwork(member, preprocessing) for member in members]
    with torch.inference_mode():
        expected = np.mean([one(*map(torch.tensor, feed.values())).numpy() for one in deployed], axis=0)
    found = open_session(tmp_path / "model.onnx").run(["probabilities"], feed)[0]
    assert np.allclose(found, expected, atol=1e-5)


def test_a_class_that_no_member_believes_in_has_no_infinite_logit():
    members = built(SERIES, ["[(-1, 3 conv, -1, identity)]"] * 2)
    for member in members:
        with torch.no_grad():
            list(member.parameters())[-1].copy_(torch.tensor([0.0, 0.0, -1e4]))  # the main head's bias
    (logits,) = Ensemble(members)(torch.zeros(1, 2, 12))
    assert torch.isfinite(logits).all() and torch.allclose(logits.exp().sum(), torch.tensor(1.0))
