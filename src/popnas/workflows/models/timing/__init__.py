"""What trainings after the search take: `epoch_time` says how long an epoch is, `equal` how many epochs
networks of equal training time have, `deadlines` how several trainings share what is left until a limit.

May import `requests`, `macro_variants` and `folder` of the room around it.
"""
