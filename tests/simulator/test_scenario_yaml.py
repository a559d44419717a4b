"""YAML with places, stricter than YAML."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.scenario_yaml import Place, read, write

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), PLAIN, max_size=4))
def test_what_is_written_reads_back(data: dict[str, object]) -> None:
    """Writing quotes whatever our own stricter reading would take for something else."""
    assert read(write(data))[0] == data


@pytest.mark.parametrize("word", ["yes", "no", "on", "off", "Yes", "2026-01-01", "12:30", "010"])
def test_words_stay_words(word: str) -> None:
    """Only true and false are booleans, dates, times and 010 are text."""
    data, _, problems = read(f"a: {word}\nb: true\n")
    assert not problems
    assert data == {"a": word, "b": True}


def test_numbers_are_numbers() -> None:
    """Whole numbers and floats of YAML 1.2 are read as such."""
    assert read("[1, -2, 0, 1.5, 1e5, .5, 1.]")[0] == [1, -2, 0, 1.5, 1e5, 0.5, 1.0]


def test_every_value_knows_its_place() -> None:
    """The place of a field is its name, that of an element its beginning, both from 1."""
    _, places, _ = read("fleet:\n  - cohort: a\n    count: 3\n  - cohort: b\n")
    assert places.nearest(("fleet",)) == (Place("", 1, 1), "fleet: ")
    assert places.nearest(("fleet", 0, "count")) == (Place("", 3, 5), "fleet[0].count: ")
    assert places.nearest(("fleet", 1)) == (Place("", 4, 5), "fleet[1]: ")


def test_a_missing_value_is_placed_at_what_lacks_it() -> None:
    """What is not in the file is told at its nearest parent; union members are skipped."""
    _, places, _ = read("fleet:\n  - cohort: a\n")
    assert places.nearest(("fleet", 0, "count")) == (Place("", 2, 5), "fleet[0]: ")
    assert places.nearest(("operator",)) == (Place("", 1, 1), "")


def test_duplicate_keys_are_told_and_the_reading_goes_on() -> None:
    """Both problems of one file are told."""
    data, _, problems = read("a: 1\na: 2\nb: {c: 1, c: 2}\n")
    assert [str(it) for it in problems] == [":2:1: a is given twice", ":3:11: c is given twice"]
    assert data == {"a": 2, "b": {"c": 2}}


def test_an_anchor_repeats_a_value() -> None:
    """Aliases are allowed: `network: *lan`."""
    data, _, problems = read("a: &x {b: 1}\nc: *x\n")
    assert not problems
    assert data == {"a": {"b": 1}, "c": {"b": 1}}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "the file is empty"),
        ("a: [1", "not YAML"),
        ("a: *nowhere", "not YAML"),
        ("&a [*a]", "nested too deeply"),
        ("!!python/object:os.system {}", "not YAML"),
        ("a: !custom 1", "not YAML"),
        ("a: 1\n---\nb: 2", "not YAML"),
        ("a: \0", "not YAML"),
    ],
)
def test_what_cannot_be_read_is_one_problem(text: str, told: str) -> None:
    """Emptiness, broken syntax, tags, endless aliases and second documents are refused."""
    data, _, problems = read(text)
    assert data is None
    assert len(problems) == 1
    assert told in problems[0].text


def test_aliases_of_aliases_do_not_unfold_without_end() -> None:
    """A small file that would unfold to billions of values is refused at once."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    data, _, problems = read("\n".join(lines))
    assert data is None
    assert "unfolds to more than" in str(problems[0])
