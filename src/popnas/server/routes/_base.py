"""What routes share."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Annotated

from fastapi import Depends, Path
from fastapi.security import HTTPBearer

from popnas.server.access.places import RUN_NAME, run_folder
from popnas.server.answers import Refused
from popnas.server.services import Services, services

Parts = Annotated[Services, Depends(services)]
Run = Annotated[str, Path(pattern=f"^{RUN_NAME}$", description="The run's name.")]

bearer = Depends(HTTPBearer(auto_error=False, description="The server's token."))
"""For the description alone: `guard` has looked at it before."""

_WORDS = {
    400: "The request makes no sense, or not now.",
    401: "The token is missing or wrong.",
    403: "Of another site.",
    404: "There is nothing of that name.",
    409: "Something else goes on with the run.",
    413: "The body is too large.",
    421: "The server is not reached under that name.",
    422: "Mistakes in what was given, each with its place.",
    429: "Too many requests.",
    503: "Not now: the disk refuses, or a part does not answer.",
}
REFUSALS: dict[int | str, dict[str, type[Refused] | str]] = {
    status: {"model": Refused, "description": words} for status, words in _WORDS.items()
}


def folder_of(parts: Services, run: str) -> FilePath:
    """The folder of a run; raises NotThereError."""
    return run_folder(parts.settings.root, run)
