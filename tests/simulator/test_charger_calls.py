"""What the CSMS asks for happens when it can, and is said in the right words."""

from __future__ import annotations

from typing import Any

import pytest

from simulator import wire
from simulator.dialect import rfc3339
from simulator.faults import DownloadFault, Fixed
from tests.simulator.lab import START, Lab

FIRMWARE = "FirmwareStatusNotification"


def asked(lab: Lab, message: str) -> None:
    """Have the CSMS trigger a message; it must be accepted."""
    answer = lab.call("TriggerMessage", {"requestedMessage": message})
    assert isinstance(answer, wire.CallResult)
    assert answer.payload == {"status": "Accepted"}


def connector(lab: Lab) -> list[str]:
    """Return what the connector was said to be, in order."""
    return [payload["status"] for _, payload in lab.calls("StatusNotification")]


def test_a_message_triggered_before_the_boot_is_sent_after_it() -> None:
    """Accepted is a promise (F06.FR.10), and nothing but a boot may be sent before acceptance."""
    lab = Lab()
    lab.csms.boot_status = ["Pending", "Accepted"]
    lab.boot()
    asked(lab, FIRMWARE)
    asked(lab, FIRMWARE)
    assert lab.statuses() == []
    lab.run(100.0)
    assert lab.statuses() == ["Idle"]


def test_a_pending_charger_boots_again_when_told_to() -> None:
    """B02: the CSMS ends a Pending by triggering the next BootNotification."""
    lab = Lab()
    lab.csms.boot_status = ["Pending", "Accepted"]
    lab.boot()
    asked(lab, "BootNotification")
    assert lab.charger.ready
    lab.run(200.0)
    assert len(lab.calls("BootNotification")) == 2


def test_a_triggered_boot_changes_nothing_for_a_charger_that_runs() -> None:
    """No second start, and an update that waits for its reboot does not end early."""
    lab = Lab(ocpp="ocpp2.0.1").boot()
    asked(lab, "BootNotification")
    assert [payload["reason"] for _, payload in lab.calls("BootNotification")] == [
        "PowerUp", "Triggered"
    ]  # fmt: skip
    assert len(lab.calls("StatusNotification")) == 1


@pytest.mark.parametrize(
    ("fields", "state"),
    [({}, "Available"), ({"transaction": Fixed(value=500.0)}, "Charging")],
)
def test_a_triggered_connector_status_is_the_true_one(fields: dict[str, Any], state: str) -> None:
    """Free, in use, or out of service for the update under way."""
    lab = Lab(**fields).boot()
    asked(lab, "StatusNotification")
    assert connector(lab)[-1] == state
    if not fields:
        lab.update()
        lab.run(3.0)
        asked(lab, "StatusNotification")
        assert connector(lab)[-1] == "Unavailable"


def test_availability_lasts_until_it_is_changed_back() -> None:
    """Inoperative survives an update and its reboot; Operative ends it."""
    lab = Lab().boot()
    lab.call("ChangeAvailability", {"connectorId": 0, "type": "Inoperative"})
    lab.update()
    lab.run(200.0)
    assert set(connector(lab)[1:]) == {"Unavailable"}
    lab.call("ChangeAvailability", {"connectorId": 0, "type": "Operative"})
    assert connector(lab)[-1] == "Available"


def test_availability_waits_for_the_session() -> None:
    """Scheduled while it runs, and Unavailable afterwards."""
    lab = Lab(transaction=Fixed(value=50.0)).boot()
    answer = lab.call("ChangeAvailability", {"connectorId": 0, "type": "Inoperative"})
    assert isinstance(answer, wire.CallResult)
    assert answer.payload == {"status": "Scheduled"}
    assert connector(lab)[-1] == "Charging"
    lab.run(60.0)
    assert connector(lab)[-1] == "Unavailable"


def test_a_reset_on_idle_waits_for_the_session() -> None:
    """Scheduled at once, done when the session ends (B12)."""
    lab = Lab(ocpp="ocpp2.0.1", transaction=Fixed(value=50.0)).boot()
    answer = lab.call("Reset", {"type": "OnIdle"})
    assert isinstance(answer, wire.CallResult)
    assert answer.payload == {"status": "Scheduled"}
    lab.run(40.0)
    assert len(lab.calls("BootNotification")) == 1
    lab.run(60.0)
    reasons = [payload["reason"] for _, payload in lab.calls("BootNotification")]
    assert reasons == ["PowerUp", "RemoteReset"]


def test_the_reboot_of_an_update_is_the_reset_that_waited_for_it() -> None:
    """One reboot serves both."""
    lab = Lab(ocpp="ocpp2.0.1").boot()
    lab.update()
    lab.call("Reset", {"type": "OnIdle"})
    lab.run(300.0)
    assert [payload["reason"] for _, payload in lab.calls("BootNotification")] == [
        "PowerUp", "FirmwareUpdate"
    ]  # fmt: skip
    assert lab.statuses()[-1] == "Installed"


@pytest.mark.parametrize(
    ("ocpp", "text", "answers"),
    [
        ("ocpp1.6", "{", []),
        ("ocpp2.0.1", "{", [("-1", "FormatViolation")]),
        ("ocpp2.0.1", '[2,7,"Reset",{}]', [("-1", "RpcFrameworkError")]),
        ("ocpp1.6", '[2,"x","Reset"]', [("x", "ProtocolError")]),
        ("ocpp2.0.1", '[3,"x"]', []),
        ("ocpp2.0.1", '[4,"x",7]', []),
        ("ocpp2.0.1", '[9,"x",{}]', []),
    ],
)
def test_only_calls_are_refused(ocpp: str, text: str, answers: list[tuple[str, str]]) -> None:
    """A broken answer is never answered; in 2.x what cannot be read is refused as "-1"."""
    lab = Lab(ocpp=ocpp).boot()
    assert lab.csms.connection is not None
    seen: list[tuple[str, str]] = []
    lab.fleet.observe = lambda _charger, kind, sent, _data: (
        seen.append((frame.message_id, frame.code))
        if kind == "send" and sent and isinstance(frame := wire.decode(sent), wire.CallError)
        else None
    )
    lab.csms.connection.send(text)
    lab.run(5.0)
    assert seen == answers


@pytest.mark.parametrize("ocpp", ["ocpp1.6", "ocpp2.0.1"])
def test_an_update_that_overtakes_the_boot_begins_after_it(ocpp: str) -> None:
    """Accepted at once, and not one of its statuses is lost or said too early."""
    lab = Lab(ocpp=ocpp)
    lab.csms.boot_status = ["Pending", "Accepted"]
    lab.boot()
    answer = lab.update()
    assert isinstance(answer, wire.CallResult)
    lab.run(30.0)
    assert (lab.statuses(), lab.served) == ([], [])
    lab.run(200.0)
    assert lab.statuses()[0] == "Downloading"
    assert lab.statuses()[-1] == "Installed"


def test_a_status_about_to_be_sent_is_the_one_that_was_asked_for() -> None:
    """No Idle right after an Installed that waited in the queue (F06.FR.10)."""
    lab = Lab(ocpp="ocpp2.0.1", call_timeout=20.0).boot()
    lab.update()
    lab.run(15.0)
    lab.csms.mute = {"StatusNotification"}  # after the reboot it holds up what is behind it
    while len(lab.calls("StatusNotification")) < 3:
        lab.run(1.0)
    asked(lab, FIRMWARE)
    lab.run(60.0)
    assert lab.statuses()[-1] == "Installed"


SECURE: dict[str, Any] = {"ocpp": "ocpp1.6", "signed": True}


@pytest.mark.parametrize(
    ("fields", "action"),
    [
        ({}, "ExtendedTriggerMessage"),
        ({}, "SignedUpdateFirmware"),
        ({}, "GetVariables"),
        (SECURE, "GetVariables"),
        ({"ocpp": "ocpp2.0.1"}, "ExtendedTriggerMessage"),
        ({"ocpp": "ocpp2.0.1"}, "SignedUpdateFirmware"),
        ({"ocpp": "ocpp2.1"}, "GetConfiguration"),
        ({"ocpp": "ocpp2.1"}, "RemoteStartTransaction"),
    ],
)
def test_what_a_version_does_not_have_is_not_implemented(
    fields: dict[str, Any], action: str
) -> None:
    """A charger knows the messages of its own version only."""
    answer = Lab(**fields).boot().call(action, {"requestedMessage": FIRMWARE})
    assert isinstance(answer, wire.CallError)
    assert answer.code == "NotImplemented"


@pytest.mark.parametrize(
    ("fields", "action"),
    [({}, "TriggerMessage"), (SECURE, "ExtendedTriggerMessage"),
     ({"ocpp": "ocpp2.0.1"}, "TriggerMessage")],
)  # fmt: skip
def test_the_signed_status_has_no_trigger_of_its_own(fields: dict[str, Any], action: str) -> None:
    """No version lists it among the messages that can be triggered (WP 6.8)."""
    message = {"requestedMessage": f"Signed{FIRMWARE}"}
    answer = Lab(**fields).boot().call(action, message)
    assert isinstance(answer, wire.CallResult)
    assert answer.payload == {"status": "NotImplemented"}


def test_each_trigger_of_1_6_yields_its_own_status() -> None:
    """The extension's trigger the signed status, the core one the core status (WP 6.8)."""
    lab = Lab(**SECURE).boot()
    lab.update()
    lab.run(5.0)
    lab.call("ExtendedTriggerMessage", {"requestedMessage": FIRMWARE})
    signed = [payload["status"] for _, payload in lab.calls(f"Signed{FIRMWARE}")]
    assert signed[-1] == signed[-2] == "Installing"
    assert lab.calls(FIRMWARE) == []
    lab.call("TriggerMessage", {"requestedMessage": FIRMWARE})
    assert [payload for _, payload in lab.calls(FIRMWARE)] == [{"status": "Idle"}]


def test_no_version_unlocks_what_has_no_lock() -> None:
    """Each says so in a word that its schema knows."""
    for ocpp, status in (("ocpp1.6", "NotSupported"), ("ocpp2.0.1", "UnknownConnector")):
        answer = Lab(ocpp=ocpp).boot().call("UnlockConnector", {"evseId": 1, "connectorId": 1})
        assert isinstance(answer, wire.CallResult)
        assert answer.payload == {"status": status}


@pytest.mark.parametrize(
    "wrong", [{"signingCertificate": 5, "signature": "AA=="}, {"signingCertificate": ["x"]},
              {"signature": 5}]
)  # fmt: skip
def test_a_certificate_that_is_no_text_is_a_callerror(wrong: dict[str, Any]) -> None:
    """A CSMS that sends nonsense is told so; the charger goes on."""
    lab = Lab(ocpp="ocpp2.0.1").boot()
    answer = lab.update(firmware=wrong)
    assert isinstance(answer, wire.CallError)
    assert answer.code == "TypeConstraintViolation"
    assert isinstance(lab.call("ClearCache", {}), wire.CallResult)


def test_numbers_beyond_reason_are_only_large() -> None:
    """A retry interval of four hundred digits is a very long one."""
    lab = Lab([DownloadFault(kind="refuse")], ocpp="ocpp2.0.1").boot()
    answer = lab.update(retryInterval=10**400, retries=10**400)
    assert isinstance(answer, wire.CallResult)
    assert lab.run(600.0).statuses() == ["Downloading"]


def test_a_heartbeat_interval_beyond_any_float_is_only_long() -> None:
    """JSON has integers of any length, and a CSMS may answer a boot with one."""
    lab = Lab()
    lab.csms.interval = 10**400
    lab.boot()
    assert lab.charger.booted
    assert isinstance(lab.call("ClearCache", {}), wire.CallResult)


@pytest.mark.parametrize(
    ("ocpp", "name"), [("ocpp1.6", "status"), ("ocpp2.0.1", "connectorStatus")]
)
def test_a_connector_status_that_the_harness_wants_is_the_true_one(ocpp: str, name: str) -> None:
    """Load asks for StatusNotifications without saying what they hold."""
    lab, said = Lab(ocpp=ocpp).boot(), list[str]()
    lab.fleet.ask("CP-1", "StatusNotification", {}, said.append)
    lab.run(5.0)
    assert said == ["answered"]
    first, second = (payload for _, payload in lab.calls("StatusNotification"))
    assert (second[name], set(second)) == ("Available", set(first))


@pytest.mark.parametrize("fields", [SECURE, {"ocpp": "ocpp2.0.1"}, {"ocpp": "ocpp2.1"}])
def test_an_installation_waits_for_its_date(fields: dict[str, Any]) -> None:
    """InstallScheduled until then, out of service meanwhile; a trigger repeats it (L01.FR.16)."""
    lab = Lab(**fields).boot()
    lab.update(firmware={"installDateTime": rfc3339(START + 100.0)})
    lab.run(60.0)
    assert lab.statuses()[-1] == "InstallScheduled"
    state = lab.calls("StatusNotification")[-1][1]
    assert state.get("connectorStatus", state.get("status")) == "Unavailable"
    trigger = "ExtendedTriggerMessage" if fields is SECURE else "TriggerMessage"
    lab.call(trigger, {"requestedMessage": FIRMWARE})
    assert lab.statuses()[-2:] == ["InstallScheduled"] * 2
    lab.run(100.0)
    action = "SignedFirmwareStatusNotification" if fields is SECURE else FIRMWARE
    times = {payload["status"]: time for time, payload in lab.calls(action)}
    assert times["Installing"] == pytest.approx(100.0)
    assert lab.statuses()[-1] == "Installed"


def test_a_scheduled_installation_gives_way_to_another_request() -> None:
    """AcceptedCanceled, and the statuses that follow carry the new id only (L01.FR.24)."""
    lab = Lab(ocpp="ocpp2.0.1").boot()
    lab.update(firmware={"installDateTime": rfc3339(START + 3600.0)})
    lab.run(30.0)
    answer = lab.update(request_id=8)
    assert isinstance(answer, wire.CallResult)
    assert answer.payload == {"status": "AcceptedCanceled"}
    told = len(lab.calls(FIRMWARE))
    lab.run(120.0)
    after = [payload for _, payload in lab.calls(FIRMWARE)[told:]]
    assert {payload["requestId"] for payload in after} == {8}
    assert after[-1]["status"] == "Installed"
