"""Every bound of the judge, to the dot: what is still right at it, and wrong just beyond it.

Each story takes the one quantity that its property measures. Moments are whole seconds, so that
their differences are exact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from harness.history import FIELD_LOG
from harness.verdict import Verdict
from tests.harness.tell import START, Tale

if TYPE_CHECKING:
    from collections.abc import Callable

    Story = Callable[[Any], Tale]

STARTED = START.isoformat()
NO_MORE = {"D34": {"dispatch_per_charger": 0}}  # a dispatch bound of five seconds for any fleet
FIELD = {"kind": FIELD_LOG, "clock": "log"}


def at(t: Tale, moment: float) -> None:
    """Let the next event happen at this moment."""
    t.now = moment - 0.01


def end(t: Tale, moment: float) -> Tale:
    """Let the drill end at this moment."""
    at(t, moment)
    t.mark("end")
    return t


def fleet(chargers: str = "A", *, dialect: str = "ocpp1.6", **fields: Any) -> tuple[Tale, str]:
    """Booted chargers in an all-at-once rollout; `profile` and `target` go into the header."""
    names = ("profile", "target", "started_at")
    t = Tale(**{name: fields.pop(name) for name in names if name in fields})
    t.boot(*chargers, dialect=dialect)
    return t, t.create(chargers, "all_at_once", **fields)


# ---------------------------------------------------------------------- the wire


def unanswered(seconds: float) -> Tale:
    """A CALL of a charger that nobody answers."""
    t = Tale()
    t.boot("A")
    at(t, 10)
    t.call("A", "Heartbeat", {})
    return end(t, 10 + seconds)


def second_call(seconds: float) -> Tale:
    """A CALL beside one that is still open."""
    t = Tale()
    t.boot("A", dialect="ocpp2.0.1")
    at(t, 10)
    t.call("A", "Heartbeat", {})
    at(t, 10 + seconds)
    t.call("A", "Heartbeat", {})
    return t


def second_call_in_a_log(seconds: float) -> Tale:
    """The same in a field log, whose lines may have changed places."""
    t = second_call(seconds)
    t.history.header.target.update(FIELD)
    return t


def eager(seconds: float) -> Tale:
    """A command of the CSMS while a second boot of the charger is unanswered."""
    t = Tale()
    t.boot("A")
    at(t, 10)
    body = {"chargePointVendor": "x", "chargePointModel": "y"}
    t.call("A", "BootNotification", body)
    at(t, 10 + seconds)
    t.call("A", "ClearCache", {}, by="csms")
    return t


def error_text(length: int) -> Tale:
    """A CALLERROR with a description of so many characters."""
    t = Tale()
    t.boot("A")
    ref = t.call("A", "Heartbeat", {})
    t.answer("A", ref, [4, ref, "InternalError", "x" * length, {}], name="Heartbeat")
    return t


def message_id(length: int) -> Tale:
    """A CALL with a message id of so many characters."""
    t = Tale()
    t.boot("A")
    ref = "x" * length
    t.event("charger:A", "send", "Heartbeat", ref, frame=[2, ref, "Heartbeat", {}])
    t.answer("A", ref, {"currentTime": t.stamp()}, name="Heartbeat")
    return t


def connects(seconds: float) -> Tale:
    """Five connects of a charger that is never accepted."""
    t = Tale()
    for moment in (10, 11, 12, 13, 10 + seconds):
        at(t, moment)
        t.open("A")
        t.close("A")
    return t


# ---------------------------------------------------------------------- commands


def late_command(seconds: float) -> Tale:
    """A charger that gets its command so long after the answer to execute-stage."""
    t, r = fleet("AB", profile=NO_MORE)
    ref = t.invoke("execute_stage", r)
    t.trigger(r, "A")
    at(t, 10)
    t.executed(r, ref, 1, ["A"])
    at(t, 10 + seconds)
    t.trigger(r, "B")
    return t


def no_command(seconds: float) -> Tale:
    """A charger that has not got its command so long after the answer to execute-stage."""
    t, r = fleet("AB", profile=NO_MORE)
    ref = t.invoke("execute_stage", r)
    t.trigger(r, "A")
    at(t, 10)
    t.executed(r, ref, 1, ["A"])
    return end(t, 10 + seconds)


def sent_again(seconds: float) -> Tale:
    """A second command so long after the first was not answered, the charger being asked."""
    t, r = fleet()
    ref = t.invoke("execute_stage", r)
    at(t, 10)
    t.command(r, "A")
    t.rollout_of["A"] = r
    asked = t.call(
        "A", "TriggerMessage", {"requestedMessage": "FirmwareStatusNotification"}, "csms"
    )
    t.answer("A", asked, {"status": "Accepted"}, by="charger", name="TriggerMessage")
    t.report("A", "Idle")
    at(t, 10 + seconds)
    t.trigger(r, "A")
    t.executed(r, ref, 1, ["A"])
    return t


def dated_ahead(seconds: float) -> Tale:
    """A command that nobody dated, with a date so far ahead."""
    t, r = fleet(started_at=STARTED)
    ref = t.invoke("execute_stage", r)
    at(t, 10 + seconds)
    date = t.stamp()
    at(t, 10)
    t.trigger(
        r, "A", retrieveDate=date.replace(f":{9 + seconds:02.0f}Z", f":{10 + seconds:02.0f}Z")
    )
    t.executed(r, ref, 1, ["A"])
    return t


def dated_back(seconds: float) -> Tale:
    """A command with a date so long before its execute-stage."""
    t, r = fleet(started_at=STARTED)
    at(t, 20)
    ref = t.invoke("execute_stage", r)
    t.trigger(r, "A", retrieveDate=f"2026-01-01T00:00:{20 - seconds:02.0f}Z")
    t.executed(r, ref, 1, ["A"])
    return t


def other_date(milliseconds: int) -> Tale:
    """A command whose date is so far from the one asked for."""
    t, r = fleet(retrieve_date="2026-01-02T00:00:00Z")
    ref = t.invoke("execute_stage", r)
    seconds, rest = divmod(milliseconds, 1000)
    t.trigger(r, "A", retrieveDate=f"2026-01-02T00:00:{seconds:02}.{rest:03}Z")
    t.executed(r, ref, 1, ["A"])
    return t


def retries(number: int) -> Tale:
    """A command with so many retries."""
    t, r = fleet()
    ref = t.invoke("execute_stage", r)
    t.trigger(r, "A", retries=number)
    t.executed(r, ref, 1, ["A"])
    return t


def retry_interval(seconds: int) -> Tale:
    """A command with such an interval between retries."""
    t, r = fleet()
    ref = t.invoke("execute_stage", r)
    t.trigger(r, "A", retryInterval=seconds)
    t.executed(r, ref, 1, ["A"])
    return t


def resumed(seconds: float) -> Tale:
    """A resume that leaves out a charger, until so long after its answer."""
    t, r = fleet("AB", profile=NO_MORE)
    ref = t.invoke("execute_stage", r)
    t.trigger(r, "A")
    t.executed(r, ref, 1, ["A"])
    t.pause(r)
    t.fence("B")
    ref = t.invoke("execute_stage", r)
    at(t, 10)
    t.executed(r, ref, 1, [])
    t.fence("B")
    return end(t, 10 + seconds)


# ---------------------------------------------------------------------- what is shown, and when


def slow_answer(seconds: float) -> Tale:
    """A read that is answered so long after it was asked."""
    t, r = fleet()
    at(t, 10)
    ref = t.invoke("read", r, method="GET")
    at(t, 10 + seconds)
    t.ok("read", ref, t.body(r))
    return t


def stale(seconds: float) -> Tale:
    """A read that shows nothing of a status so long after it was answered."""
    t, r = fleet()
    t.execute(r)
    at(t, 9.99)
    ref = t.call("A", "FirmwareStatusNotification", {"status": "Downloading"})
    at(t, 10)
    t.answer("A", ref, {}, name="FirmwareStatusNotification")
    at(t, 10 + seconds)
    t.read(r)
    return t


def stale_after_a_kill(seconds: float) -> Tale:
    """The same about an update that a kill lies behind."""
    t, r = fleet()
    t.execute(r)
    t.event("harness", "kill", "csms")
    t.close("A")
    t.event("harness", "up", "csms")
    t.boot("A")
    at(t, 9.99)
    ref = t.call("A", "FirmwareStatusNotification", {"status": "Downloading"})
    at(t, 10)
    t.answer("A", ref, {}, name="FirmwareStatusNotification")
    at(t, 10 + seconds)
    t.read(r)
    return t


def unended(seconds: float) -> Tale:
    """A read that shows stage and rollout as running so long after their end was answered."""
    t, r = fleet()
    t.execute(r)
    t.report("A", "Downloading", "Downloaded", "Installing")
    at(t, 9.99)
    ref = t.call("A", "FirmwareStatusNotification", {"status": "Installed"})
    at(t, 10)
    t.answer("A", ref, {}, name="FirmwareStatusNotification")
    at(t, 10 + seconds)
    t.read(r)
    return t


def unrefused(seconds: float) -> Tale:
    """A read that shows stage and rollout as running so long after the only charger said no."""
    t, r = fleet(dialect="ocpp2.0.1")
    ref = t.invoke("execute_stage", r)
    at(t, 9.99)
    t.trigger(r, "A", answer={"status": "Rejected"})
    t.executed(r, ref, 1, ["A"])
    at(t, 10 + seconds)
    t.read(r)
    return t


def silence(seconds: float) -> Tale:
    """A read that shows a charger as under way so long after its last status, time-out 60 s."""
    t, r = fleet(update_timeout=60)
    t.execute(r)
    at(t, 10)
    t.report("A", "Downloading")
    at(t, 10 + seconds)
    t.read(r)
    return t


def early_failure(seconds: float) -> Tale:
    """A read that shows a charger as failed so long after its last status, time-out 60 s."""
    t, r = fleet(update_timeout=60)
    t.execute(r)
    at(t, 10)
    t.report("A", "Downloading")
    t.show(r, "A", status="failed", reason="timeout", completed_at=t.stamp())
    at(t, 9.99 + seconds)
    t.read(r, status="failed")
    return t


def early_absence(seconds: float) -> Tale:
    """A read that shows an absent charger as failed so long after the execute, half of it paused.

    It was given ten seconds.
    """
    t = Tale()
    t.boot("A")
    r = t.create("AB", "all_at_once", offline_timeout=10)
    at(t, 10)
    ref = t.invoke("execute_stage", r)
    t.trigger(r, "A")
    t.executed(r, ref, 1, ["A"])
    at(t, 12)
    ref = t.invoke("pause", r)
    at(t, 13)
    t.ok("pause", ref, {"rollout_id": r, "status": "paused", "paused_at": t.stamp()})
    at(t, 23)
    ref = t.invoke("execute_stage", r)
    t.executed(r, ref, 1, [])
    t.show(r, "B", status="failed", reason="offline")
    at(t, 9.99 + seconds)
    t.read(r)
    return t


# ---------------------------------------------------------------------- chargers


def early_download(seconds: float) -> Tale:
    """A Downloading so long before the date of the command."""
    t, r = fleet(started_at=STARTED, retrieve_date="2026-01-01T00:00:50Z")
    ref = t.invoke("execute_stage", r)
    t.trigger(r, "A", retrieveDate="2026-01-01T00:00:50Z")
    t.executed(r, ref, 1, ["A"])
    at(t, 50 - seconds)
    t.report("A", "Downloading")
    return t


def nothing_said(seconds: float) -> Tale:
    """A charger that accepts a trigger and says nothing for so long."""
    t = Tale()
    t.boot("A")
    ref = t.call("A", "TriggerMessage", {"requestedMessage": "FirmwareStatusNotification"}, "csms")
    at(t, 10)
    t.answer("A", ref, {"status": "Accepted"}, by="charger", name="TriggerMessage")
    return end(t, 10 + seconds)


def still_unavailable(seconds: float) -> Tale:
    """A connector that is Unavailable so long after the update's end."""
    t, r = fleet()
    t.execute(r)
    t.report("A", "Downloading")
    body = {"connectorId": 1, "errorCode": "NoError", "status": "Unavailable"}
    t.answer("A", t.call("A", "StatusNotification", body), {}, name="StatusNotification")
    t.report("A", "Downloaded", "Installing")
    at(t, 10)
    t.report("A", "InstallationFailed")
    return end(t, 10 + seconds)


def no_security_event(seconds: float) -> Tale:
    """A charger that says nothing of a bad signature for so long."""
    t, r = fleet(dialect="ocpp2.0.1")
    t.execute(r)
    t.report("A", "Downloading", "Downloaded")
    at(t, 10)
    t.report("A", "InvalidSignature")
    return end(t, 10 + seconds)


def no_reboot(seconds: float) -> Tale:
    """A charger that says Installed and does not boot for so long."""
    t, r = fleet()
    t.execute(r)
    t.report("A", "Downloading", "Downloaded", "Installing")
    at(t, 10)
    t.report("A", "Installed")
    return end(t, 10 + seconds)


def quick_retry(seconds: float) -> Tale:
    """A second request so long after the server broke the first one off; the interval is 30 s."""
    t, r = fleet()
    t.execute(r)
    url = t.plans[r]["firmware_url"]
    t.served("A", url, outcome="cut", sent=10, time=100.0)
    t.served("A", url, time=100.0 + seconds)
    return t


def quick_report(seconds: float) -> Tale:
    """A Downloading so long after DownloadFailed; the interval is 30 s."""
    t, r = fleet()
    t.execute(r)
    t.report("A", "Downloading")
    at(t, 10)
    t.report("A", "DownloadFailed")
    at(t, 10 + seconds)
    t.report("A", "Downloading")
    return t


def many_attempts(number: int) -> Tale:
    """So many retries of a download; the command allows two."""
    t, r = fleet()
    t.execute(r)
    t.report("A", "Downloading")
    for _ in range(number):
        t.report("A", "DownloadFailed")
        t.wait(40)
        t.report("A", "Downloading")
    return t


def no_end(seconds: float) -> Tale:
    """A charger that came back amid its update and says nothing for so long."""
    t, r = fleet(profile={"D12": {"update_timeout": 60.0}})
    t.execute(r)
    t.report("A", "Downloading")
    t.close("A")
    at(t, 10)
    t.open("A")
    return end(t, 10 + seconds)


PASS, FAIL, NON_STRICT = Verdict.PASS, Verdict.FAIL, Verdict.NON_STRICT
BOUNDS: list[tuple[str, Story, dict[Any, Verdict]]] = [
    ("W04", unanswered, {29.99: PASS, 30: FAIL}),
    ("W03", second_call, {4.99: FAIL, 5: PASS}),
    ("W03", second_call_in_a_log, {0.99: NON_STRICT, 1: FAIL, 4.99: FAIL, 5: PASS}),
    ("W09", eager, {4.99: NON_STRICT, 5: PASS}),
    ("W05", error_text, {255: PASS, 256: FAIL}),
    ("W02", message_id, {36: PASS, 37: FAIL}),
    ("C15", connects, {4.99: FAIL, 5: PASS}),
    ("L1", late_command, {5: PASS, 5.01: FAIL}),
    ("L1", no_command, {5: PASS, 5.01: FAIL}),
    ("R13", sent_again, {9.99: FAIL, 10: PASS}),
    ("R16", dated_ahead, {5: PASS, 6: FAIL}),
    ("R16", dated_back, {5: PASS, 6: FAIL}),
    ("R16", other_date, {999: PASS, 1000: FAIL}),
    ("R16", retries, {0: PASS, -1: FAIL}),
    ("R16", retry_interval, {0: PASS, -1: FAIL}),
    ("R23", resumed, {5: PASS, 5.01: FAIL}),
    ("L6", slow_answer, {5: PASS, 5.01: FAIL}),
    ("R34", stale, {1.99: Verdict.INCONCLUSIVE, 2: FAIL}),
    ("R41", stale_after_a_kill, {1.99: Verdict.INCONCLUSIVE, 2: FAIL}),
    ("L3", unended, {1.99: Verdict.INCONCLUSIVE, 2: FAIL}),
    ("L4", unended, {1.99: Verdict.INCONCLUSIVE, 2: FAIL}),
    ("L3", unrefused, {1.99: Verdict.INCONCLUSIVE, 2: FAIL}),
    ("L5", silence, {62.49: Verdict.INCONCLUSIVE, 62.5: FAIL}),
    ("R14", early_failure, {59.49: FAIL, 59.5: PASS}),
    ("R24", early_absence, {19.99: FAIL, 20: PASS}),
    ("C03", early_download, {5: PASS, 5.01: FAIL}),
    ("C11", nothing_said, {30: Verdict.INCONCLUSIVE, 30.01: FAIL}),
    ("C12", still_unavailable, {59.99: Verdict.INCONCLUSIVE, 60: FAIL}),
    ("C13", no_security_event, {59.99: Verdict.INCONCLUSIVE, 60: FAIL}),
    ("C07", no_reboot, {60: PASS, 60.01: NON_STRICT}),
    ("C04", quick_retry, {26.99: FAIL, 27: PASS}),
    ("C04", quick_report, {21.99: FAIL, 22: PASS}),
    ("C04", many_attempts, {2: PASS, 3: FAIL}),
    ("C10", no_end, {60: Verdict.INCONCLUSIVE, 60.01: FAIL}),
]


@pytest.mark.parametrize(
    ("requirement", "story", "measure", "verdict"),
    [
        pytest.param(
            requirement, story, measure, verdict, id=f"{requirement} {story.__name__} {measure}"
        )
        for requirement, story, verdicts in BOUNDS
        for measure, verdict in verdicts.items()
    ],
)
def test_a_bound_is_where_it_is_said_to_be(
    requirement: str, story: Story, measure: Any, verdict: Verdict
) -> None:
    """At the bound one verdict, just beyond it the other."""
    result = story(measure).result(requirement)
    assert result.verdict is verdict, (result.exercised, result.findings, result.note)
