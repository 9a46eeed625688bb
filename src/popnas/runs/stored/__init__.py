"""JSON files that stages leave in a run's folder for later ones: `rules` (what values may be) and `reading`
(the one reader, which keeps to them). Each kind of file has its rules where it is written.

`logs` (what happened) and `progress` (how far a stage is) are for whoever looks from outside; the latter
tells with `job_clock` how long a whole job still takes. `countdown` is what is left at any moment, for these
and for terminals.
"""
