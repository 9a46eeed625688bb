"""The search: `search.search` and `search.resume` drive it, `plan.plan` reckons it beforehand,
`rebuild.rebuild` writes its views again.

`candidate` is what one candidate goes through in a worker, `surrogates` the predictions of a step, `finish`
the confirmation, the best model and the views at the end. May import the rooms `models` and `data`; not
`whole`.
"""
