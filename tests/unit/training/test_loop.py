from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from popnas.config.optimizers import OptimizerSpec, parse_scheduler
from popnas.errors import CandidateFailed
from popnas.layers import activation
from popnas.placement import Placement
from popnas.training import TrainingResult, TrainingSettings, device, failures, simulated
from popnas.training.interfaces import SnapshotError, TrainingSnapshot
from popnas.training.loop import _Hits
from popnas.training.results import EpochRecord
from popnas.training.settings import LookaheadSettings

Train = Callable[..., TrainingResult]
SETTINGS = TrainingSettings(epochs=4, weight_decay=5e-4, scheduler=parse_scheduler("cd"))


def test_learns_and_reports_every_epoch(train: Train) -> None:
    result = train(SETTINGS.replace(epochs=10, learning_rate=0.05))
    assert len(result.epochs) == 10
    assert result.epochs[-1].loss < 0.5 * result.epochs[0].loss
    assert result.metrics["accuracy"] > 0.8
    assert all(len(record.head_metrics) == 2 for record in result.epochs)


def test_loss_on_validation_data_and_accuracy_on_training_batches_are_told(train: Train) -> None:
    first, *_, last = train(SETTINGS.replace(epochs=10, learning_rate=0.05)).epochs
    assert last.validation_loss is not None and first.validation_loss is not None
    assert 0 < last.validation_loss < first.validation_loss
    assert last.training_accuracy is not None and first.training_accuracy is not None
    assert 0 <= first.training_accuracy < last.training_accuracy <= 1
    assert train(SETTINGS, validation_loader=None).epochs[-1].validation_loss is None


def test_pixels_that_are_no_class_are_neither_hits_nor_misses() -> None:
    hits = _Hits(torch.device("cpu"))
    hits.add(torch.tensor([[0.0, 1.0], [2.0, 0.0]]).T[None], torch.tensor([[0, 255]]))
    assert hits.share() == 0.0
    hits.add(torch.tensor([[5.0, 1.0]]), torch.tensor([0]))
    assert hits.share() == 0.5


def test_metrics_are_each_their_own_best_over_epochs_and_heads(train: Train) -> None:
    result = train(SETTINGS)
    for name in ("accuracy", "complement"):
        assert result.metrics[name] == max(
            head[name] for record in result.epochs for head in record.head_metrics
        )
        for position, head in enumerate(result.head_metrics):
            assert head[name] == max(record.head_metrics[position][name] for record in result.epochs)


def test_the_kept_state_is_that_of_the_first_best_epoch_of_the_last_head(
    train: Train, make_network: Any
) -> None:
    network = make_network()
    states: list[dict[str, Tensor]] = []
    result = train(
        SETTINGS,
        network=network,
        on_epoch=lambda record, snapshot: states.append(
            {name: tensor.clone() for name, tensor in network.state_dict().items()}
        ),
    )
    scores = [record.head_metrics[-1]["accuracy"] for record in result.epochs]
    assert result.best_epoch == scores.index(max(scores))
    assert result.best_state.keys() == states[result.best_epoch].keys()
    for name, tensor in states[result.best_epoch].items():
        assert torch.equal(result.best_state[name], tensor)


def test_without_validation_data_the_training_batches_count_and_the_last_epoch_is_kept(
    train: Train, make_network: Any
) -> None:
    network, counted = make_network(), []

    class Recorded:
        def update(self, logits: Tensor, y: Tensor) -> None:
            assert not logits.requires_grad
            counted.append(len(y))

        def compute(self) -> dict[str, float]:
            return {"accuracy": 1.0 / len(counted)}

    result = train(SETTINGS, network=network, validation_loader=None, make_metrics=Recorded)
    assert counted == SETTINGS.epochs * [16, 16, 16, 16, 8, 8]  # two heads
    assert result.best_epoch == SETTINGS.epochs - 1
    weights = network.state_dict()
    assert all(torch.equal(result.best_state[name], weights[name]) for name in weights)
    assert network.training


def test_it_stops_after_the_epoch_that_its_caller_wants_to_be_the_last(train: Train) -> None:
    seen: list[float] = []

    def stop_at_two(record: Any, snapshot: Any) -> bool:
        seen.append(record.loss)
        return len(seen) == 2

    result = train(SETTINGS, on_epoch=stop_at_two)
    assert [record.loss for record in result.epochs] == seen
    assert len(seen) == 2
    assert result.best_epoch < 2


def test_equal_seeds_give_bit_equal_weights(train: Train) -> None:
    first, second, other = train(SETTINGS), train(SETTINGS), train(SETTINGS, seed=2)
    same = [torch.equal(first.best_state[name], second.best_state[name]) for name in first.best_state]
    assert all(same)
    assert [r.loss for r in first.epochs] == [r.loss for r in second.epochs]
    assert [r.loss for r in first.epochs] != [r.loss for r in other.epochs]


def test_timing_does_not_change_what_is_learned(train: Train) -> None:
    cost = type("Cost", (), {"flops": 1000, "params": 100})()
    measured, simulated_ = train(SETTINGS), train(SETTINGS, simulated_cost=cost)
    assert [r.loss for r in measured.epochs] == [r.loss for r in simulated_.epochs]


def test_the_callers_random_state_and_arithmetic_are_left_alone(train: Train) -> None:
    state = torch.random.get_rng_state()
    train(SETTINGS.replace(epochs=1), network=_Linear())
    assert torch.equal(torch.random.get_rng_state(), state)
    assert float(torch.tensor(1e-40) * 1.0) > 0.0  # denormal numbers are back


class _Linear(nn.Module):
    head_weights = (1.0,)

    def __init__(self, weight: float = 0.0) -> None:
        super().__init__()
        self.dense_KC = nn.Parameter(torch.full((3, 2), weight))

    def forward(self, x_BCHW: Tensor, lengths_B: Tensor | None = None) -> tuple[Tensor]:
        return (functional.dropout(x_BCHW.mean((2, 3)), 0.1, self.training) @ self.dense_KC.T,)

    def set_progress(self, fraction: float) -> None:
        raise AssertionError("no drop path, no progress")


def test_heads_are_weighted_in_the_loss(train: Train, make_network: Any, make_loader: Any) -> None:
    losses: list[Tensor] = []

    def loss(logits: Tensor, y: Tensor) -> Tensor:
        losses.append(functional.cross_entropy(logits, y))
        return losses[-1]

    cost = type("Cost", (), {"flops": 1, "params": 1})()
    loader = make_loader(num_samples=16, batch_size=16)
    result = train(SETTINGS.replace(epochs=1), loss=loss, train_loader=loader, simulated_cost=cost)
    early, late = (float(value.detach()) for value in losses[:2])  # the rest is validation
    assert result.epochs[0].loss == pytest.approx(0.25 * early + 0.75 * late)


def test_the_epochs_loss_is_the_mean_over_samples_not_batches(train: Train, make_loader: Any) -> None:
    sizes: list[int] = []

    def loss(logits: Tensor, y: Tensor) -> Tensor:
        sizes.append(len(y))
        return logits.sum() * 0.0 + len(y)

    cost = type("Cost", (), {"flops": 1, "params": 1})()
    result = train(
        SETTINGS.replace(epochs=1),
        loss=loss,
        network=_Linear(),
        train_loader=make_loader(num_samples=40, batch_size=16),
        simulated_cost=cost,
    )
    assert sizes[:3] == [16, 16, 8]  # the rest is validation
    assert result.epochs[0].loss == pytest.approx((16 * 16 + 16 * 16 + 8 * 8) / 40)


def test_rates_and_progress_follow_the_steps(train: Train, make_network: Any) -> None:
    network = make_network()
    result = train(SETTINGS.replace(drop_path=0.3), network=network)
    steps = 4 * 3
    assert network.progress == pytest.approx([step / steps for step in range(steps)])
    assert result.epochs[0].learning_rate > result.epochs[-1].learning_rate > 0.0


def test_without_drop_path_no_progress_is_set(train: Train) -> None:
    train(SETTINGS, network=_Linear())  # its set_progress would raise


def test_warm_up_leaves_no_trace_and_one_step_per_batch_shape(train: Train, make_network: Any) -> None:
    network = make_network()
    calls: list[int] = []

    def loss(logits: Tensor, y: Tensor) -> Tensor:
        if torch.is_grad_enabled():  # not validation
            calls.append(len(y))
        return functional.cross_entropy(logits, y)

    train(SETTINGS.replace(epochs=2), network=network, loss=loss)
    heads = 2
    assert len(calls) == heads * (
        2 * 3 + 2
    )  # two epochs of three steps, a warm-up for batches of 16 and of 8
    assert len(network.inputs) == 2 * 3 + 2 * 2  # and validation; the copies' calls are their own


def test_many_shapes_are_not_all_warmed_up(train: Train, make_network: Any, make_loader: Any) -> None:
    """Forty batches, each of a size of its own, as whole images of many sizes make them."""

    class ManySizes(type(make_loader())):
        def __iter__(self) -> Iterator[Any]:
            for number, batch in enumerate(super().__iter__()):
                yield batch._replace(x=functional.pad(batch.x, (0, number)))

    calls: list[int] = []

    def loss(logits: Tensor, y: Tensor) -> Tensor:
        if torch.is_grad_enabled():  # not validation
            calls.append(len(y))
        return functional.cross_entropy(logits, y)

    train(
        SETTINGS.replace(epochs=1),
        network=make_network(),
        loss=loss,
        train_loader=ManySizes(num_samples=80, batch_size=2),
    )
    assert len(calls) == 2 * (40 + 16)


def test_training_time_is_the_threads_cpu_time_of_the_steps(train: Train) -> None:
    result = train(SETTINGS)
    assert 0.0 < result.training_seconds < 10.0
    assert result.training_seconds == pytest.approx(sum(record.training_seconds for record in result.epochs))


def test_drawing_a_batch_is_not_in_the_training_time(train: Train, make_loader: Any) -> None:
    def burn() -> None:
        end = time.thread_time() + 0.03
        while time.thread_time() < end:
            pass

    plain = train(SETTINGS.replace(epochs=2)).training_seconds
    slow = train(SETTINGS.replace(epochs=2), train_loader=make_loader(before_batch=burn)).training_seconds
    assert slow < plain + 0.09  # six batches take 0.18 s to draw


def test_simulated_time_is_a_function_of_the_cost(train: Train) -> None:
    cost = type("Cost", (), {"flops": 5_000_000, "params": 40_000})()
    result = train(SETTINGS, simulated_cost=cost)
    assert result.training_seconds == pytest.approx(
        simulated.training_seconds(5_000_000, 40_000, 40, epochs=4)
    )


@pytest.mark.parametrize(
    ("kind", "lookahead"), [("adamW", None), ("SGDW", None), ("radam", LookaheadSettings(2, 0.5))]
)
@pytest.mark.parametrize("is_validated", [True, False])
@pytest.mark.parametrize("ema_decay", [None, 0.9])
def test_a_resumed_training_goes_on_as_it_would_have(
    train: Train,
    make_loader: Any,
    kind: str,
    lookahead: LookaheadSettings | None,
    is_validated: bool,
    ema_decay: float | None,
) -> None:
    loader = make_loader(num_samples=20) if is_validated else None
    optimizer = OptimizerSpec(kind, momentum=0.9 if kind == "SGDW" else 0.0)
    settings = SETTINGS.replace(optimizer=optimizer, lookahead=lookahead, ema_decay=ema_decay)
    saved: list[bytes] = []

    def save(record: Any, snapshot: Any) -> None:
        stream = io.BytesIO()
        torch.save(snapshot(), stream)
        saved.append(stream.getvalue())

    whole = train(settings, validation_loader=loader, on_epoch=save)
    snapshot = torch.load(io.BytesIO(saved[1]), weights_only=True)
    resumed = train(settings, validation_loader=loader, resume=snapshot)
    assert [r.loss for r in resumed.epochs] == [r.loss for r in whole.epochs]
    assert [r.head_metrics for r in resumed.epochs] == [r.head_metrics for r in whole.epochs]
    assert all(torch.equal(resumed.best_state[name], whole.best_state[name]) for name in whole.best_state)


@pytest.mark.parametrize("is_validated", [True, False])
def test_the_moving_average_validates_and_is_kept_and_training_goes_on_without_it(
    train: Train, make_network: Any, make_loader: Any, is_validated: bool
) -> None:
    network, seen = make_network(), dict[str, list[Tensor]](trained=[], validated=[])
    network.register_forward_pre_hook(
        lambda module, _: seen["trained" if module.training else "validated"].append(
            module.late.weight.detach().clone()
        )
    )
    loader = make_loader(num_samples=16, batch_size=16) if is_validated else None
    cost = type("Cost", (), {"flops": 1, "params": 1})()
    settings = SETTINGS.replace(epochs=2, ema_decay=0.6)
    result = train(settings, network=network, validation_loader=loader, simulated_cost=cost)
    plain = train(SETTINGS.replace(epochs=2), validation_loader=None)
    assert [r.loss for r in result.epochs] == [r.loss for r in plain.epochs]
    steps = [*seen["trained"][1:], network.late.weight.detach()]
    expected, found = seen["trained"][0], []
    for step, weight in enumerate(steps):
        expected = torch.lerp(expected, weight, 1 - min(0.6, (1 + step) / (10 + step)))
        found.append(expected)
    torch.testing.assert_close(result.best_state["late.weight"], found[3 * result.best_epoch + 2])
    assert len(seen["validated"]) == (2 if is_validated else 0)
    for epoch, validated in enumerate(seen["validated"]):
        torch.testing.assert_close(validated, found[3 * epoch + 2])


def test_a_snapshot_without_the_average_is_not_of_a_training_with_one(train: Train) -> None:
    saved: list[Any] = []
    train(SETTINGS, on_epoch=lambda record, snapshot: saved.append(snapshot()))
    for snapshot in (saved[1], {k: v for k, v in saved[1].items() if k != "averaged"}):
        with pytest.raises(SnapshotError):
            train(SETTINGS.replace(ema_decay=0.9), resume=snapshot)


def test_mixed_examples_are_learnt_as_with_soft_labels(
    train: Train, make_network: Any, make_loader: Any
) -> None:
    """Of all heads, whatever the loss."""

    class Mixed(NamedTuple):
        y: Tensor
        share: float

    class Batch(NamedTuple):
        x: Tensor
        y: Tensor
        lengths: None
        mixed: Mixed | None

    class Mixing(make_loader):
        def __iter__(self) -> Iterator[Any]:
            for batch in super().__iter__():
                others = batch.y.roll(1)
                yield Batch(*batch, Mixed(others, 0.3)) if self.mixes else Batch(*batch, None)

    def soft(logits: Tensor, y_B: Tensor) -> Tensor:
        target = 0.7 * functional.one_hot(y_B, 3) + 0.3 * functional.one_hot(y_B.roll(1), 3)
        return functional.cross_entropy(logits, target)

    mixing, plain = Mixing(), Mixing()
    mixing.mixes, plain.mixes = True, False
    once = train(SETTINGS, train_loader=mixing)
    again = train(SETTINGS, train_loader=plain, loss=soft)
    assert [r.loss for r in once.epochs] == pytest.approx([r.loss for r in again.epochs], rel=1e-4)


def test_a_loss_that_is_no_number_fails_the_candidate(train: Train) -> None:
    with pytest.raises(CandidateFailed, match="epoch 1: the training diverged") as failure:
        train(SETTINGS, loss=lambda logits, y: logits.sum() * float("nan"))
    assert failure.value.kind == "nan"


@pytest.mark.parametrize(("num_validated", "named"), [(20, "validation"), (None, "weights")])
def test_weights_that_are_no_numbers_after_the_last_step_fail_the_candidate(
    train: Train, make_loader: Any, num_validated: int | None, named: str
) -> None:
    class Breaking(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, logits: Tensor) -> Tensor:
            return logits.sum() * 0.0

        @staticmethod
        def backward(ctx: Any, gradient: Tensor) -> Tensor:
            return torch.full((8, 3), float("inf"))

    one_step = make_loader(num_samples=8, batch_size=8)
    loader = None if num_validated is None else make_loader(num_samples=num_validated)
    with pytest.raises(CandidateFailed, match=named) as failure:
        train(
            SETTINGS.replace(epochs=1),
            network=_Linear(),
            train_loader=one_step,
            validation_loader=loader,
            loss=lambda logits, y: Breaking.apply(logits),
        )
    assert failure.value.kind == "nan"


def test_trainings_that_share_a_time_limit_have_what_is_left_of_it(train: Train) -> None:
    train(SETTINGS, max_seconds=1000.0, spent_seconds=900.0)
    with pytest.raises(CandidateFailed, match="not trained within 1000 s") as failure:
        train(SETTINGS, max_seconds=1000.0, spent_seconds=1000.0)
    assert failure.value.kind == "time_limit"


def test_the_time_limit_fails_the_candidate(train: Train) -> None:
    with pytest.raises(CandidateFailed, match=r"not trained within 0 s: stopped in epoch 1 of 4") as failure:
        train(SETTINGS, max_seconds=0.0)
    assert failure.value.kind == "time_limit"


def _raise(error: Exception) -> Callable[[Tensor, Tensor], Tensor]:
    def loss(logits: Tensor, y: Tensor) -> Tensor:
        raise error

    return loss


def _allocate(logits: Tensor, y: Tensor) -> Tensor:
    return torch.empty(1 << 60).sum()


@pytest.mark.parametrize("loss", [_raise(torch.OutOfMemoryError("CUDA")), _raise(MemoryError()), _allocate])
def test_running_out_of_memory_fails_the_candidate(train: Train, loss: Any) -> None:
    with pytest.raises(CandidateFailed, match="memory of cpu") as failure:
        train(SETTINGS, loss=loss)
    assert failure.value.kind == "out_of_memory"


def test_other_errors_are_not_disguised(train: Train) -> None:
    with pytest.raises(RuntimeError, match="a fault of ours"):
        train(SETTINGS, loss=_raise(RuntimeError("a fault of ours")))


def test_batches_of_one_channel_are_laid_out_too(train: Train, make_loader: Any) -> None:
    network = _Seen()
    train(
        SETTINGS.replace(epochs=1),
        network=network,
        placement=Placement.on("cpu", num_dims=2, filters=8),
        train_loader=make_loader(channels=1),
        validation_loader=make_loader(channels=1),
    )
    assert network.strides == {(16, 1, 4, 1)}


class _Seen(_Linear):
    def __init__(self) -> None:
        super().__init__()
        self.strides: set[tuple[int, ...]] = set()

    def forward(self, x_BCHW: Tensor, lengths_B: Tensor | None = None) -> tuple[Tensor]:
        self.strides.add(x_BCHW.stride())
        return super().forward(x_BCHW.expand(-1, 2, -1, -1))


def test_mixed_precision_trains_and_predicts_in_float32(train: Train) -> None:
    types = set()

    def loss(logits: Tensor, y: Tensor) -> Tensor:
        types.add((logits.dtype, logits.requires_grad))
        return functional.cross_entropy(logits, y)

    mixed = Placement.on("cpu", num_dims=2, filters=8, has_mixed_precision=True)
    if not torch.cpu._is_avx512_bf16_supported():
        train(SETTINGS, placement=mixed, loss=loss)
        assert types == {(torch.float32, True), (torch.float32, False)}
        return
    result = train(SETTINGS.replace(learning_rate=0.05), placement=mixed, loss=loss)
    assert types == {(torch.bfloat16, True), (torch.float32, False)}  # trained on; validated
    assert result.epochs[-1].loss < result.epochs[0].loss
    assert all(tensor.dtype != torch.bfloat16 for tensor in result.best_state.values())


def test_compiling_is_not_counted_as_training(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = 0.2

    def compile_slowly(network: nn.Module) -> Callable[..., tuple[Tensor, ...]]:
        """As torch.compile does: at the first call of a shape and mode, for this network alone."""
        known = set()

        def call(x: Tensor, lengths: Tensor | None) -> tuple[Tensor, ...]:
            key = (x.shape, network.training)
            if key not in known:
                known.add(key)
                until = time.thread_time() + seconds
                while time.thread_time() < until:
                    pass
            return network(x, lengths)

        return call

    monkeypatch.setattr(torch, "compile", compile_slowly)
    compiled = train(SETTINGS.replace(is_compiled=True))
    assert compiled.training_seconds < seconds
    plain = train(SETTINGS)
    assert [record.loss for record in compiled.epochs] == [record.loss for record in plain.epochs]
    assert all(torch.equal(tensor, plain.best_state[name]) for name, tensor in compiled.best_state.items())


def test_what_brings_nothing_on_a_cpu_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    (mixed,) = device.no_gain(cpu, has_mixed_precision=True)
    assert mixed.startswith("others.use_mixed_precision: has no effect here")
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    assert device.no_gain(cpu, has_mixed_precision=True) == []


@pytest.mark.parametrize(
    ("generation", "wanted"),
    [((6, 1), None), ((7, 0), torch.float16), ((7, 5), torch.float16), ((8, 6), torch.bfloat16)],
)
def test_a_gpu_computes_in_what_its_tensor_cores_have(
    monkeypatch: pytest.MonkeyPatch, generation: tuple[int, int], wanted: torch.dtype | None
) -> None:
    """torch's own question counts emulated bfloat16, which a V100 or T4 has, and is slow with."""
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda place: generation)
    gpu = torch.device("cuda:1")
    assert Placement.on(gpu, num_dims=2, filters=8, has_mixed_precision=True).autocast == wanted
    assert Placement.on(gpu, num_dims=2, filters=8).autocast is None
    told = device.no_gain(gpu, has_mixed_precision=True)
    assert [text.startswith("others.use_mixed_precision: has no effect") for text in told] == [True] * (
        wanted is None
    )


def test_float16_trains_with_scaled_gradients_and_goes_on_from_a_snapshot(train: Train) -> None:
    """A CPU stands for a GPU without bfloat16: its autocast and its `GradScaler` are the same code."""
    half, snapshots, types = Placement(torch.device("cpu"), None, torch.float16), [], set()

    def loss(logits: Tensor, y: Tensor) -> Tensor:
        types.add((logits.dtype, logits.requires_grad))
        return functional.cross_entropy(logits, y)

    def keep(record: EpochRecord, snapshot: Callable[[], TrainingSnapshot]) -> bool:
        snapshots.append(snapshot())
        return False

    settings = SETTINGS.replace(learning_rate=0.05)
    whole = train(settings, placement=half, loss=loss, on_epoch=keep)
    assert types == {(torch.float16, True), (torch.float32, False)}
    assert whole.epochs[-1].loss < whole.epochs[0].loss
    plain = train(settings)
    assert whole.epochs[0].loss == pytest.approx(plain.epochs[0].loss, rel=0.05)
    scaler = snapshots[0]["scaler"]
    assert scaler is not None and scaler["scale"] >= 1024 and scaler["_growth_tracker"] > 0
    again = train(settings, placement=half, resume=snapshots[0])
    assert [record.loss for record in again.epochs] == [record.loss for record in whole.epochs]


def test_a_divergence_names_an_activation_that_makes_numbers_explode():
    nan = float("nan")
    with pytest.raises(CandidateFailed, match="the activation 'exponential' grows without bound"):
        failures.check_finite(nan, "the training loss", 0, torch.nn.Sequential(activation("exponential")))
    with pytest.raises(CandidateFailed, match=r"the training diverged$"):
        failures.check_finite(nan, "the training loss", 0, torch.nn.Sequential(activation("relu")))
