"""The evaluator that trains a candidate's network on the configuration's data and measures it.

`evaluator` is what the driver sees; `candidate` what one candidate goes through in a worker (`context`: what
all share there, `candidate_files`: what they leave); `best_model` the files of the best one; `forecast` and
`probing` what candidates will cost, and `fits` whether they can be trained here at all; `training_data`
loads a run's data and tells whether they are others, `shared_data` lays them down once for all workers;
`placing` says on which devices and by how many workers a configuration trains, `packing` how many gain by
sharing a GPU, `compiling` whether networks are compiled; `model_json` what a trained model is. Stages after
the search train networks too and use what they need of it.
"""

from popnas.evaluators.training.evaluator import TrainingEvaluator

__all__ = ["TrainingEvaluator"]
