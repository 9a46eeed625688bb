"""What a field costs in time, memory or quality, and when it pays to change it: one entry per field."""

from __future__ import annotations

_NOTHING = "Nothing."
_SWITCH = "Parameters and FLOPs are computed for the network with it, so the search weighs its cost."

COSTS: dict[str, str] = {
    "search_space.blocks": (
        "Each block is one more step, of up to `max_children + max_exploration_children` trainings, and "
        "its cells are the largest. Start with 3, take 5 when there is time."
    ),
    "search_space.lookback_depth": (
        "Single-block cells grow with its square, and all are trained by default. 2 is usual; 1 makes small "
        "searches much shorter."
    ),
    "search_space.operators": (
        "Single-block cells grow with the square of their number, and all are trained by default: `popnas "
        "plan` tells how many. Leave out what you cannot deploy."
    ),
    "search_strategy.max_children": (
        "At most so many trainings per step; with `blocks` it decides how long a search takes. Lower it "
        "first if time is short."
    ),
    "search_strategy.max_exploration_children": (
        "So many more trainings per step. An eighth of `max_children` is usual; 0 for the shortest search."
    ),
    "search_strategy.score_share": (
        "No more trainings, but fewer cheap cells among them. Raise it where only the best score counts."
    ),
    "search_strategy.rounds": (
        "Workers wait at the end of each round, and predictors are fitted once more. It pays if a "
        "training takes much longer than a fit."
    ),
    "search_strategy.random_children": (
        "So many more trainings per step, of cells that are not chosen for their worth. To study predictors."
    ),
    "search_strategy.single_block_repeats": (
        "It saves trainings in step 1, most if there are many operators; predictors learn from fewer."
    ),
    "search_strategy.growth_share": "It saves trainings in all steps between the first and the last.",
    "search_strategy.untrained_parents": "No training; predicting and memory grow with the cells predicted.",
    "search_strategy.repeats": (
        "So many trainings at the end. A tenth to a third of all trainings pays if single ones are noisy."
    ),
    "search_strategy.score_metric": "Nothing; take `f1_score` where classes are very unequal.",
    "search_strategy.additional_pareto_objectives": (
        "Each makes the front larger and the step fuller, up to `max_children`. `inference_time` adds a "
        "measurement to every candidate; `params` and `flops` are computed."
    ),
    "search_strategy.constraints": "Nothing; it spares trainings. Set it when a device sets a limit.",
    "training_hyperparameters.epochs": (
        "The time of every candidate is proportional to it. Too few rank cells badly: a handful is for "
        "trying out, 20 is usual."
    ),
    "training_hyperparameters.learning_rate": (
        "Nothing. Lower it if candidates fail for a loss that is no number."
    ),
    "training_hyperparameters.weight_decay": _NOTHING,
    "training_hyperparameters.drop_path": "Networks need more epochs. For long trainings after the search.",
    "training_hyperparameters.softmax_dropout": "Networks need more epochs. For long trainings, few data.",
    "training_hyperparameters.ema_decay": (
        "A second copy of the weights, and one addition per weight and step."
    ),
    "training_hyperparameters.label_smoothing": "Nothing; probabilities become less sure.",
    "training_hyperparameters.optimizer.type": (
        "adam, adamW and radam keep two more values per weight, SGD one."
    ),
    "training_hyperparameters.optimizer.scheduler": (
        "Nothing. `cd` suits one long training, `cdr` short ones."
    ),
    "training_hyperparameters.optimizer.warmup": "Its epochs learn less. For high learning rates.",
    "training_hyperparameters.optimizer.lookahead": "One more copy of the weights.",
    "training_hyperparameters.optimizer.lookahead.sync_period": _NOTHING,
    "training_hyperparameters.optimizer.lookahead.slow_step_size": _NOTHING,
    "architecture_hyperparameters.filters": (
        "Parameters and most of the time grow with its square. Keep it small in the search; `popnas "
        "select --params` makes networks wider afterwards."
    ),
    "architecture_hyperparameters.motifs": (
        "Each doubles the channels once more, and halves the size. Lower it for images or series that are "
        "small."
    ),
    "architecture_hyperparameters.normal_cells_per_motif": (
        "Time and memory grow with it. 1 for quick searches; deeper networks can be made after the search."
    ),
    "architecture_hyperparameters.block_join_operator": _NOTHING,
    "architecture_hyperparameters.lookback_reshape": _SWITCH,
    "architecture_hyperparameters.concat_only_unused_blocks": (
        "`false` makes every cell's output wider, and what reads it more expensive."
    ),
    "architecture_hyperparameters.residual_cells": _SWITCH,
    "architecture_hyperparameters.se_cell_output": _SWITCH,
    "architecture_hyperparameters.multi_output": (
        "A head and its loss per cell, in training only: what is exported has the last one."
    ),
    "architecture_hyperparameters.activation_function": (
        "relu is the cheapest, and the easiest to deploy on small devices."
    ),
    "architecture_hyperparameters.stem": (
        "It saves: `half` makes all that follows about 4 times cheaper on images, `quarter` 16 times, at "
        "the price of fine detail. Use one for images of 96 pixels and more."
    ),
    "architecture_hyperparameters.macro_architecture": "That of the architecture chosen.",
    "architecture_hyperparameters.segmentation_decoder": "`cells` builds more cells, so all costs grow.",
    "dataset.type": "That of the task: pixels are labelled at many times the cost of images.",
    "dataset.name": _NOTHING,
    "dataset.path": _NOTHING,
    "dataset.classes_count": "Nothing. Needed only where some classes are missing from the training data.",
    "dataset.ignore_class": _NOTHING,
    "dataset.batch_size": (
        "Memory of a training is proportional to it. Larger is faster per example, but an epoch has fewer "
        "steps. Lower it when memory runs out or data are few."
    ),
    "dataset.val_test_batch_size": "Memory in validation. Lower it for large masks.",
    "dataset.inference_batch_size": "Nothing. Choose the batch that you will deploy with.",
    "dataset.validation_size": (
        "These examples are not learnt from in the search. Raise it for small data: a score over 20 "
        "examples says little."
    ),
    "dataset.cache": "The data stay in memory. `false` where they do not fit; every epoch is slower then.",
    "dataset.folds": (
        "The time of every candidate is multiplied by it. For small data, where one split is luck."
    ),
    "dataset.samples": "It saves time in proportion, and rankings get worse. For trying out.",
    "dataset.balance_class_losses": "Nothing. For unequal classes that count the same.",
    "dataset.class_labels_remapping": _NOTHING,
    "dataset.data_augmentation.enabled": "Some time per batch; networks need more epochs.",
    "dataset.data_augmentation.use_cutout": "A little time per batch. For long trainings.",
    "dataset.data_augmentation.flips": _NOTHING,
    "dataset.data_augmentation.trivial_augment": (
        "The most expensive of the image augmentations: each image is sampled anew. For long trainings."
    ),
    "dataset.data_augmentation.erasing": "A little time per batch.",
    "dataset.data_augmentation.time_warp": "Some time per batch: each series is sampled anew.",
    "dataset.data_augmentation.window_warp": "Some time per batch: each series is sampled anew.",
    "dataset.data_augmentation.crop": "Some time per batch: each series is sampled anew.",
    "dataset.data_augmentation.shift": "A little time per batch.",
    "dataset.data_augmentation.scaling": "A little time per batch.",
    "dataset.data_augmentation.jitter": "A little time per batch.",
    "dataset.data_augmentation.mixup": "A little time per batch; networks need more epochs.",
    "dataset.data_augmentation.cutmix": "A little time per batch; networks need more epochs.",
    "dataset.resize": (
        "Time and memory are proportional to the number of pixels. The first thing to lower for large images."
    ),
    "dataset.resize.width": "Time and memory are proportional to it.",
    "dataset.resize.height": "Time and memory are proportional to it.",
    "dataset.rescale": _NOTHING,
    "dataset.normalize": "Nothing. Series of different scales should have it.",
    "others.accuracy_predictor_ensemble_units": (
        "The fit of the predictor at every step is proportional to it."
    ),
    "others.predictors.score": (
        "`gin` takes seconds to fit at every step. `popnas predictors score` compares those there are on "
        "your own runs."
    ),
    "others.predictors.time": "`svr` takes about half a second to fit at every step.",
    "others.predictors.earlier_runs": (
        "The fit of the score predictor takes as much longer as they have cells, of which 500 a run count. "
        "It pays where the data are of the same kind: predictions rank after fewer trainings."
    ),
    "others.predictions_batch_size": _NOTHING,
    "others.save_children_weights": "Disk: the weights of every candidate, 4 bytes a parameter.",
    "others.save_children_models": "An export of some seconds, and disk, for every candidate.",
    "others.pnas_mode": "It saves nothing by itself: `max_children` are trained at every step.",
    "others.train_strategy": (
        "Nothing. `CPU` leaves the GPU to others; `multi-GPU` has candidates on every GPU, and final "
        "training on all of them together. On a `TPU` every network is compiled, for minutes, one at a time."
    ),
    "others.enable_XLA_compilation": (
        "Compiling takes about a minute per network, so it is done only on a GPU, where a training is "
        "expected to take ten or more; popnas warns where it is not."
    ),
    "others.use_mixed_precision": (
        "It saves time and memory where the device has fast two-byte floats, at a little precision. "
        "popnas warns where it does not pay."
    ),
    "others.seed": "Nothing. Several seeds show how much of a result is luck.",
    "others.timing": "`simulated` times are no seconds of this machine. For runs that must repeat exactly.",
    "others.executor.kind": "`inline` trains one candidate at a time.",
    "others.executor.workers": (
        "Each holds several hundred MB and trains a network of its own at the same time. Lower it when "
        "memory runs out."
    ),
    "others.executor.workers_per_gpu": (
        "Networks that share a GPU take its memory; small ones leave most of it idle otherwise. To try how "
        "many gain takes a minute."
    ),
    "others.executor.threads": "Cores: keep `workers` times `threads` within them.",
    "others.trackers": "A small file per training.",
    "others.evaluator": "That of the evaluator chosen: looking up takes no time, training does.",
    "others.max_hours": "The search may end before its last step; what is found until then is whole.",
    "others.max_candidate_seconds": "Slow candidates are lost, more of them where several share a GPU. "
    "For searches with very unequal operators.",
    "others.confirm": "Fifteen more trainings at the end. They tell luck from a better cell.",
    "others.selection_seeds": "Model selection takes so many times as long. It tells luck from a better one.",
    "others.selection_budget": "With seconds, each network takes as long as the best cell's.",
}
