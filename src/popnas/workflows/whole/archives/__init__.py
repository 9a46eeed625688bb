"""One whole job for every problem of an archive of time series, and one summary: `problems` finds them and
suits the configuration to each, `campaign` runs the jobs, `published` reads what others have reached.

Nothing is kept in memory that is not on disk: the same command goes on, and says what is done already.
"""
