"""The parser: JSON as the standard library reads it, `//` comments, mistakes with line and column."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from popnas.config.jsonc import JsonError, parse

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES, st.sampled_from([None, 2]), st.booleans())
def test_reads_what_json_writes(value, indent, is_ascii):
    text = json.dumps(value, indent=indent, ensure_ascii=is_ascii)
    assert parse(text).value == value


@given(st.text() | st.text(alphabet='{}[]:,"/ \n01eE.-truefalsn\\u'))
def test_whatever_else_is_refused_where_json_refuses_it(text):
    try:
        expected = json.loads(text)
    except ValueError:
        expected = None
    try:
        found = parse(text).value
    except JsonError as error:
        assert 1 <= error.line <= text.count("\n") + 1
        assert error.column >= 1
        return
    if expected is not None:
        assert found == expected
    else:
        assert "//" in text or found is None


def test_comments_and_lines():
    parsed = parse('// top\n{ // here\n  "a": [1, // one\n    2],\n  "b//": "//c"\n}\n// end')
    assert parsed.value == {"a": [1, 2], "b//": "//c"}
    assert parsed.lines == {(): 2, ("a",): 3, ("a", 0): 3, ("a", 1): 4, ("b//",): 5}


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("", 1, 1, "the text is empty"),
        ("// only this", 1, 13, "the text is empty"),
        ('{"a": NaN}', 1, 7, "NaN is no JSON; write a number, or null where the field allows it"),
        (
            '{"a":\n -Infinity}',
            2,
            2,
            "-Infinity is no JSON; write a number, or null where the field allows it",
        ),
        ('{"a": 1e999}', 1, 7, "a number too large to compute with"),
        ('{"a": ' + "9" * 5000 + "}", 1, 7, "a number too large to compute with"),
        ('{"a": 1,\n "b": 2,\n "a": 3}', 3, 2, "the key 'a' stands twice in one object, first on line 1"),
        ('{"a": 1,\n}', 1, 8, "a comma before the '}'; remove it"),
        ("[1, 2,]", 1, 6, "a comma before the ']'; remove it"),
        ("[1 2]", 1, 4, "a ',' or the ']' of the list must stand here, not '2'"),
        ('{"a": 1', 1, 8, "a ',' or the '}' of the object must stand here; the text ends too early"),
        ('{"a" 1}', 1, 6, "a ':' must follow the key 'a', not '1'"),
        ("{a: 1}", 1, 2, "keys stand in double quotes"),
        ("{'a': 1}", 1, 2, "keys stand in double quotes"),
        ("{,}", 1, 2, "a key in double quotes or '}' must stand here, not ','"),
        ("{\"a\": 'b'}", 1, 7, "texts stand in double quotes"),
        ('{"a": True}', 1, 7, "'True' must be written 'true'"),
        ('{"a": None}', 1, 7, "'None' must be written 'null'"),
        ('{"a": adamW}', 1, 7, "'adamW' is no JSON value; texts stand in double quotes"),
        ('{"a": 01}', 1, 7, "'01' is no JSON value; texts stand in double quotes"),
        ('{"a": }', 1, 7, "a value must stand here, not '}'"),
        ('{"a": "b\n"}', 1, 9, "invalid control character"),
        ('{"a": "b', 1, 7, "a text that is not closed by a double quote"),
        ("# comment\n{}", 1, 1, "only // comments are understood here"),
        ("{/* comment */}", 1, 2, "only // comments are understood here"),
        ("{} {}", 1, 4, "'{' after the end of the document"),
        ('["\\ud800"]', 1, 2, "a text with half of a surrogate pair, which is no character"),
        ("[" * 60, 1, 52, "nested more than 50 levels deep"),
    ],
)
def test_mistakes(text, line, column, message):
    with pytest.raises(JsonError) as caught:
        parse(text)
    assert caught.value.message == message
    assert (caught.value.line, caught.value.column) == (line, column)
