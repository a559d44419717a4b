"""What a charger answers when the CSMS calls: a table from action to answer. A core.

Each answerer takes (charger, call) and returns the payload of the CALLRESULT or raises `PeerError`
with the code of a CALLERROR. What it queues is sent after its answer (F06.FR.04).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.errors import PeerError
from simulator.firmware import Status
from simulator.signing import certificate_verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simulator.charger import Charger
    from simulator.wire import Call

    Answerer = Callable[[Charger, Call], dict[str, Any]]


def answer(charger: Charger, call: Call) -> dict[str, Any]:
    """Return the payload that answers a CALL; raises `PeerError` for a CALLERROR."""
    answerer = ANSWERERS.get(call.action)
    if answerer is None:
        raise PeerError("NotImplemented", f"{call.action[:50]} is not implemented")
    return answerer(charger, call)


def _update(charger: Charger, call: Call) -> dict[str, Any]:
    """Accept, replace or refuse an update (L01, L02; the signed variant replaces the core one)."""
    dialect = charger.dialect
    if call.action not in dialect.update_actions:
        # A charger that takes signed updates refuses unsigned ones, and the other way round.
        raise PeerError("NotSupported", f"{call.action} is not supported by this charger")
    request = dialect.update_request(call.action, call.payload)
    if dialect.many_statuses and request.certificate is not None:
        verdict = certificate_verdict(
            request.certificate, charger.spec.firmware_root, charger.clock
        )
        if verdict != "Accepted":
            event = dialect.security_event("InvalidFirmwareSigningCertificate", charger.clock)
            charger.call(*event)
            return dialect.update_answer(call.action, verdict)
    status = charger.begin_update(call.action, request)
    return dialect.update_answer(call.action, status)


def _trigger(charger: Charger, call: Call) -> dict[str, Any]:
    wanted = call.payload.get("requestedMessage")
    if not isinstance(wanted, str):
        raise PeerError("TypeConstraintViolation", "requestedMessage is not a string")
    send = TRIGGERED.get(wanted)
    if send is None:
        return {"status": "NotImplemented"}
    send(charger)
    return {"status": "Accepted"}


def _trigger_firmware(charger: Charger) -> None:
    """Repeat the last status; Idle where nothing runs or the last was Installed (L01.FR.25/26)."""
    status, request_id = charger.last_status
    if status == Status.INSTALLED:
        status, request_id = Status.IDLE, None
    charger.call(*charger.dialect.firmware_status(status, request_id))


def _trigger_boot(charger: Charger) -> None:
    payload = charger.dialect.boot(charger.spec, charger.firmware_version, "Triggered")
    charger.call("BootNotification", payload)


def _reset(charger: Charger, call: Call) -> dict[str, Any]:
    """Accept and reboot shortly after; in 2.x OnIdle waits for a running update."""
    if call.payload.get("type") == "OnIdle" and charger.update and not charger.update.over:
        return {"status": "Scheduled"}
    charger.timers["reset"] = charger.now + RESET_DELAY
    return {"status": "Accepted"}


def _availability(charger: Charger, call: Call) -> dict[str, Any]:
    operative = call.payload.get("type", call.payload.get("operationalStatus")) == "Operative"
    charger.connector("Available" if operative else "Unavailable")
    return {"status": "Accepted"}


def _get_configuration(charger: Charger, call: Call) -> dict[str, Any]:
    wanted = call.payload.get("key")
    known = {"HeartbeatInterval": str(int(charger.heartbeat)),
             "SupportedFeatureProfiles": "Core,FirmwareManagement,RemoteTrigger"}  # fmt: skip
    asked = wanted if isinstance(wanted, list) and wanted else list(known)
    names = [name for name in asked if isinstance(name, str)]
    found = [{"key": name, "readonly": name != "HeartbeatInterval", "value": known[name]}
             for name in names if name in known]  # fmt: skip
    unknown = [name for name in names if name not in known]
    return {"configurationKey": found} | ({"unknownKey": unknown} if unknown else {})


def _change_configuration(charger: Charger, call: Call) -> dict[str, Any]:
    value = str(call.payload.get("value", ""))
    if call.payload.get("key") != "HeartbeatInterval":
        return {"status": "NotSupported"}
    if not value.isascii() or not value.isdigit() or int(value[:9]) == 0:
        return {"status": "Rejected"}
    charger.heartbeat = float(value[:9])
    return {"status": "Accepted"}


def _variables(result: str) -> Answerer:
    """Return an answerer for GetVariables or SetVariables: no variable is known by name."""

    def answerer(charger: Charger, call: Call) -> dict[str, Any]:
        del charger
        wanted = call.payload.get(f"{result}VariableData")
        if not isinstance(wanted, list) or not wanted:
            raise PeerError("OccurrenceConstraintViolation", f"{result}VariableData is empty")
        rows = [
            {"attributeStatus": "UnknownVariable", "component": entry["component"],
             "variable": entry["variable"]}
            for entry in wanted
            if isinstance(entry, dict) and {"component", "variable"} <= entry.keys()
        ]  # fmt: skip
        return {f"{result}VariableResult": rows}

    return answerer


def _says(**payload: Any) -> Answerer:
    return lambda _charger, _call: dict(payload)


RESET_DELAY = 1.0  # seconds between accepting a Reset and going down

TRIGGERED: Mapping[str, Callable[[Charger], None]] = {
    "FirmwareStatusNotification": _trigger_firmware,
    "SignedFirmwareStatusNotification": _trigger_firmware,
    "Heartbeat": lambda charger: charger.call("Heartbeat", {}),
    "StatusNotification": lambda charger: charger.connector("Available"),
    "BootNotification": _trigger_boot,
}

ANSWERERS: Mapping[str, Answerer] = {
    "UpdateFirmware": _update,
    "SignedUpdateFirmware": _update,
    "TriggerMessage": _trigger,
    "ExtendedTriggerMessage": _trigger,
    "Reset": _reset,
    "ChangeAvailability": _availability,
    "GetConfiguration": _get_configuration,
    "ChangeConfiguration": _change_configuration,
    "GetVariables": _variables("get"),
    "SetVariables": _variables("set"),
    "ClearCache": _says(status="Accepted"),
    "DataTransfer": _says(status="UnknownVendorId"),
    "RemoteStartTransaction": _says(status="Rejected"),
    "RemoteStopTransaction": _says(status="Rejected"),
    "RequestStartTransaction": _says(status="Rejected"),
    "RequestStopTransaction": _says(status="Rejected"),
    "UnlockConnector": _says(status="NotSupported"),
}
