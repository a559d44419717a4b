"""R07-R12: stages in order, when told to, after the one before."""

from __future__ import annotations

import pytest

from harness.verdict import Verdict
from tests.harness.tell import Tale


def three_batches() -> tuple[Tale, str]:
    """Three booted chargers and a rolling rollout with one in each batch."""
    t = Tale()
    t.boot("A", "B", "C")
    return t, t.create("ABC", "rolling", batch_size=1)


def test_stages_in_order_pass() -> None:
    """A rolling rollout, each batch settled before the next, satisfies the ordering rules."""
    t, r = three_batches()
    for charger in "ABC":
        t.execute(r)
        t.update(charger)
        t.read(r)
    judged = t.judged()
    for name in ("R07", "R08", "R09", "R10", "R11"):
        assert judged.result(name).verdict is Verdict.PASS, name
        assert judged.result(name).exercised > 0


def test_r07_accuses_a_skipped_stage() -> None:
    """A stage that never begins although a later one does was skipped."""
    t, r = three_batches()
    t.execute(r)
    t.update("A")
    t.execute(r, "C", stage=3)
    result = t.result("R07")
    assert result.verdict is Verdict.FAIL
    assert "no charger of stage 2 had been triggered" in result.findings[0].witness.seen


def test_r07_does_not_accuse_triggers_that_overtook_each_other() -> None:
    """Two stages' first commands, seen in the wrong order without a fence, prove no skip."""
    t, r = three_batches()
    ref = t.invoke("execute_stage", r)
    t.trigger(r, "B")
    t.trigger(r, "A")
    t.executed(r, ref, 1, ["A"])
    assert t.result("R07").verdict is Verdict.PASS
    assert t.result("R08").verdict is Verdict.FAIL


def test_r07_allows_passing_over_a_stage_that_ended_untriggered() -> None:
    """Removed chargers settle a stage that never began."""
    t, r = three_batches()
    t.execute(r, [], listed=[])
    t.show(r, "A", status="failed", reason="offline")
    t.read(r)
    t.execute(r, "B", stage=2)
    assert t.result("R07").verdict is Verdict.PASS


def test_r08_accuses_a_stage_that_no_call_released() -> None:
    """The next stage never begins by itself."""
    t, r = three_batches()
    t.execute(r)
    t.update("A")
    t.trigger(r, "B")
    result = t.result("R08")
    assert result.verdict is Verdict.FAIL
    assert result.findings[0].charger == "B"


def test_r08_accuses_a_refused_call_that_acted() -> None:
    """A 409 releases nothing; a call still open may."""
    t, r = three_batches()
    t.execute(r)
    t.update("A")
    ref = t.invoke("execute_stage", r)
    t.trigger(r, "B")
    assert t.result("R08").verdict is Verdict.PASS
    t.fail("execute_stage", ref, 409)
    assert t.result("R08").verdict is Verdict.FAIL


def test_r08_takes_an_unknown_outcome_as_possible() -> None:
    """A call that timed out may have released a stage."""
    t, r = three_batches()
    t.execute(r)
    t.update("A")
    ref = t.invoke("execute_stage", r)
    t.info("execute_stage", ref)
    t.trigger(r, "B")
    assert t.result("R08").verdict is Verdict.PASS


def test_r09_accuses_a_stage_that_did_not_wait() -> None:
    """The stage before must be settled; the witness shows who was not."""
    t, r = three_batches()
    t.execute(r)
    t.report("A", "Downloading")
    t.execute(r)
    result = t.result("R09")
    assert result.verdict is Verdict.FAIL
    assert "while A of stage 1 was Downloading" in result.findings[0].witness.seen


def test_r09_counts_refusals_timeouts_and_final_failures_as_settled() -> None:
    """Each way to settle a stage lets the next one begin."""
    for settle in ("refusal", "timeout", "late", "retries", "install", "shown"):
        t, r = three_batches()
        if settle == "refusal":
            ref = t.invoke("execute_stage", r)
            t.trigger(r, "A", answer=["NotSupported", "", {}])
            t.executed(r, ref, 1, ["A"])
        else:
            t.execute(r)
        if settle in {"timeout", "late"}:
            t.wait(3600)
        if settle == "late":  # a failure that may be tried again, after the time-out
            t.report("A", "DownloadFailed")
        if settle == "retries":
            t.report("A", *["Downloading", "DownloadFailed"] * 3)
        if settle == "install":
            t.report("A", "Downloading", "Downloaded", "Installing", "InstallationFailed")
        if settle == "shown":
            t.show(r, "A", status="failed", reason="removed")
            t.read(r)
        t.execute(r)
        assert t.result("R09").verdict is Verdict.PASS, settle


def test_r09_calls_an_early_download_failure_a_difference() -> None:
    """Taking the first DownloadFailed as final differs from D30, and only from that."""
    t, r = three_batches()
    t.execute(r)
    t.report("A", "Downloading", "DownloadFailed")
    t.execute(r)
    assert t.result("R09").findings[0].grade == "differs"
    t.history.header.profile["D30"] = "any"
    assert t.result("R09").verdict is Verdict.PASS


def test_r10_accuses_two_stages_in_one_call() -> None:
    """One call, one stage."""
    t, r = three_batches()
    t.execute(r, "AB")
    assert t.result("R10").verdict is Verdict.FAIL


def test_r10_allows_two_overlapping_calls_to_begin_two_stages() -> None:
    """With two calls open, which of them began which stage is unknown."""
    t, r = three_batches()
    one = t.invoke("execute_stage", r)
    two = t.invoke("execute_stage", r)
    t.trigger(r, "A", "B")
    t.executed(r, one, 1, ["A"])
    t.executed(r, two, 2, ["B"])
    assert t.result("R10").verdict is Verdict.PASS


def test_r10_knows_a_stage_that_an_earlier_call_began() -> None:
    """Nobody of it was online then; two stages that no call had named are two."""
    t, r = three_batches()
    t.execute(r, [], listed=[])
    t.execute(r, "B")
    t.trigger(r, "A")
    assert t.result("R10").verdict is Verdict.PASS
    t, r = three_batches()
    t.execute(r, [], listed=[])
    t.execute(r, "BC")
    t.trigger(r, "A")
    assert t.result("R10").verdict is Verdict.FAIL


def test_r11_counts_chargers_in_flight() -> None:
    """More unsettled chargers than the largest stage holds is too many."""
    t, r = three_batches()
    t.execute(r)
    t.execute(r)
    assert t.result("R11").verdict is Verdict.FAIL


def test_r11_holds_max_in_flight() -> None:
    """The extension's limit counts, where it was asked for."""
    t = Tale()
    t.boot("A", "B", "C")
    r = t.create("ABC", "all_at_once", max_in_flight=2)
    t.execute(r, "AB")
    assert t.result("R11").verdict is Verdict.PASS
    t.trigger(r, "C")
    assert t.result("R11").verdict is Verdict.FAIL


def test_r11_counts_nobody_who_waits_in_line_again() -> None:
    """Idle, said since the command, gives the place to another; said before it, it does not."""
    for late, verdict in ((True, Verdict.PASS), (False, Verdict.FAIL)):
        t = Tale()
        t.boot("A", "B")
        r = t.create("AB", "all_at_once", max_in_flight=1)
        t.execute(r, "A")
        t.report("A", "Idle")
        if not late:
            t.trigger(r, "A")
        t.trigger(r, "B")
        assert t.result("R11").verdict is verdict


def failed_canary() -> tuple[Tale, str]:
    """A canary rollout whose only canary failed to install."""
    t = Tale()
    t.boot("A", "B")
    r = t.create("AB")
    t.execute(r)
    t.report("A", "Downloading", "Downloaded", "Installing", "InstallationFailed")
    return t, r


def test_r12_accuses_a_release_after_a_failed_canary() -> None:
    """A failed canary holds the rest back; a held rest exercises the rule."""
    t, r = failed_canary()
    t.read(r, status="failed")
    assert t.result("R12").verdict is Verdict.PASS
    t.execute(r)
    assert t.result("R12").verdict is Verdict.FAIL


def test_never_exercised_ordering_is_inconclusive() -> None:
    """Without a trigger the ordering rules prove nothing."""
    t, _ = three_batches()
    for name in ("R07", "R08", "R09", "R10", "R11", "R12"):
        assert t.result(name).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(("looked", "verdict"), [(False, Verdict.PASS), (True, Verdict.FAIL)])
def test_r09_believes_in_a_time_out_of_unknown_length_until_a_get_says_no(
    looked: bool, verdict: Verdict
) -> None:
    """Nobody knows when the target gives a silent charger up; its GET shows that it has not."""
    t = Tale(profile={"D12": "any"})
    t.boot("A", "B", "C")
    r = t.create("ABC", "rolling", batch_size=1)
    t.execute(r)
    t.wait(30)
    if looked:
        t.read(r)
    t.execute(r)
    result = t.result("R09")
    assert (result.verdict, result.exercised) == (verdict, 1)
