"""R18-R23: what a pause holds back, and what resuming does."""

from __future__ import annotations

from typing import Any

import pytest

from harness.verdict import Verdict
from tests.harness.tell import Tale


def half(**fields: Any) -> tuple[Tale, str, str]:
    """Four chargers, an execute-stage still open, two of them triggered."""
    t = Tale()
    t.boot(*"ABCD")
    r = t.create("ABCD", "all_at_once", **fields)
    ref = t.invoke("execute_stage", r)
    t.trigger(r, "A", "B")
    return t, r, ref


def paused(**fields: Any) -> tuple[Tale, str]:
    """Four chargers, two of them triggered, the rollout certainly paused, no fence yet."""
    t, r, ref = half(**fields)
    t.executed(r, ref, 1, ["A", "B"])
    t.pause(r, "checking")
    return t, r


def test_r18_accuses_a_command_behind_the_fence() -> None:
    """A command after a round trip that began after the pause was answered is a violation."""
    t, r = paused()
    t.fence(*"ABCD")
    t.trigger(r, "C")
    result = t.result("R18")
    assert result.verdict is Verdict.FAIL
    assert result.findings[0].charger == "C"
    assert next(s.text.split(":")[0] for s in result.findings[0].witness.steps).startswith("op-")


def test_r18_does_not_judge_a_command_in_flight() -> None:
    """A command without a fence before it may have been on its way."""
    t, r = paused()
    t.trigger(r, "C")
    t.fence(*"ABCD")
    result = t.result("R18")
    assert result.verdict is Verdict.PASS
    assert result.exercised == 1  # D was reachable and held back


def test_r18_does_not_take_an_older_round_trip_for_a_fence() -> None:
    """A Heartbeat that was sent before the pause was answered proves nothing."""
    t, r, ref = half()
    t.executed(r, ref, 1, ["A", "B"])
    pause = t.invoke("pause", r)
    beat = t.call("C", "Heartbeat", {})
    t.ok("pause", pause, {"rollout_id": r, "status": "paused", "paused_at": t.stamp()})
    t.answer("C", beat, {"currentTime": t.stamp()})
    t.trigger(r, "C")
    assert t.result("R18").verdict is Verdict.INCONCLUSIVE


def test_r18_takes_any_answered_call_as_a_fence() -> None:
    """A status that was answered orders the socket as well as a Heartbeat."""
    t, r = paused()
    t.report("A", "Downloading")
    t.trigger(r, "A")
    assert t.result("R18").verdict is Verdict.FAIL


def test_r18_ends_with_the_next_execute_stage() -> None:
    """From the invocation of execute-stage on, commands are legal again."""
    t, r = paused()
    t.fence(*"ABCD")
    t.invoke("execute_stage", r)
    t.trigger(r, "C", "D")
    result = t.result("R18")
    assert result.verdict is Verdict.PASS
    assert result.exercised == 2


def test_r18_goes_on_after_a_refused_execute_stage() -> None:
    """A 409 does not resume."""
    t, r = paused()
    t.refuse(r)
    t.fence("C")
    t.trigger(r, "C")
    assert t.result("R18").verdict is Verdict.FAIL


def test_r18_leaves_an_overlapping_execute_stage_alone() -> None:
    """Pause and execute that overlap have two legal orders; one of them resumes."""
    t, r, ref = half()
    t.pause(r)
    t.executed(r, ref, 1, ["A", "B", "C"])
    t.fence(*"ABCD")
    t.trigger(r, "C")
    assert t.result("R18").verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("how", ["answer", "read", "second pause"])
def test_r18_settles_an_overlap_by_what_the_csms_says(how: str) -> None:
    """Paused is certain once an answer that follows both says so."""
    t, r, ref = half()
    t.pause(r)
    t.executed(r, ref, 1, ["A", "B"], status="paused" if how == "answer" else "in_progress")
    if how == "read":
        t.read(r, status="paused")
    if how == "second pause":
        t.pause(r)
    t.fence(*"ABCD")
    t.trigger(r, "C")
    assert t.result("R18").verdict is Verdict.FAIL


def test_r18_learns_from_a_later_read_what_an_overlap_meant() -> None:
    """A read that says paused, later on, convicts a command sent before it."""
    for status, verdict in (("paused", Verdict.FAIL), ("in_progress", Verdict.PASS)):
        t, r, ref = half()
        t.pause(r)
        t.executed(r, ref, 1, ["A", "B"])
        t.fence(*"ABCD")
        t.trigger(r, "C")
        t.read(r, status=status)
        t.execute(r, "D", stage=1)
        result = t.result("R18")
        assert result.verdict is verdict or result.exercised == 0, status


def test_r18_does_not_blame_the_time_before_a_second_pause() -> None:
    """With another pause in between, the read does not tell since when it was paused."""
    t, r, ref = half()
    t.pause(r)
    t.executed(r, ref, 1, ["A", "B"])
    t.fence(*"ABCD")
    t.trigger(r, "C")
    pause = t.invoke("pause", r)
    t.read(r, status="paused")
    t.ok("pause", pause, {"rollout_id": r, "status": "paused", "paused_at": t.stamp()})
    assert t.result("R18").findings == ()


def test_r18_never_accuses_after_an_unknown_execute_stage() -> None:
    """An execute-stage whose outcome is unknown may take effect at any later time."""
    t, r, ref = half()
    t.info("execute_stage", ref)
    t.pause(r)
    t.fence(*"ABCD")
    t.trigger(r, "C")
    assert t.result("R18").verdict is Verdict.INCONCLUSIVE


def test_r18_knows_that_a_kill_ends_unknown_requests() -> None:
    """What was unknown before a kill cannot act after it."""
    t, r, ref = half()
    t.info("execute_stage", ref)
    t.event("harness", "kill", "csms")
    for charger in "ABCD":
        t.close(charger)
    t.event("harness", "up", "csms")
    t.boot(*"ABCD")
    t.pause(r)
    t.fence(*"ABCD")
    t.trigger(r, "C")
    assert t.result("R18").verdict is Verdict.FAIL


def test_r18_does_not_judge_another_rollout() -> None:
    """A pause holds only its own rollout."""
    t, _ = paused()
    t.boot("Z")
    other = t.create("Z", "all_at_once")
    t.fence("Z")
    t.execute(other)
    assert t.result("R18").verdict is Verdict.INCONCLUSIVE


def test_r19_counts_chargers_that_finish_before_the_pause_is_certain() -> None:
    """A read may settle late since when it was paused; who flew then, flew."""
    t, r, ref = half()
    t.pause(r)
    t.executed(r, ref, 1, ["A", "B"])
    t.update("A", "B")
    t.read(r, status="paused")
    result = t.result("R19")
    assert (result.verdict, result.exercised) == (Verdict.PASS, 2)


@pytest.mark.parametrize("action", ["Reset", "UpdateFirmware"])
def test_r19_accuses_interference_with_a_charger_in_flight(action: str) -> None:
    """No Reset and no second command during the pause."""
    t, r = paused()
    t.report("A", "Downloading")
    if action == "Reset":
        t.answer("A", t.call("A", "Reset", {"type": "Soft"}, by="csms"), {}, by="charger")
    else:
        t.trigger(r, "A")
    result = t.result("R19")
    assert result.verdict is Verdict.FAIL
    assert action in result.findings[0].witness.seen


def test_r19_accuses_a_failure_made_up_by_the_pause() -> None:
    """A pause fails nobody; the charger's own failure is its own."""
    t, r = paused()
    t.report("A", "Downloading", "Downloaded", "Installing", "InstallationFailed")
    t.read(r)
    assert t.result("R19").verdict is Verdict.PASS
    t.show(r, "B", status="failed", reason="paused")
    t.read(r)
    assert t.result("R19").verdict is Verdict.FAIL


@pytest.mark.parametrize("other", ["in_progress", "pending", "Paused", "z"])
def test_r20_accuses_a_pause_that_is_not_shown(other: str) -> None:
    """GET says paused until the next execute-stage."""
    t, r = paused()
    t.read(r)
    assert t.result("R20").verdict is Verdict.PASS
    t.read(r, status=other)
    assert t.result("R20").verdict is Verdict.FAIL


def test_r20_allows_a_rollout_to_end_while_paused() -> None:
    """A rollout whose chargers are all settled may be terminal despite the pause."""
    t, r = paused()
    t.read(r, status="completed")
    assert t.result("R20").verdict is Verdict.FAIL
    t = Tale()
    t.boot("A")
    r = t.create("A", "all_at_once")
    t.execute(r)
    t.pause(r)
    t.update("A")
    t.read(r, status="completed")
    assert t.result("R20").verdict is Verdict.PASS


def test_r20_knows_when_a_failure_threshold_can_end_a_rollout() -> None:
    """The threshold is looked at when a stage settles, not in between."""
    t, r = paused(failure_threshold=0.1)
    t.read(r, status="failed")
    assert t.result("R20").verdict is Verdict.FAIL
    t = Tale()
    t.boot("A", "B")
    r = t.create("AB", failure_threshold=0.1)
    t.execute(r)
    t.pause(r)
    t.report("A", "Downloading", "Downloaded", "Installing", "InstallationFailed")
    t.read(r, status="failed")
    assert t.result("R20").verdict is Verdict.PASS


def test_r20_does_not_judge_a_read_that_overlaps_the_pause() -> None:
    """A read invoked before the pause was answered may show either."""
    t, r, ref = half()
    t.executed(r, ref, 1, ["A", "B"])
    read = t.invoke("read", r)
    body = t.body(r)
    t.pause(r)
    t.ok("read", read, body)
    assert t.result("R20").verdict is Verdict.INCONCLUSIVE


def test_r21_accuses_a_trigger_on_reconnect() -> None:
    """A queued charger that comes back during the pause stays untriggered."""
    t, r = paused()
    t.close("C")
    t.boot("C")
    t.fence("C")
    t.trigger(r, "C")
    assert t.result("R21").verdict is Verdict.FAIL
    assert t.result("R18").verdict is Verdict.FAIL


def test_r21_counts_a_charger_that_was_left_alone() -> None:
    """Coming back and staying untriggered exercises the rule."""
    t, r = paused()
    t.close("C")
    t.boot("C")
    t.fence("C")
    t.execute(r, "CD", stage=1)
    result = t.result("R21")
    assert (result.verdict, result.exercised) == (Verdict.PASS, 1)


def test_r23_accuses_a_resume_that_skips_ahead() -> None:
    """A resume triggers what was left of its stage, not the next one."""
    t = Tale()
    t.boot(*"ABCD")
    r = t.create("ABCD", "rolling", batch_size=2)
    ref = t.invoke("execute_stage", r)
    t.trigger(r, "A")
    t.executed(r, ref, 1, ["A"])
    t.pause(r)
    t.execute(r, "CD", stage=2)
    result = t.result("R23")
    assert result.verdict is Verdict.FAIL
    assert "C of stage 2 was triggered" in result.findings[0].witness.seen


def test_r23_accuses_a_resume_that_forgets() -> None:
    """A charger that was left and stays reachable is triggered by the resume."""
    t, r = paused()
    t.execute(r, "C", stage=1)
    t.wait(60)
    t.fence("D")
    result = t.result("R23")
    assert result.verdict is Verdict.FAIL
    assert result.findings[0].charger == "D"


def test_r23_waits_for_slots_and_absent_chargers() -> None:
    """Beyond max_in_flight, or offline, a charger may follow later."""
    t, r = paused(max_in_flight=2)
    t.execute(r, [], stage=1)
    t.wait(60)
    t.fence("C", "D")
    assert t.result("R23").verdict is Verdict.PASS
    t, r = paused()
    t.close("D")
    t.execute(r, "C", stage=1)
    t.wait(60)
    assert t.result("R23").verdict is Verdict.PASS


def test_r23_lets_a_resume_go_on_when_time_outs_settled_the_stage() -> None:
    """What was left of the stage may have timed out as offline: then the next stage begins."""
    t = Tale()
    t.boot("A", "C")
    r = t.create("ABC", "rolling", batch_size=2, offline_timeout=10)
    t.execute(r, "A")
    t.update("A")
    t.wait(20)
    t.pause(r)
    t.execute(r, "C", stage=2)
    assert t.result("R23").verdict is not Verdict.FAIL


def test_never_exercised_pauses_are_inconclusive() -> None:
    """Without a pause that holds something back nothing is proven."""
    t = Tale()
    t.boot("A")
    r = t.create("A", "all_at_once")
    t.execute(r)
    t.pause(r)
    for name in ("R18", "R20", "R21", "R23"):
        assert t.result(name).verdict is Verdict.INCONCLUSIVE
