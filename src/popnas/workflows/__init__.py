"""Whole jobs composed from the parts: the search, its plan, its confirmation. The only place that wires
rooms together.

May import everything below; nothing but `cli` (and `popnas.__init__`, lazily) imports it. A new job is a new
module here with one entry function, and a thin command in `cli`. What one candidate goes through in a worker
is `candidate`.
"""
