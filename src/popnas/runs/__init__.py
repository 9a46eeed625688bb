"""The run folder: what a search has done so far, so that it can be resumed, shown and compared.

`watched` is a run as another process sees it.
`folder` (paths, creation), `lock`, `journal` (append-only, the truth), `identity` (which run a file is of),
`stored` (what stages leave there for later ones), `artifacts` (the files that workers hand over),
`validation` (what an event may say), `state` and `replaying` (of the journal), `repair` (the good part of a
damaged journal), `told` (warnings), `content` (what two equal runs share), `views` (CSV files derived from
the state), and `front` (the trained front and the point to pick).
May not be imported here: torch, executors, trackers, strategy, or anything above. A new kind of event is one
branch in `RunState.apply` and its fields in `validation`; a new CSV view is one function in `views` with an
entry in `VIEWS`.
"""

from popnas.runs.content import search_content
from popnas.runs.folder import RunFolder
from popnas.runs.journal import Event, Journal
from popnas.runs.repair import repair
from popnas.runs.replaying import replay
from popnas.runs.state import Confirmation, EarlierScores, Proposed, RunState
from popnas.runs.views import write_csv
from popnas.storage import write_table

__all__ = [
    "Confirmation",
    "EarlierScores",
    "Event",
    "Journal",
    "Proposed",
    "RunFolder",
    "RunState",
    "repair",
    "replay",
    "search_content",
    "write_csv",
    "write_table",
]
