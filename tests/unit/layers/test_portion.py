"""Layers that look across examples, of a batch that several share: here threads stand for processes."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

from popnas.layers import BatchNorm, BlockJoin, Dropout, Ends, Portion, set_portion

SIZE, NUM_EXAMPLES = 3, 7


class Sums:
    """`Portion.total` between threads."""

    def __init__(self):
        self.barrier, self.given = threading.Barrier(SIZE), [None] * SIZE

    def of(self, number):
        def total(x):
            self.given[number] = x
            self.barrier.wait(10)
            found = torch.stack(self.given).sum(0)
            self.barrier.wait(10)
            return found

        return total


def together(run):
    """What `run` gives of each part, the portion being set; (portion, rows) -> anything."""
    sums = Sums()

    def one(number):
        portion = Portion(number, SIZE, sums.of(number))
        rows = slice(NUM_EXAMPLES * number // SIZE, NUM_EXAMPLES * (number + 1) // SIZE)
        portion.first, portion.num_all, portion.is_shared = rows.start, NUM_EXAMPLES, True
        return run(portion, rows)

    with ThreadPoolExecutor(SIZE) as threads:
        return list(threads.map(one, range(SIZE)))


@pytest.mark.parametrize("has_ends", [False, True])
def test_batch_normalisation_of_parts_is_that_of_the_whole_with_its_gradients(has_ends):
    torch.manual_seed(0)
    x = torch.randn(NUM_EXAMPLES, 4, 1, 6) * 3 + 10
    weight, slope = torch.randn(NUM_EXAMPLES, 4, 1, 6), torch.rand(4) + 0.5
    lengths = torch.tensor([6, 2, 5, 1, 6, 3, 4])

    def run(x, weight, lengths, portion):
        norm = BatchNorm(4)
        norm.weight.data.copy_(slope)
        set_portion([norm], portion)
        x = x.clone().requires_grad_()
        ends = Ends(lengths) if has_ends else None
        y = norm(x if ends is None else ends.cut(x), ends)
        (y * weight).sum().backward()
        return y.detach(), x.grad, norm

    y, gradient, whole = run(x, weight, lengths, None)
    parts = together(lambda portion, rows: run(x[rows], weight[rows], lengths[rows], portion))
    close = {"rtol": 1e-4, "atol": 1e-5}
    torch.testing.assert_close(torch.cat([part[0] for part in parts]), y, **close)
    torch.testing.assert_close(torch.cat([part[1] for part in parts]), gradient, **close)
    for name, own in whole.named_parameters():
        summed = sum(dict(part[2].named_parameters())[name].grad for part in parts)
        torch.testing.assert_close(summed, own.grad, **close)
    for part in parts:  # each has the statistics of all
        torch.testing.assert_close(part[2].running_mean, whole.running_mean, **close)
        torch.testing.assert_close(part[2].running_var, whole.running_var, **close)
        assert torch.equal(part[2].running_var, parts[0][2].running_var)


def test_statistics_of_large_values_lose_no_digits():
    x = torch.randn(NUM_EXAMPLES, 2, 3, 3, generator=torch.Generator().manual_seed(1)) + 3000

    def run(portion, rows):
        norm = BatchNorm(2)
        set_portion([norm], portion)
        return norm(x[rows]).detach()

    wanted = BatchNorm(2).double()(x.double()).detach().float()
    torch.testing.assert_close(torch.cat(together(run)), wanted, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("layer", [lambda: Dropout(0.5), lambda: BlockJoin("add", 0.9)])
def test_random_layers_draw_for_all_examples_and_take_their_own(layer):
    x = torch.rand(NUM_EXAMPLES, 5, 2, 2) + 0.1

    def run(portion, rows):
        made = layer()
        set_portion([made], portion)
        if isinstance(made, BlockJoin):
            made.set_progress(1.0)
            return made(x[rows], 2 * x[rows])
        return made(x[rows])

    torch.manual_seed(5)
    whole = run(None, slice(None))
    parts = []
    for number in range(SIZE):  # one after the other: they draw from one generator here
        portion = Portion(number, SIZE, lambda x: x)
        portion.first = NUM_EXAMPLES * number // SIZE
        portion.num_all, portion.is_shared = NUM_EXAMPLES, True
        torch.manual_seed(5)
        parts.append(run(portion, slice(portion.first, NUM_EXAMPLES * (number + 1) // SIZE)))
    assert torch.equal(torch.cat(parts), whole)
    assert not torch.equal(whole, x)  # something was dropped


def test_dropout_alone_is_that_of_torch_to_the_bit():
    x = torch.rand(40, 30)
    torch.manual_seed(2)
    wanted = nn.Dropout(0.3)(x)
    torch.manual_seed(2)
    assert torch.equal(Dropout(0.3)(x), wanted)
    assert torch.equal(Dropout(0.3).eval()(x), x)


def test_a_copy_of_a_network_is_of_the_same_processes():
    import copy

    network = nn.Sequential(BatchNorm(2), Dropout(0.1))
    portion = Portion(0, 2, lambda x: x)
    set_portion(network.modules(), portion)
    assert copy.deepcopy(network)[0].portion is portion
    set_portion(network.modules(), None)
    assert network[1].portion is None
