"""C06, C10, C12, C13, C15: an update beside everything else a charger does."""

from __future__ import annotations

from typing import Any

import pytest

from harness.verdict import Verdict
from tests.harness.tell import GOOD, Tale


def updating(dialect: str = "ocpp2.0.1", **extra: Any) -> Tale:
    """One charger that has just received an update."""
    t = Tale()
    t.boot("A", dialect=dialect)
    r = t.create("A", "all_at_once")
    t.execute(r, [], listed=["A"])
    t.trigger(r, "A", **extra)
    return t


def transaction(t: Tale, kind: str) -> None:
    """Start or end a 2.x transaction."""
    body = {
        "eventType": kind,
        "timestamp": t.stamp(),
        "triggerReason": "Authorized",
        "seqNo": 0,
        "transactionInfo": {"transactionId": "tx1"},
    }
    t.answer("A", t.call("A", "TransactionEvent", body), {})


@pytest.mark.parametrize(("ends", "verdict"), [(True, Verdict.PASS), (False, Verdict.FAIL)])
def test_c06_wants_the_transaction_over(ends: bool, verdict: Verdict) -> None:
    """No installation during a transaction."""
    t = updating()
    transaction(t, "Started")
    t.report("A", "Downloading", "Downloaded")
    if ends:
        transaction(t, "Ended")
    t.report("A", "Installing")
    assert t.result("C06").verdict is verdict


def test_c06_learns_the_id_of_a_16_transaction_from_its_answer() -> None:
    """In 1.6 the rule is a recommendation."""
    for stop, verdict in ((7, Verdict.PASS), (8, Verdict.NON_STRICT)):
        t = updating("ocpp1.6")
        start = {"connectorId": 1, "idTag": "T", "meterStart": 0, "timestamp": t.stamp()}
        answer = {"transactionId": 7, "idTagInfo": {"status": "Accepted"}}
        t.answer("A", t.call("A", "StartTransaction", start), answer)
        end = {"transactionId": stop, "meterStop": 1, "timestamp": t.stamp()}
        t.answer("A", t.call("A", "StopTransaction", end), {})
        t.report("A", "Downloading", "Downloaded", "Installing")
        assert t.result("C06").verdict is verdict


def test_c06_takes_a_start_that_is_told_again_for_the_same_transaction() -> None:
    """The answer to the first was lost, and the CSMS gave two ids; one is ended."""
    for again, verdict in ((0, Verdict.PASS), (1, Verdict.NON_STRICT)):
        t = updating("ocpp1.6")
        start = {"connectorId": 1, "idTag": "T", "meterStart": 0, "timestamp": t.stamp()}
        for name, meter in ((7, 0), (8, again)):
            answer = {"transactionId": name, "idTagInfo": {"status": "Accepted"}}
            t.answer("A", t.call("A", "StartTransaction", start | {"meterStart": meter}), answer)
        end = {"transactionId": 8, "meterStop": 1, "timestamp": t.stamp()}
        t.answer("A", t.call("A", "StopTransaction", end), {})
        t.report("A", "Downloading", "Downloaded", "Installing")
        assert t.result("C06").verdict is verdict


@pytest.mark.parametrize(
    "answer",
    [
        {"transactionId": 7, "idTagInfo": {"status": "Blocked"}},
        {"transactionId": 7, "idTagInfo": {"status": "Accepted~"}},
        {"transactionId": 7, "idTagInfo": "Accepted"},
        {"transactionId": 7},
    ],
)
def test_c06_knows_no_transaction_that_was_not_accepted(answer: dict[str, Any]) -> None:
    """Nobody may charge with a blocked tag."""
    t = updating("ocpp1.6")
    start = {"connectorId": 1, "idTag": "T", "meterStart": 0, "timestamp": t.stamp()}
    t.answer("A", t.call("A", "StartTransaction", start), answer)
    t.report("A", "Downloading", "Downloaded", "Installing")
    assert t.result("C06").verdict is not Verdict.NON_STRICT


def test_c10_wants_an_interrupted_update_to_end() -> None:
    """Back and silent for ever is a finding; a reported end is not."""
    for ends, verdict in ((True, Verdict.PASS), (False, Verdict.FAIL)):
        t = updating()
        t.report("A", "Downloading")
        t.close("A", 1006)
        t.boot("A", dialect="ocpp2.0.1")
        if ends:
            t.report("A", "DownloadFailed")
        t.wait(4000)
        t.mark("end")
        assert t.result("C10").verdict is verdict


@pytest.mark.parametrize("answered", [True, False])
def test_c10_asks_only_who_got_the_command(answered: bool) -> None:
    """On a slow line the connection may take the command with it: nothing was interrupted."""
    t = Tale()
    t.boot("A", dialect="ocpp2.0.1")
    r = t.create("A", "all_at_once")
    if answered:
        t.trigger(r, "A")
    else:
        t.command(r, "A")
    t.close("A", 1006)
    t.boot("A", dialect="ocpp2.0.1")
    t.wait(4000)
    t.mark("end")
    assert bool(t.result("C10").findings) is answered


def status(t: Tale, value: str) -> None:
    """Send a StatusNotification."""
    body = {"timestamp": t.stamp(), "connectorStatus": value, "evseId": 1, "connectorId": 1}
    t.answer("A", t.call("A", "StatusNotification", body), {})


def test_c12_wants_connectors_back() -> None:
    """Unavailable for the update, Available after it."""
    for back, verdict in ((True, Verdict.PASS), (False, Verdict.FAIL)):
        t = updating()
        t.report("A", "Downloading", "Downloaded")
        status(t, "Unavailable")
        t.report("A", "Installing", "InstallationFailed")
        if back:
            status(t, "Available")
        t.wait(100)
        t.mark("end")
        assert t.result("C12").verdict is verdict


@pytest.mark.parametrize(("there", "verdict"), [(5, Verdict.PASS), (100, Verdict.FAIL)])
def test_c12_waits_for_a_reboot_that_comes_after_the_end(there: float, verdict: Verdict) -> None:
    """Who says Installed before a long reboot has a minute from its return on."""
    t = updating()
    t.report("A", "Downloading", "Downloaded")
    status(t, "Unavailable")
    t.report("A", "Installing", "Installed")
    t.close("A")
    t.wait(100)
    t.boot("A", version="2.0.0")
    t.wait(there)
    t.mark("end")
    assert t.result("C12").verdict in {verdict, Verdict.INCONCLUSIVE}
    assert bool(t.result("C12").findings) is (verdict is Verdict.FAIL)


def event(t: Tale, kind: str) -> None:
    """Send a security event."""
    body = {"type": kind, "timestamp": t.stamp()}
    t.answer("A", t.call("A", "SecurityEventNotification", body), {})


@pytest.mark.parametrize("when", ["before", "after", "never"])
def test_c13_wants_security_events(when: str) -> None:
    """The event may come before or after the status, but it comes."""
    t = updating()
    t.report("A", "Downloading", "Downloaded")
    if when == "before":
        event(t, "InvalidFirmwareSignature")
    t.report("A", "InvalidSignature")
    if when == "after":
        event(t, "InvalidFirmwareSignature")
    t.wait(100)
    t.mark("end")
    assert t.result("C13").verdict is (Verdict.FAIL if when == "never" else Verdict.PASS)


def test_c13_lets_no_event_pay_twice() -> None:
    """The late event of the first update is not the one of the second."""
    t = updating()
    t.report("A", "Downloading", "Downloaded", "InvalidSignature")
    again = t.create("A", "all_at_once")
    t.execute(again)
    event(t, "InvalidFirmwareSignature")  # only now
    t.report("A", "Downloading", "Downloaded", "InvalidSignature")
    t.wait(100)
    t.mark("end")
    assert t.result("C13").verdict is Verdict.FAIL


def test_c13_wants_one_event_for_a_status_that_is_told_twice() -> None:
    """Asked for its status, a charger repeats it; that is no other refusal."""
    t = updating()
    t.report("A", "Downloading", "Downloaded", "InvalidSignature")
    event(t, "InvalidFirmwareSignature")
    t.report("A", "InvalidSignature")
    t.wait(100)
    t.mark("end")
    result = t.result("C13")
    assert (result.verdict, result.exercised) == (Verdict.PASS, 1)


def test_c13_wants_an_event_for_a_refused_certificate() -> None:
    """InvalidCertificate is an answer with an event."""
    t = updating(answer={"status": "InvalidCertificate"})
    t.wait(100)
    t.mark("end")
    assert t.result("C13").verdict is Verdict.FAIL


def test_c15_accuses_a_hammering_charger() -> None:
    """Five connects in five seconds are too many; with waits between they are not."""
    for wait, verdict in ((0.1, Verdict.FAIL), (2.0, Verdict.PASS)):
        t = Tale()
        for _ in range(6):
            t.open("A")
            t.close("A", 1006)
            t.wait(wait)
        assert t.result("C15").verdict is verdict


def test_c15_does_not_take_reboots_for_reconnects() -> None:
    """A boot that was accepted in between starts anew."""
    t = Tale()
    for _ in range(6):
        t.boot("A")
        t.close("A", 1006)
    assert t.result("C15").verdict is not Verdict.FAIL


def test_c15_does_not_take_a_line_that_comes_and_goes_for_hammering() -> None:
    """Whoever gets the network back connects at once, however often that happens."""
    t = Tale()
    for _ in range(6):
        t.event("charger:A", "note", "online")
        t.open("A")
        t.close("A", 1006)
        t.wait(0.1)
    assert t.result("C15").verdict is not Verdict.FAIL


def test_never_exercised_life_is_inconclusive() -> None:
    """A plain update proves nothing about these."""
    t = updating()
    t.report("A", *GOOD)
    for name in ("C06", "C10", "C12", "C13", "C15"):
        assert t.result(name).verdict is Verdict.INCONCLUSIVE
