"""What the judge once overlooked: each story holds one mistake that no property spoke of."""

from __future__ import annotations

from datetime import timedelta

import pytest

from harness.verdict import Verdict
from tests.harness.tell import START, Tale

FAIL, PASS, INCONCLUSIVE = Verdict.FAIL, Verdict.PASS, Verdict.INCONCLUSIVE


# ------------------------------------------------------------------ stages


@pytest.mark.parametrize(
    ("said", "verdict"), [("failed", PASS), ("completed", FAIL), ("paused", FAIL)]
)
def test_r33_looks_at_the_stages_of_what_has_ended(said: str, verdict: Verdict) -> None:
    """D5, D33: a rollout that is over tells no lies about a stage whose chargers have all ended."""
    t = Tale()
    t.boot("A", "B")
    r = t.create("AB", "canary")
    t.execute(r)
    t.report("A", "Downloading", "InstallationFailed")
    body = t.body(r)
    body["stages"][0]["status"] = said
    t.read(r, status="failed", stages=body["stages"])
    assert t.result("R33").verdict is verdict


@pytest.mark.parametrize(
    ("switch", "verdict"), [("D5", FAIL), ("D6", PASS), ("D7", FAIL), ("D34", FAIL)]
)
def test_r33_lets_a_rollout_go_on_after_its_canary_where_the_profile_does(
    switch: str, verdict: Verdict
) -> None:
    """`profile: {D6: any}` leaves open what a canary that failed does to its rollout."""
    t = Tale(profile={switch: "any"})
    t.boot("A", "B")
    r = t.create("AB", "canary")
    t.execute(r)
    t.report("A", "Downloading", "InstallationFailed")
    t.read(r, status="in_progress")
    assert t.result("R33").verdict is verdict


@pytest.mark.parametrize(("switches", "verdict"), [({}, FAIL), ({"D5": "any"}, PASS)])
def test_r33_lets_a_target_call_a_stage_without_success_completed(
    switches: dict[str, str], verdict: Verdict
) -> None:
    """D5 says how a stage ends; a target may take it otherwise."""
    t = Tale(profile=switches)
    t.boot("A", "B")
    r = t.create("AB", "canary")
    t.execute(r)
    t.report("A", "Downloading", "InstallationFailed")
    body = t.body(r)
    body["stages"][0]["status"] = "completed"
    t.read(r, status="failed", stages=body["stages"])
    assert t.result("R33").verdict is verdict


@pytest.mark.parametrize(("switches", "verdict"), [({}, FAIL), ({"D33": "any"}, PASS)])
def test_r33_knows_four_statuses_of_a_stage(switches: dict[str, str], verdict: Verdict) -> None:
    """D33: a pause shows in the status of the rollout alone; a target may have it otherwise."""
    t = Tale(profile=switches)
    t.boot("A")
    r = t.create("A", "all_at_once")
    t.execute(r)
    t.pause(r)
    body = t.body(r)
    body["stages"][0]["status"] = "paused"
    t.read(r, stages=body["stages"])
    result = t.result("R33")
    assert result.verdict is verdict or (switches and result.verdict is Verdict.NOT_APPLICABLE)


# ------------------------------------------------------------------ failed downloads


def failed_download(
    after: float, *, patience: float = 600, heard: bool = True, **header: object
) -> Tale:
    """A download fails with two retries left, 30 s apart, and nothing follows."""
    t = Tale(started_at=START.isoformat(), **header)
    t.boot("A")
    t.fence("A")
    r = t.create("A", "all_at_once", update_timeout=patience)
    t.execute(r)
    t.report("A", "Downloading")
    if heard:
        t.report("A", "DownloadFailed")
    else:
        t.call("A", "FirmwareStatusNotification", {"status": "DownloadFailed"})
    t.show(r, "A", status="downloading", completed_at=None)
    t.wait(after)
    t.read(r)
    return t


@pytest.mark.parametrize(("after", "verdict"), [(70, INCONCLUSIVE), (80, FAIL)])
def test_l5_waits_for_the_next_attempt_only(after: float, verdict: Verdict) -> None:
    """D30: one and a half intervals and half a minute, whatever update_timeout allows."""
    assert failed_download(after).result("L5").verdict is verdict


def test_l5_times_out_who_failed_to_download_as_well() -> None:
    """D12: the shorter patience ends it, and that one holds where a target counts otherwise."""
    assert failed_download(50, patience=40).result("L5").verdict is FAIL
    profile = {"D30": "any"}
    assert failed_download(80, profile=profile).result("L5").verdict is INCONCLUSIVE
    assert failed_download(50, patience=40, profile=profile).result("L5").verdict is FAIL


def test_l5_asks_whether_the_failure_was_heard() -> None:
    """A failure that was never answered starts no wait for another attempt."""
    assert failed_download(80, heard=False).result("L5").verdict is INCONCLUSIVE


# ------------------------------------------------------------------ times


@pytest.mark.parametrize(("ago", "verdict"), [(3, PASS), (20, FAIL)])
@pytest.mark.parametrize("name", ["started_at", "completed_at"])
def test_r31_remembers_what_had_not_come_yet(name: str, ago: float, verdict: Verdict) -> None:
    """D27: a time cannot lie before a read that showed the charger as waiting, or as under way."""
    t = Tale(started_at=START.isoformat())
    t.boot("A", "B")
    r = t.create("AB", "all_at_once")
    t.execute(r, "A")
    t.wait(60)
    t.read(r)
    early = (START + timedelta(seconds=t.now - ago)).strftime("%Y-%m-%dT%H:%M:%SZ")
    if name == "started_at":
        t.trigger(r, "B")
        t.show(r, "B", started_at=early)
    else:
        t.report("A", "Downloading", "InstallationFailed")
        t.show(r, "A", completed_at=early)
    t.read(r)
    assert t.result("R31").verdict is verdict


@pytest.mark.parametrize(("again", "verdict"), [(True, PASS), (False, FAIL)])
def test_r46_compares_a_pause_with_the_execute_before_it(again: bool, verdict: Verdict) -> None:
    """D9: what a second pause dates is itself, however soon it follows the first."""
    t = Tale(started_at=START.isoformat())
    t.boot("A")
    r = t.create("A", "all_at_once")
    t.execute(r)
    first = t.stamp()
    t.pause(r, reason="once")
    t.wait(2)
    t.execute(r, [], stage=1)
    t.wait(1)
    t.pause(r, reason="again", paused_at=t.stamp() if again else first)
    assert t.result("R46").verdict is verdict


@pytest.mark.parametrize(("stale", "verdict"), [(False, PASS), (True, FAIL)])
def test_r16_dates_a_stage_by_its_own_execute(stale: bool, verdict: Verdict) -> None:
    """D18: without a date a download begins when its stage was executed, not with the first."""
    t = Tale(started_at=START.isoformat())
    t.boot("A", "B")
    r = t.create("AB", "canary")
    first = t.stamp()
    t.execute(r)
    t.update("A")
    t.wait(60)
    ref = t.invoke("execute_stage", r)
    t.trigger(r, "B", retrieveDate=first if stale else t.stamp())
    t.executed(r, ref, 2, ["B"])
    assert t.result("R16").verdict is verdict


# ------------------------------------------------------------------ absence


def called_offline(*, before: bool = True, after: bool = True, left: bool = False) -> Tale:
    """A charger that waits behind another one is shown as failed for its absence."""
    t = Tale(started_at=START.isoformat())
    t.boot("A", "B")
    r = t.create("AB", "all_at_once", offline_timeout=3, max_in_flight=1)
    t.execute(r, "A")
    t.read(r)
    if not before:
        t.close("B")
        t.boot("B")
    t.wait(4)
    t.show(r, "B", status="failed", reason="offline", completed_at=t.stamp())
    t.read(r)
    if left:
        t.close("B")
        t.boot("B")
    if after:
        t.fence("B")
    return t


def test_r14_does_not_believe_that_who_is_here_is_away() -> None:
    """D11: the patience with absence is for the absent."""
    assert called_offline().result("R14").verdict is FAIL


@pytest.mark.parametrize("how", [{"before": False}, {"after": False}, {"left": True}])
def test_r14_believes_in_an_absence_that_may_have_been(how: dict[str, bool]) -> None:
    """Only a connection that the CSMS held before and after is proof."""
    assert called_offline(**how).result("R14").verdict is PASS


# ------------------------------------------------------------------ other rollouts


def shared(*done: str, begun: bool = True, **header: object) -> Tale:
    """A rollout over a canary A and a rest B, C; these have ended of those that were begun."""
    t = Tale(started_at=START.isoformat(), **header)
    t.boot("A", "B", "C")
    r = t.create("ABC", "canary")
    if begun:
        t.execute(r)
        t.update("A")
        t.execute(r)
        t.update(*done)
    t.wait(10)
    return t


@pytest.mark.parametrize(
    ("wanted", "done", "verdict"),
    [("A", "", PASS), ("B", "", FAIL), ("B", "B", FAIL), ("B", "BC", PASS), ("AB", "C", FAIL)],
)
def test_r17_wants_chargers_of_a_running_stage_refused(
    wanted: str, done: str, verdict: Verdict
) -> None:
    """D13: whoever belongs to a started stage that is not over is taken, done or not."""
    t = shared(*done)
    t.create(wanted, "all_at_once")
    result = t.result("R17")
    assert result.verdict is verdict or (verdict is PASS and not result.findings)


@pytest.mark.parametrize(("stages", "accused"), [(1, False), (2, True)])
def test_r17_looks_again_at_execute_stage(stages: int, accused: bool) -> None:
    """D13: what was free when the plan was made may be taken when its turn comes."""
    t = shared(begun=False)
    other = t.create("B", "all_at_once")
    t.execute("rollout_1")
    t.update("A")
    if stages > 1:
        t.execute("rollout_1")
    ref = t.invoke("execute_stage", other)
    t.executed(other, ref, 1, [])
    assert bool(t.result("R17").findings) is accused


def turned_down(t: Tale, wanted: str) -> None:
    """A create is refused for a conflict."""
    body = {
        "charger_ids": list(wanted),
        "firmware_url": "https://firmware.example/x/image.bin",
        "strategy": "all_at_once",
    }
    t.fail("create", t.invoke("create", body=body), 409)


@pytest.mark.parametrize(
    ("wanted", "done", "begun", "verdict"),
    [
        ("A", "", True, FAIL),  # the canary is over
        ("A", "", False, FAIL),  # nothing was begun
        ("B", "", True, PASS),
        ("B", "BC", True, FAIL),
        ("AC", "B", True, PASS),
    ],
)
def test_r17_wants_a_reason_for_a_conflict(
    wanted: str, done: str, begun: bool, verdict: Verdict
) -> None:
    """D13: a plan reserves nobody, nor does a stage that is over."""
    t = shared(*done, begun=begun)
    turned_down(t, wanted)
    assert t.result("R17").verdict is verdict


def test_r17_believes_a_stranger() -> None:
    """A CSMS that is not ours may have rollouts that nobody told us of."""
    t = shared(begun=False, target={"foreign": True})
    turned_down(t, "A")
    assert t.result("R17").verdict is PASS


@pytest.mark.parametrize(
    ("said", "verdict"), [(None, PASS), ("by the operator", PASS), ("once", FAIL)]
)
def test_r46_knows_the_reasons_of_other_pauses(said: str | None, verdict: Verdict) -> None:
    """A pause without a reason may get one of the target's own, but not that of another pause."""
    t = Tale(started_at=START.isoformat())
    t.boot("A")
    r = t.create("A", "all_at_once")
    t.execute(r)
    t.pause(r, reason="once")
    t.wait(2)
    t.execute(r, [], stage=1)
    t.pause(r, said=said)
    assert t.result("R46").verdict is verdict


# ------------------------------------------------------------------ commands that are repeated


@pytest.mark.parametrize(
    ("date", "version", "seen"),
    [
        (10, "1.0.0", ""),
        (3600, "1.0.0", "Idle says nothing before the retrieve date"),
        (10, "2.0.0", "had booted with another version in between"),
    ],
)
def test_r13_asks_what_idle_is_worth(date: int, version: str, seen: str) -> None:
    """D21: before its date a charger may well say Idle; one that boots anew has begun."""
    t = Tale(started_at=START.isoformat())
    t.boot("A")
    when = (START + timedelta(seconds=date)).strftime("%Y-%m-%dT%H:%M:%SZ")
    r = t.create("A", "all_at_once", retrieve_date=when)
    ref = t.invoke("execute_stage", r)
    t.command(r, "A", retrieveDate=when)
    t.executed(r, ref, 1, ["A"])
    t.wait(40)
    t.close("A")
    t.boot("A", version=version)
    asked = t.call(
        "A", "TriggerMessage", {"requestedMessage": "FirmwareStatusNotification"}, by="csms"
    )
    t.answer("A", asked, {"status": "Accepted"}, "charger")
    t.report("A", "Idle")
    t.trigger(r, "A", retrieveDate=when)
    result = t.result("R13")
    assert (result.verdict is FAIL) is bool(seen)
    assert not seen or seen in result.findings[0].witness.seen


# ------------------------------------------------------------------ repeated requests


def insisted(status: int, stage: int = 1, *, key: str = "once") -> Tale:
    """An execute-stage is sent twice, the second time with this key and this answer."""
    t = Tale(started_at=START.isoformat())
    t.boot("A", "B")
    t.fence("A", "B")
    r = t.create("AB", "canary")
    ref = t.invoke("execute_stage", r, headers={"Idempotency-Key": "once"})
    t.trigger(r, "A")
    t.executed(r, ref, 1, ["A"])
    t.update("A")
    t.wait(5)
    again = t.invoke("execute_stage", r, headers={"Idempotency-Key": key})
    if status != 200:
        t.fail("execute_stage", again, status)
        return t
    if stage > 1:
        t.trigger(r, "B")
    t.executed(r, again, stage, ["A"] if stage == 1 else ["B"])
    return t


@pytest.mark.parametrize(
    ("status", "stage", "key", "verdict"),
    [
        (200, 1, "once", PASS),
        (200, 2, "once", FAIL),
        (409, 1, "once", FAIL),
        (200, 2, "another", INCONCLUSIVE),
    ],
)
def test_r06_wants_the_answer_to_an_execute_again(
    status: int, stage: int, key: str, verdict: Verdict
) -> None:
    """D19: the same key is the same request, carried out once."""
    assert insisted(status, stage, key=key).result("R06").verdict is verdict


def test_r43_knows_a_repeated_answer() -> None:
    """It lists those of before, who are not sent anything again."""
    assert insisted(200).result("R43").verdict is PASS
    assert insisted(200, key="another").result("R43").verdict is FAIL


@pytest.mark.parametrize(("key", "verdict"), [("once", PASS), ("another", FAIL)])
def test_r32_lets_a_repeated_answer_tell_of_before(key: str, verdict: Verdict) -> None:
    """The first answer said in_progress; the rollout has ended since."""
    t = Tale()
    t.boot("A")
    r = t.create("A", "all_at_once")
    ref = t.invoke("execute_stage", r, headers={"Idempotency-Key": "once"})
    t.trigger(r, "A")
    t.executed(r, ref, 1, ["A"])
    t.update("A")
    t.read(r, status="completed")
    again = t.invoke("execute_stage", r, headers={"Idempotency-Key": key})
    t.executed(r, again, 1, ["A"], status="in_progress")
    t.read(r, status="completed")
    assert t.result("R32").verdict is verdict
