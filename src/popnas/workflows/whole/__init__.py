"""The whole job from end to end within one budget: `end_to_end.end_to_end` and `end_to_end.resume`, each
stage in a process of its own.

`budget` decides what of a job is cut to keep `max_hours`, from what was measured so far (`epoch_time`). May
import every other room of `workflows`; none of them imports this one.
"""
