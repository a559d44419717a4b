"""Waits: whose clock runs from when, slots that come free, and whether what is dated is true."""

from __future__ import annotations

from typing import Any

import pytest

from harness.verdict import Verdict
from tests.harness.tell import START, Tale

FAIL, PASS, INCONCLUSIVE = Verdict.FAIL, Verdict.PASS, Verdict.INCONCLUSIVE
DATE = "2026-01-01T01:00:00Z"  # an hour after the story begins


def tale(*chargers: str, **header: Any) -> Tale:
    """A story with a wall clock, whose chargers are booted and have made a round trip."""
    t = Tale(started_at=START.isoformat(), **header)
    t.boot(*chargers)
    t.fence(*chargers)
    return t


def time_out(t: Tale, rollout: str, charger: str) -> None:
    """From now on GET shows the charger as failed for its silence."""
    t.show(rollout, charger, status="failed", reason="timeout", completed_at=t.stamp())


def seen(t: Tale, requirement: str) -> str:
    """What the first witness against a requirement says."""
    return t.result(requirement).findings[0].witness.seen


# ------------------------------------------------------------------ silence


@pytest.mark.parametrize(("after", "verdict"), [(70, FAIL), (3500, FAIL), (3670, PASS)])
def test_r14_counts_silence_from_the_date(after: float, verdict: Verdict) -> None:
    """D12: nobody is late who may not begin yet."""
    t = tale("A")
    r = t.create("A", "all_at_once", update_timeout=60, retrieve_date=DATE)
    t.execute(r)
    t.wait(after)
    time_out(t, r, "A")
    t.read(r)
    assert t.result("R14").verdict is verdict


def test_r14_counts_a_silence_that_ended_from_the_date_too() -> None:
    """A charger that first speaks at its date was never late, whatever GET shows then."""
    t = tale("A")
    r = t.create("A", "all_at_once", update_timeout=60, retrieve_date=DATE)
    t.execute(r)
    t.wait(3600)
    t.report("A", "Downloading")
    time_out(t, r, "A")
    t.read(r)
    assert t.result("R14").verdict is FAIL


@pytest.mark.parametrize(("after", "verdict"), [(3000, INCONCLUSIVE), (3680, FAIL)])
def test_l5_counts_silence_from_the_date(after: float, verdict: Verdict) -> None:
    """The same clock, from the other side: it does run out."""
    t = tale("A")
    r = t.create("A", "all_at_once", update_timeout=60, retrieve_date=DATE)
    t.execute(r)
    t.wait(after)
    t.read(r)
    assert t.result("L5").verdict is verdict


@pytest.mark.parametrize(("reason", "verdict"), [("call_error", PASS), ("timeout", FAIL)])
def test_r14_wants_a_time_out_to_be_one(reason: str, verdict: Verdict) -> None:
    """Who refuses has failed, but not for its silence."""
    t = tale("A")
    r = t.create("A", "all_at_once", update_timeout=60)
    ref = t.invoke("execute_stage", r)
    t.trigger(r, "A", answer=["GenericError", "", {}])
    t.executed(r, ref, 1, ["A"])
    t.show(r, "A", status="failed", reason=reason, completed_at=t.stamp())
    t.read(r)
    assert t.result("R14").verdict is verdict


# ------------------------------------------------------------------ failed downloads


@pytest.mark.parametrize(
    ("failures", "after", "verdict"),
    [(1, 1, FAIL), (1, 70, FAIL), (1, 80, PASS), (2, 1, FAIL), (3, 1, PASS)],
)
def test_r14_waits_for_the_retries(failures: int, after: float, verdict: Verdict) -> None:
    """D30: two retries, 30 s apart, are three failures, or 75 s without another attempt."""
    t = tale("A")
    r = t.create("A", "all_at_once", update_timeout=600)
    t.execute(r)
    for _ in range(failures):
        t.report("A", "Downloading", "DownloadFailed")
    t.wait(after)
    t.read(r)
    assert t.result("R14").verdict is verdict


def test_r14_waits_from_the_failure_that_counted() -> None:
    """A failure that is told again, without another attempt, does not start the wait anew."""
    t = tale("A")
    r = t.create("A", "all_at_once", update_timeout=600)
    t.execute(r)
    t.report("A", "Downloading", "DownloadFailed")
    t.wait(60)
    t.report("A", "DownloadFailed")
    t.wait(20)
    t.read(r)
    assert t.result("R14").verdict is PASS


# ------------------------------------------------------------------ absence


def away(wait: float, *, silent: bool = False) -> tuple[Tale, str]:
    """A rollout over one charger that is there and one that has left."""
    t = tale("A", "B")
    r = t.create("AB", "all_at_once", offline_timeout=60, update_timeout=900)
    ref = f"B#{t.connections['B']}"
    data: dict[str, Any] = {"code": 1006, "reason": ""} | ({"silent": True} if silent else {})
    t.event("charger:B", "close", ref=ref, **data)
    t.execute(r, "A")
    t.wait(wait)
    return t, r


@pytest.mark.parametrize(("wait", "verdict"), [(50, INCONCLUSIVE), (70, FAIL)])
def test_l5_accuses_an_absence_without_end(wait: float, verdict: Verdict) -> None:
    """D11: who is away for offline_timeout fails."""
    t, r = away(wait)
    t.read(r)
    assert t.result("L5").verdict is verdict


def test_l5_believes_who_was_failed_for_its_absence() -> None:
    """And that exercises the property."""
    t, r = away(70)
    t.show(r, "B", status="failed", reason="offline", completed_at=t.stamp())
    t.read(r)
    assert t.result("L5").verdict is PASS


def test_l5_knows_that_nobody_hears_a_line_that_dies_in_silence() -> None:
    """For the CSMS the charger is still there."""
    t, r = away(70, silent=True)
    t.read(r)
    assert t.result("L5").verdict is INCONCLUSIVE


@pytest.mark.parametrize(("wait", "verdict"), [(70, INCONCLUSIVE), (910, FAIL)])
def test_l5_lets_a_command_that_a_kill_swallowed_count_as_one(
    wait: float, verdict: Verdict
) -> None:
    """D21: written down and never sent, it has update_timeout: for the CSMS the charger is told."""
    t, r = away(1)
    t.crash("A")
    t.update("A")
    t.wait(wait)
    t.read(r)
    assert t.result("L5").verdict is verdict


def test_l5_lets_no_absence_count_during_a_pause() -> None:
    """R24: the clock of who was told nothing stands still, and starts anew with the resume."""
    t, r = away(50)
    t.pause(r)
    t.wait(100)
    t.read(r)
    t.execute(r, [], stage=1)
    t.wait(50)
    t.read(r)
    assert t.result("L5").verdict is INCONCLUSIVE
    t.wait(20)
    t.read(r)
    assert t.result("L5").verdict is FAIL


# ------------------------------------------------------------------ slots


def queued(t: Tale, *, freed: bool = True) -> str:
    """A rollout of three with one slot, whose first charger is done with it."""
    r = t.create("ABC", "all_at_once", max_in_flight=1, update_timeout=60)
    t.execute(r, "A")
    if freed:
        t.report("A", "Downloading", "Downloaded", "Installing", "InstallationFailed")
    t.read(r)
    return r


@pytest.mark.parametrize(("freed", "verdict"), [(True, FAIL), (False, INCONCLUSIVE)])
def test_l1_wants_a_free_slot_filled(freed: bool, verdict: Verdict) -> None:
    """D32: chargers beyond max_in_flight follow as slots free."""
    t = tale("A", "B", "C")
    r = queued(t, freed=freed)
    t.wait(4)
    t.read(r)
    t.wait(4)
    t.read(r)
    result = t.result("L1")
    assert (result.verdict, len(result.findings)) == (verdict, int(freed))


def test_l1_sees_no_free_slot_where_too_many_are_taken() -> None:
    """Whoever overfilled the window owes nobody a place in it."""
    t = tale("A", "B", "C")
    r = t.create("ABC", "all_at_once", max_in_flight=1, update_timeout=60)
    t.execute(r, "AB")
    t.read(r)
    for _ in range(3):
        t.wait(6)
        t.read(r)
    assert "C" not in {finding.charger for finding in t.result("L1").findings}


def test_l1_says_a_slot_that_stays_free_once() -> None:
    """Every read shows it; one finding is enough."""
    t = tale("A", "B", "C")
    r = queued(t)
    for _ in range(5):
        t.wait(6)
        t.read(r)
    assert len(t.result("L1").findings) == 1


@pytest.mark.parametrize(("wait", "verdict"), [(4, PASS), (6, FAIL)])
def test_l1_measures_when_a_slot_is_filled(wait: float, verdict: Verdict) -> None:
    """Late is late, although no read came in between."""
    t = tale("A", "B", "C")
    r = queued(t)
    t.wait(wait)
    t.trigger(r, "B")
    assert t.result("L1").verdict is verdict


@pytest.mark.parametrize("why", ["pause", "away", "kill", "busy", "all away"])
def test_l1_knows_why_a_slot_may_stay_free(why: str) -> None:
    """A pause, a kill, and a line of chargers that cannot take the command."""
    t = tale("A", "B", "C")
    r = queued(t)
    if why == "pause":
        t.pause(r)
    elif why == "kill":
        t.crash("A", "B", "C")
    elif why == "all away":
        t.close("B")
        t.close("C")
    elif why == "away":
        for charger in "BC":
            t.close(charger)
            t.boot(charger)
    else:
        for charger in "BC":
            t.call(charger, "GetConfiguration", {}, by="csms")
    t.wait(6)
    t.read(r)
    assert not t.result("L1").findings


# ------------------------------------------------------------------ a command swallowed by a kill


@pytest.mark.parametrize("idle", [True, False])
def test_l1_excuses_who_was_asked_and_never_said_idle(idle: bool) -> None:
    """D21: the charger agreed to tell its status, and what it told was lost on the way."""
    t = tale("A")
    r = t.create("A", "all_at_once")
    ref = t.invoke("execute_stage", r)
    t.crash("A")
    t.info("execute_stage", ref)
    t.fence("A")
    ask = t.call("A", "TriggerMessage", {"requestedMessage": "FirmwareStatusNotification"}, "csms")
    t.answer("A", ask, {"status": "Accepted"}, by="charger", name="TriggerMessage")
    if idle:
        t.report("A", "Idle")
    t.status[r] = "in_progress"
    t.current[r] = 1
    t.pause(r)
    t.execute(r, [], stage=1)
    t.wait(10)
    t.read(r)
    assert bool(t.result("L1").findings) is idle


# ------------------------------------------------------------------ the list of the triggered


@pytest.mark.parametrize(("silence", "verdict"), [(61, PASS), (30, FAIL)])
def test_r43_knows_that_a_time_out_may_free_a_slot(silence: float, verdict: Verdict) -> None:
    """Whoever follows into a slot that came free by itself is none of the call's."""
    t = tale("A", "B")
    r = t.create("AB", "all_at_once", max_in_flight=1, update_timeout=60)
    t.execute(r, "A")
    t.pause(r)
    t.wait(silence)
    ref = t.invoke("execute_stage", r)
    t.trigger(r, "B")
    t.executed(r, ref, 1, [])
    assert t.result("R43").verdict is verdict


# ------------------------------------------------------------------ wishes and dates


@pytest.mark.parametrize(
    ("asked", "verdict"),
    [
        ({"retries": 2, "retry_interval": 30}, PASS),
        ({"retries": 2.0, "retry_interval": 30.4}, PASS),
        ({"retries": 3}, FAIL),
        ({"retry_interval": 60}, FAIL),
        ({}, PASS),
    ],
)
def test_r16_wants_the_retries_that_were_asked_for(asked: Any, verdict: Verdict) -> None:
    """D30: settable per rollout."""
    t = tale("A")
    t.execute(t.create("A", "all_at_once", **asked))
    assert t.result("R16").verdict is verdict


def test_r16_misses_retries_that_were_asked_for() -> None:
    """Silence is no answer to a wish."""
    t = tale("A")
    r = t.create("A", "all_at_once", retries=2)
    t.trigger(r, "A", retries=None)
    assert "retries is missing, asked was 2" in seen(t, "R16")


@pytest.mark.parametrize("said", ["2025-12-31T23:59:00Z", "2026-01-01T00:01:00Z"])
def test_r31_wants_the_time_at_which_it_was_done(said: str) -> None:
    """created_at and triggered_at are neither long before the call nor long after its answer."""
    t = tale("A")
    t.create("A", "all_at_once", body={"created_at": said})
    assert t.result("R31").verdict is FAIL
    t = tale("A")
    t.execute(t.create("A", "all_at_once"), triggered_at=said)
    assert t.result("R31").verdict is FAIL


def test_r31_wants_one_creation_and_the_last_change() -> None:
    """created_at stays, and no row is newer than updated_at."""
    t = tale("A")
    r = t.create("A", "all_at_once")
    t.wait(20)
    t.execute(r)
    t.read(r)
    assert t.result("R31").verdict is PASS
    t.read(r, created_at=t.stamp())
    assert "created_at changed" in seen(t, "R31")
    t = tale("A")
    r = t.create("A", "all_at_once")
    before = t.stamp()
    t.wait(20)
    t.execute(r)
    t.read(r, updated_at=before)
    assert f"updated_at is {before}" in seen(t, "R31")


def test_r46_wants_the_time_of_the_pause() -> None:
    """paused_at is when it was paused, and a second pause tells the first one's (D9)."""
    t = tale("A")
    r = t.create("A", "all_at_once")
    t.execute(r)
    first = t.stamp()
    t.pause(r, "why", paused_at=first)
    t.wait(60)
    t.pause(r, "again", said="why", paused_at=first)
    assert t.result("R46").verdict is PASS
    t = tale("A")
    r = t.create("A", "all_at_once")
    t.wait(60)
    t.execute(r)
    t.pause(r, "why", paused_at=first)
    assert "s from the call" in seen(t, "R46")


# ------------------------------------------------------------------ boots


def booted_anew(version: str, wanted: str | None = "2.0.0", told: str = "") -> Tale:
    """A charger that comes back with a version and says nothing else."""
    facts = {} if wanted is None else {"firmware_version": wanted}
    t = tale("A")
    t.history.header.scenario.update(facts)
    r = t.create("A", "all_at_once")
    t.execute(r)
    t.report("A", "Downloading")
    t.close("A")
    t.boot("A", version=version)
    if told:
        t.report("A", told)
    t.wait(3)
    t.read(r)
    return t


@pytest.mark.parametrize(
    ("version", "wanted", "verdict"),
    [("2.0.0", "2.0.0", FAIL), ("1.0.0", "2.0.0", PASS), ("3.0.0", "2.0.0", PASS),
     ("2.0.0", None, PASS)],
)  # fmt: skip
def test_r34_wants_a_boot_with_the_new_version_shown(
    version: str, wanted: str | None, verdict: Verdict
) -> None:
    """D23: nothing obliges a station to tell again that it has installed."""
    assert booted_anew(version, wanted).result("R34").verdict is verdict


def test_r34_takes_the_statuses_after_a_boot_too() -> None:
    """Installed after the boot is shown, and all is well."""
    assert booted_anew("2.0.0", told="Installed").result("R34").verdict is PASS


# ------------------------------------------------------------------ what a stranger is told


@pytest.mark.parametrize(
    ("signed", "dialect", "extra", "verdict"),
    [
        (True, "ocpp2.0.1", {}, FAIL),
        (True, "ocpp2.0.1", {"signature": "c2ln", "signingCertificate": "PEM"}, PASS),
        (True, "ocpp2.0.1", {"signature": "c2ln"}, FAIL),
        (True, "ocpp1.6", {}, PASS),  # the plain command of 1.6 has no place for it
        (False, "ocpp2.0.1", {}, PASS),
    ],
)
def test_r16_wants_the_signature_of_a_signed_image(
    signed: bool, dialect: str, extra: dict[str, str], verdict: Verdict
) -> None:
    """Who leaves it out has a station install what nobody vouches for."""
    t = Tale(started_at=START.isoformat())
    t.history.header.scenario["signed"] = signed
    t.boot("A", dialect=dialect)
    r = t.create("A", "all_at_once")
    ref = t.invoke("execute_stage", r)
    url = t.plans[r]["firmware_url"]
    firmware = {"location": url, "retrieveDateTime": t.stamp(), **extra}
    t.trigger(r, "A", **({} if dialect == "ocpp1.6" else {"firmware": firmware}))
    t.executed(r, ref, 1, ["A"])
    assert t.result("R16").verdict is verdict


@pytest.mark.parametrize(("body", "verdict"), [({"blockers": ["B"]}, PASS), ({}, FAIL)])
def test_r38_wants_to_know_for_whom_it_waits(body: dict[str, Any], verdict: Verdict) -> None:
    """D1: a refusal of execute-stage names one of those who are not done, at least."""
    t = tale("A", "B", "C")
    r = t.create("ABC", "canary", canary_count=2)
    t.execute(r)
    t.read(r)
    t.fail("execute_stage", t.invoke("execute_stage", r), 409, {"title": "busy", **body})
    assert t.result("R38").verdict is verdict


def test_r38_asks_for_no_names_where_nobody_is_waited_for() -> None:
    """A rollout that is over refuses, and has nobody to name."""
    t = tale("A")
    r = t.create("A", "all_at_once")
    t.execute(r)
    t.update("A")
    t.read(r, status="completed")
    t.fail("execute_stage", t.invoke("execute_stage", r), 409, {"title": "over"})
    assert t.result("R38").verdict is PASS


@pytest.mark.parametrize(("off", "verdict"), [(0, PASS), (-50, PASS), (3600, FAIL), (-3600, FAIL)])
def test_w07_wants_the_time_of_day(off: float, verdict: Verdict) -> None:
    """Stations set their clocks by it, and begin downloads by their clocks."""
    t = tale("A")
    t.now += off
    said = t.stamp()
    t.now -= off
    ref = t.call("A", "Heartbeat", {})
    t.answer("A", ref, {"currentTime": said}, name="Heartbeat")
    assert t.result("W07").verdict is verdict


def test_w07_compares_no_clocks_without_one() -> None:
    """A log whose beginning nobody dated says nothing about the time of day."""
    t = Tale()
    t.boot("A")
    ref = t.call("A", "Heartbeat", {})
    t.answer("A", ref, {"currentTime": "2031-01-01T00:00:00Z"}, name="Heartbeat")
    assert t.result("W07").verdict is PASS


@pytest.mark.parametrize(("wait", "verdict"), [(50, INCONCLUSIVE), (70, FAIL)])
def test_l5_lets_a_restart_start_the_clock_anew_and_no_more(wait: float, verdict: Verdict) -> None:
    """D35: every timer survives a restart; how much of it had run is not for a stranger to say."""
    t = tale("A")
    r = t.create("A", "all_at_once", update_timeout=60)
    t.execute(r)
    t.wait(50)
    t.crash("A")
    t.wait(wait)
    t.read(r)
    assert t.result("L5").verdict is verdict
