"""The recorder: what happens becomes events that the judge can read."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from harness.history import Event, Header, History, encode, read
from harness.recorder import Recorder
from harness.world import Ok, Refused, Request, Unknown


class Rig:
    """A recorder with a clock that ticks once a call."""

    def __init__(self) -> None:
        self.history = History(Header())
        self.ticks = 0
        self.recorder = Recorder(self.history, self._now)

    def _now(self) -> float:
        self.ticks += 1
        return float(self.ticks)

    def frames(self, *frames: tuple[str, str]) -> list[Event]:
        """Observe (kind, text) on one connection of charger A."""
        self.recorder.observe("A", "open", None, {"subprotocol": "ocpp1.6", "url": "ws://x/A"})
        for kind, text in frames:
            self.recorder.observe("A", kind, text, {})
        return self.history.events[1:]


def test_an_answer_gets_the_action_of_its_call() -> None:
    """Whoever asked: the message id tells, even where both sides use the same one."""
    events = Rig().frames(
        ("send", '[2,"1","Heartbeat",{}]'),
        ("recv", '[2,"1","UpdateFirmware",{}]'),
        ("recv", '[3,"1",{}]'),
        ("send", '[4,"1","NotSupported","",{}]'),
        ("recv", '[3,"unknown",{}]'),
    )
    names = [(event.kind, event.name) for event in events]
    assert names == [
        ("send", "Heartbeat"),
        ("recv", "UpdateFirmware"),
        ("recv", "Heartbeat"),
        ("send", "UpdateFirmware"),
        ("recv", ""),
    ]


def test_a_new_connection_has_its_own_reference_and_forgets_old_calls() -> None:
    """Answers never belong to a CALL of an earlier connection."""
    rig = Rig()
    rig.frames(("send", '[2,"1","Heartbeat",{}]'))
    rig.recorder.observe("A", "close", None, {"code": 1006, "reason": ""})
    events = rig.frames(("recv", '[3,"1",{}]'))
    refs = [event.ref for event in rig.history.events if event.kind in {"open", "close"}]
    assert refs == ["A#1", "A#1", "A#2"]
    assert events[-1].name == ""


def test_requests_are_recorded_on_both_ends() -> None:
    """Every operation has an id, and its outcome says ok, fail or info."""
    rig = Rig()
    request = Request("pause", "POST", "/p", {"reason": "x"}, rollout="r1", key="wrong")
    for outcome in (Ok(200, {"a": 1}), Refused(409, {}), Unknown("late"), Unknown("500", 500, "x")):
        ref = rig.recorder.invoke(request)
        rig.recorder.outcome(request, ref, outcome)
    events = rig.history.events
    assert [event.kind for event in events] == ["invoke", "ok", "invoke", "fail"] + [
        "invoke",
        "info",
    ] * 2
    assert events[0].data == {
        "method": "POST",
        "path": "/p",
        "body": {"reason": "x"},
        "rollout": "r1",
        "key": "wrong",
    }
    assert events[0].ref == events[1].ref != events[2].ref
    assert events[-1].data == {"error": "500", "status": 500, "body": "x"}


def test_a_record_that_is_late_says_so() -> None:
    """A fraction of a millisecond is not worth a word: virtual time knows none."""
    rig = Rig()
    request = Request("pause", "POST", "/p", rollout="r1")
    for late in (0.0, 0.0004, 1.25):
        rig.recorder.outcome(request, rig.recorder.invoke(request), Ok(200, {}), late=late)
    answers = [event.data for event in rig.history.events if event.kind == "ok"]
    assert [data.get("late") for data in answers] == [None, None, 1.25]


def test_notes_logs_fences_and_marks_have_their_places() -> None:
    """Seam 5: each source writes its own kind of event."""
    rig = Rig()
    rig.recorder.observe("A", "note", None, {"note": "reboot", "away": 2.0})
    rig.recorder.served({"client": "A", "path": "/x", "outcome": "cut"})
    rig.recorder.fence("op-1", "A", "answered")
    rig.recorder.mark("pause", why="test")
    told = [(e.source, e.kind, e.name, e.ref) for e in rig.history.events]
    assert told == [
        ("charger:A", "note", "reboot", ""),
        ("firmware", "get", "/x", "A"),
        ("harness", "fence", "fence-1", "op-1"),
        ("harness", "mark", "pause", ""),
    ]
    assert rig.history.events[0].data == {"away": 2.0}


def test_after_stop_only_the_tidying_up_happens() -> None:
    """The closing of every socket at the end is no part of the drill."""
    rig = Rig()
    rig.recorder.stop()
    rig.recorder.observe("A", "close", None, {"code": 1000, "reason": ""})
    rig.recorder.served({"client": "A"})
    assert rig.history.events == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


@given(st.lists(st.tuples(st.sampled_from(["send", "recv"]), st.text(max_size=20) | json_values)))
def test_whatever_arrives_is_recorded_and_can_be_read_back(parcels: list[tuple[str, Any]]) -> None:
    """No frame is lost, none breaks the recorder, and the NDJSON round trip keeps all of them."""
    texts = [
        (kind, value if isinstance(value, str) else encode_json(value)) for kind, value in parcels
    ]
    rig = Rig()
    events = rig.frames(*texts)
    assert len(events) == len(texts)
    _, again = read(rig.history.lines())
    assert len(list(again)) == len(events) + 1


def test_frames_without_end_are_recorded_as_text() -> None:
    """Deeper than a reader's stack, and a little less: both would break whoever writes or reads."""
    rig, written = Rig(), list[bytes]()
    rig.history.subscribe(lambda event: written.append(encode(event)))
    texts = ["[" * levels + "]" * levels for levels in [*range(960, 1002), 100_000]]
    events = rig.frames(*(("recv", text) for text in texts))
    assert [event.data for event in events] == [{"text": text} for text in texts]
    _, again = read(rig.history.lines())
    assert len(list(again)) == len(written) == len(texts) + 1


def encode_json(value: Any) -> str:
    """Write JSON as a peer would."""
    return json.dumps(value)


def _read(rig: Rig, *rows: Any) -> list[Any]:
    """Record the answer to a read with these rows; return them as the history holds them."""
    request = Request("read", "GET", "/firmware/rollout/r-1", rollout="r-1")
    body = {"rollout_id": "r-1", "stages": [{"stage": 1, "chargers": list(rows)}, "odd", {}]}
    ref = rig.recorder.invoke(request)
    rig.recorder.outcome(request, ref, Ok(200, body))
    recorded = rig.history.events[-1].data["body"]["stages"][0]["chargers"]
    assert isinstance(recorded, list)
    return recorded


def test_rows_that_did_not_change_are_one_copy() -> None:
    """Thousands of equal rows a read would fill the memory."""
    rig = Rig()
    first = _read(rig, {"charge_point_id": "A", "status": "pending"}, {"charge_point_id": "B"})
    again = _read(rig, {"charge_point_id": "A", "status": "pending"}, {"charge_point_id": "B"})
    assert [a is b for a, b in zip(first, again, strict=True)] == [True, True]
    moved = _read(rig, {"charge_point_id": "A", "status": "downloading"}, {"charge_point_id": "B"})
    assert moved[0]["status"] == "downloading"
    assert moved[1] is first[1]


def test_rows_that_only_compare_equal_are_kept_apart() -> None:
    """Python takes 1, 1.0 and true for equal; JSON, and the judge, do not."""
    rig = Rig()
    for value in (1, True, 1.0, 0, -0.0, False):
        (row,) = _read(rig, {"charge_point_id": "A", "progress_percent": value})
        assert repr(row["progress_percent"]) == repr(value)


def test_rows_that_no_text_can_hold_are_recorded_as_they_came() -> None:
    """A lone surrogate or an integer without end is the target's business."""
    rig = Rig()
    for odd in ("\ud800", 1 << 70):
        rows = _read(rig, {"charge_point_id": "A", "detail": odd}, {"charge_point_id": "B"})
        assert [row.get("detail") for row in rows] == [odd, None]
        (row,) = _read(rig, 17)
        assert row == 17
