"""scikit-learn's own checks of an estimator, at a tiny setting: no exception is needed."""

from __future__ import annotations

from sklearn.utils.estimator_checks import parametrize_with_checks

from popnas import PopnasClassifier

# None of the checks is expected to fail; one that comes to be needs its reason here.
EXPECTED_FAILURES: dict[str, str] = {}

TINY = {
    "search_space": {"blocks": 1, "lookback_depth": 1, "operators": ["3 conv"]},
    "training_hyperparameters": {"epochs": 5, "learning_rate": 0.02},
    "architecture_hyperparameters": {"filters": 8, "motifs": 1, "normal_cells_per_motif": 1},
}


@parametrize_with_checks(
    [PopnasClassifier(config=TINY, last_stage="search", n_jobs=1)],
    expected_failed_checks=lambda estimator: EXPECTED_FAILURES,
)
def test_check(estimator, check):
    check(estimator)
