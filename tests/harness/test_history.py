"""The history: what goes in comes out, and nothing steps back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HistoryError
from harness.history import Event, Header, History, digest, encode, read

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
events = st.tuples(
    st.floats(0, 1e6),
    st.text(max_size=8),
    st.text(max_size=8),
    st.dictionaries(st.text(), json_values),
)


@given(st.lists(events, max_size=6))
def test_reading_gives_back_what_was_recorded(rows: list[tuple[float, str, str, Any]]) -> None:
    """Write and read are inverse, whatever chargers put into strings."""
    history = History(Header(seed=7, quirky=("A",), profile={"D6": "any"}))
    for time, source, kind, data in rows:
        history.record(time, source, kind, data=data)
    header, again = read(history.lines())
    assert header == history.header
    assert list(again) == history.events


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_time_never_steps_back(times: list[float]) -> None:
    """An earlier time is raised to the latest one."""
    history = History(Header())
    for time in times:
        history.record(time, "harness", "mark")
    recorded = [event.time for event in history.events]
    assert recorded == sorted(recorded)
    assert [event.index for event in history.events] == list(range(len(times)))


def test_lone_surrogates_are_kept_as_escapes() -> None:
    """A string that UTF-8 cannot carry does not lose the history."""
    history = History(Header())
    history.record(0, "charger:A", "recv", data={"text": "\ud800x"})
    _, again = read(history.lines())
    assert next(again).data == {"text": "\\ud800x"}


def test_the_same_events_have_the_same_digest() -> None:
    """The digest is over the bytes, and any change shows."""

    def told(name: str) -> str:
        history = History(Header())
        history.record(1, "harness", "mark", name)
        return history.digest()

    assert told("end") == told("end") != told("act")


def test_listeners_hear_events_that_are_not_kept() -> None:
    """A run too large to hold is still written and judged."""
    heard: list[Event] = []
    history = History(Header(), keep=False)
    history.subscribe(heard.append)
    history.record(0, "harness", "mark", "connect", ref="x", data={"n": 1})
    assert (len(history), history.events, len(heard)) == (1, [], 1)
    assert heard[0].data == {"n": 1}


def test_the_charger_is_read_from_the_source() -> None:
    """Only a charger's events have a charger."""
    assert Event(0, 0, "charger:CP:1", "open").charger == "CP:1"
    assert Event(0, 0, "operator", "invoke").charger is None


@pytest.mark.parametrize(
    ("lines", "line", "says"),
    [
        ([], 0, "empty"),
        ([b"nonsense\n"], 1, "header"),
        ([b'{"format": "other/9"}\n'], 1, "other/9"),
        ([encode(Header()), b"oops\n"], 2, "not an event"),
        ([encode(Header()), b"\xff\n"], 2, "not an event"),
        ([b'{"target":{"a":' + b"[" * 9999 + b"\n"], 1, "header"),
        ([encode(Header()), b'{"data":{"a":' + b"[" * 9999 + b"\n"], 2, "not an event"),
        (
            [encode(Header()), encode(Event(1, 5, "a", "b")), encode(Event(1, 5, "a", "b"))],
            3,
            "back",
        ),
        (
            [encode(Header()), encode(Event(1, 5, "a", "b")), encode(Event(2, 4, "a", "b"))],
            3,
            "back",
        ),
    ],
)
def test_a_broken_history_says_where(lines: list[bytes], line: int, says: str) -> None:
    """Every refusal names its line."""
    with pytest.raises(HistoryError, match=says) as caught:
        list(read(lines)[1])
    assert caught.value.line == line


def test_a_history_cut_short_ends_quietly() -> None:
    """The last line of a killed run may be half written; blank lines are nothing."""
    whole = encode(Event(0, 0, "harness", "mark"))
    _, again = read([encode(Header()), b"\n", whole, whole[: len(whole) // 2]])
    assert len(list(again)) == 1


def test_digest_of_lines_is_the_history_s() -> None:
    """A stored file has the digest of the run."""
    history = History(Header())
    history.record(0, "harness", "mark")
    assert digest(list(history.lines())) == history.digest()
