"""What the judge says and counts: witnesses, percentiles, edges, memories, and who is excused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.checkers.telling import LONGEST, _short, clean, tell
from harness.history import FIELD_LOG, Event
from harness.verdict import Subject, Verdict
from tests.harness.tell import Tale, booted

PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE


# ---------------------------------------------------------------------- sentences and counts


@pytest.mark.parametrize(("length", "cut"), [(240, False), (241, True), (300, True)])
def test_a_line_of_a_witness_has_at_most_240_characters(length: int, cut: bool) -> None:
    """What is cut ends in an ellipsis, what is not is whole."""
    text = clean("x" * length)
    assert text == ("x" * 239 + "…" if cut else "x" * length)
    assert clean("a\x1b[31mb") == "a\\x1b[31mb"


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (
            ("charger:A", "send", {"frame": [2, "m", "Heartbeat", {}]}),
            'sent [2,"m","Heartbeat",{}]',
        ),
        (("charger:A", "recv", {"frame": [3, "m", {}]}), 'received [3,"m",{}]'),
        (("charger:A", "send", {"frame": [3, "m", {}], "line": 7}), 'line 7: sent [3,"m",{}]'),
        (("charger:A", "send", {"text": "x" * 300}), "sent '" + "x" * 233 + "…"),
        (("charger:A", "open", {"subprotocol": "ocpp1.6"}), "connected as R (ocpp1.6)"),
        (("charger:A", "open", {}), "connected as R (no subprotocol)"),
        (("charger:A", "close", {"code": 1000, "reason": "bye"}), "connection R closed (1000 bye)"),
        (("operator", "invoke", {"method": "GET", "path": "/x"}), "R: GET /x"),
        (("operator", "invoke", {"body": {"a": 1}}), 'R: N {"a":1}'),
        (("operator", "info", {"error": "timeout"}), "R: N: outcome unknown (timeout)"),
        (("operator", "ok", {"status": 200, "body": {}}), "R: N answered 200 {}"),
        (("harness", "kill", {}), "kill N {}"),
    ],
)
def test_an_event_is_told_in_one_line(event: tuple[str, str, dict[str, Any]], line: str) -> None:
    """Each kind of event in its own words."""
    source, kind, data = event
    assert tell(Event(0, 0.0, source, kind, "N", "R", data)).startswith(line)


@pytest.mark.parametrize(
    ("reads", "slow", "chargers", "verdict"),
    [
        (100, 0, 1000, PASS), (99, 0, 1000, INCONCLUSIVE), (100, 0, 999, INCONCLUSIVE),
        (200, 1, 1000, PASS), (200, 2, 1000, FAIL), (100, 1, 1000, FAIL),
    ],
)  # fmt: skip
def test_l8_is_the_99th_percentile(reads: int, slow: int, chargers: int, verdict: Verdict) -> None:
    """Of two hundred reads one may be slow; the slowest is the witness."""
    t = Tale()
    for number in range(chargers):
        t.open(f"C{number}")
    r = t.create("A", "all_at_once")
    t.plans[r]["stages"] = []
    for number in range(reads):
        ref = t.invoke("read", r)
        t.wait(12 + number if number < slow else 0)
        t.ok("read", ref, {})
    result = t.result("L8")
    assert result.verdict is verdict
    assert result.exercised == (0 if verdict is INCONCLUSIVE else reads)
    if verdict is FAIL:
        assert result.findings[0].witness.steps[0].text.startswith(f"op-{1 + slow}: POST")


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({}, PASS), ({"reason": "why"}, PASS), ({"pause_reason": "why"}, PASS),
        ({"reason": "x"}, FAIL), ({"pause_reason": "x"}, FAIL),
    ],
)  # fmt: skip
def test_r46_looks_at_the_reason_that_a_get_shows(fields: dict[str, str], verdict: Verdict) -> None:
    """Where a GET shows a reason, it is the one that was given."""
    t = booted("A", "B")
    r = t.create("AB", "all_at_once")
    t.execute(r, "A")
    t.pause(r, "why")
    t.read(r, **fields)
    result = t.result("R46")
    assert result.verdict is verdict
    if verdict is FAIL:
        witness = result.findings[0].witness
        assert (witness.expected, witness.seen) == ("the reason is kept: 'why'", "GET says 'x'")
        assert [step.text.split()[1] for step in witness.steps] == ["pause", "read"]


@pytest.mark.parametrize(
    ("first", "given", "said", "verdict"),
    [
        (None, None, None, INCONCLUSIVE), (None, "x", None, PASS), (None, "x", "x", FAIL),
        ("one", None, "one", PASS), ("one", None, "two", FAIL), ("one", None, None, FAIL),
    ],
)  # fmt: skip
def test_r46_keeps_the_first_reason_of_two_pauses(
    first: str | None, given: str | None, said: str | None, verdict: Verdict
) -> None:
    """Also where the first gave none; two pauses without any test nothing."""
    t = booted("A", "B")
    r = t.create("AB", "all_at_once")
    t.execute(r, "A")
    for mine, answer in ((first, first), (given, said)):
        ref = t.invoke("pause", r, body={"reason": mine} if mine else None)
        body = {"rollout_id": r, "status": "paused", "paused_at": t.stamp(), "reason": answer}
        t.ok("pause", ref, body)
    assert t.result("R46").verdict is verdict


@pytest.mark.parametrize(
    ("says", "triggers", "seen"),
    [
        ((), "AB", "A of stage 1 was triggered (2 chargers unsettled)"),
        (("Downloading",), "AB", "A of stage 1 was Downloading (2 chargers unsettled)"),
        ((), "A", "A of stage 1 was triggered (2 chargers unsettled)"),
        ((), "", "A of stage 1 was not even triggered (2 chargers unsettled)"),
    ],
)
def test_r09_says_who_was_not_settled(says: tuple[str, ...], triggers: str, seen: str) -> None:
    """The first, how far it was, and how many more."""
    t = booted("A", "B", "C")
    r = t.create("ABC", "rolling", batch_size=2)
    t.execute(r, triggers)
    if triggers:
        t.report("A", *says)
    t.execute(r, "C", stage=2)
    (finding,) = t.result("R09").findings
    assert finding.witness.seen == f"C of stage 2 was triggered while {seen}"
    assert finding.charger == "A"


@pytest.mark.parametrize(
    ("retries", "failures", "waits", "verdict"),
    [
        (0, 1, 0, FAIL), (1, 1, 0, PASS), (1, 2, 0, FAIL), (2, 2, 0, PASS), (2, 3, 0, FAIL),
        (2, 1, 74.9, PASS), (2, 1, 75.2, FAIL),
    ],
)  # fmt: skip
def test_r12_knows_when_a_download_has_failed_for_good(
    retries: int, failures: int, waits: float, verdict: Verdict
) -> None:
    """After retries + 1 failures, or half a minute after one and a half intervals (D30)."""
    t = booted("A", "B")
    r = t.create("AB", "canary")
    ref = t.invoke("execute_stage", r)
    t.trigger(r, "A", retries=retries)
    t.executed(r, ref, 1, ["A"])
    for _ in range(failures):
        t.report("A", "Downloading", "DownloadFailed")
    t.wait(waits - 0.05 if waits else 0)
    t.state[r]["A"]["status"] = "downloading"
    ref = t.invoke("execute_stage", r)
    t.trigger(r, "B")
    t.executed(r, ref, 2, ["B"])
    assert t.result("R12").verdict is verdict


@pytest.mark.parametrize(
    ("strategy", "status", "verdict"),
    [("canary", "failed", PASS), ("rolling", "failed", FAIL), ("canary", "in_progress", FAIL),
     ("rolling", "paused", PASS)],
)  # fmt: skip
def test_r20_lets_a_failed_canary_end_a_pause(strategy: str, status: str, verdict: Verdict) -> None:
    """Paused, until it ends by itself."""
    t = booted("A", "B")
    fields: dict[str, Any] = {"batch_size": 1} if strategy == "rolling" else {}
    r = t.create("AB", strategy, **fields)
    t.execute(r)
    t.pause(r)
    t.read(r)
    t.report("A", "Downloading", "Downloaded", "Installing", "InstallationFailed")
    t.read(r, status=status)
    assert t.result("R20").verdict is verdict


@pytest.mark.parametrize(
    ("old", "new", "between", "verdict"),
    [
        ("in_progress", "paused", None, FAIL), ("in_progress", "paused", "pause", PASS),
        ("in_progress", "paused", "execute_stage", FAIL),
        ("paused", "in_progress", None, FAIL), ("paused", "in_progress", "pause", FAIL),
        ("paused", "in_progress", "execute_stage", PASS),
        ("in_progress", "pending", "execute_stage", FAIL),
        ("completed", "in_progress", "execute_stage", FAIL), ("failed", "completed", None, FAIL),
        ("completed", "completed", None, PASS),
    ],
)  # fmt: skip
def test_r32_knows_the_edges(old: str, new: str, between: str | None, verdict: Verdict) -> None:
    """Which request may lie between two statuses that GETs show."""
    t = booted("A", "B")
    r = t.create("AB", "all_at_once")
    t.execute(r, "A")
    if old == "paused":
        t.pause(r)
    t.read(r, status=old)
    if between == "pause":
        t.pause(r)
    elif between:
        t.execute(r, "B" if old == "paused" else [], stage=1)
    t.read(r, status=new)
    assert t.result("R32").verdict is verdict


# ---------------------------------------------------------------------- repeats and memories


@pytest.mark.parametrize(("between", "verdict"), [(998, FAIL), (999, FAIL), (1000, PASS)])
def test_w02_remembers_a_thousand_ids(between: int, verdict: Verdict) -> None:
    """An id that a thousand others followed may come again; not sooner."""
    t = Tale()
    t.open("A")
    for name in ("first", *(f"n{number}" for number in range(between)), "first"):
        t.event("charger:A", "send", "Heartbeat", name, frame=[2, name, "Heartbeat", {}])
        t.answer("A", name, {"currentTime": t.stamp()}, name="Heartbeat")
    assert t.result("W02").verdict is verdict


def test_a_third_command_is_measured_against_the_second() -> None:
    """What the charger said before the second command excuses nothing after it."""
    for kill in (False, True):
        t = booted("A")
        r = t.create("A", "all_at_once")
        ref = t.invoke("execute_stage", r)
        t.trigger(r, "A")
        t.executed(r, ref, 1, ["A"])
        t.trigger(r, "A")
        if kill:
            t.event("harness", "kill", "csms")
            t.close("A")
            t.event("harness", "up", "csms")
            t.boot("A")
        t.report("A", "Downloading")
        t.trigger(r, "A")
        first, second = t.result("R13").findings
        assert "command number 2; the first had reached it and been answered" in first.witness.seen
        assert "command number 3; A had reported Downloading" in second.witness.seen
        commands = [
            e.index for e in t.history.events if e.kind == "recv" and e.name == "UpdateFirmware"
        ]
        assert second.witness.steps[0].index == commands[1]
        assert len(t.result("R39").findings) == kill


@pytest.mark.parametrize(("kind", "verdict"), [(6, PASS), (2, FAIL)])
def test_a_send_wants_no_answer(kind: int, verdict: Verdict) -> None:
    """SEND (2.1) is never answered; a CALL is."""
    t = booted("A", dialect="ocpp2.1")
    t.event("charger:A", "send", "Heartbeat", "s", frame=[kind, "s", "Heartbeat", {}])
    t.fence("A")
    t.wait(40)
    t.fence("A")
    assert t.result("W04").verdict is verdict
    assert (t.result("W03").verdict is PASS) is (verdict is PASS)


@pytest.mark.parametrize(
    ("way", "type_", "dangling", "accused"),
    [
        ("send", 2, "csms", False), ("recv", 2, "csms", True), ("send", 3, "csms", True),
        ("recv", 2, "charger", False), ("send", 2, "charger", True), ("recv", 3, "charger", True),
    ],
)  # fmt: skip
def test_a_damaged_call_explains_its_answer(
    way: str, type_: int, dangling: str, accused: bool
) -> None:
    """Of a frame that a log holds in pieces, what can be read counts."""
    t = Tale(target={"kind": FIELD_LOG, "clock": "log"})
    t.boot("A")
    t.event("charger:A", "damaged", "Heartbeat", "d", way=way, type=type_)
    t.answer("A", "d", {"currentTime": t.stamp()}, by=dangling, name="Heartbeat")
    assert (t.result("W04").verdict is FAIL) is accused


@pytest.mark.parametrize(("way", "type_", "accused"), [("recv", 3, False), ("recv", 2, True),
                                                       ("send", 3, True)])  # fmt: skip
def test_a_damaged_answer_is_an_answer(way: str, type_: int, accused: bool) -> None:
    """A CALL whose answer is in pieces was answered."""
    t = Tale(target={"kind": FIELD_LOG, "clock": "log"})
    t.boot("A")
    ref = t.call("A", "Heartbeat", {})
    t.event("charger:A", "damaged", "Heartbeat", ref, way=way, type=type_)
    t.wait(40)
    t.call("A", "ClearCache", {}, by="csms")
    assert bool([f for f in t.result("W04").findings if f.subject is Subject.CSMS]) is accused


def test_a_log_may_begin_in_the_middle() -> None:
    """Who talks without a boot at a log's beginning was accepted before; not so in a drill."""
    for header, verdict in (({"target": {"kind": FIELD_LOG}}, PASS), ({}, FAIL)):
        t = Tale(**header)
        t.open("A")
        body = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
        t.answer("A", t.call("A", "StatusNotification", body), {}, name="StatusNotification")
        t.fence("A")
        result = t.result("W09")
        assert (result.verdict is FAIL) is (verdict is FAIL), result


def test_an_unknown_outcome_is_settled_by_a_second_answer_no_more() -> None:
    """Only the first answer to a request counts, and only kinds that are answers."""
    for late in ("ok", "fail", "info"):
        t = booted("A", "B")
        r = t.create("AB", "all_at_once")
        t.execute(r, "A")
        ref = t.invoke("pause", r)
        t.info("pause", ref)
        t.event("operator", late, "pause", ref, status=200, body={"status": "paused"})
        t.fence("B")
        t.trigger(r, "B")
        assert t.result("R18").verdict is not FAIL
    t = booted("A", "B")
    r = t.create("AB", "all_at_once")
    t.execute(r, "A")
    ref = t.invoke("pause", r)
    t.event("operator", "shrug", "pause", ref, status=200, body={"status": "paused"})
    t.ok("pause", ref, {"rollout_id": r, "status": "paused", "paused_at": t.stamp()})
    t.fence("B")
    t.trigger(r, "B")
    assert t.result("R18").verdict is FAIL


@pytest.mark.parametrize("down", [True, False])
def test_r27_knows_that_a_system_that_is_down_does_nothing(down: bool) -> None:
    """A pause that met a dead system never acted; one that met a live one may have."""
    t = booted("A")
    r = t.create("A", "all_at_once")
    t.execute(r)
    t.event("harness", "kill", "csms")
    if not down:
        t.event("harness", "up", "csms")
    ref = t.invoke("pause", r)
    t.info("pause", ref)
    if down:
        t.event("harness", "up", "csms")
    t.read(r, status="paused")
    assert (t.result("R27").verdict is FAIL) is down


@pytest.mark.parametrize("reads", [("paused", "in_progress"), ("in_progress", "paused")])
def test_r27_settles_at_a_kill_what_was_unknown(reads: tuple[str, str]) -> None:
    """A pause of unknown outcome acted before the kill or never: it does not act between reads."""
    t = booted("A")
    r = t.create("A", "all_at_once")
    t.execute(r)
    t.info("pause", t.invoke("pause", r))
    t.event("harness", "kill", "csms")
    t.event("harness", "up", "csms")
    for status in reads:
        t.read(r, status=status)
    assert t.result("R27").verdict is FAIL


# Without what JSON has several ways to write: there is no telling which one is right.
TEXT = st.text(st.characters(min_codepoint=32, exclude_categories=("Cs", "Cc"),
                             exclude_characters='"\\'), max_size=80)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | TEXT,
    lambda inner: st.lists(inner, max_size=30) | st.dictionaries(TEXT, inner),
    max_leaves=90,
)


@given(JSON)
def test_a_value_is_shown_as_its_json_begins(value: Any) -> None:
    """However little of it was encoded."""
    whole = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    assert _short(value) == (whole if len(whole) <= LONGEST else f"{whole[: LONGEST - 1]}…")
