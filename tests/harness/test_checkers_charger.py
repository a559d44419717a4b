"""C01-C14: what chargers promise."""

from __future__ import annotations

from typing import Any

import pytest

from harness.verdict import Subject, Verdict
from tests.harness.tell import GOOD, Tale

STATUS = "FirmwareStatusNotification"


def updating(dialect: str = "ocpp1.6", **extra: Any) -> tuple[Tale, str]:
    """One charger that has just accepted an update."""
    t = Tale(started_at="2026-01-01T00:00:00Z")
    t.boot("A", dialect=dialect)
    r = t.create("A", "all_at_once")
    t.execute(r, [], listed=["A"])
    t.trigger(r, "A", **extra)
    return t, r


def test_c01_knows_that_a_status_may_cross_the_question() -> None:
    """The answer to the question follows its Accepted; one Idle a question, no more."""
    t, _ = updating()
    t.report("A", "Downloading", "Downloaded", "Installing")
    ref = t.call("A", "TriggerMessage", {"requestedMessage": STATUS}, by="csms")
    t.report("A", "Installed")
    t.answer("A", ref, {"status": "Accepted"}, "charger")
    t.report("A", "Idle")
    assert t.result("C01").verdict is Verdict.PASS
    t.report("A", "Idle")
    assert t.result("C01").verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("dialect", "statuses", "verdict"),
    [
        ("ocpp1.6", GOOD, Verdict.PASS),
        ("ocpp1.6", ("Downloading", "DownloadFailed", "Downloading", "Downloaded"), Verdict.PASS),
        ("ocpp1.6", ("Downloading", "Downloading", "Downloaded"), Verdict.PASS),
        ("ocpp1.6", ("Downloading", "Installing"), Verdict.FAIL),
        ("ocpp1.6", ("Installed",), Verdict.FAIL),
        ("ocpp1.6", ("Downloading", "Downloaded", "InstallRebooting"), Verdict.FAIL),
        ("ocpp1.6", (*GOOD, "Downloading"), Verdict.FAIL),
        ("ocpp1.6", ("Idle",), Verdict.FAIL),
        ("ocpp2.0.1", ("DownloadScheduled", *GOOD), Verdict.PASS),
        ("ocpp2.0.1", (*GOOD[:3], "InstallRebooting", "Installed"), Verdict.PASS),
        ("ocpp2.0.1", ("Downloading", "Downloaded", "SignatureVerified"), Verdict.FAIL),
        ("ocpp2.0.1", (*GOOD, "InstallRebooting"), Verdict.FAIL),
    ],
)
def test_c01_judges_transitions(dialect: str, statuses: tuple[str, ...], verdict: Verdict) -> None:
    """Each version's own transitions, and none else."""
    t, _ = updating(dialect)
    t.report("A", *statuses)
    assert t.result("C01").verdict is verdict


def test_c01_expects_a_verified_signature_on_the_secure_path() -> None:
    """With a signature in the command nothing is installed unverified."""
    for step, verdict in (("SignatureVerified", Verdict.PASS), ("Installing", Verdict.FAIL)):
        t = Tale()
        t.boot("A", dialect="ocpp2.0.1")
        r = t.create("A", "all_at_once")
        firmware = {
            "location": t.plans[r]["firmware_url"],
            "retrieveDateTime": t.stamp(),
            "signature": "s",
            "signingCertificate": "c",
        }
        t.execute(r, [], listed=["A"])
        t.trigger(r, "A", firmware=firmware)
        t.report("A", "Downloading", "Downloaded", step)
        assert t.result("C01").verdict is verdict


def test_c01_tolerates_gaps_over_a_reconnect() -> None:
    """What could not be sent while offline need not be replayed."""
    t, _ = updating()
    t.report("A", "Downloading")
    t.close("A")
    t.boot("A")
    t.report("A", "Installed")
    assert t.result("C01").verdict is Verdict.PASS


def test_c01_lets_nothing_go_back_over_a_reconnect() -> None:
    """A gap explains what is missing, not what comes too late."""
    for statuses, verdict in (
        (("DownloadFailed", "Installing"), Verdict.PASS),
        (("Installing", "DownloadFailed"), Verdict.FAIL),
        (("Installed", "DownloadFailed"), Verdict.FAIL),
    ):
        t, _ = updating()
        t.report("A", "Downloading")
        t.close("A")
        t.boot("A")
        t.report("A", *statuses)
        assert t.result("C01").verdict is verdict


def test_c01_allows_idle_and_repeats_when_asked() -> None:
    """A TriggerMessage makes Idle legal."""
    t = Tale()
    t.boot("A")
    body = {"requestedMessage": "FirmwareStatusNotification"}
    t.answer("A", t.call("A", "TriggerMessage", body, by="csms"), {"status": "Accepted"}, "charger")
    t.report("A", "Idle")
    assert t.result("C01").verdict is Verdict.PASS
    assert t.result("C11").verdict is Verdict.PASS


def test_c01_accuses_a_status_without_an_update() -> None:
    """An unsolicited Installed belongs to nothing."""
    t = Tale()
    t.boot("A")
    t.report("A", "Installed")
    result = t.result("C01")
    assert result.verdict is Verdict.FAIL
    assert result.findings[0].subject is Subject.CHARGER


def test_c02_accuses_an_error_and_a_status_after_a_refusal() -> None:
    """A command is answered; after a refusal the update is over."""
    t, r = updating("ocpp2.0.1")
    assert t.result("C02").verdict is Verdict.PASS
    t, r = updating("ocpp2.0.1", answer=["InternalError", "", {}])
    assert t.result("C02").verdict is Verdict.FAIL
    t, r = updating("ocpp2.0.1", answer={"status": "Rejected"})
    assert t.result("C02").verdict is Verdict.PASS
    t.report("A", "Downloading")
    assert t.result("C02").verdict is Verdict.FAIL
    assert t.result("R14").verdict is not Verdict.FAIL
    assert r


def test_c03_accuses_a_download_before_its_date() -> None:
    """Not before the retrieve date."""
    t, _ = updating(retrieveDate="2026-01-01T01:00:00Z")
    t.report("A", "Downloading")
    assert t.result("C03").verdict is Verdict.FAIL
    t, _ = updating()
    t.report("A", "Downloading")
    assert t.result("C03").verdict is Verdict.PASS


def test_c04_measures_retries() -> None:
    """Not too soon and not too often."""
    t, _ = updating()
    for _ in range(3):
        t.report("A", "Downloading", "DownloadFailed")
        t.wait(30)
    assert t.result("C04").verdict is Verdict.PASS
    t.report("A", "Downloading")
    assert "retry 3" in t.result("C04").findings[0].witness.seen
    t, _ = updating()
    t.report("A", "Downloading", "DownloadFailed", "Downloading")
    assert "30 s apart" in t.result("C04").findings[0].witness.expected


def test_c04_measures_nothing_from_a_failure_told_after_a_reconnect() -> None:
    """It may have failed long before it could say so; how often it tries counts all the same."""
    for back, verdict in ((True, Verdict.PASS), (False, Verdict.FAIL)):
        t, _ = updating()
        t.report("A", "Downloading")
        if back:
            t.close("A", 1006)
            t.open("A")
        t.report("A", "DownloadFailed")
        t.wait(5)
        t.report("A", "Downloading")
        assert t.result("C04").verdict is verdict


def test_c04_counts_retries_and_not_what_is_said_twice() -> None:
    """Statuses may be repeated, and a download may pause and go on: neither is a new attempt."""
    t, _ = updating()
    for _ in range(3):
        t.report("A", "Downloading", "Downloading", "DownloadPaused", "Downloading")
        t.report("A", "DownloadFailed", "DownloadFailed")
        t.wait(30)
    assert t.result("C04").verdict is Verdict.PASS


def test_c04_measures_at_the_server_where_latency_blurs_nothing() -> None:
    """Statuses may bunch up on a slow line; requests at the server do not."""
    for gap, verdict in ((1.0, Verdict.PASS), (0.5, Verdict.FAIL)):
        t, r = updating(retryInterval=1)
        url = t.plans[r]["firmware_url"]
        t.report("A", "Downloading", "DownloadFailed", "Downloading")
        t.served("A", url, time=100.0, outcome="cut", sent=10)
        t.served("A", url, time=100.0 + gap)
        assert t.result("C04").verdict is verdict


def test_c04_does_not_measure_from_what_the_charger_ended() -> None:
    """A stalled request may be over for the charger before the server notices."""
    t, r = updating(retryInterval=1)
    url = t.plans[r]["firmware_url"]
    t.served("A", url, time=100.0, outcome="stalled", sent=10)
    t.served("A", url, time=100.1)
    assert t.result("C04").verdict is Verdict.INCONCLUSIVE


def test_c05_knows_that_a_status_without_an_id_may_be_of_the_update_before() -> None:
    """Of two overlapping updates in 1.6 nobody can tell whose statuses these are."""
    for ended, dialect, verdict in (
        ("", "ocpp1.6", Verdict.INCONCLUSIVE),
        ("InstallationFailed", "ocpp1.6", Verdict.FAIL),
        ("", "ocpp2.0.1", Verdict.FAIL),
    ):
        t, first = updating(dialect)
        t.report("A", "Downloading", *([ended] if ended else []))
        t.served("A", t.plans[first]["firmware_url"], sent=10, outcome="cut")
        second = t.create("A", "all_at_once")
        t.execute(second, "A")
        t.report("A", "Downloaded")
        assert t.result("C05").verdict is verdict


def test_c05_compares_with_the_bytes_served() -> None:
    """Downloaded without the bytes is a claim; the log may come later and in ranges."""
    t, r = updating()
    t.report("A", "Downloading", "Downloaded")
    assert t.result("C05").verdict is Verdict.INCONCLUSIVE
    url = t.plans[r]["firmware_url"]
    t.served("A", url, sent=600, outcome="cut")
    result = t.result("C05")
    assert result.verdict is Verdict.FAIL
    assert "600 bytes" in result.findings[0].witness.seen
    t.served("A", url, sent=400, status=206, range=[600, 999])
    assert t.result("C05").verdict is Verdict.PASS


def test_c05_is_not_fooled_by_another_client_or_url() -> None:
    """Bytes count for the charger and the rollout that they were sent for."""
    t, r = updating()
    t.report("A", "Downloading", "Downloaded")
    t.served("B", t.plans[r]["firmware_url"])
    t.served("A", "https://firmware.example/other/image.bin")
    assert t.result("C05").verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("version", "reason", "verdict"),
    [
        ("2.0.0", "FirmwareUpdate", Verdict.PASS),
        ("2.0.0", "PowerUp", Verdict.FAIL),
        ("1.0.0", "FirmwareUpdate", Verdict.FAIL),
    ],
)
def test_c07_judges_the_boot(version: str, reason: str, verdict: Verdict) -> None:
    """The boot after installing names its reason and the new version."""
    t, _ = updating("ocpp2.0.1")
    t.report("A", "Downloading", "Downloaded", "Installing")
    t.close("A")
    t.boot("A", version=version, dialect="ocpp2.0.1", reason=reason)
    t.report("A", "Installed")
    assert t.result("C07").verdict is verdict


def test_c07_allows_installed_before_the_reboot() -> None:
    """Option (b): Installed, then a boot with the new version; without any boot it is tolerated."""
    t, _ = updating()
    t.report("A", *GOOD)
    t.close("A")
    t.boot("A", version="2.0.0")
    assert t.result("C07").verdict is Verdict.PASS
    t, _ = updating()
    t.report("A", *GOOD)
    t.wait(100)
    t.mark("end")
    assert t.result("C07").verdict is Verdict.NON_STRICT


def test_c08_accuses_a_new_version_after_a_failure() -> None:
    """A failed update leaves the old firmware."""
    for version, verdict in (("1.0.0", Verdict.PASS), ("2.0.0", Verdict.FAIL)):
        t, _ = updating()
        t.report("A", "Downloading", "Downloaded", "Installing", "InstallationFailed")
        t.close("A")
        t.boot("A", version=version)
        assert t.result("C08").verdict is verdict


def test_c08_takes_no_time_out_of_the_csms_for_a_failure() -> None:
    """The charger said nothing of the kind, and goes on; its own failure counts as before."""
    for said, verdict in (
        ("Installing", Verdict.INCONCLUSIVE),
        ("InstallationFailed", Verdict.FAIL),
    ):
        t, r = updating()
        t.report("A", "Downloading", "Downloaded", "Installing")
        t.wait(4000)
        t.show(r, "A", status="failed", reason="timeout", completed_at=t.stamp())
        t.read(r)
        t.report("A", said)
        t.close("A")
        t.boot("A", version="2.0.0")
        assert t.result("C08").verdict is verdict


def test_c08_knows_that_an_attempt_nobody_heard_of_may_succeed() -> None:
    """Downloaded after a failure of long ago: it downloaded again while it was away."""
    t, _ = updating()
    t.report("A", "Downloading", "DownloadFailed")
    t.wait(500)
    t.report("A", "Downloaded")
    t.close("A")
    t.boot("A", version="2.0.0")
    assert t.result("C08").verdict is Verdict.INCONCLUSIVE


def test_c08_knows_that_who_refuses_may_be_busy_with_the_command_before() -> None:
    """Of two commands the first was accepted: the new version is its."""
    no = {"status": "Rejected"}
    for first, verdict in (({"status": "Accepted"}, Verdict.INCONCLUSIVE), (no, Verdict.FAIL)):
        t = Tale()
        t.boot("A", dialect="ocpp2.0.1")
        r = t.create("A", "all_at_once")
        t.execute(r, [], listed=["A"])
        t.trigger(r, "A", answer=first)
        t.trigger(r, "A", answer=no)
        t.report("A", "Downloading", request=1)
        t.close("A")
        t.boot("A", version="2.0.0", dialect="ocpp2.0.1")
        assert t.result("C08").verdict is verdict


def test_c08_knows_that_a_failed_download_may_be_retried() -> None:
    """A DownloadFailed with retries left is not the update's end."""
    t, _ = updating()
    t.report("A", "Downloading", "DownloadFailed")
    t.close("A")
    t.boot("A", version="2.0.0")
    assert t.result("C08").verdict is Verdict.INCONCLUSIVE


def test_c09_wants_the_request_id() -> None:
    """Every status but Idle carries the id of its command, 0 included."""
    t, _ = updating("ocpp2.0.1", requestId=0)
    t.report("A", "Downloading", request=0)
    assert t.result("C09").verdict is Verdict.PASS
    t.report("A", "Downloading", request=77)
    assert t.result("C09").verdict is Verdict.FAIL


def test_c11_wants_a_status_after_accepting_a_trigger() -> None:
    """Accepted means that a status follows."""
    t, _ = updating()
    body = {"requestedMessage": "FirmwareStatusNotification"}
    t.answer("A", t.call("A", "TriggerMessage", body, by="csms"), {"status": "Accepted"}, "charger")
    t.wait(60)
    t.mark("end")
    assert t.result("C11").verdict is Verdict.FAIL


def test_c11_takes_a_status_of_the_running_update_as_the_answer() -> None:
    """A status that the update sends meanwhile counts; one out of nowhere does not."""
    body = {"requestedMessage": "FirmwareStatusNotification"}
    for running, verdict in ((True, Verdict.PASS), (False, Verdict.FAIL)):
        t = updating()[0] if running else Tale()
        if not running:
            t.boot("A")
        ref = t.call("A", "TriggerMessage", body, by="csms")
        t.answer("A", ref, {"status": "Accepted"}, "charger")
        t.report("A", "Downloading")
        assert t.result("C11").verdict is verdict


def test_c14_prefers_accepted_canceled() -> None:
    """A second command during an update is AcceptedCanceled or Rejected."""
    for answer, verdict in (
        ("AcceptedCanceled", Verdict.PASS),
        ("Rejected", Verdict.PASS),
        ("Accepted", Verdict.NON_STRICT),
    ):
        t, _ = updating("ocpp2.0.1")
        t.report("A", "Downloading")
        other = t.create("A", "all_at_once")
        t.execute(other, [], listed=["A"])
        t.trigger(other, "A", answer={"status": answer})
        assert t.result("C14").verdict is verdict


def test_never_exercised_charger_rules_are_inconclusive() -> None:
    """A fleet that only boots proves nothing about updates."""
    t = Tale()
    t.boot("A", dialect="ocpp2.0.1")
    for name in ("C01", "C02", "C03", "C04", "C05", "C07", "C08", "C09", "C11", "C14"):
        assert t.result(name).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("status", "verdict"),
    [("DownloadFailed", Verdict.PASS), ("Idle", Verdict.PASS), ("Installed", Verdict.FAIL)],
)
def test_c11_does_not_know_what_was_before(status: str, verdict: Verdict) -> None:
    """A failure that nobody saw may be told again; an Installed must not be (F06.FR.16)."""
    t = Tale()
    t.boot("A")
    ref = t.call(
        "A", "TriggerMessage", {"requestedMessage": "FirmwareStatusNotification"}, by="csms"
    )
    t.answer("A", ref, {"status": "Accepted"}, "charger")
    t.report("A", status)
    assert t.result("C11").verdict is verdict
