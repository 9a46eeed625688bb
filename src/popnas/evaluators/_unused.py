"""What has no effect where nothing is trained and no data are read: by place the sentence that is told."""

from __future__ import annotations

from popnas.config.sections import DataAugmentationConfig

_NOTHING_TRAINED = "has no effect: a table trains nothing."
_NO_DATA = "has no effect: a table holds figures and no data."

WITHOUT_TRAINING = {
    **{
        f"training_hyperparameters.{name}": _NOTHING_TRAINED
        for name in (
            *("learning_rate", "weight_decay", "drop_path", "softmax_dropout", "label_smoothing"),
            *("ema_decay", "optimizer"),
        )
    },
    "architecture_hyperparameters": "has no effect: a table builds no networks.",
    **{
        f"dataset.{name}": _NO_DATA
        for name in (
            *("classes_count", "ignore_class", "batch_size", "val_test_batch_size"),
            *("inference_batch_size", "validation_size", "cache", "folds", "samples"),
            *("balance_class_losses", "class_labels_remapping", "resize", "rescale", "normalize"),
            *(f"data_augmentation.{name}" for name in DataAugmentationConfig.model_fields),
        )
    },
    **{
        f"others.{name}": _NOTHING_TRAINED
        for name in (
            *("save_children_weights", "save_children_models", "train_strategy"),
            *("enable_XLA_compilation", "use_mixed_precision", "max_candidate_seconds"),
            *("selection_seeds", "selection_budget"),
        )
    },
    "others.timing": "has no effect: times are those of the table.",
    "others.executor.workers_per_gpu": "has no effect: looking up takes no GPU.",
    "others.executor.threads": "has no effect: looking up takes one thread.",
}
