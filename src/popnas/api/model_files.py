"""The files of a trained model: where they are, and what `model.json` says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from popnas import files
from popnas.command_lines import as_typed
from popnas.errors import RunFolderError, UserError
from popnas.export import description
from popnas.export.model_values import ModelDescription
from popnas.printable import quoted
from popnas.runs import identity

DESCRIPTION = description.NAME
ONNX = "model.onnx"
WEIGHTS = "weights.safetensors"
# In a run folder, the model that has come furthest counts.
_IN_A_RUN = ("final_training/deploy", "final_training", "best_model")


@dataclass(frozen=True)
class ModelFiles:
    """A model's files as bytes by name, so that a loaded model can be pickled and outlive its folder.

    `place` names it in messages; `onnx_name` is the ONNX file to run.
    """

    place: str
    contents: Mapping[str, bytes]
    onnx_name: str = ONNX

    def __getitem__(self, name: str) -> bytes:
        """The content of a file.

        Raises:
            UserError: the model has no such file.
        """
        if name not in self.contents:
            other = {ONNX: WEIGHTS, WEIGHTS: ONNX}.get(name)
            remedy = ""
            if other in self.contents:
                remedy = f' Use backend="{"torch" if other == WEIGHTS else "onnx"}", which reads {other}.'
            raise UserError(
                f"{quoted(self.place)} has no file {name}; it holds {_listed(self.contents)}.{remedy}"
            )
        return self.contents[name]

    def description(self) -> ModelDescription:
        """What `model.json` says.

        Raises:
            UserError: it is damaged, or lacks what is needed.
        """
        return description.parse(self[DESCRIPTION], Path(self.place) / DESCRIPTION)

    def checked(self, name: str) -> bytes:
        """The content of a file as the model was saved with it.

        Raises:
            UserError: the model has no such file, or another one.
        """
        content = self[name]
        description.check_file(self.description(), Path(self.place) / name, content)
        return content

    def write(self, folder: Path) -> None:
        """Write all files into `folder`, which is made if it is missing.

        Raises:
            UserError: the folder holds files, or cannot be written.
        """
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UserError(f"{quoted(folder)} exists and is no empty folder. Give another, or remove it.")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name, content in self.contents.items():
                (folder / name).write_bytes(content)
        except OSError as error:
            raise UserError(f"{quoted(folder)} cannot be written: {files.reason(error)}.") from error


def read(path: Path | str) -> ModelFiles:
    """Read a model from a folder with `model.json` (best model, deployment, model of a selection), from an
    `.onnx` file beside one, or from a run folder (its deployment, else its final training, else its best
    model).

    Raises:
        UserError: no model is there; the message says what is.
    """
    place = files.user_path(files.given(path, "the model"))
    if place.suffix == ".onnx":
        if not place.is_file():
            raise RunFolderError(f"the ONNX file {quoted(place)} {files.missing(place)}")
        return _read(place.parent, place.name)
    if not place.is_dir():
        what = "is a file." if files.exists(place) else files.missing(place)
        raise RunFolderError(f"{quoted(place)} {what} {_EXPECTED}")
    for folder in (place, *(place / name for name in _IN_A_RUN)):
        if (folder / DESCRIPTION).is_file():
            return _read(folder)
    names = sorted(child.name for child in place.iterdir())
    run = place if (place / "restore").is_dir() else identity.enclosing(place)
    unfinished = "" if run is None else _unfinished(place, run)
    raise RunFolderError(
        f"{quoted(place)} holds no {DESCRIPTION}, only {_listed(names)}. {_EXPECTED}{unfinished}"
    )


def _unfinished(place: Path, run: Path) -> str:
    """How a model comes into a run, or into its folder for the search's best."""
    if place == run:
        return f" It is a run without a finished model: go on with `{as_typed('search', '-r', run)}`."
    if place.name == "best_model":
        return f" The search writes it when it ends: go on with `{as_typed('search', '-r', run)}`."
    return ""


_EXPECTED = (
    "Give a model's folder (best_model, final_training/deploy, one of model_selection), an .onnx file with "
    "model.json beside it, or a run folder."
)


def _read(folder: Path, onnx_name: str = ONNX) -> ModelFiles:
    found = ModelFiles(str(folder), _contents(folder), onnx_name)
    if DESCRIPTION in found.contents:
        identity.check(folder / DESCRIPTION, found.description().run)
    return found


def _contents(folder: Path) -> dict[str, bytes]:
    """Files of the deployment; checkpoints and logs of a training folder stay behind."""
    kept = (".onnx", ".json", ".safetensors", ".md")
    return {item.name: _content(item) for item in sorted(folder.iterdir()) if item.suffix in kept}


def _content(path: Path) -> bytes:
    identity.check_place(path)
    try:
        return files.read_bytes(path)
    except OSError as error:
        raise RunFolderError(
            f"cannot read {quoted(path)}: {files.reason(error)}. {description.REMEDY}"
        ) from error


def _listed(names: Any) -> str:
    shown = list(names)
    return ", ".join(shown[:12]) + (", ..." if len(shown) > 12 else "") if shown else "nothing"
