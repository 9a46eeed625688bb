"""JSON files that stages leave in a run's folder for later ones: `rules` (what values may be) and `reading`
(the one reader, which keeps to them). Each kind of file has its rules where it is written.

`progress` is for whoever looks from outside, and tells with `job_clock` how long a whole job still takes.
"""
