"""L1, L2, R14, R23, R28: what a CSMS may do with a charger of which it cannot know (D21).

A kill may swallow a command that was written down and never sent: the CSMS asks before it sends
another one, and if the charger does not say, nobody can blame it for waiting.
"""

from __future__ import annotations

from typing import Any

import pytest

from harness.verdict import Verdict
from tests.harness.tell import Tale

QUESTION = {"requestedMessage": "FirmwareStatusNotification"}
NO, YES = {"status": "NotImplemented"}, {"status": "Accepted"}


def asked(t: Tale, charger: str, answer: dict[str, Any]) -> None:
    """The CSMS asks what a charger is doing."""
    ref = t.call(charger, "TriggerMessage", QUESTION, by="csms")
    t.answer(charger, ref, answer, "charger")


def swallowed(answer: dict[str, Any] | None, *, pause: bool = False) -> tuple[Tale, str]:
    """A kill right after an execute; the chargers come back and are asked; then a resume."""
    t = Tale()
    t.boot(*"ABC")
    t.fence(*"ABC")
    r = t.create("ABC", "all_at_once", update_timeout=120)
    ref = t.invoke("execute_stage", r)
    t.trigger(r, "A")
    t.info("execute_stage", ref)
    t.crash(*"ABC")
    if answer is not None:
        asked(t, "C", answer)
    t.fence(*"ABC")
    if pause:
        t.current[r] = 1
        t.pause(r)
        t.fence(*"ABC")
    t.execute(r, "B", stage=1)
    return t, r


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [(NO, Verdict.PASS), (YES, Verdict.FAIL), (None, Verdict.FAIL)],
)
def test_l1_and_r23_excuse_only_who_refused_to_tell(
    answer: dict[str, Any] | None, verdict: Verdict
) -> None:
    """A charger that says what it does can be told again; one that was not asked, too."""
    t, _ = swallowed(answer, pause=True)
    if answer == YES:
        t.report("C", "Idle")
    t.update("A", "B")
    t.wait(20)
    t.fence("A", "B", "C")
    t.mark("end")
    assert t.result("L1").verdict is verdict
    assert (t.result("R23").verdict is Verdict.FAIL) is (verdict is Verdict.FAIL)


def test_a_refusal_of_before_the_kill_excuses_nothing() -> None:
    """The question belongs to the kill."""
    t = Tale()
    t.boot(*"AB")
    t.fence(*"AB")
    asked(t, "B", NO)
    r = t.create("AB", "all_at_once")
    t.execute(r, "A", listed="A")
    t.wait(20)
    t.mark("end")
    assert t.result("L1").verdict is Verdict.FAIL


@pytest.mark.parametrize(("waited", "verdict"), [(121, Verdict.PASS), (60, Verdict.FAIL)])
def test_r14_lets_a_swallowed_command_time_out(waited: float, verdict: Verdict) -> None:
    """Not sooner than the time-out of an update."""
    t, r = swallowed(NO)
    t.update("A", "B")
    t.wait(waited)
    t.show(r, "C", status="failed", reason="timeout", progress_percent=0)
    t.read(r)
    result = t.result("R14")
    assert result.verdict is verdict, result.findings


def given_up(dialect: str = "ocpp1.6") -> tuple[Tale, str]:
    """A charger whose update timed out goes on with it, while a kill swallows its next command."""
    t = Tale()
    t.boot("A", dialect=dialect)
    first = t.create("A", "all_at_once", update_timeout=60)
    t.execute(first)
    t.report("A", "Downloading", "Downloaded", "Installing")
    t.wait(70)
    t.show(first, "A", status="failed", reason="timeout", completed_at=t.stamp())
    t.read(first)
    second = t.create("A", "all_at_once", update_timeout=600)
    t.info("execute_stage", t.invoke("execute_stage", second))
    t.event("harness", "kill", "csms")
    t.close("A", 1006)
    t.event("harness", "up", "csms")
    t.open("A", dialect)
    return t, second


def shown(t: Tale, rollout: str, status: str, **row: Any) -> Verdict:
    """A read shows the charger so; return what R14 says."""
    t.current[rollout] = 1
    t.show(rollout, "A", status=status, **row)
    t.read(rollout)
    return t.result("R14").verdict


@pytest.mark.parametrize(
    ("said", "status", "verdict"),
    [
        ("Installing", "installing", Verdict.PASS),
        ("Installed", "installed", Verdict.PASS),
        ("InstallationFailed", "failed", Verdict.PASS),
        ("Installing", "installed", Verdict.FAIL),
        ("Installing", "failed", Verdict.FAIL),
        ("Downloaded", "installing", Verdict.FAIL),
    ],
)
def test_r14_knows_that_a_status_without_an_id_tells_no_update(
    said: str, status: str, verdict: Verdict
) -> None:
    """After the kill it may be that of the command written down; no further than it was said."""
    t, second = given_up()
    t.report("A", said)
    assert shown(t, second, status) is verdict


def test_r14_takes_what_was_said_before_the_kill_for_no_excuse() -> None:
    """Nothing was written down then that it could have been about."""
    t, second = given_up()
    assert shown(t, second, "installing") is Verdict.FAIL


def test_r14_takes_an_id_for_what_it_is() -> None:
    """A status that names the update before says nothing about the next one."""
    t, second = given_up("ocpp2.0.1")
    t.report("A", "Installed")
    assert shown(t, second, "installed") is Verdict.FAIL


@pytest.mark.parametrize(("version", "verdict"), [("2.0.0", "PASS"), ("1.0.0", "FAIL")])
def test_r14_lets_a_boot_with_another_version_stand_for_installed(
    version: str, verdict: str
) -> None:
    """D23: whichever update it was, a new version runs."""
    t, second = given_up("ocpp2.0.1")
    t.notify_boot("A", version=version)
    assert shown(t, second, "installed") == verdict


def test_r14_accuses_a_time_out_of_nobody_without_a_kill() -> None:
    """Who was never told cannot time out."""
    t = Tale()
    t.boot(*"AB")
    t.fence(*"AB")
    r = t.create("AB", "all_at_once", update_timeout=120)
    t.execute(r, "A", listed="A")
    t.wait(500)
    t.show(r, "B", status="failed", reason="timeout", progress_percent=0)
    t.read(r)
    assert t.result("R14").verdict is Verdict.FAIL


def test_a_refusal_outlives_the_next_kill() -> None:
    """Whoever did not say after the first kill is not known better after the second."""
    t, r = swallowed(NO)
    t.crash(*"ABC")
    t.fence(*"ABC")
    t.pause(r)
    t.fence(*"ABC")
    t.execute(r, [], stage=1)
    t.wait(20)
    t.fence(*"ABC")
    t.mark("end")
    assert "C" not in {finding.charger for finding in t.result("L1").findings}


def test_a_question_without_an_answer_tells_nothing() -> None:
    """It may have been lost on its way."""
    t, _ = swallowed(None)
    t.call("C", "TriggerMessage", QUESTION, by="csms")
    t.wait(20)
    t.mark("end")
    assert "C" not in {finding.charger for finding in t.result("L1").findings}


@pytest.mark.parametrize("odd", [[], {}, None, 5])
def test_a_question_of_an_odd_kind_breaks_nothing(odd: Any) -> None:
    """A hostile CSMS asks for a list."""
    t = Tale()
    t.boot("A")
    ref = t.call("A", "TriggerMessage", {"requestedMessage": odd}, by="csms")
    t.answer("A", ref, NO, "charger")
    t.mark("end")
    assert t.result("C11").verdict is Verdict.INCONCLUSIVE


def test_a_kill_before_the_execute_swallows_nothing() -> None:
    """The question was about something else: this command was never written down."""
    t = Tale()
    t.boot(*"AB")
    t.fence(*"AB")
    r = t.create("AB", "all_at_once")
    t.crash(*"AB")
    asked(t, "B", NO)
    t.fence(*"AB")
    t.execute(r, "A", listed="A")
    t.wait(20)
    t.mark("end")
    assert {finding.charger for finding in t.result("L1").findings} == {"B"}


def test_one_who_does_not_tell_excuses_nobody_else() -> None:
    """The first of two that wait refused to say; the second was never asked."""
    t, r = swallowed(NO)
    t.wait(20)
    t.mark("end")
    assert "C" not in {finding.charger for finding in t.result("L1").findings}
    t = Tale()
    t.boot(*"ABC")
    t.fence(*"ABC")
    r = t.create("CBA", "all_at_once", update_timeout=120)
    t.info("execute_stage", t.invoke("execute_stage", r))
    t.crash(*"ABC")
    asked(t, "C", NO)
    t.fence(*"ABC")
    t.execute(r, "A", stage=1)
    t.wait(20)
    t.mark("end")
    assert {finding.charger for finding in t.result("L1").findings} == {"B"}


def test_r14_counts_from_the_first_execute() -> None:
    """A later resume does not make a swallowed command younger."""
    t, r = swallowed(NO, pause=True)
    t.update("A", "B")
    t.wait(60)
    t.pause(r)
    t.execute(r, [], stage=1)
    t.wait(70)
    t.show(r, "C", status="failed", reason="timeout", progress_percent=0)
    t.read(r)
    assert t.result("R14").verdict is Verdict.PASS


@pytest.mark.parametrize(("charger", "verdict"), [("B", Verdict.PASS), ("C", Verdict.FAIL)])
def test_a_kill_swallows_no_command_of_a_stage_that_had_not_begun(
    charger: str, verdict: Verdict
) -> None:
    """B may have been written down as told when the CSMS was killed; C, a stage later, not."""
    t = Tale()
    t.boot(*"ABC")
    t.fence(*"ABC")
    r = t.create("ABC", stages=[["A", "B"], ["C"]], update_timeout=60)
    ref = t.invoke("execute_stage", r)
    t.trigger(r, "A")
    t.info("execute_stage", ref)
    t.crash(*"ABC")
    t.current[r] = 1
    t.update("A")
    t.pause(r)
    t.fence(*"ABC")
    t.wait(70)
    t.show(r, charger, status="failed", reason="timeout", progress_percent=0)
    t.read(r)
    t.mark("end")
    assert t.result("R24").verdict is verdict
