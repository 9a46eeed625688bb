"""The whole job from end to end within one time limit: `end_to_end.end_to_end` and `end_to_end.resume` on the
command line, `end_to_end.start` for `PopnasClassifier`.

`job` runs the stages one after the other and gives each its time; `stages` says who may run them (this
process), `stage_processes` the other way (a process each). `request` is what is asked, `state` what is kept
(`e2e.json`). `costs` is what stages take, from what was measured so far (`models.timing`); `budget` decides
by it what is cut to keep `max_hours`, and the time left that is told rests on it, too. `archives` runs one
for every problem of an archive. May import every other room of `workflows`; none of them imports this one.
"""
