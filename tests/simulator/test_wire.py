"""Frames survive the trip, garbage is named, and one CALL is outstanding at a time."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator import wire
from simulator.errors import PeerError

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
payloads = st.dictionaries(st.text(max_size=8), json_values, max_size=4)
ids = st.text(min_size=1, max_size=36)
frames = st.one_of(
    st.builds(wire.Call, ids, st.text(max_size=20), payloads),
    st.builds(wire.CallResult, ids, payloads),
    st.builds(wire.CallError, ids, st.text(max_size=20), st.text(max_size=255), payloads),
    st.builds(wire.CallResultError, ids, st.text(max_size=20), st.text(max_size=255), payloads),
    st.builds(wire.SendMessage, ids, st.text(max_size=20), payloads),
)


@given(frames)
def test_a_frame_survives_the_trip(frame: wire.Frame) -> None:
    """Decoding what was encoded gives the same value."""
    assert wire.decode(wire.encode(frame)) == frame


@given(st.text() | json_values.map(lambda value: wire._encode_json(value).decode()))
def test_garbage_is_a_peer_error_and_nothing_else(text: str) -> None:
    """Whatever arrives is a frame or a named breach."""
    try:
        frame = wire.decode(text)
    except PeerError:
        return
    assert wire.decode(wire.encode(frame)) == frame


@pytest.mark.parametrize(
    ("text", "code", "message_id"),
    [
        ("{", "FormatViolation", None),
        ("[" * 100_000, "FormatViolation", None),
        ("{}", "RpcFrameworkError", None),
        ("[]", "RpcFrameworkError", None),
        ('[2,"a","Heartbeat"]', "RpcFrameworkError", "a"),
        ('[2,"a","Heartbeat",{},1]', "RpcFrameworkError", "a"),
        ('[2,"a",7,{}]', "RpcFrameworkError", "a"),
        ('[2,7,"Heartbeat",{}]', "RpcFrameworkError", None),
        (f'[2,"{"x" * 37}","Heartbeat",{{}}]', "RpcFrameworkError", None),
        ('[9,"a",{}]', "MessageTypeNotSupported", "a"),
        ('[true,"a",{}]', "MessageTypeNotSupported", "a"),
    ],
)
def test_each_breach_has_its_code(text: str, code: str, message_id: str | None) -> None:
    """The code and the readable id come with the breach."""
    with pytest.raises(PeerError) as caught:
        wire.decode(text)
    assert (caught.value.code, caught.value.message_id) == (code, message_id)


def test_one_call_at_a_time_in_order() -> None:
    """The second CALL waits for the first one's answer."""
    endpoint = wire.Endpoint("x", timeout=30.0)
    endpoint.queue("A", {})
    endpoint.queue("B", {}, ref="b")
    first = endpoint.next_call(0.0)
    assert first is not None
    assert endpoint.next_call(1.0) is None
    assert endpoint.settle(wire.CallResult(first.message_id, {})) is not None
    second = endpoint.next_call(2.0)
    assert second is not None
    assert (second.action, second.message_id != first.message_id) == ("B", True)


def test_late_and_made_up_answers_are_counted_not_believed() -> None:
    """After its deadline a CALL is forgotten; its answer then surprises."""
    endpoint = wire.Endpoint("x", timeout=30.0)
    endpoint.queue("A", {})
    call = endpoint.next_call(0.0)
    assert call is not None
    assert endpoint.expired(29.9) is None
    assert endpoint.expired(30.0) is not None
    assert endpoint.settle(wire.CallResult(call.message_id, {})) is None
    assert endpoint.unexpected == 1


def test_a_lost_connection_loses_calls_but_no_ids() -> None:
    """What was under way is returned, and ids go on counting across connections."""
    endpoint = wire.Endpoint("x", timeout=30.0)
    endpoint.queue("A", {}, ref="a")
    endpoint.queue("B", {})
    call = endpoint.next_call(0.0)
    assert endpoint.reset() == [("A", "a"), ("B", None)]
    assert endpoint.next_call(1.0) is None
    assert call is not None
    assert endpoint.new_id() != call.message_id


@given(st.lists(st.sampled_from(["queue", "answer", "expire", "reset"]), max_size=40))
def test_never_two_outstanding_and_never_an_id_twice(moves: list[str]) -> None:
    """Whatever happens, at most one CALL is on the wire and every id is new."""
    endpoint = wire.Endpoint("x", timeout=1.0)
    now, seen = 0.0, set[str]()
    on_wire: Any = None
    for move in moves:
        now += 0.6
        if move == "queue":
            endpoint.queue("A", {})
        elif move == "answer" and on_wire is not None:
            assert endpoint.settle(wire.CallResult(on_wire.message_id, {})) is not None
            on_wire = None
        elif move == "expire" and endpoint.expired(now) is not None:
            on_wire = None
        elif move == "reset":
            endpoint.reset()
            on_wire = None
        call = endpoint.next_call(now)
        if call is not None:
            assert on_wire is None
            assert call.message_id not in seen
            seen.add(call.message_id)
            on_wire = call


def test_what_nests_too_deeply_is_refused_before_anybody_handles_it() -> None:
    """It could just be read, and what echoes it would be written a few levels deeper."""
    for levels in range(wire.DEEPEST + 1, 1100, 13):
        deep = "[" * levels + "]" * levels
        with pytest.raises(PeerError) as caught:
            wire.decode(f'[2,"x","GetVariables",{{"a":{deep}}}]')
        assert caught.value.code == "FormatViolation"
    flat = wire.decode(f'[2,"x","GetVariables",{{"a":[{"[]," * 999}[]]}}]')
    assert isinstance(flat, wire.Call)
