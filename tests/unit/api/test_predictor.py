import json
import pickle

import numpy as np
import pytest
from PIL import Image

import popnas
from popnas.api import InputError
from popnas.errors import DataError, RunFolderError, UserError

RNG = np.random.default_rng(0)
DIGITS = [str(i) for i in range(3)]


def images(n=5, h=8, w=6, c=1):
    return RNG.integers(0, 256, (n, h, w, c), dtype=np.uint8)


@pytest.mark.parametrize("backend", ["onnx", "torch"])
def test_images_in_any_batches(make_model, backend):
    folder = make_model((8, 6, 3), ["cat", "dog", "eel"])
    x = images(c=3)
    whole = popnas.load(folder, backend=backend).predict_proba(x)
    assert whole.shape == (5, 3) and whole.dtype == np.float32
    np.testing.assert_allclose(whole.sum(axis=1), 1, rtol=1e-5)
    assert np.ptp(whole[:, 0]) > 1e-4  # the network does look at its input
    parts = popnas.load(folder, backend=backend, batch_size=2)
    np.testing.assert_allclose(parts.predict_proba(x), whole, atol=1e-6)
    assert parts.predict(x).tolist() == [["cat", "dog", "eel"][i] for i in whole.argmax(axis=1)]


def test_both_backends_agree(make_model):
    folder = make_model((20, 2), DIGITS)
    x = RNG.normal(size=(4, 2, 20))
    onnx, torch = (popnas.load(folder, backend=name).predict_proba(x) for name in ("onnx", "torch"))
    np.testing.assert_allclose(onnx, torch, atol=1e-5)


def test_one_channel_needs_no_axis(make_model):
    digits, series = make_model((8, 6, 1), DIGITS, name="i"), make_model((20, 1), DIGITS, name="s")
    x, t = images(), RNG.normal(size=(4, 1, 20)).astype(np.float32)
    model = popnas.load(digits)
    assert (model.predict_proba(x) == model.predict_proba(x[..., 0])).all()
    assert (model.predict_proba(x) == model.predict_proba(x.astype(np.float64))).all()
    model = popnas.load(series)
    assert (model.predict_proba(t) == model.predict_proba(t[:, 0])).all()


def test_labels_are_numbers_where_all_are(make_model):
    x = images()
    assert popnas.load(make_model((8, 6, 1), ["0", "7", "-1"], name="a")).predict(x).dtype.kind == "i"
    assert popnas.load(make_model((8, 6, 1), ["0", "07"], name="b")).classes_.tolist() == ["0", "07"]
    assert popnas.load(make_model((8, 6, 1), ["0", "x"], name="c")).classes_.tolist() == ["0", "x"]
    large = [str(2**63 - 1), str(2**63)]  # one number to a float64
    assert popnas.load(make_model((8, 6, 1), large, name="d")).classes_.tolist() == [2**63 - 1, 2**63]


def test_no_examples_give_no_rows(make_model):
    model = popnas.load(make_model((8, 6, 1), DIGITS))
    assert model.predict_proba(images(n=0)).shape == (0, 3)
    assert model.predict(images(n=0)).shape == (0,)


@pytest.mark.parametrize("backend", ["onnx", "torch"])
def test_series_of_unequal_lengths(make_model, backend):
    model = popnas.load(make_model((20, 2), DIGITS, has_lengths=True), backend=backend)
    series = [RNG.normal(size=(2, length)).astype(np.float32) for length in (20, 13, 7)]
    together = model.predict_proba(series)
    padded = np.zeros((3, 2, 20), dtype=np.float32)
    for i, one in enumerate(series):
        padded[i, :, : one.shape[1]] = one
    np.testing.assert_allclose(model.predict_proba(padded, lengths=[20, 13, 7]), together, atol=1e-6)
    assert np.abs(model.predict_proba(padded) - together)[1:].max() > 1e-4  # without lengths: zeros are data


def test_a_predictor_survives_pickle_and_its_folder(make_model):
    folder = make_model((8, 6, 1), DIGITS)
    model, x = popnas.load(folder), images()
    before = model.predict_proba(x)
    content = pickle.dumps(model)
    for path in folder.iterdir():
        path.unlink()
    assert (pickle.loads(content).predict_proba(x) == before).all()


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (images(h=9), r"shape \(n, 8, 6, 1\), got \(n, 9, 6, 1\)"),
        (images(c=3), r"got \(n, 8, 6, 3\)"),
        (images()[0, ..., 0], r"For a single example add the first axis: x\[None\]"),
        (np.zeros((2, 3, 8, 6)), "channels last.*moveaxis"),
        (images() / 255.0, r"If white is 1, convert with \(x \* 255\)"),
        (images() - 300.0, r"0\.\.255, got -"),
        (np.full((1, 8, 6), np.nan), r"contains NaN, first at index \(0, 0, 0, 0\)"),
        ([["a"]], "numbers"),
        (None, "shape"),
    ],
)
def test_images_that_do_not_suit(make_model, x, message):
    model = popnas.load(make_model((8, 6, 1), DIGITS))
    with pytest.raises(InputError, match=message) as caught:
        model.predict(x)
    assert isinstance(caught.value, ValueError) and isinstance(caught.value, DataError)


@pytest.mark.parametrize(
    ("x", "lengths", "message"),
    [
        (np.zeros((3, 5, 20)), None, r"\(n, 2, timesteps\), got \(n, 5, 20\)"),
        (np.zeros((3, 2, 20)), [20, 20], r"shape \(3,\), got int64 \(2,\)"),
        (np.zeros((3, 2, 20)), [20, 21, 20], r"1\.\.20, the timesteps of x, got 20\.\.21"),
        ([np.zeros((2, 5)), np.zeros((3, 6))], None, "series 1 has the shape"),
        ([np.zeros((2, 5)), np.zeros((2, 6))], [5, 6], "leave them out"),
    ],
)
def test_series_that_do_not_suit(make_model, x, lengths, message):
    model = popnas.load(make_model((20, 2), DIGITS, has_lengths=True))
    with pytest.raises(InputError, match=message):
        model.predict(x, lengths)


@pytest.mark.parametrize("backend", ["onnx", "torch"])
def test_series_of_other_lengths_than_the_one_of_training(make_model, backend):
    """Filled up with what is zero after normalisation (here 0.5), or cut, whatever form they come in."""
    model = popnas.load(make_model((20, 2), DIGITS), backend=backend)
    x = RNG.normal(size=(2, 2, 25))
    whole = x[:, :, :20].copy()
    whole[0, :, 13:] = 0.5
    expected = model.predict_proba(whole)
    with pytest.warns(UserWarning) as told:
        found = model.predict_proba([x[0, :, :13], x[1]])
    assert [str(one.message)[:28] for one in told] == [
        "1 of 2 series are shorter th",
        "1 of 2 series are longer tha",
    ]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    with pytest.warns(UserWarning, match="1 of 2 series are shorter than the 20"):
        found = model.predict_proba(np.where(np.isnan(x[:, :, :20]), 0, x[:, :, :20]), [13, 20])
    np.testing.assert_allclose(found, expected, atol=1e-6)
    with pytest.warns(UserWarning, match="1 of 1 series are shorter"):
        np.testing.assert_allclose(model.predict_proba(x[:1, :, :13]), expected[:1], atol=1e-6)


@pytest.mark.parametrize("backend", ["onnx", "torch"])
def test_longer_series_than_those_of_training_are_cut_and_told(make_model, backend):
    model = popnas.load(make_model((20, 2), DIGITS, has_lengths=True), backend=backend)
    x = RNG.normal(size=(2, 2, 25))
    with pytest.warns(UserWarning, match="1 of 2 series are longer than the 20"):
        found = model.predict_proba([x[0, :, :13], x[1]])
    np.testing.assert_allclose(found, model.predict_proba(x[:, :, :20], [13, 20]), atol=1e-6)
    np.testing.assert_allclose(found[:1], model.predict_proba(x[:1, :, :13]), atol=1e-6)


def test_lengths_are_for_series(make_model):
    with pytest.raises(InputError, match="lengths are for series"):
        popnas.load(make_model((8, 6, 1), DIGITS, name="i")).predict(images(), [1] * 5)


def test_where_a_model_is_found(make_model, tmp_path):
    folder = make_model((8, 6, 1), DIGITS)
    run = tmp_path / "run"
    run.mkdir()
    (run / "restore").mkdir()
    with pytest.raises(RunFolderError, match="run without a finished model"):
        popnas.load(run)
    folder.rename(run / "best_model")
    assert popnas.load(run).files.place.endswith("best_model")
    other = make_model((8, 6, 1), DIGITS, name="other")
    (run / "final_training").mkdir()
    other.rename(run / "final_training" / "deploy")
    assert popnas.load(run).files.place.endswith("deploy")
    file = run / "best_model" / "model.onnx"
    file.rename(file.with_name("model.int8.onnx"))
    assert popnas.load(file.with_name("model.int8.onnx")).predict(images()).shape == (5,)


def test_models_that_cannot_be_loaded(make_model, tmp_path):
    with pytest.raises(RunFolderError, match="does not exist"):
        popnas.load(tmp_path / "nothing")
    with pytest.raises(RunFolderError, match=r"holds no model\.json, only"):
        popnas.load(tmp_path)
    folder = make_model((8, 6, 1), DIGITS)
    with pytest.raises(UserError, match="Did you mean 'torch'"):
        popnas.load(folder, backend="touch")
    with pytest.raises(UserError, match="batch_size must be a positive integer, got 0"):
        popnas.load(folder, batch_size=0)
    onnx = (folder / "model.onnx").read_bytes()
    (folder / "model.onnx").write_bytes(onnx[: len(onnx) // 2])
    with pytest.raises(UserError, match=r"model.onnx cannot be run"):
        popnas.load(folder)
    (folder / "weights.safetensors").unlink()
    with pytest.raises(UserError, match=r"has no file weights\.safetensors.* Use backend=\"onnx\""):
        popnas.load(folder, backend="torch")


def test_a_model_saved_as_weights_alone_is_loaded_by_both_backends(make_model):
    folder, x = make_model((8, 6, 1), DIGITS), images()
    expected = popnas.load(folder).predict_proba(x)
    (folder / "model.onnx").unlink()
    for backend in ("onnx", "torch"):
        np.testing.assert_allclose(popnas.load(folder, backend=backend).predict_proba(x), expected, atol=1e-6)
    with pytest.raises(RunFolderError, match=r"model\.onnx does not exist"):
        popnas.load(folder / "model.onnx")


def test_descriptions_that_lie(make_model):
    folder = make_model((8, 6, 1), DIGITS)
    path = folder / "model.json"
    content = json.loads(path.read_text())
    for change, message in (
        ({"preprocessing": None}, "how input is preprocessed"),
        ({"cell": "[(-1, 1x1 conv, -2, identity)]"}, "does not hold the weights of the network"),
        ({"network": {**content["network"], "colour": 1}}, r"has 1 as its 'network.colour'"),
        ({"cell": "[(-1"}, r"\(-1"),
        ({"network": {**content["network"], "has_lengths": True}}, r"as its 'preprocessing.has_lengths'"),
    ):
        changed = {key: value for key, value in {**content, **change}.items() if value is not None}
        path.write_text(json.dumps(changed))
        with pytest.raises(UserError, match=message):
            popnas.load(folder, backend="torch")
    path.write_text(json.dumps({**content, "preprocessing": None}))
    with pytest.raises(UserError, match="how input is preprocessed"):
        popnas.load(folder, backend="torch")
    path.write_text('{"cell": ')
    with pytest.raises(UserError, match="it is no JSON, or was cut off"):
        popnas.load(folder)
    path.write_text("[]")
    with pytest.raises(UserError, match="it holds list, not a JSON object"):
        popnas.load(folder)


@pytest.mark.parametrize("backend", ["onnx", "torch"])
@pytest.mark.parametrize("macro", ["segmentation_fixed", "segmentation_cells"])
def test_masks_of_images_of_any_size(make_model, macro, backend):
    model = popnas.load(make_model((16, 20, 3), DIGITS, macro=macro), backend=backend, batch_size=2)
    for height, width in ((16, 20), (37, 53), (1, 1)):
        x = images(3, height, width, 3)
        probabilities = model.predict_proba(x)
        assert probabilities.shape == (3, 3, height, width)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
        assert (model.predict(x) == probabilities.argmax(axis=1)).all()


def test_images_of_several_sizes_at_once_are_told_to_come_apart(make_model):
    model = popnas.load(make_model((16, 20, 3), DIGITS, macro="segmentation_fixed"))
    with pytest.raises(InputError, match=r"one size in a call, got \(16, 20, 3\), \(9, 9, 3\)"):
        model.predict([images(1, 16, 20, 3)[0], images(1, 9, 9, 3)[0]])


@pytest.mark.parametrize(
    ("input_shape", "alone"),
    [
        ((8, 6, 3), np.zeros((8, 6, 3), np.uint8)),
        ((8, 6, 1), np.zeros((8, 6, 1), np.uint8)),
        ((8, 6, 3), Image.new("RGB", (6, 8))),
        ((20, 2), np.zeros((2, 20))),
        ((20, 2), np.zeros((2, 20)).tolist()),
    ],
)
def test_an_example_that_comes_alone_is_told_of_by_its_own_shape(make_model, input_shape, alone):
    model = popnas.load(make_model(input_shape, DIGITS))
    with pytest.raises(InputError, match="add the first axis") as told:
        model.predict(alone)
    assert f"got {np.asarray(alone).shape}. For a single example" in str(told.value)
    remedy = str(told.value).rpartition("axis: ")[2].removesuffix(".")
    assert len(model.predict(eval(remedy, {"x": alone, "numpy": np}))) == 1


def test_images_of_truth_values_are_refused_with_what_reads_them(make_model):
    model = popnas.load(make_model((8, 6, 1), DIGITS))
    x = images() > 127
    with pytest.raises(InputError, match=r"got truth values.* convert with x \* numpy.uint8\(255\)") as told:
        model.predict_proba(x)
    remedy = str(told.value).partition("convert with ")[2].partition(". ")[0]
    white = np.where(x, 255, 0).astype(np.uint8)
    assert (model.predict_proba(eval(remedy, {"x": x, "numpy": np})) == model.predict_proba(white)).all()
    with pytest.raises(InputError, match="truth values"):
        model.predict(x[..., 0].tolist())
    with pytest.raises(InputError, match="truth values"):  # what predict refuses, fit does not learn from
        popnas.PopnasClassifier("image_classification").fit(x, [0, 1, 0, 1, 0])
