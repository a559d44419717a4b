"""JSON objects are cut out of lines, whole, and found again after damage."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from harness.fieldlog.objects import Broken, objects

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
ROWS = st.lists(st.dictionaries(st.text(), JSON, max_size=3), min_size=1, max_size=5)


def found(text: str) -> list[object]:
    """Return what is cut out of a text."""
    lines = [(number, line) for number, line in enumerate(text.splitlines(keepends=True), 1)]
    return [part if isinstance(part, Broken) else json.loads(part) for _, part in objects(lines)]


@given(ROWS, st.sampled_from([None, 1, 2]))
def test_an_array_of_objects_in_any_layout(rows: list[object], indent: int | None) -> None:
    """In one line, or indented over many."""
    assert found(json.dumps(rows, indent=indent)) == rows


@given(ROWS)
def test_an_object_a_line(rows: list[object]) -> None:
    """With or without commas between them."""
    assert found("".join(json.dumps(row) + ",\n" for row in rows)) == rows


def test_a_lost_brace_costs_one_object() -> None:
    """The next one that begins as far left is whole again."""
    text = '[\n {"a": {"b": 1},\n {"c": 2},\n {"d": 3}\n]\n'
    assert found(text) == [Broken("not JSON: an object without an end"), {"c": 2}, {"d": 3}]


def test_a_lost_quote_costs_one_object() -> None:
    """No string goes on in the next line."""
    text = '{"a": "b}\n{"c": 2}\n'
    assert found(text) == [Broken("not JSON: a string without an end"), {"c": 2}]


def test_a_line_that_comes_in_parts_is_one() -> None:
    """A text without its newline goes on in the next."""
    parts = [(1, '[{"a": "x'), (1, 'y"}, {"b"'), (1, ": 2}]\n")]
    assert [json.loads(str(part)) for _, part in objects(parts)] == [{"a": "xy"}, {"b": 2}]
