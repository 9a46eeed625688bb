"""What was measured once, as named arrays, and its file: an `.npz` of plain arrays, never unpickled."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

import numpy as np

from popnas.records import Json
from popnas.storage import arrays_sha256, write_bytes


@dataclass(frozen=True)
class StoredArrays:
    """The base of frozen dataclasses whose fields are arrays; `about` () is JSON of where they come from."""

    about: np.ndarray

    def arrays(self) -> dict[str, np.ndarray]:
        """All arrays, by name."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    @cached_property
    def sha256(self) -> str:
        """Digest of all that figures depend on: of every array but `about`."""
        return arrays_sha256({name: array for name, array in self.arrays().items() if name != "about"})

    @cached_property
    def provenance(self) -> Json:
        """`about`, read."""
        found: Json = json.loads(str(self.about))
        return found

    def write(self, path: Path, form: str) -> int:
        """Write the file, whole or not at all; returns its bytes. `form`: the format that it says it has.

        Raises:
            StorageError: the disk refused.
        """
        stream = io.BytesIO()
        np.savez_compressed(stream, format=np.array(form), **self.arrays())  # type: ignore[arg-type]
        data = stream.getvalue()
        write_bytes(path, data, is_durable=True)
        return len(data)
