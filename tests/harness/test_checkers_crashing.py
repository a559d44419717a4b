"""R22, R24, R39-R41: across a kill of the CSMS."""

from __future__ import annotations

import pytest

from harness.verdict import Verdict
from tests.harness.tell import Tale


def running() -> tuple[Tale, str]:
    """Four chargers in two stages, the first half of the first stage triggered."""
    t = Tale()
    t.boot(*"ABCD")
    r = t.create("ABCD", "rolling", batch_size=2)
    ref = t.invoke("execute_stage", r)
    t.trigger(r, "A")
    t.executed(r, ref, 1, ["A"])
    return t, r


def killed(t: Tale) -> None:
    """The CSMS dies, comes back, and the chargers boot again."""
    t.crash(*"ABCD")
    t.fence(*"ABCD")


def test_a_good_restart_passes() -> None:
    """Released, untriggered chargers follow; the others are tracked."""
    t, r = running()
    t.report("A", "Downloading")
    killed(t)
    t.trigger(r, "B")
    t.report("A", "Downloaded")
    t.wait(3)
    t.read(r)
    judged = t.judged()
    for name in ("R22", "R39", "R40", "R41"):
        result = judged.result(name)
        assert result.verdict is Verdict.PASS, result
        assert result.exercised > 0


@pytest.mark.parametrize("how", ["gone", "pending", "unpaused", "commands"])
def test_r22_accuses_what_a_kill_lost(how: str) -> None:
    """What was acknowledged before the kill holds after it."""
    t, r = running()
    if how in {"unpaused", "commands"}:
        t.pause(r)
    killed(t)
    if how == "gone":
        t.refuse(r, "read", 404)
    elif how == "commands":
        t.trigger(r, "B")
    else:
        t.read(r, status="pending" if how == "pending" else "in_progress")
    result = t.result("R22")
    assert result.verdict is Verdict.FAIL
    assert any("kill" in step.text for step in result.findings[0].witness.steps)


def test_r22_passes_a_pause_that_survives() -> None:
    """Still paused after the restart."""
    t, r = running()
    t.pause(r)
    killed(t)
    t.read(r)
    assert t.result("R22").verdict is Verdict.PASS


def test_r24_accuses_a_timeout_during_a_pause() -> None:
    """An untriggered charger does not time out while paused, and never by silence."""
    for reason, verdict in (("timeout", Verdict.FAIL), ("removed", Verdict.PASS)):
        t, r = running()
        t.pause(r)
        t.wait(5000)
        t.show(r, "B", status="failed", reason=reason)
        t.read(r)
        t.execute(r, [], stage=1)
        assert t.result("R24").verdict is verdict


def test_r24_counts_only_the_time_outside_the_pause() -> None:
    """offline_timeout stops while the rollout is paused."""
    for waited, verdict in ((50, Verdict.FAIL), (150, Verdict.PASS)):
        t = Tale()
        t.boot("A")
        r = t.create("AB", "all_at_once", offline_timeout=100)
        t.execute(r, "A")
        t.wait(waited)
        t.pause(r)
        t.wait(1000)
        t.show(r, "B", status="failed", reason="offline")
        t.read(r)
        t.execute(r, [], stage=1)
        assert t.result("R24").verdict is verdict


def test_r39_accuses_a_blind_repeat_after_a_restart() -> None:
    """A charger that reported is not triggered again because of a kill."""
    t, r = running()
    t.report("A", "Downloading")
    killed(t)
    t.trigger(r, "A")
    assert t.result("R39").verdict is Verdict.FAIL


def test_r39_accuses_a_forgotten_charger() -> None:
    """Completed after a restart means everyone."""
    t, r = running()
    killed(t)
    t.read(r, status="completed")
    assert t.result("R39").verdict is Verdict.FAIL


@pytest.mark.parametrize("how", ["stage", "paused"])
def test_r40_accuses_what_was_not_released(how: str) -> None:
    """Neither the next stage nor a paused rollout moves after a restart."""
    t, r = running()
    if how == "paused":
        t.pause(r)
    killed(t)
    t.trigger(r, "C" if how == "stage" else "B")
    assert t.result("R40").verdict is Verdict.FAIL


def test_r41_accuses_a_lost_track() -> None:
    """What a charger reports after the restart is shown."""
    t, r = running()
    t.report("A", "Downloading")
    killed(t)
    before = t.body(r)
    t.report("A", "Downloaded", "Installing")
    t.wait(3)
    t.ok("read", t.invoke("read", r), before)
    assert t.result("R41").verdict is Verdict.FAIL


def test_without_a_kill_nothing_is_proven() -> None:
    """The crash rules need a crash."""
    t, r = running()
    t.read(r)
    for name in ("R22", "R39", "R40", "R41"):
        assert t.result(name).verdict is Verdict.INCONCLUSIVE
