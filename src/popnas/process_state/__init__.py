"""What belongs to the whole process and not to a thread: put back as it was, also where threads of a program
do the same at once.

Python's and torch's own context managers remember what they found. Where two threads overlap, the second
finds what the first has set, and leaves that behind for good. May not be imported here: torch, which takes
seconds; where nothing has imported it, nothing of it is set. `forks` knows whether torch can be used at all,
and `of_machine` has the locks between all processes of a user.
"""

from popnas.process_state.changes import Shared, logger_at
from popnas.process_state.collecting import collector_paused
from popnas.process_state.of_machine import MachineLock, folder_of_machine, one_at_a_time
from popnas.process_state.of_torch import torch_as_imported, torch_in_turn, torch_random_in_turn
from popnas.process_state.silence import without_warnings
from popnas.process_state.turns import in_turn

__all__ = [
    "MachineLock",
    "Shared",
    "collector_paused",
    "folder_of_machine",
    "in_turn",
    "logger_at",
    "one_at_a_time",
    "torch_as_imported",
    "torch_in_turn",
    "torch_random_in_turn",
    "without_warnings",
]
