"""Data before and after a run began: `look.look_at` finds the task that reads them, `inspection.inspect`
shows what they hold and what of it will hurt, `segmentation_files.build` makes the files that segmentation
is trained from, `sizing` says what of a network suits the size of its input.

`run_data` takes the place where the data of a run are now, and notices that they are others. May not import
the other rooms of `workflows`.
"""
