import json
import pickle
import shutil

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import popnas
from popnas import PopnasClassifier
from popnas.api.arrays import InputError
from popnas.errors import ConfigError, PopnasError, RunFolderError, UserError

# One operator, one block, one lookback: a single cell beside the empty one.
TINY = {
    "search_space": {"blocks": 1, "lookback_depth": 1, "operators": ["3 conv"]},
    "training_hyperparameters": {"epochs": 15, "learning_rate": 0.02},
    "architecture_hyperparameters": {"filters": 8, "motifs": 1, "normal_cells_per_motif": 1},
}
TINY_IMAGES = {**TINY, "search_space": {**TINY["search_space"], "operators": ["3x3 conv"]}}


def tiny(task=None, config=TINY, **options):
    options = {"last_stage": "search", "n_jobs": 1, "random_state": 0, **options}
    return PopnasClassifier(task, config=config, **options)


def series(n=64, channels=2, timesteps=12, seed=0):
    """Class "up" rises in its first channel, class "down" falls."""
    rng = np.random.default_rng(seed)
    y = np.array(["up", "down"])[np.arange(n) % 2]
    slope = np.where(y == "up", 1, -1)[:, None] * np.linspace(-2, 2, timesteps)
    x = 0.4 * rng.normal(size=(n, channels, timesteps))
    x[:, 0] += slope
    return x, y


def images(n=48):
    """Class 30 has bright rows, class 4 bright columns."""
    rng = np.random.default_rng(0)
    y = np.array([30, 4])[np.arange(n) % 2]
    x = rng.integers(0, 100, (n, 6, 8), dtype=np.uint8)
    x[y == 30, ::2] += 150
    x[y == 4, :, ::2] += 150
    return x, y


@pytest.fixture(scope="module")
def fitted():
    x, y = series()
    return tiny("time_series_classification").fit(x, y)


def test_series_of_several_channels(fitted):
    x, y = series(seed=1)
    assert fitted.classes_.tolist() == ["down", "up"] and fitted.n_features_in_ == 2
    assert fitted.score(x, y) > 0.9
    probabilities = fitted.predict_proba(x)
    assert (fitted.predict(x) == fitted.classes_[probabilities.argmax(axis=1)]).all()
    assert fitted.cell_ == "[(-1, 3 conv, -1, 3 conv)]" and fitted.run_folder_ is None


def test_images_and_the_order_of_labels():
    x, y = images()
    grey = tiny("image_classification", TINY_IMAGES).fit(x, y)
    assert grey.classes_.tolist() == [4, 30] and grey.predict(x).dtype == y.dtype
    assert grey.score(x, y) > 0.9
    # Labels that sort otherwise as texts than as numbers, in four dimensions.
    names = np.array(["9", "10"])[(y == 30).astype(int)]
    named = tiny(config=TINY_IMAGES).fit(np.repeat(x[..., None], 3, axis=-1).astype(float), names)
    assert named.classes_.tolist() == ["10", "9"]
    assert named.score(np.repeat(x[..., None], 3, axis=-1), names) > 0.9


def test_series_of_unequal_lengths():
    x, y = series()
    ragged = [one[:, : 12 - i % 3] for i, one in enumerate(x)]
    classifier = tiny("time_series_classification").fit(ragged, y)
    assert np.mean(classifier.predict(ragged) == y) > 0.9
    whole = classifier.predict_proba(x[:1])
    np.testing.assert_allclose(whole, classifier.predict_proba(x[:4])[:1], atol=1e-6)


def test_equal_seeds_give_equal_models(fitted):
    x, y = series()
    again = clone(fitted).fit(x, y)
    assert (again.predict_proba(x) == fitted.predict_proba(x)).all()
    other = clone(fitted).set_params(random_state=1).fit(x, y)
    assert (other.predict_proba(x) != fitted.predict_proba(x)).any()


def test_pickled_with_its_weights(fitted):
    x, _ = series()
    copied = pickle.loads(pickle.dumps(fitted))
    assert (copied.predict_proba(x) == fitted.predict_proba(x)).all()


def test_export_on_demand(fitted, tmp_path):
    x, _ = series()
    folder = fitted.export(tmp_path / "deploy")
    model = popnas.load(folder)
    assert (model.predict(x) == fitted.predict(x)).all()
    with pytest.raises(UserError, match="exists and is no empty folder"):
        fitted.export(folder)


def test_a_run_that_is_kept(tmp_path):
    x, y = series()
    folder = tmp_path / "kept"
    classifier = tiny("time_series_classification", run_folder=folder).fit(x, y)
    run = popnas.Run(folder)
    assert run.best.cell == classifier.cell_ and run.config["others"]["executor"]["kind"] == "inline"
    assert classifier.run_folder_ == folder
    with pytest.raises(RunFolderError, match="give another at each fit"):
        classifier.fit(x, y)


def test_a_run_that_fails_stays_where_the_message_says(monkeypatch, tmp_path):
    def broken(*arguments, **named):
        raise RuntimeError("the reason itself")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    x, y = series(32)
    with monkeypatch.context() as patch, pytest.raises(PopnasError, match="the reason itself") as caught:
        patch.setattr("popnas.training.fit", broken)
        tiny("time_series_classification").fit(x, y)
    (folder,) = tmp_path.glob("popnas-*/run")
    assert f"kept in {folder}." in str(caught.value) and str(folder) in caught.value.__notes__[0]
    assert "the reason itself" in (folder / "critical.log").read_text()
    # What other input mends leaves nothing, nor does a fit that ends well.
    shutil.rmtree(folder.parent)
    with pytest.raises(InputError):
        tiny("time_series_classification").fit(x * 1e-3 + 1e9, y)
    tiny("time_series_classification").fit(x, y)
    assert not list(tmp_path.iterdir())
    # As advised.
    with monkeypatch.context() as patch, pytest.raises(PopnasError):
        patch.setattr("popnas.training.fit", broken)
        tiny("time_series_classification", run_folder=tmp_path / "mine").fit(x, y)
    assert "the reason itself" in (tmp_path / "mine" / "critical.log").read_text()


@pytest.mark.slow
def test_in_a_pipeline_with_cross_validation():
    x, y = series()
    pipeline = make_pipeline(FunctionTransformer(lambda x: x * 10), tiny("time_series_classification"))
    assert cross_val_score(pipeline, x, y, cv=3).mean() > 0.8
    tabular = make_pipeline(StandardScaler(), tiny())
    assert cross_val_score(tabular, x[:, 0], y, cv=2).mean() > 0.8


FEW_EPOCHS = {"training_hyperparameters": {"epochs": 12, "optimizer": {"type": "adamW", "warmup": 2}}}


@pytest.mark.slow
@pytest.mark.parametrize("max_hours", [None, 0.02])
def test_all_stages(tmp_path, max_hours):
    x, y = series(n=96)
    classifier = tiny(
        "time_series_classification",
        last_stage="final_training",
        selection_config=FEW_EPOCHS,
        final_config=FEW_EPOCHS,
        max_hours=max_hours,
        run_folder=tmp_path / "run",
    ).fit(x, y)
    assert classifier.score(*series(seed=1)) > 0.9
    exported = classifier.export(tmp_path / "deploy")
    assert {"model.onnx", "weights.safetensors", "model.json", "README.md"} <= {
        path.name for path in exported.iterdir()
    }
    assert (popnas.load(exported, backend="torch").predict(x) == classifier.predict(x)).all()
    assert (popnas.load(tmp_path / "run").predict_proba(x) == classifier.model_.predict_proba(x)).all()
    assert "model_selection" in popnas.Run(tmp_path / "run").tables
    # The whole job's state, as `popnas e2e` has it.
    job = json.loads((tmp_path / "run" / "e2e.json").read_text())
    assert (list(job["finished"]), job["last"]) == (["search", "selection", "training"], "training")
    assert (job["search_seconds"] is None) == (max_hours is None)


def test_mistakes_of_later_stages_come_before_the_search(tmp_path):
    x, y = series()
    classifier = tiny(
        "time_series_classification",
        last_stage="final_training",
        final_config={"training_hyperparameters": {"epochs": 0}},
        run_folder=tmp_path / "run",
    )
    with pytest.raises(ConfigError, match="epochs"):
        classifier.fit(x, y)
    assert list(tmp_path.iterdir()) == []


X3, Y = series(n=8)


@pytest.mark.parametrize(
    ("options", "x", "y", "message"),
    [
        ({}, X3, Y, "X has 3 axes, which may be images .* say which"),
        (
            {"task": "time_series_clasification"},
            X3,
            Y,
            "task must be one of .* Did you mean 'time_series_classification'",
        ),
        ({"task": "image_classification"}, X3[:, 0], Y, "X with 2 axes is univariate series, but task is"),
        ({"task": "time_series_classification"}, X3[..., None], Y, "X with 4 axes is images"),
        ({"task": "image_classification"}, X3, Y, r"values in 0\.\.255, got -"),
        (
            {"task": "image_classification", "config": TINY_IMAGES},
            np.abs(X3) + 2,
            Y,
            "bytes of 0..255, got float64 with fractions",
        ),
        ({}, X3[:, 0], ["a"] * 8, "at least 2 classes, got a single class: a\\."),
        ({}, X3[:, 0], [" a", "a", "b", "b"] * 2, "the same when written as text"),
        ({}, X3[:, 0], np.linspace(0, 1, 8), "Unknown label type"),
        ({}, X3[:, 0], Y[:-1], "inconsistent numbers of samples"),
        (
            {"last_stage": "selection"},
            X3[:, 0],
            Y,
            "last_stage must be one of.* Did you mean 'model_selection'",
        ),
        (
            {"num_selected": 0},
            X3[:, 0],
            Y,
            "num_selected must be a whole number, at least 1 and at most 10,000, got 0",
        ),
        ({"n_jobs": 0}, X3[:, 0], Y, "n_jobs must be a whole number from 1 to 1024, -1 .* or None, got 0"),
        ({"task": "time_series_classification"}, [X3[0], X3[0, :1, :5]], Y[:2], "series 1 has the shape"),
    ],
)
def test_what_does_not_suit_is_a_value_error(options, x, y, message):
    with pytest.raises(ValueError, match=message):
        tiny(**options).fit(x, y)


@pytest.mark.parametrize(
    ("options", "y"),
    [
        ({"task": "image_segmentation"}, [0, 1] * 4),
        ({"config": "run_seg"}, [0, 1] * 4),
        ({"config": {"dataset": {"type": "image_segmentation"}}}, [0, 1] * 4),
        ({}, np.zeros((8, 16, 16), int)),
        ({}, [np.zeros((16, 16 + i), int) for i in range(8)]),
    ],
)
def test_segmentation_is_sent_elsewhere(options, y):
    with pytest.raises(ValueError, match=r"popnas\.load") as caught:
        PopnasClassifier(**options).fit(np.zeros((8, 16, 16, 3), np.uint8), y)
    assert "masks" in str(caught.value).lower()


def test_mistakes_of_the_configuration_come_all_at_once():
    config = {"search_space": {"blocks": 0, "operators": ["3x3 conv"]}, "others": 3}
    with pytest.raises(ConfigError) as caught:
        tiny(config=config).fit(X3[:, 0], Y)
    assert {"search_space.blocks", "search_space.operators[0]", "others"} <= {
        problem.place for problem in caught.value.problems
    }
    with pytest.raises(InputError, match="max_hours must be a number above 0"):
        tiny(max_hours=-1).fit(X3[:, 0], Y)


def test_input_unlike_that_of_fit(fitted):
    with pytest.raises(ValueError, match="3 features, but PopnasClassifier is expecting 2"):
        fitted.predict(np.zeros((2, 3, 12)))
    with pytest.warns(UserWarning, match="2 of 2 series are shorter than the 12 timesteps"):
        fitted.predict([np.zeros((2, 5)), np.zeros((2, 6))])
