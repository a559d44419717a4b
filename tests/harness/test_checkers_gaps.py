"""Field logs with gaps: what may have happened unseen, nobody is accused of.

Each story would convict a charger; with a gap in the log at the right place it does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.history import FIELD_LOG
from harness.verdict import Verdict
from tests.harness.tell import Tale

if TYPE_CHECKING:
    from collections.abc import Callable

STATUS = "FirmwareStatusNotification"


def log(dialect: str = "ocpp2.0.1") -> Tale:
    """A field log of one charger, from its boot on."""
    t = Tale(target={"kind": FIELD_LOG, "clock": "log"})
    t.boot("A", dialect=dialect)
    return t


def command(t: Tale, *statuses: str, signed: bool = False) -> None:
    """Tell the charger to update, and let it report."""
    firmware = {"location": "https://x/1", "retrieveDateTime": "2026-01-01T00:00:00Z"}
    if signed:
        firmware |= {"signature": "s", "signingCertificate": "c"}
    t.requests["A"] = 1
    ref = t.call("A", "UpdateFirmware", {"requestId": 1, "firmware": firmware}, by="csms")
    t.answer("A", ref, {"status": "Accepted"}, by="charger", name="UpdateFirmware")
    t.report("A", *statuses)


def break_off(t: Tale, *, gap: bool) -> None:
    """The connection ends and another begins, perhaps with a gap in between."""
    t.close("A")
    t.open("A", t.dialect["A"])
    t.history.events[-1].data.update({"partial": True} if gap else {})
    t.fence("A")


def ask(t: Tale) -> None:
    """Ask the charger for its firmware status; it accepts."""
    ref = t.call("A", "TriggerMessage", {"requestedMessage": STATUS}, by="csms")
    t.answer("A", ref, {"status": "Accepted"}, by="charger", name="TriggerMessage")


def no_security_event(gap: bool) -> Tale:
    """C13: a bad signature without an event."""
    t = log()
    command(t, "Downloading", "Downloaded", "InvalidSignature")
    break_off(t, gap=gap)
    t.wait(100)
    t.mark("end")
    return t


def no_end(gap: bool) -> Tale:
    """C10: an interrupted update that comes to no end."""
    t = log()
    t.history.header.profile["D12"] = {"update_timeout": 60.0}
    command(t, "Downloading")
    break_off(t, gap=gap)
    t.wait(100)
    t.fence("A")
    return t


def idle_amid_an_update(gap: bool) -> Tale:
    """C11: Idle, though an update runs."""
    t = log()
    command(t, "Downloading")
    break_off(t, gap=gap)
    ask(t)
    t.report("A", "Idle")
    return t


def installing_amid_a_transaction(gap: bool) -> Tale:
    """C06: an installation while a car charges."""
    t = log("ocpp1.6")
    body = {"connectorId": 1, "idTag": "x", "meterStart": 0, "timestamp": "2026-01-01T00:00:00Z"}
    ref = t.call("A", "StartTransaction", body)
    info = {"idTagInfo": {"status": "Accepted"}, "transactionId": 5}
    t.answer("A", ref, info, name="StartTransaction")
    break_off(t, gap=gap)
    update = {"location": "https://x/1", "retrieveDate": "2026-01-01T00:00:00Z"}
    ref = t.call("A", "UpdateFirmware", update, by="csms")
    t.answer("A", ref, {}, by="charger", name="UpdateFirmware")
    t.report("A", "Downloading", "Downloaded", "Installing")
    return t


def new_version_after_a_failure(gap: bool) -> Tale:
    """C08: a failed update, and a boot with another version all the same."""
    t = log()
    command(t, "Downloading", "Downloaded", "Installing", "InstallationFailed")
    break_off(t, gap=gap)
    t.notify_boot("A", "2.0.0")
    return t


def never_available(gap: bool) -> Tale:
    """C12: a connector that stays Unavailable."""
    t = log("ocpp1.6")
    update = {"location": "https://x/1", "retrieveDate": "2026-01-01T00:00:00Z"}
    ref = t.call("A", "UpdateFirmware", update, by="csms")
    t.answer("A", ref, {}, by="charger", name="UpdateFirmware")
    t.report("A", "Downloading")
    body = {"connectorId": 1, "errorCode": "NoError", "status": "Unavailable"}
    t.answer("A", t.call("A", "StatusNotification", body), {}, name="StatusNotification")
    t.report("A", "Downloaded", "Installing", "InstallationFailed")
    break_off(t, gap=gap)
    t.wait(100)
    t.mark("end")
    return t


def installed_after_an_old_boot(gap: bool) -> Tale:
    """C07: Installed, and a boot with the version of before."""
    t = log()
    command(t, "Downloading", "Downloaded", "Installing")
    t.close("A")
    t.boot("A", dialect="ocpp2.0.1", reason="FirmwareUpdate")
    if gap:
        break_off(t, gap=True)
    t.report("A", "Installed")
    return t


STORIES: dict[str, tuple[Callable[[bool], Tale], Verdict]] = {
    "C06": (installing_amid_a_transaction, Verdict.NON_STRICT),
    "C07": (installed_after_an_old_boot, Verdict.NON_STRICT),
    "C08": (new_version_after_a_failure, Verdict.FAIL),
    "C10": (no_end, Verdict.FAIL),
    "C11": (idle_amid_an_update, Verdict.NON_STRICT),
    "C12": (never_available, Verdict.FAIL),
    "C13": (no_security_event, Verdict.FAIL),
}


@pytest.mark.parametrize("requirement", STORIES)
def test_a_gap_forgives_what_it_may_hide(requirement: str) -> None:
    """Without the gap it is wrong, with it nobody can tell."""
    story, verdict = STORIES[requirement]
    assert story(False).result(requirement).verdict is verdict
    result = story(True).result(requirement)
    assert result.verdict in {Verdict.INCONCLUSIVE, Verdict.PASS}, result.findings
