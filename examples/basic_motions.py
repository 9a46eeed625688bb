"""Cross-validation of an architecture search: BasicMotions (aeon) in a scikit-learn pipeline.

Each of the five folds searches, selects and trains anew on 64 series of 6 channels and 100 timesteps, so the
figures are honest: no fold has seen its test series in any stage. Minutes on two cores.

    python examples/basic_motions.py
"""

from __future__ import annotations

import time

import numpy as np
from aeon.datasets import load_basic_motions
from sklearn.metrics import accuracy_score
from sklearn.model_selection import StratifiedKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from popnas import PopnasClassifier

SEARCH = {
    "search_space": {
        "blocks": 2,
        "lookback_depth": 1,
        "operators": ["identity", "7 conv", "13 dconv", "2 maxpool"],
    },
    "search_strategy": {"max_children": 4, "max_exploration_children": 1},
    "training_hyperparameters": {"epochs": 10},
    "architecture_hyperparameters": {"filters": 12, "motifs": 2},
}
LONGER = {"training_hyperparameters": {"epochs": 60, "drop_path": 0.2, "label_smoothing": 0.1}}


def main() -> None:
    x, y = load_basic_motions(split=None)
    classifier = PopnasClassifier(
        "time_series_classification",
        config=SEARCH,
        selection_config=LONGER,
        final_config=LONGER,
        num_selected=3,
        n_jobs=-1,
        random_state=0,
    )
    # Any transformer that keeps three axes may stand before it; here every second timestep is enough.
    pipeline = make_pipeline(FunctionTransformer(lambda x_NCT: x_NCT[:, :, ::2]), classifier)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    began = time.perf_counter()
    result = cross_validate(pipeline, x, y, cv=folds, scoring="accuracy", return_estimator=True)
    for number, (score, fitted) in enumerate(zip(result["test_score"], result["estimator"], strict=True)):
        found = fitted[-1]
        params = found.model_.description["params"]
        print(f"fold {number}: accuracy {score:.4f}, {params:,} params, {found.cell_}")
    mean, deviation = np.mean(result["test_score"]), np.std(result["test_score"])
    majority = accuracy_score(y, np.full_like(y, y[0]))
    print(f"accuracy {mean:.4f} +- {deviation:.4f} over {len(x)} series (guessing: {majority:.2f})")
    print(f"{time.perf_counter() - began:.0f} s in all, {np.mean(result['fit_time']):.0f} s a fit")


if __name__ == "__main__":
    main()
