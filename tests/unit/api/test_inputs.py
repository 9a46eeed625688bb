"""`fit`, `predict`, `predict_proba`, `score` and a loaded model take the same arrays, and refuse the others
in terms of X and y: a table."""

from __future__ import annotations

import datetime
import re

import numpy as np
import pytest
import torch
from scipy import sparse

from popnas import LoadedModel, PopnasClassifier
from popnas.api import InputError
from popnas.api.arrays import Examples
from popnas.api.fitting import TrainingData, configuration
from popnas.api.options import Options
from popnas.api.targets import labels as labels_of
from popnas.workflows.settings import unused

N = 24
RNG = np.random.default_rng(0)
Y = np.arange(N) % 2
X = RNG.normal(size=(N, 1, 16)) + 2 * Y[:, None, None]
CONFIG = {
    "search_space": {"blocks": 1, "lookback_depth": 1, "operators": ["3 conv"]},
    "training_hyperparameters": {"epochs": 1},
    "architecture_hyperparameters": {"filters": 4, "motifs": 1, "normal_cells_per_motif": 1},
}


def unfitted(task="time_series_classification", **options):
    return PopnasClassifier(task, config=CONFIG, last_stage="search", n_jobs=1, random_state=0, **options)


@pytest.fixture(scope="module")
def fitted():
    return unfitted().fit(X, Y)


def boxed(make):
    box = np.empty(N, object)
    for i in range(N):
        box[i] = make(i)
    return box


def changed(value, dtype=float):
    x = X.astype(dtype)
    x[3, 0, 5] = value
    return x


def ends(i):
    return 9 + i % 8


NO_WORDS_OF_OTHERS = re.compile(
    r"inhomogeneous|sequence\.|could not convert|float\(\)|\.data|split|dataset\.|npz|not supported between|"
    r"dtype\(|unhashable|ufunc|broadcast|HistGradient"
)

BAD_X = {
    "None": (None, "regular shape, got None"),
    "a text": ("abc", "must be numbers"),
    "a generator": ((one for one in X), "got a generator"),
    "one axis": (X[0, 0], "axis|shape"),
    "five axes": (X[..., None, None], "axes|shape"),
    "no channel": (X[:, :0], r"shape \(n, channels|0 features"),
    "no timestep": (X[:, :, :0], r"shape \(n, channels"),
    "ragged channels": ([[[1.0, 2.0], [3.0]]] * N, r"X\[0\] must be an array of numbers of a regular shape"),
    "an empty series": ([one[:, : 2 * i] for i, one in enumerate(X)], "timesteps.*series 0 has the shape"),
    "empty series only": ([np.zeros((1, 0)), *X[1:]], r"series 0 has the shape \(1, 0\): it is empty"),
    "an empty one among others": ([*X[:-1], np.zeros(0)], r"series 23 has the shape \(1, 0\): it is empty"),
    "other channels": ([np.zeros((1 + i % 2, 5)) for i in range(N)], "series 1 has the shape"),
    "texts": (X.astype(str), "must be numbers, got an array of the type <U"),
    "boxed texts": (X.astype(str).astype(object), r"holds '.*' \(str\) at index \(0, 0, 0\)"),
    "ragged texts": ([["a"] * (1 + i % 3) for i in range(N)], r"X\[0\] must be numbers"),
    "dates": (X.astype("M8[s]"), r"type datetime64\[s\]"),
    "boxed dates": (boxed(lambda i: datetime.date(2020, 1, 1)), r"\(date\) at index \(0,\)"),
    "a dict inside": (changed({}, object), r"holds \{\} \(dict\) at index \(3, 0, 5\)"),
    "None inside": (changed(None, object), r"NaN, first at index \(3, 0, 5\)"),
    "a huge integer": (changed(10**400, object), "a number that float64 can hold"),
    "NaN": (changed(np.nan), r"NaN, first at index \(3, 0, 5\)"),
    "infinity": (changed(-np.inf), r"infinity, first at index \(3, 0, 5\)"),
    "too large": (changed(1e39), r"example 3 of X holds 1e\+39 .* 3\.4e38"),
    "too large and ragged": ([x[:, : ends(i)] for i, x in enumerate(changed(1e39))], r"example 3 .* 1e\+39"),
    "complex": (X.astype(complex), "Complex data not supported"),
    "sparse": (sparse.csr_matrix(X[:, 0]), r"sparse csr_matrix.*X\.toarray\(\)"),
    "masked": (np.ma.masked_greater(X, 2), "masked values"),
    "records": (np.zeros(N, [("a", float), ("b", int)]), "must be numbers"),
}


@pytest.mark.parametrize("name", BAD_X)
def test_what_is_refused_everywhere(fitted, name):
    x, message = BAD_X[name]
    calls = [
        lambda: unfitted().fit(x, Y),
        lambda: fitted.predict(x),
        lambda: fitted.predict_proba(x),
        lambda: fitted.score(x, Y),
        lambda: fitted.model_.predict(x),
    ]
    for call in calls:
        with pytest.raises(InputError, match=message) as caught:
            call()
        assert not NO_WORDS_OF_OTHERS.search(str(caught.value)), str(caught.value)
        assert isinstance(caught.value, ValueError)


GOOD_X = {
    "univariate": X[:, 0],
    "lists": X.tolist(),
    "a list of arrays": list(X),
    "boxed": boxed(lambda i: X[i]),
    "objects": X.astype(object),
    "tensors": torch.tensor(X),
    "strided": np.asfortranarray(X),
    "longdouble": X.astype(np.longdouble),
}


@pytest.mark.parametrize("name", GOOD_X)
def test_forms_of_the_same_series(fitted, name):
    expected = fitted.predict_proba(X)
    np.testing.assert_allclose(fitted.predict_proba(GOOD_X[name]), expected, atol=1e-6)
    np.testing.assert_allclose(fitted.model_.predict_proba(GOOD_X[name]), expected, atol=1e-6)


RAGGED = {
    "arrays of one axis": [x[0, : ends(i)] for i, x in enumerate(X)],
    "boxed arrays of one axis": boxed(lambda i: X[i][0, : ends(i)]),
    "lists": [x[0, : ends(i)].tolist() for i, x in enumerate(X)],
    "boxed arrays of two axes": boxed(lambda i: X[i][:, : ends(i)]),
    "a tuple": tuple(x[:, : ends(i)] for i, x in enumerate(X)),
}


@pytest.mark.parametrize("task", ["time_series_classification", None])
def test_forms_of_the_same_series_of_unequal_lengths(task):
    model = unfitted(task).fit(RAGGED["arrays of one axis"], Y)
    expected = model.predict_proba(RAGGED["arrays of one axis"])
    assert model.model_.description["network"]["has_lengths"]
    for x in RAGGED.values():
        np.testing.assert_allclose(model.predict_proba(x), expected, atol=1e-6)
    boxes = unfitted().fit(RAGGED["boxed arrays of two axes"], Y)
    np.testing.assert_allclose(boxes.predict_proba(RAGGED["a tuple"]), expected, atol=1e-6)


@pytest.mark.parametrize("name", ["arrays of one axis", "lists", "boxed arrays of two axes"])
def test_one_series_or_equal_ones_after_ragged_ones(name):
    x = RAGGED[name]
    model = unfitted("time_series_classification").fit(x, Y)
    expected = model.predict_proba(x)
    for some in (slice(0, 1), slice(3, 4), slice(0, None, 8)):
        assert len({np.shape(one) for one in x[some]}) == 1
        np.testing.assert_allclose(model.predict_proba(x[some]), expected[some], atol=1e-6)
        assert model.predict(x[some]).tolist() == model.predict(x)[some].tolist()
        assert model.score(x[some], model.predict(x[some])) == 1
    with pytest.raises(InputError, match="2 features"):
        model.predict(np.zeros((1, 2, 9)))


@pytest.mark.filterwarnings("error")
def test_numbers_that_are_no_classes_are_refused_without_a_warning():
    with pytest.raises(InputError, match=r"convert with y\.astype\(str\)"):
        unfitted().fit(X, np.array([1e300, 1e-300])[Y])
    remedied = unfitted().fit(X, np.array([1e300, 1e-300])[Y].astype(str))
    assert remedied.classes_.tolist() == ["1e+300", "1e-300"]


@pytest.mark.parametrize(
    ("dtype", "classes"), [("Int64", [2**53, 2**53 + 1]), ("boolean", [False, True]), ("string", ["a", "b"])]
)
def test_labels_of_pandas_that_may_be_missing_stay_what_they_are(dtype, classes):
    pandas = pytest.importorskip("pandas")
    y = pandas.Series([classes[k] for k in Y], dtype=dtype)
    assert labels_of(y, N).tolist() == y.tolist()
    y[3] = pandas.NA
    with pytest.raises(InputError, match=r"missing|NaN"):
        labels_of(y, N)


def test_types_are_named_as_numpy_names_them():
    with pytest.raises(InputError, match="got float32 with fractions"):
        PopnasClassifier("image_classification").fit(np.full((N, 4, 4), 9.5, ">f4"), Y)


def labels(missing):
    return np.array([missing if i == 3 else "ab"[y] for i, y in enumerate(Y)], object)


BAD_Y = {
    "None": (None, "requires y to be passed"),
    "too few": (Y[:-1], r"inconsistent numbers of samples: \[24, 23\]"),
    "one-hot": (np.eye(2)[Y], r"one label per example.*y\.argmax\(axis=1\)"),
    "masks": (np.zeros((N, 4, 4)), "Masks are for segmentation"),
    "continuous": (np.linspace(0, 1, N), "Unknown label type"),
    "NaN": (np.where(Y, np.nan, 0.0), "Input y contains NaN, first at index 1"),
    "too large for classes": (np.array([1e300, 1e-300])[Y], r"continuous. y holds 1e\+300 at index 0"),
    "fractions": (Y + 0.25, "continuous. y holds 0.25 at index 0"),
    "infinite": (np.where(Y, np.inf, 0.0), "Input y contains infinity"),
    "boxed None": (labels(None), "no label for example 3"),
    "boxed NaN": (labels(float("nan")), "no label for example 3"),
    "two types": (labels(3), "labels of one type, got int, str"),
    "dates": (Y.astype("M8[Y]"), r"type datetime64\[Y\]"),
    "complex": (Y + 0j, "type complex128"),
    "sparse": (sparse.csr_matrix(Y), "sparse csr_matrix"),
    "masked": (np.ma.masked_equal(Y, 1), "masked labels"),
    "a dict": ({"a": 1}, "one label per example"),
    "huge integers": (Y.astype(object) + 10**30, "integers beyond 64 bits"),
}


@pytest.mark.parametrize("name", BAD_Y)
def test_labels_that_are_refused(fitted, name):
    y, message = BAD_Y[name]
    for call in (lambda: unfitted().fit(X, y), lambda: fitted.score(X, y)):
        with pytest.raises(InputError, match=message) as caught:
            call()
        assert not NO_WORDS_OF_OTHERS.search(str(caught.value)), str(caught.value)
    ragged = RAGGED["a tuple"]
    with pytest.raises(InputError, match=message):
        unfitted().fit(ragged, y)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (X[:2], Y[:2], "X has 2 examples .* of 2 classes, too few .* give at least two of a class"),
        (X[:12], np.arange(12), "too few .* every class has a single one"),
        (X[:1], Y[:1], "1 sample"),
        (X, [" a", "a"] * (N // 2), "the same when written as text: ' a', 'a'"),
        (X, ["\u00e9", "e\u0301"] * (N // 2), r"the same when written as text: 'e\\u0301', '\\xe9'"),
        (X, ["\u212b", "\u00c5", "b"] * (N // 3), r"the same when written as text: '\\xc5', '\\u212b'"),
        (X, np.array(["a\u00a0", "a", "b"] * (N // 3), object), "the same when written as text"),
        (X, np.array(["\u00e9", "e\u0301"] * (N // 2)).astype("O"), "the same when written as text"),
        (X, ["\udc80", "a"] * (N // 2), r"the label '\\udc80' of y is no text in UTF-8"),
        (X * 1e-3 + 1e9, Y, "float32, which cannot tell such differences"),
    ],
)
def test_what_cannot_be_learnt(x, y, message):
    with pytest.raises(InputError, match=message) as caught:
        unfitted().fit(x, y)
    assert not NO_WORDS_OF_OTHERS.search(str(caught.value).replace("dataset.validation_size", "")), str(
        caught.value
    )


def test_shares_of_a_configuration_that_leave_nothing():
    for share, message in ((0.01, "a share of 0.01 leaves too few"), (None, "validation_size is null")):
        model = unfitted().set_params(config={**CONFIG, "dataset": {"validation_size": share}})
        with pytest.raises(InputError, match=message):
            model.fit(X, Y)


def test_an_answer_that_is_no_number_becomes_no_label(fitted):
    """Values that float32 can hold, but sums of them in a network cannot."""
    predictor = LoadedModel(fitted.model_.files)
    x = X.copy()
    x[2] = 9e29

    class Broken:
        size = (None,)

        def probabilities(self, x, lengths):
            answers = np.full((len(x), 2), 0.5, np.float32)
            answers[np.abs(x).max(axis=(1, 2)) > 1e29] = np.nan
            return answers

    predictor._ready = Broken()
    for call in (predictor.predict, predictor.predict_proba):
        with pytest.raises(InputError, match=r"no probabilities \(NaN\) for example 2 of X.*9e\+29"):
            call(x)


@pytest.mark.parametrize(("stated", "expected"), [({}, False), ({"flips": True}, True)])
def test_images_are_mirrored_only_for_those_who_ask(tmp_path, stated, expected):
    x = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1)).astype(np.uint8)
    data = TrainingData.of(2, Examples(x, None), np.arange(40) % 2)
    data.save(tmp_path / "data")
    config = {"dataset": {"data_augmentation": stated}}
    estimator = PopnasClassifier("image_classification", config=config)
    found = configuration(data, tmp_path / "data", Options.read(estimator.get_params()))
    assert found.dataset.data_augmentation.flips is expected
    assert unused(found) == []
