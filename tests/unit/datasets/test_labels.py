import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from popnas.datasets.findings import Notes
from popnas.datasets.labels import class_weights, encode
from popnas.errors import DataError


def encoded(train, notes=None, **options):
    splits = {"train": np.array(train), **options.pop("others", {})}
    return encode(splits, place="the data", notes=notes or Notes(), **options)


def test_numbers_are_ordered_as_numbers_whatever_their_type():
    assert encoded(["10", "9", "1"]).class_names == ["1", "9", "10"]
    assert encoded([10, 9, 1]).class_names == ["1", "9", "10"]
    assert encoded([10.0, 9.0, -1.5]).class_names == ["-1.5", "9", "10"]
    assert encoded([b"10", b"9"]).class_names == ["9", "10"]
    assert encoded([True, False]).class_names == ["0", "1"]


def test_words_are_ordered_as_words_and_after_numbers():
    result = encoded(["walk", "run", "10", "nan"])
    assert result.class_names == ["10", "nan", "run", "walk"]
    assert result.y["train"].tolist() == [3, 2, 0, 1]


def test_a_column_of_labels_is_accepted_and_one_hot_labels_are_not():
    assert encoded([[3], [1]]).y["train"].tolist() == [1, 0]
    with pytest.raises(DataError, match=r"shape \(2, 2\).*argmax"):
        encoded([[1, 0], [0, 1]])


@given(st.lists(st.integers(-50, 50), min_size=2).filter(lambda values: len(set(values)) > 1))
def test_indices_decode_to_the_labels(values):
    result = encoded(values)
    assert [int(result.class_names[i]) for i in result.y["train"]] == values
    assert [int(name) for name in result.class_names] == sorted(set(values))


@given(st.lists(st.sampled_from("abcd"), min_size=4), st.permutations(range(4)))
def test_a_remapping_of_all_labels_gives_the_indices_it_names(values, order):
    values = [*values, *"abcd"]
    mapping = dict(zip("abcd", order, strict=True))
    result = encoded(values, remapping=mapping)
    assert result.y["train"].tolist() == [mapping[value] for value in values]
    assert [mapping[name] for name in result.class_names] == [0, 1, 2, 3]


def test_remapping_merges_and_leaves_other_labels_as_they_are():
    result = encoded(["1", "2", "3", "2"], remapping={"3": 1})
    assert result.class_names == ["1/3", "2"]
    assert result.y["train"].tolist() == [0, 1, 0, 1]


def test_remapping_a_label_that_does_not_occur_names_the_labels():
    with pytest.raises(DataError, match=r"'wlak', which does not occur.*Did you mean 'walk'.*run, walk"):
        encoded(["walk", "run"], remapping={"wlak": 0})


def test_fewer_integer_labels_than_classes_count_are_indices():
    notes = Notes()
    result = encoded([0, 3, 3], notes, classes_count=4)
    assert result.y["train"].tolist() == [0, 3, 3] and result.class_names == ["0", "1", "2", "3"]
    assert "1, 2" in notes.learnt[0]


@pytest.mark.parametrize("values", [[0, 1, 2], ["a", "b", "c"]])
def test_more_classes_than_classes_count_is_out_of_range(values):
    with pytest.raises(DataError, match=r"classes_count is 2, but the data has 3 classes.*Give 3"):
        encoded(values, classes_count=2)


def test_labels_beyond_classes_count_are_out_of_range():
    with pytest.raises(DataError, match=r"not the indices 0 to 3: 7"):
        encoded([0, 7], classes_count=4)


def test_as_many_labels_as_classes_count_may_be_anything():
    assert encoded([1, 7], classes_count=2).y["train"].tolist() == [0, 1]


def test_a_label_that_training_lacks_is_refused_in_other_splits():
    with pytest.raises(
        DataError, match=r"2 examples of the test split .* no training example has: z\. .* a, b"
    ):
        encoded(["a", "b"], others={"test": np.array(["z", "a", "z"])})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0, float("nan")], "label of example 1 .* is not a number"),
        ([1, 1, 1], "a single class"),
        (np.array([None, 1], dtype=object), "of the type object"),
    ],
)
def test_what_is_no_label_is_refused(values, message):
    with pytest.raises(DataError, match=message):
        encoded(values)


def test_display_names_of_a_source_follow_the_labels():
    assert encoded([1, 0, 1], label_names=["cat", "dog"]).class_names == ["cat", "dog"]
    assert encoded([1, 0], label_names=["cat", "dog"], remapping={"0": 1, "1": 0}).class_names == [
        "dog",
        "cat",
    ]


def test_weights_are_one_over_classes_times_share():
    weights = class_weights(np.array([0, 0, 0, 1]), 2)
    assert weights.tolist() == pytest.approx([1 / (2 * 0.75), 1 / (2 * 0.25)])
    assert class_weights(np.array([0, 2]), 3).tolist() == pytest.approx([2 / 3, 0, 2 / 3])


def test_labels_beyond_int64_stay_as_they_are():
    values = np.array([2**63, 1, 2**64 - 1], dtype=np.uint64)
    assert encoded(values).class_names == ["1", str(2**63), str(2**64 - 1)]


@pytest.mark.parametrize("dtype", [*np.typecodes["AllInteger"], ">u8", ">u2", ">i4"])
def test_labels_of_every_type_of_integers_are_classes_without_a_word(dtype):
    """Those at the type's end are neighbours that are one number in float64 where it has 64 bits."""
    high = int(np.iinfo(dtype).max)
    notes = Notes()
    found = encode({"train": np.array([high, high - 1] * 3, dtype=dtype)}, place="data", notes=notes)
    assert found.class_names == [str(high - 1), str(high)]
    assert found.y["train"].tolist() == [1, 0] * 3
    assert notes == Notes()


def test_numbers_that_are_one_float_are_sorted_as_numbers():
    values = np.array([10**16, 10**16 - 1], dtype=np.uint64)
    assert encoded(values).class_names == [str(10**16 - 1), str(10**16)]


def test_texts_that_are_no_utf_8_are_refused():
    with pytest.raises(DataError, match="no UTF-8"):
        encoded([b"\xff\xfe", b"ok"])


def test_a_digit_that_is_no_number_is_a_name():
    assert encoded(["\u00b2", "1"], label_names=["a", "b"]).class_names == ["b", "\u00b2"]
