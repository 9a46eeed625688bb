"""The JSON files that stages leave in a run's folder for later ones: the one reader.

What they say is used as paths, numbers of epochs and seconds: a file is refused unless it is this run's, has
the checksum in it, and its fields are what a stage writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from popnas import files
from popnas.errors import PopnasError, RunFolderError
from popnas.printable import quoted
from popnas.records import FormError, Json, JsonValue, Record
from popnas.runs import identity
from popnas.runs.stored.rules import Rule, shown
from popnas.storage import PROOF, proof

Kind = TypeVar("Kind", bound=Record)

_MEND = "Put back a copy of the file"


def is_there(path: Path) -> bool:
    """Whether something stands at the path, be it a file or not: what cannot be read must not pass for a
    file that was never written."""
    return files.is_named(path)


def read_json(
    path: Path,
    *,
    must: Mapping[str, Rule] | None = None,
    may: Mapping[str, Rule] | None = None,
    remedy: str = "",
) -> dict[str, JsonValue]:
    """The object in a JSON file.

    Args:
        path: the file.
        must: fields that it has, and what they are; files of popnas 0.1.0 have them too.
        may: fields that it may have, and what they are then.
        remedy: what else helps than a copy of the file, as the end of a sentence ("remove it to ...").

    Raises:
        RunFolderError: it cannot be read, leads out of the run's folder, does not have the checksum in it, is
            of another run than the one in whose folder it lies, or says what no stage writes.
    """
    identity.check_place(path)
    mend = f"{_MEND}; or {remedy}." if remedy else f"{_MEND}."
    try:
        content = files.read_object(path)
    except OSError as error:
        raise RunFolderError(f"cannot read {quoted(path)}: {files.reason(error)}. {mend}") from error
    if content.pop(PROOF, None) not in (None, proof(content)):
        raise RunFolderError(
            f"{quoted(path)} was changed or damaged outside popnas: it does not have its checksum. {mend} "
            f"If it was changed on purpose, remove the line '{PROOF}' in it."
        )
    identity.check(path, content.get(identity.KEY))
    _check_fields(path, content, must or {}, may or {}, mend)
    return content


def read_record(
    path: Path,
    kind: type[Kind],
    *,
    must: Mapping[str, Rule] | None = None,
    may: Mapping[str, Rule] | None = None,
    remedy: str = "",
) -> Kind:
    """The record in a JSON file that may say more; arguments and errors as of `read_json`."""
    content = read_json(path, must=must, may=may, remedy=remedy)
    try:
        return kind.of_known(content)
    except FormError as error:
        mend = f"{_MEND}; or {remedy}." if remedy else f"{_MEND}."
        raise RunFolderError(f"{quoted(path)} {error}: popnas does not write that. {mend}") from None


def read_of_report(path: Path, kind: type[Kind], *, must: Mapping[str, Rule]) -> Kind | None:
    """The record in a file that a report shows; None where it is not there, or damaged: a report of what is
    there is worth more than none."""
    try:
        return read_record(path, kind, must=must)
    except PopnasError:
        return None


def _check_fields(
    path: Path, content: Json, must: Mapping[str, Rule], may: Mapping[str, Rule], mend: str
) -> None:
    for name, rule in {**must, **may}.items():
        if name not in content and name in must:
            raise RunFolderError(f"{quoted(path)} has no '{name}', which popnas writes into it. {mend}")
        if name in content and not rule(content[name]):
            raise RunFolderError(
                f"{quoted(path)} has {shown(content[name])} as its '{name}', which popnas does not write. "
                f"{mend}"
            )
