"""Data before and after a run began: `look.look_at` finds the task that reads them, `inspection.inspect`
shows what they hold and what of it will hurt, `segmentation_files.build` makes the files that segmentation
is trained from.

`run_data` opens the data of a run wherever they are now, and `facts` notices that they are others. May not
import the other rooms of `workflows`.
"""
