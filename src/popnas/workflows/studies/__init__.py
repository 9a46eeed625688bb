"""Studies of predictors: how well they foretell what was measured of cells that they did not learn from.

`sources` reads what is known of cells (a run, a table, NAS-Bench-201) as `known.KnownCells`; `splits` says
what is learnt from and what is asked; `study` fits every predictor and takes its `figures`; `files` keeps
them, with `plots` and `attributions`. May use the rooms below; nothing here knows the command line.
"""
