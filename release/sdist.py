"""The sdist as the same bytes for the same commit: setuptools writes times and owners of the machine into it.

    python release/sdist.py dist SECONDS

Entries are sorted; all times are SECONDS since 1970, those of the commit; owners are root.
"""

from __future__ import annotations

import gzip
import io
import sys
import tarfile
from pathlib import Path


def repack(path: Path, seconds: int) -> None:
    """Write the archive anew, in its place."""
    plain = io.BytesIO()
    with tarfile.open(path) as old, tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as new:
        for member in sorted(old.getmembers(), key=lambda member: member.name):
            content = old.extractfile(member) if member.isfile() else None
            entry = _plain(member, seconds)
            entry.pax_headers = {}  # the old times, where they have fractions
            new.addfile(entry, content)
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=packed, mtime=seconds) as stream:
        stream.write(plain.getvalue())
    path.write_bytes(packed.getvalue())


def _plain(member: tarfile.TarInfo, seconds: int) -> tarfile.TarInfo:
    is_run = member.isdir() or member.mode & 0o100
    return member.replace(
        mtime=seconds,
        mode=0o755 if is_run else 0o644,
        uid=0,
        gid=0,
        uname="root",
        gname="root",
        deep=False,
    )


if __name__ == "__main__":
    folder, when = sys.argv[1:]
    (archive,) = Path(folder).glob("*.tar.gz")
    repack(archive, int(when))
