"""Single flipped bits of a run's journal, and the commands that read it.

    python tests/faults/journal_bits.py --seed 7 --count 3000      # in one process, prints the counts

Each case is a pure function of (seed, number): one bit of the journal of a search that ended, or of one that
was stopped midway, or of the note beside it. What a sound popnas owes to each: the command is refused with exit
status 2, in words that name the file and the line, or it answers byte for byte as it does of the sound run.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import random
import shutil
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from popnas.cli.main import run as command_line
from popnas.runs import told

CONFIG: dict[str, Any] = {
    "search_space": {"blocks": 2, "lookback_depth": 1, "operators": ["identity", "3x3 dconv"]},
    "search_strategy": {"max_children": 2, "max_exploration_children": 0},
    "training_hyperparameters": {"epochs": 1, "learning_rate": 0.01, "optimizer": {"scheduler": None}},
    "architecture_hyperparameters": {"filters": 2, "motifs": 2, "normal_cells_per_motif": 1},
    "dataset": {
        "type": "image_classification", "name": "digits", "samples": 60, "batch_size": 16,
        "validation_size": 0.25,
    },
    "others": {
        "accuracy_predictor_ensemble_units": 1, "timing": "simulated", "executor": {"kind": "inline"},
        "train_strategy": "CPU",
    },
}  # fmt: skip
JOURNAL, NOTE = "restore/journal.jsonl", "restore/journal.end"
LOOKING: dict[str, list[str]] = {
    "journal": ["journal", "RUN"],
    "journal --content": ["journal", "RUN", "--content"],
    "pick": ["pick", "RUN", "--json"],
    "list runs": ["list", "runs", "RUN", "--json"],
}
"""Commands that write nothing, so that one run is enough for all of their cases."""
GOING_ON = ["search", "-r", "RUN"]
_EVERY = 50
"""One case of so many goes on with the search, in a copy."""


@dataclass(frozen=True)
class Answer:
    """Exit status, what stdout got, and all that was told."""

    status: int
    printed: str
    words: str


@dataclass
class Runs:
    """A search that ended and one that was stopped midway, and what the commands answer of them."""

    finished: Path
    stopped: Path
    answers: dict[tuple[Path, str], Answer]
    content: str
    """Of the journal of the stopped one, once it was gone on with."""


def make_runs(place: Path) -> Runs:
    """The sound ones."""
    config = place / "config.json"
    config.write_text(json.dumps(CONFIG))
    finished, stopped = place / "finished", place / "stopped"
    with contextlib.chdir(place):
        assert _call(["search", "-j", str(config), "--name", "run"], place).status == 0
    shutil.move(place / "logs" / "run", finished)
    shutil.copytree(finished, stopped)
    _stop_midway(stopped)
    answers = {(run, name): _call(words, run) for run in (finished, stopped) for name, words in LOOKING.items()}
    assert [answer.words for answer in answers.values() if answer.status != 0] == []
    gone_on = _gone_on(stopped, place)
    assert gone_on[0].status == 0, gone_on
    return Runs(finished, stopped, answers, gone_on[1])


def _stop_midway(run: Path) -> None:
    """As a kill leaves it at the end of the second step: the note beside the journal is of its last line."""
    from popnas.runs import Journal
    from popnas.runs.journal import ending

    path = run / JOURNAL
    lines = path.read_bytes().splitlines(keepends=True)
    end = [number for number, line in enumerate(lines) if b'"event":"step_finished"' in line][1]
    path.write_bytes(b"".join(lines[:end]))
    ending.write(path, Journal(path).scan().last.note)
    shutil.rmtree(run / "best_model", ignore_errors=True)


def _gone_on(run: Path, place: Path) -> tuple[Answer, str]:
    """The answer of going on in a copy of a run, and the content of its journal then."""
    copy = place / "copy"
    shutil.copytree(run, copy)
    try:
        answer = _call(GOING_ON, copy)
        return answer, _call(LOOKING["journal --content"], copy).printed
    finally:
        shutil.rmtree(copy)


def _call(words: list[str], run: Path) -> Answer:
    told._TOLD.clear()
    printed, words_told = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(words_told):
        try:
            status = command_line([word.replace("RUN", str(run)) for word in words])
        except Exception:
            status = 1
            words_told.write(traceback.format_exc())
    return Answer(status, printed.getvalue(), words_told.getvalue())


def flip(path: Path, rng: random.Random) -> tuple[bytes, int, bool]:
    """Flip a bit of a file; the bytes before, the number of the line it is in, whether it is the last newline."""
    data = path.read_bytes()
    at = rng.randrange(len(data))
    changed = bytearray(data)
    changed[at] ^= 1 << rng.randrange(8)
    path.write_bytes(changed)
    return data, data[:at].count(b"\n") + 1, at == len(data) - 1


def case(runs: Runs, place: Path, seed: int, number: int) -> tuple[str, str | None]:
    """What came of a case (refused, answered the same), and what is wrong about it."""
    rng = random.Random(f"{seed}/{number}")
    run = rng.choice([runs.finished, runs.stopped])
    name = NOTE if rng.random() < 0.1 else JOURNAL
    reader = "search -r" if number % _EVERY == 0 else rng.choice(sorted(LOOKING))
    data, line, is_last_newline = flip(run / name, rng)
    try:
        if reader == "search -r":
            answer, content = _gone_on(run, place)
            is_same = content == (runs.content if run == runs.stopped else _content(runs))
        else:
            answer = _call(LOOKING[reader], run)
            is_same = answer.printed == runs.answers[run, reader].printed
    finally:
        (run / name).write_bytes(data)
    where = f"{run.name}, {name}, line {line}, {reader}"
    verdict, wrong = judged(reader, answer, is_same=is_same)
    if wrong is None and verdict == "refused" and name == JOURNAL and f"line {line} " not in answer.words + answer.printed:
        wrong = "does not name the line"
    if wrong is None and verdict == "same" and name == JOURNAL and not is_last_newline:
        wrong = "taken, though it is not what was written"
    return f"{name.partition('/')[2]}: {verdict}", wrong and f"{where}: {wrong}: {answer.words[-900:]}"


def _content(runs: Runs) -> str:
    return runs.answers[runs.finished, "journal --content"].printed


def judged(reader: str, answer: Answer, *, is_same: bool) -> tuple[str, str | None]:
    """The verdict on an answer, and what is wrong about it."""
    if "Traceback" in answer.words or "mistake in popnas" in answer.words or answer.status not in (0, 2):
        return "traceback", f"status {answer.status}"
    if reader == "list runs" and '"unreadable' in answer.printed:  # a list goes on with the other runs
        named = "journal.jsonl" in answer.printed
        return "refused", None if named else f"does not name the file: {answer.printed}"
    if answer.status == 2:
        return "refused", None if "journal" in answer.words else "does not name the file"
    return ("same", None) if is_same else ("different", f"answers otherwise: {answer.printed[-300:]}")


def sweep(place: Path, seed: int, numbers: range, tell: Callable[[str], object]) -> tuple[Counter[str], int]:
    """How often each verdict was reached, and the number of faults, each of which is told."""
    runs, counts, num_wrong = make_runs(place), Counter[str](), 0
    for number in numbers:
        verdict, wrong = case(runs, place, seed, number)
        counts[verdict] += 1
        if wrong:
            num_wrong += 1
            tell(f"{number}: {wrong}\n")
    return counts, num_wrong


def main() -> int:
    """Run as many cases as asked; the exit status says whether there was a fault."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=300)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="popnas-faults-") as place:
        counts, num_wrong = sweep(Path(place), options.seed, range(options.count), sys.stdout.write)
    sys.stdout.write(
        f"{options.count} flipped bits, seed {options.seed}: {dict(counts)}, {num_wrong} wrong\n"
    )
    return int(bool(num_wrong))


if __name__ == "__main__":
    sys.exit(main())
