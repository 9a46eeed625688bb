"""What the command line keeps away from the user's home."""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path


def keep_out_of_home() -> None:
    """Let matplotlib keep its list of fonts in the folder for temporary files, and read no settings of the
    user's own, here and in child processes. Whoever has set MPLCONFIGDIR keeps what he set."""
    if "MPLCONFIGDIR" in os.environ or not hasattr(os, "getuid"):
        return
    try:
        own = Path(tempfile.gettempdir()) / f"popnas-{os.getuid()}"
        own.mkdir(mode=0o700, exist_ok=True)
        found = own.lstat()
        # Somebody else's folder or a link of that name could lead anywhere.
        if own.is_symlink() or found.st_uid != os.getuid() or found.st_mode & 0o022:
            return
        os.environ["MPLCONFIGDIR"] = str(own)
    except OSError:
        return  # no place for temporary files: matplotlib finds its own


def draw_with_own_settings() -> None:
    """The settings of the user's own work with matplotlib (Jupyter's, too) are not for our figures: this
    process and its children draw with their own."""
    os.environ["MPLBACKEND"] = "agg"
    os.environ["MATPLOTLIBRC"] = os.devnull
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
