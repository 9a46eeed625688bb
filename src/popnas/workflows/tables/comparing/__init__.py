"""Comparing searches over one table, many seeds each, within the same budget.

`request` is what is compared (`named`: configurations of files), `ground` a table as all methods see it,
`neighbours` the cells one change away; `walks` (random, evolution, local search) and `nsga2` propose
candidate by candidate, `progressive` are searches of popnas and their like; `trial` does one of them with one
seed, in a worker; `folder` keeps what is done; `judging` says what it was worth, `results` over all seeds,
`curves` draws it, `comparison` is the whole job.
"""
