"""Which run a file is of. A run is known by the checksum of its journal's first line, which holds its
configuration, its place and time and a random number; what later stages leave in the run's folder repeats it
(`KEY`), and so does the note beside the journal.

Files of two runs in one folder are refused, whichever of them is the stranger; who says so names the files of
either side and never has a sound one removed.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from popnas import files
from popnas.errors import PopnasError, RunFolderError
from popnas.printable import quoted
from popnas.records import Json, JsonValue
from popnas.runs.journal import Event, Scan, ending, scan

KEY = "run"
"""Where a JSON file of a run's folder says which run it is of."""

_JOURNAL = Path("restore") / "journal.jsonl"
_SIGNED = (
    "e2e.json",
    "best_model/model.json",
    "model_selection/selection.json",
    "final_training/training.json",
    "final_training/model.json",
    "final_training/deploy/model.json",
)
_DEEPEST = 4
"""Folders from a run down to the deepest of its models, a repetition in `model_selection/NAME/MODEL`."""
_NUM_SHOWN = 3
_LONGEST_LINE = 2**24


def of(run: Path) -> str | None:
    """The run in a folder; None where no journal can be read there."""
    journal = run / _JOURNAL
    try:
        with files.open_binary(journal) as file:
            return scan(file.readline(_LONGEST_LINE), journal).first_sum
    except (OSError, PopnasError):
        return None


def enclosing(folder: Path) -> Path | None:
    """The folder of the run in which a later stage's folder lies; None if it stands alone."""
    parents = Path(os.path.realpath(folder)).parents
    return next((parent for parent in parents[:_DEEPEST] if (parent / _JOURNAL).is_file()), None)


def check_place(path: Path) -> None:
    """Let nothing that lies in a run's folder lead out of it: a run is one folder, which can be copied, moved
    and handed on, and what it says of itself must not reach files of others.

    Raises:
        RunFolderError: the path leads out of the run's folder by a link.
    """
    place = Path(os.path.abspath(path))  # noqa: PTH100 - the links on the way are what is looked for
    for run in place.parents[: _DEEPEST + 1]:
        if files.is_file(run / _JOURNAL) or files.is_folder(run / "restore"):
            check_inside(run, place)
            return


def check_inside(run: Path, path: Path) -> None:
    """Raises RunFolderError if a path leads out of the run's folder by a link."""
    target = Path(os.path.realpath(path))
    if files.exists(path) and not target.is_relative_to(os.path.realpath(run)):
        at = next(place for place in (path, *path.parents) if place.is_symlink())
        raise RunFolderError(
            f"{quoted(at)} is a link that leads out of the run's folder, to {quoted(os.path.realpath(at))}: "
            "what belongs to a run lies in its folder. Put there what it leads to: rm "
            f"{shlex.quote(str(at))} && cp -r {shlex.quote(os.path.realpath(at))} {shlex.quote(str(at))}"
        )


def of_enclosing(folder: Path) -> str | None:
    """The run in which a later stage's folder lies; None if it stands alone."""
    run = enclosing(folder)
    return None if run is None else of(run)


def check(path: Path, said: object) -> None:
    """Compare the run that a file says it is of with the one in whose folder it lies, if it lies in one.

    Raises:
        RunFolderError: it is another run's.
    """
    run = enclosing(path.parent) if said is not None else None
    own = None if run is None else of(run)
    if run is not None and own is not None and said != own:
        raise RunFolderError(
            f"{quoted(path)} is of another run than {quoted(run / _JOURNAL)}. Put back this run's own copy "
            f"of the one that is wrong, or move {quoted(path.parent)} out of the run's folder."
        )


@dataclass(frozen=True)
class Opened:
    """A run's folder as it is opened: its journal, the configuration in `run.json`, and that with which the
    journal says that the run was started."""

    path: Path
    found: Scan
    config: Json
    started: Json

    @property
    def journal(self) -> Path:
        """The journal's file."""
        return self.path / _JOURNAL

    @property
    def run_json(self) -> Path:
        """The configuration's file."""
        return self.journal.with_name("run.json")


def check_opened(opened: Opened, *, is_same_search: bool) -> None:
    """Refuse a folder that holds files of two runs.

    Raises:
        RunFolderError: likewise, with what differs.
    """
    note, own = ending.read(opened.journal), opened.found.first_sum
    signed = list(_signed(opened.path))
    with_it = [path for path, run in signed if run == own]
    against = [path for path, run in signed if run != own]
    if note is not None and note.first_sum != own:
        if with_it:
            raise RunFolderError(
                f"{quoted(ending.path_beside(opened.journal))} is of another run than "
                f"{quoted(opened.journal)} and {_listed(with_it)}: remove it, it only notes how far the "
                "journal was written."
            )
        if opened.found.num_unproven and is_same_search and not against:
            raise _foreign_note(opened)
        raise _foreign_journal(opened, "is", [ending.path_beside(opened.journal), *against])
    if not is_same_search:
        if against and not with_it:
            raise _foreign_journal(opened, "and journal.end are", [opened.run_json, *against])
        raise _other_configuration(opened, is_journal_known=note is not None or bool(with_it))
    if against:
        raise RunFolderError(
            f"{_listed(against)} in {quoted(opened.path)} {'is' if len(against) == 1 else 'are'} of another "
            f"run than its journal {quoted(opened.journal)} ({_origin(opened.found.events[0])}). Put back "
            "this run's "
            f"own copy of what is wrong, or move {_listed(_folders(opened.path, against))} out of the run's "
            "folder."
        )
    if note is not None and _went_another_way(opened.found, note):
        raise RunFolderError(
            f"{quoted(opened.journal)} is of a copy of this run that went on by itself: line "
            f"{note.num_lines} is not the one that was written here. Put back this folder's own copy of it; "
            "or, if an older copy was put back on purpose, remove "
            f"{quoted(ending.path_beside(opened.journal))}."
        )


def _signed(run: Path) -> Iterator[tuple[Path, str]]:
    """The files that say which run they are of, and which; raises RunFolderError of a link to elsewhere."""
    for name in _SIGNED:
        check_inside(run, run / name)
        try:
            known = files.read_object(run / name).get(KEY)
        except OSError:
            continue  # missing, or damaged: whoever needs it says so
        if isinstance(known, str):
            yield run / name, known


def _went_another_way(found: Scan, note: ending.Note) -> bool:
    return len(found.sums) >= note.num_lines > 0 and found.sums[note.num_lines - 1] != note.last_sum


def _foreign_journal(opened: Opened, verb: str, others: Sequence[Path]) -> RunFolderError:
    differing = _differences(opened.started, opened.config)
    return RunFolderError(
        f"{quoted(opened.journal)} {verb} of another run ({_origin(opened.found.events[0])}) than "
        f"{_listed(others)}"
        + (f": {differing}" if differing else "")
        + ". Put back this run's own copy; the other files are sound."
    )


def _foreign_note(opened: Opened) -> RunFolderError:
    """A journal of popnas 0.1.0, and a note of another: nothing else here says which is the stranger."""
    note = ending.path_beside(opened.journal)
    return RunFolderError(
        f"{quoted(note)} is of another journal than {quoted(opened.journal)}, which popnas 0.1.0 began "
        f"({_origin(opened.found.events[0])}) and which has the configuration of {opened.run_json.name}. If "
        f"that is this run's own journal, remove {quoted(note)}, it only notes how far a journal was "
        "written; otherwise put back this run's own journal."
    )


def _other_configuration(opened: Opened, *, is_journal_known: bool) -> RunFolderError:
    differing = _differences(opened.started, opened.config)
    what = (
        f"{opened.run_json} is not the configuration that {quoted(opened.journal)} was started with: "
        f"{differing}. "
    )
    if not is_journal_known:
        return RunFolderError(
            f"{what}One of the two was changed, or is of another run: put back this run's own copy of it."
        )
    return RunFolderError(
        f"{what}It was changed, or is of another run. Put back this run's own copy; or move it out of the "
        "folder: the journal has the configuration, too. For a search with another configuration start a new "
        "run."
    )


def _differences(started: Json, config: Json) -> str:
    """Where the journal's configuration differs from that of `run.json`, in words; empty if nowhere."""
    one, other = dict(_fields(started)), dict(_fields(config))
    places = [name for name in dict.fromkeys([*one, *other]) if one.get(name) != other.get(name)]
    shown = [
        f"{name} is {_shown(one.get(name))} in the journal and {_shown(other.get(name))} in run.json"
        for name in places[:_NUM_SHOWN]
    ]
    more = len(places) - _NUM_SHOWN
    return "; ".join(shown + ([f"and {more} more"] if more > 0 else []))


def _fields(value: Json, before: str = "") -> Iterator[tuple[str, JsonValue]]:
    for name, item in value.items():
        if isinstance(item, Mapping):
            yield from _fields(item, f"{before}{name}.")
        else:
            yield f"{before}{name}", item


def _shown(value: Any) -> str:
    text = "not there" if value is None else json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _origin(start: Event) -> str:
    words = [
        f"{words} {value}"
        for name, words in (("time", "begun"), ("host", "on"))
        if isinstance(value := start.volatile.get(name), str) and value
    ]
    seed = start.content.get("seed")
    return ", ".join([" ".join(words) or "begun by another version", f"seed {seed}"])


def _folders(run: Path, paths: Sequence[Path]) -> list[Path]:
    return list(dict.fromkeys(path if path.parent == run else path.parent for path in paths))


def _listed(paths: Sequence[Path]) -> str:
    return " and ".join(map(str, paths))
