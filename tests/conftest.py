"""What all tests share."""

import os
import signal
import sys
from pathlib import Path

from hypothesis import settings

# How long an example takes says more about what else the machine does than about the code.
settings.register_profile("popnas", deadline=None)
settings.load_profile("popnas")

# A shell that starts the tests in the background lets them, and every process that they start, ignore Ctrl-C,
# nohup a closed terminal; the tests that send these signals would then wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# As where popnas is installed: remedies say `popnas`, not by which path it was started.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
