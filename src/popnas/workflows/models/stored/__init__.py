"""What trainings after the search keep on disk to go on from: `selection_plan` (which models a selection
trains), `repetitions` (on which folds, with which seeds, and where each of these lies) and `checkpoint`
(where a training stands).

Both are believed only as far as popnas could have written them. May not be imported here: the trainings
themselves.
"""
