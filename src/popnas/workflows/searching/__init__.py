"""The search: `search.search` and `search.resume` drive it, `plan.plan` reckons it beforehand,
`rebuild.rebuild` writes its views again.

`steps` is what each step proposes, in a run folder as in memory (`in_memory`); `surrogates` is a step's
predictions, `candidate_jobs` what goes to a worker and comes back, `time_left` how long it still takes,
`machines` how times of several kinds of machines are made alike, `finish` the confirmation and the views at
the end, `best_model` what the best cell leaves. What a candidate goes through is its evaluator's
(`popnas.evaluators`): nothing here may import data sets, networks, training or torch. May import the rooms
`models` and `data`; not `whole`.
"""
