"""What in data will hurt a search: one sentence each, with the figure, why it hurts and what helps."""

from __future__ import annotations

from collections.abc import Iterator

from popnas.datasets.images import decoding
from popnas.events import NOTE
from popnas.printable import counted, first_of_all, told_apart
from popnas.report.data_facts import Inspected
from popnas.workflows.data.look import Look

LARGE_UNLABELLED = 0.2
RARE_PIXELS = 0.002
FEW_EXAMPLES = 10
IMBALANCE = 10.0
TINY_SIDE = 8
TINY_MASKED_SIDE = 32
SHIFT = 4.0
_NUM_NAMED = 8
_MEANS_UNLABELLED = frozenset({"unlabelled", "unlabeled", "void", "ignore", "ignored", "unknown"})


def warnings_of(facts: Inspected, look: Look) -> list[str]:
    """All warnings about data with these facts (as `inspection.inspect` gathers them), the worst first."""
    found = [*look.problems, *look.guesses]
    found += _leaks(facts)
    found += _of_classes(facts, look)
    found += _unlabelled(facts)
    found += _sizes(facts, look)
    found += [line for line in look.dataset.told if not _is_moot(line, look) and not line.startswith(NOTE)]
    return list(dict.fromkeys(found))


def notes_of(look: Look) -> list[str]:
    """What is told of how data were read and hurts nothing."""
    found = [line.removeprefix(NOTE) for line in look.dataset.told if line.startswith(NOTE)]
    return found + _drawn_validation(look)


def _drawn_validation(look: Look) -> list[str]:
    """That data without a validation split give training examples for it."""
    share = look.section.get("validation_size")
    if share is None:
        return []
    num_taken, num_all = len(look.dataset.validation), len(look.dataset.full_train)
    return [
        f"{_counted(num_taken, 'example')} of the {num_all:,} for training {_are(num_taken)} kept for "
        f"validation, every class with its share (dataset.validation_size {share:g})."
    ]


def _is_moot(line: str, look: Look) -> bool:
    """Whether it tells what dataset.resize did to those who have not set it yet."""
    return look.needs_resize and decoding.STRETCHED[1:] in line


def _leaks(facts: Inspected) -> Iterator[str]:
    """The same examples in two splits, or twice in one."""
    for pair, num_shared in facts.shared.items():
        if num_shared:
            first, second = pair.split("/")
            yield (
                f"{_counted(num_shared, 'example')} of the {second} split "
                f"{_are(num_shared)} in the {first} split too, equal in every value: scores on it are too "
                "good. Remove them from one of the two."
            )
    if facts.num_contradictory:
        yield (
            f"{_counted(facts.num_contradictory, 'example')} equal another one in every value and bear "
            "another class: one of the labels is wrong, or says nothing. Mend or remove them."
        )
    for name, split in facts.splits.items():
        if split.num_repeated:
            drawn = " Some may be drawn into validation." if name == "train" else ""
            yield (
                f"{split.num_repeated:,} of the {split.num_examples:,} examples of the {name} split repeat "
                f"another one of it in every value.{drawn} Remove them, if they are not meant."
            )


def _of_classes(facts: Inspected, look: Look) -> Iterator[str]:
    names, train = told_apart(facts.class_names), facts.train
    unit = "pixel" if look.task.is_per_pixel else "example"
    for name, split in facts.splits.items():
        missing = [label for label, count in zip(names, split.class_counts, strict=True) if not count]
        # Segmentation tells of the other two by itself.
        if missing and (name == "test" or not look.task.is_per_pixel):
            effect = "it cannot be learnt" if name == "train" else "scores on this split say nothing about it"
            yield f"No {name} {unit} has the class {_named(missing)}: {effect}."
    yield from _rare(facts, look)
    present = [count for count in train.class_counts if count]
    ratio = max(present) / min(present)
    if ratio > IMBALANCE:
        usual, even = (look.task.metric_for(is_uneven=flag) for flag in (False, True))
        remedy = f"search_strategy.score_metric {even} and dataset.balance_class_losses"
        if even == look.task.even_metric == usual:
            remedy = f"the score {even} (the default), and perhaps dataset.balance_class_losses"
        elif even == usual:
            remedy = "dataset.balance_class_losses"
        yield (
            f"The largest class has {ratio:,.0f} times the {unit}s of the smallest: accuracy says little "
            f"about small classes. Use {remedy}."
        )
    yield from _shifts(facts)


def _rare(facts: Inspected, look: Look) -> Iterator[str]:
    """Classes that too little is known of to be learnt."""
    names, train = told_apart(facts.class_names), facts.train
    if look.task.is_per_pixel:
        rare = [
            f"{name} ({share:.2%})"
            for name, share in zip(names, train.class_shares, strict=True)
            if 0 < share < RARE_PIXELS
        ]
        if rare:
            yield f"Hardly any training pixel has the class {_named(rare)}: its IoU will be low and noisy."
    few = [
        f"{name} ({count})"
        for name, count in zip(names, train.num_with_class, strict=True)
        if 0 < count < FEW_EXAMPLES
    ]
    if few:
        what = "images" if look.task.is_per_pixel else "examples"
        yield (
            f"Fewer than {FEW_EXAMPLES} training {what} show the class {_named(few)}: expect little of such "
            "classes."
        )


def _shifts(facts: Inspected) -> Iterator[str]:
    """Classes of quite another share in the test split."""
    if "test" not in facts.splits:
        return
    train, test = (facts.splits[name].class_shares for name in ("train", "test"))
    shifted = [
        f"{name} ({before:.1%} to {after:.1%})"
        for name, before, after in zip(told_apart(facts.class_names), train, test, strict=True)
        if max(before, after) > 0.01 and before and after and not 1 / SHIFT < after / before < SHIFT
    ]
    if shifted:
        yield (
            f"The test split has quite another share than the training split of {_named(shifted)}: test "
            "scores will differ from validation scores."
        )


def _unlabelled(facts: Inspected) -> Iterator[str]:
    for name in facts.class_names:
        if facts.is_per_pixel and name.lower() in _MEANS_UNLABELLED:
            yield (
                f"The class '{name}' is learnt and counted as any other. If it means that nothing is known "
                "of a pixel, give its label as dataset.ignore_class."
            )
    for name, split in facts.splits.items():
        share = split.unlabelled_share
        if share is not None and share > LARGE_UNLABELLED:
            yield (
                f"{share:.1%} of the pixels of the {name} split are unlabelled: they are computed but count "
                "nowhere, and what lies there is never learnt. Is dataset.ignore_class right?"
            )


def _sizes(facts: Inspected, look: Look) -> Iterator[str]:
    sizes = facts.train.sizes
    if sizes.num_axes != 2:
        return
    smallest, limit = min(sizes.smallest), TINY_MASKED_SIDE if look.task.is_per_pixel else TINY_SIDE
    if smallest < limit:
        yield (
            f"The smallest training image has a side of {counted(smallest, 'pixel')}: each reduction halves "
            "it, so few motifs fit. Enlarge the images or give architecture_hyperparameters.motifs 2."
        )


def _named(names: list[str]) -> str:
    return first_of_all(names, _NUM_NAMED)


def _counted(number: int, word: str) -> str:
    return f"{number:,} {word}{'s' * (number != 1)}"


def _are(number: int) -> str:
    return "is" if number == 1 else "are"
