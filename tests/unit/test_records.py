"""Every kind of record comes back from its JSON as it was, and says what JSON of it is not."""

import importlib
import json
import pkgutil
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import popnas
from popnas.networks.spec import NetworkSpec
from popnas.records import FormError, Json, Record, part


class Anything:
    """Stands for JSON where the types of fields are looked up: `Json` refers to itself."""


LOCALS = {"Json": Anything, "JsonValue": Anything}
JSON = st.dictionaries(
    st.text(max_size=5),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=5,
    ),
    max_size=3,
)
SIMPLE = {
    str: st.text(max_size=8),
    bool: st.booleans(),
    int: st.integers(),
    float: st.floats(allow_nan=False),
    type(None): st.none(),
    Path: st.sampled_from([Path("a"), Path("a/b"), Path("/c")]),
    Anything: JSON,
    NetworkSpec: st.builds(
        NetworkSpec,
        macro=st.text(max_size=8),
        input_shape=st.lists(st.integers(1, 99), min_size=2, max_size=3),
        num_classes=st.integers(1, 99),
        filters=st.integers(1, 99),
        has_lengths=st.booleans(),
        drop_path=st.floats(0, 1),
    ),
}
"""What fields are drawn from; of records those that hold more than types say."""


def values(hint):
    """What fields of that type may have."""
    origin, inner = get_origin(hint), get_args(hint)
    if hint in SIMPLE:
        return SIMPLE[hint]
    if origin in (Union, types.UnionType):
        return st.one_of([values(each) for each in inner])
    if origin is Literal:
        return st.sampled_from(inner)
    if origin is tuple and inner[1:] != (...,):
        return st.tuples(*map(values, inner))
    if origin in (tuple, Sequence):
        return st.lists(values(inner[0]), max_size=3).map(tuple)
    if origin is list:
        return st.lists(values(inner[0]), max_size=3)
    if origin in (dict, Mapping):
        return st.dictionaries(st.text(max_size=5), values(inner[1]), max_size=3)
    return records(hint)


def records(kind):
    hints = get_type_hints(kind, localns=LOCALS)
    return st.fixed_dictionaries({item.name: values(hints[item.name]) for item in fields(kind)}).map(
        lambda content: kind(**content)
    )


def kinds():
    for module in pkgutil.walk_packages(popnas.__path__, "popnas."):
        if "__main__" not in module.name and not module.name.startswith("popnas.cli"):
            importlib.import_module(module.name)
    waiting, found = [Record], set()
    while waiting:
        for kind in waiting.pop().__subclasses__():
            waiting.append(kind)
            if kind.__module__.startswith("popnas."):
                found.add(kind)
    return sorted(found, key=lambda kind: kind.__qualname__)


# What writes itself has a test of its own.
@pytest.mark.parametrize("kind", [kind for kind in kinds() if "from_json" not in vars(kind)])
def test_every_kind_comes_back_from_its_text(kind):
    @given(values(kind))
    @settings(max_examples=20, deadline=None)
    def check(record):
        assert kind.from_json(json.loads(json.dumps(record.to_json()))) == record

    check()


@dataclass(frozen=True)
class Inner(Record):
    count: int
    share: float = 0.5


@dataclass(frozen=True)
class Outer(Record):
    name: str
    inner: Inner
    several: tuple[Inner, ...] = ()
    pair: tuple[int, int] | None = None
    by_name: Mapping[str, Inner] = field(default_factory=dict)
    choice: Literal["a", "b"] = "a"
    anything: Json = field(default_factory=dict)


WHOLE = {"name": "x", "inner": {"count": 1}}


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"name": 3}, "has 3 as its 'name', which is not a text"),
        ({"nme": "x"}, "has an unknown 'nme'"),
        ({"inner": {}}, "has no 'inner.count'"),
        ({"inner": {"count": True}}, "has True as its 'inner.count', which is not a whole number"),
        ({"inner": {"count": 1, "share": "1"}}, "has '1' as its 'inner.share', which is not a number"),
        ({"inner": [1]}, "has [1] as its 'inner', which is not an object"),
        ({"several": [{"count": 1}, 2]}, "has 2 as its 'several.1', which is not an object"),
        ({"several": "ab"}, "has 'ab' as its 'several', which is not a list"),
        ({"pair": [1]}, "has [1] as its 'pair', which is not of 2 items"),
        ({"by_name": {"{}": {"count": {}}}}, "has {} as its 'by_name.{}.count', which is not a whole number"),
        ({"choice": "c"}, "has 'c' as its 'choice', which is not one of 'a', 'b'"),
    ],
)
def test_json_of_another_form_is_refused_by_the_place_in_it(changed, told):
    with pytest.raises(FormError) as caught:
        Outer.from_json(WHOLE | changed)
    assert str(caught.value) == told


def test_what_lacks_is_as_its_default_and_numbers_stay_as_they_stand():
    found = Outer.from_json(WHOLE | {"inner": {"count": 2, "share": 1}})
    assert found == Outer("x", Inner(2, 1))
    assert type(found.inner.share) is int, "a file that is read and written again does not change"


def test_a_part_is_an_object_or_empty():
    assert part({"a": {"b": 1}}, "a") == {"b": 1}
    assert part({"a": 1}, "a") == part({}, "a") == {}
