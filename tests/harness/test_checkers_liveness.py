"""L1-L8 and R28: what has to happen, and what excuses a CSMS."""

from __future__ import annotations

from typing import Any

import pytest

from harness.verdict import Verdict
from tests.harness.tell import Tale


def fleet(chargers: str = "ABC", **fields: Any) -> tuple[Tale, str]:
    """Booted chargers in an all-at-once rollout."""
    t = Tale()
    t.boot(*chargers)
    return t, t.create(chargers, "all_at_once", **fields)


def test_l1_wants_every_connected_charger_triggered() -> None:
    """A connected, idle charger is triggered within the bound."""
    t, r = fleet()
    t.execute(r)
    assert t.result("L1").verdict is Verdict.PASS
    t, r = fleet()
    t.execute(r, "AB")
    t.wait(20)
    t.mark("end")
    result = t.result("L1")
    assert result.verdict is Verdict.FAIL
    assert result.findings[0].charger == "C"


def test_l1_accuses_a_late_command() -> None:
    """Late is late, even if it comes."""
    t, r = fleet()
    t.execute(r, "AB")
    t.wait(20)
    t.trigger(r, "C")
    assert t.result("L1").verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({"max_in_flight": 3}, Verdict.FAIL),
        ({"max_in_flight": 2}, Verdict.INCONCLUSIVE),
        ({"max_in_flight": "3"}, Verdict.INCONCLUSIVE),
        ({"offline_timeout": 10}, Verdict.FAIL),
    ],
)
def test_l1_knows_when_there_is_no_excuse(fields: dict[str, Any], verdict: Verdict) -> None:
    """Slots for everyone are no reason to wait, nor is a time-out of those who are offline."""
    t, r = fleet("ABC", **fields)
    t.execute(r, "AB", listed="AB")
    t.wait(20)
    t.mark("end")
    assert t.result("L1").verdict is verdict


def test_l1_believes_that_somebody_who_was_away_timed_out() -> None:
    """Its connection is younger than the execute-stage."""
    t, r = fleet("ABC", offline_timeout=10)
    t.close("C")
    t.execute(r, "AB", listed="AB")
    t.wait(20)
    t.boot("C")
    t.fence("C")
    t.pause(r)
    t.execute(r, [], stage=1)
    t.wait(20)
    t.mark("end")
    assert t.result("L1").verdict is Verdict.PASS


def test_l1_has_excuses() -> None:
    """A pause, taken slots, a lost connection, an open call and a kill excuse."""
    for excuse in ("pause", "slots", "offline", "call", "kill", "profile"):
        fields: dict[str, Any] = {"max_in_flight": 2} if excuse == "slots" else {}
        t, r = fleet("ABC", **fields)
        if excuse == "profile":
            t.history.header.profile["D34"] = "any"
        t.execute(r, "AB")
        if excuse == "pause":
            t.pause(r)
        if excuse == "offline":
            t.close("C")
        if excuse == "call":
            t.call("C", "GetConfiguration", {}, by="csms")
        if excuse == "kill":
            t.event("harness", "kill", "csms")
        t.wait(20)
        t.mark("end")
        assert t.result("L1").verdict is not Verdict.FAIL, excuse


def test_l2_wants_a_returning_charger_triggered() -> None:
    """Offline at execute-stage, back, accepted: then the bound runs."""
    for late in (False, True):
        t, r = fleet()
        t.close("C")
        t.execute(r, "AB")
        t.boot("C")
        t.fence("C")
        t.wait(20 if late else 1)
        t.trigger(r, "C")
        assert t.result("L2").verdict is (Verdict.FAIL if late else Verdict.PASS)
    t, r = fleet()
    t.close("C")
    t.execute(r, "AB")
    t.pause(r)
    t.boot("C")
    t.wait(20)
    t.mark("end")
    assert t.result("L2").verdict is Verdict.INCONCLUSIVE


def test_l3_and_l4_want_stages_and_rollouts_to_end() -> None:
    """What every charger has reported is seen in the statuses above it."""
    for status, stage, verdict in (
        ("completed", "completed", Verdict.PASS),
        ("in_progress", "in_progress", Verdict.FAIL),
    ):
        t, r = fleet("AB")
        t.execute(r)
        t.update("A", "B")
        t.wait(3)
        body = t.body(r, status=status)
        body["stages"][0]["status"] = stage
        t.ok("read", t.invoke("read", r), body)
        assert t.result("L3").verdict is verdict
        assert t.result("L4").verdict is verdict


def test_l4_gives_the_csms_its_time() -> None:
    """A read right after the last status demands nothing yet."""
    t, r = fleet("A")
    t.execute(r)
    t.update("A")
    t.read(r)
    assert t.result("L4").verdict is Verdict.INCONCLUSIVE


def test_l4_counts_what_only_get_can_show() -> None:
    """A charger that was shown as timed out before is settled, too."""
    for status, verdict in (("completed", Verdict.PASS), ("in_progress", Verdict.FAIL)):
        t, r = fleet("AB")
        t.execute(r)
        t.update("A")
        t.wait(3700)
        t.show(r, "B", status="failed", reason="timeout")
        t.read(r, status="in_progress")
        t.wait(3)
        t.read(r, status=status)
        assert t.result("L4").verdict is verdict


def test_l5_wants_silence_to_end() -> None:
    """A silent charger fails by its time-out, where the time-out is known."""
    for waited, verdict in ((30, Verdict.INCONCLUSIVE), (90, Verdict.FAIL)):
        t, r = fleet("A", update_timeout=60)
        t.execute(r)
        t.wait(waited)
        t.read(r)
        assert t.result("L5").verdict is verdict
    t, r = fleet("A", update_timeout=60)
    t.execute(r)
    t.wait(90)
    t.show(r, "A", status="failed", reason="timeout")
    t.read(r)
    assert t.result("L5").verdict is Verdict.PASS
    t, r = fleet("A")
    t.history.header.profile["D12"] = {"update_timeout": None}
    t.execute(r)
    t.wait(9000)
    t.read(r)
    assert t.result("L5").note == "the target's time-out is unknown"


def test_l6_measures_every_request() -> None:
    """An answer comes within the bound; execute-stage has its dispatch on top."""
    for name, wait, verdict in (
        ("read", 4, Verdict.PASS),
        ("read", 6, Verdict.FAIL),
        ("execute_stage", 8, Verdict.PASS),
        ("execute_stage", 12, Verdict.FAIL),
    ):
        t, r = fleet("A")
        ref = t.invoke(name, r)
        t.wait(wait)
        t.info(name, ref)
        assert t.result("L6").verdict is verdict, (name, wait)


def test_l6_counts_until_the_reply_and_not_until_it_was_recorded() -> None:
    """Who records may be late; what it claims about that is never more than what passed."""
    for late, verdict in ((2.0, Verdict.PASS), (0.5, Verdict.FAIL), (7.0, Verdict.FAIL),
                          (-3.0, Verdict.FAIL), ("2", Verdict.FAIL)):  # fmt: skip
        t, r = fleet("A")
        ref = t.invoke("read", r)
        t.wait(6)
        t.event("operator", "info", "read", ref, error="timeout", late=late)
        assert t.result("L6").verdict is verdict, late


def test_l7_looks_at_rollouts_side_by_side() -> None:
    """Only with another rollout under way the rule is exercised."""
    for second, verdict in (("CD", Verdict.PASS), ("C", Verdict.FAIL)):
        t, r = fleet("AB")
        t.boot("C", "D")
        t.execute(r)
        other = t.create("CD", "all_at_once")
        t.execute(other, second)
        t.wait(20)
        t.mark("end")
        assert t.result("L7").verdict is verdict
    t, r = fleet("AB")
    t.execute(r)
    assert t.result("L7").verdict is Verdict.INCONCLUSIVE


def test_l8_needs_load() -> None:
    """Percentiles are judged with a thousand chargers and a hundred reads."""
    for slow, verdict in ((0.0, Verdict.PASS), (7.0, Verdict.FAIL)):
        t = Tale()
        for number in range(1000):
            t.open(f"C{number}")
        r = t.create("A", "all_at_once")
        for _ in range(120):
            ref = t.invoke("read", r)
            t.wait(slow)
            t.ok("read", ref, t.body(r))
        assert t.result("L8").verdict is verdict
    t, r = fleet("A")
    t.read(r)
    assert t.result("L8").verdict is Verdict.INCONCLUSIVE


def test_r28_wants_the_rest_undisturbed() -> None:
    """A refusing charger delays nobody."""
    for others, verdict in (("BC", Verdict.PASS), ("B", Verdict.FAIL)):
        t, r = fleet()
        ref = t.invoke("execute_stage", r)
        t.trigger(r, "A", answer=["NotSupported", "", {}])
        t.trigger(r, *others)
        t.executed(r, ref, 1, ["A", *others])
        t.wait(20)
        t.mark("end")
        assert t.result("R28").verdict is verdict
    t, r = fleet()
    t.execute(r)
    assert t.result("R28").verdict is Verdict.INCONCLUSIVE
