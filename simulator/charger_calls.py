"""What a charger answers when the CSMS calls: a table from action to answer. A core.

Each answerer takes (charger, call) and returns the payload of the CALLRESULT or raises `PeerError`
with the code of a CALLERROR. What it queues is sent after its answer (F06.FR.04).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.charger_variables import (
    change_configuration,
    get_configuration,
    get_variables,
    set_variables,
)
from simulator.errors import PeerError
from simulator.firmware import TERMINAL, Status
from simulator.signing import certificate_verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simulator.charger import Charger
    from simulator.dialect import UpdateRequest
    from simulator.wire import Call

    Answerer = Callable[[Charger, Call], dict[str, Any]]


def answer(charger: Charger, call: Call) -> dict[str, Any]:
    """Return the payload that answers a CALL; raises `PeerError` for a CALLERROR."""
    if call.action not in charger.dialect.calls:
        raise PeerError("NotImplemented", f"{call.action[:50]} is not implemented")
    return ANSWERERS[call.action](charger, call)


def _update(charger: Charger, call: Call) -> dict[str, Any]:
    """Accept, replace or refuse an update (L01, L02; the signed variant replaces the core one)."""
    dialect = charger.dialect
    if call.action not in dialect.update_actions:
        # A 1.6 charger that takes signed updates refuses unsigned ones (WP L01.FR.20).
        raise PeerError("NotSupported", f"{call.action} is not supported by this charger")
    request = dialect.update_request(call.action, call.payload)
    verdict = _security(charger, request) if dialect.many_statuses else "Accepted"
    if verdict in {"InvalidCertificate", "RevokedCertificate"}:
        charger.security_event("InvalidFirmwareSigningCertificate")
    elif verdict == "Accepted":
        verdict = charger.begin_update(call.action, request)
    return dialect.update_answer(call.action, verdict)


def _security(charger: Charger, request: UpdateRequest) -> str:
    """Return whether certificate and signature allow an update (L01.FR.02, FR.21; TC_L_18)."""
    spec = charger.spec
    if "checks_no_signature" in spec.quirks and spec.signed == (request.certificate is not None):
        return "Accepted"
    if request.certificate is None:
        wanted = spec.signed or request.signature is not None
        return "InvalidCertificate" if wanted else "Accepted"
    if request.signature is None:
        return "Rejected"
    return certificate_verdict(request.certificate, spec.firmware_root, charger.clock, spec.revoked)


def _trigger(charger: Charger, call: Call) -> dict[str, Any]:
    wanted = call.payload.get("requestedMessage")
    if not isinstance(wanted, str):
        raise PeerError("TypeConstraintViolation", "requestedMessage is not a string")
    if wanted not in _MAY_BE_TRIGGERED:
        return {"status": "NotImplemented"}
    # WP 6.8: what 1.6 core asks for is the core message, also of a charger with the extension.
    core = wanted == FIRMWARE_STATUS and call.action == "TriggerMessage" and charger.dialect.signed
    charger.trigger(CORE_STATUS if core else wanted)
    return {"status": "Accepted"}


def _trigger_firmware(charger: Charger) -> None:
    """Repeat the last status; Idle where nothing runs or the last was Installed (L01.FR.25/26).

    A status that is about to be sent anyway is the one that was asked for (F06.FR.10).
    """
    status, request_id = charger.last_status
    ended = TERMINAL if "forgets_ends" in charger.spec.quirks else {Status.INSTALLED}
    if status in ended:
        status, request_id = Status.IDLE, None
    action, payload = charger.dialect.firmware_status(status, request_id)
    if not charger.endpoint.waits(action):
        charger.call(action, payload)


def _trigger_core_status(charger: Charger) -> None:
    """Say that no core update runs: a charger with the extension never has any (WP L01.FR.20)."""
    charger.call(FIRMWARE_STATUS, {"status": Status.IDLE})


def _trigger_boot(charger: Charger) -> None:
    payload = charger.dialect.boot(charger.spec, charger.firmware_version, "Triggered")
    charger.call("BootNotification", payload)


def _reset(charger: Charger, call: Call) -> dict[str, Any]:
    """Accept and reboot shortly after; in 2.x OnIdle waits for a session or update (B12)."""
    if call.payload.get("type") == "OnIdle" and charger.busy:
        charger.reset_when_idle = True
        return {"status": "Scheduled"}
    charger.timers["reset"] = charger.now + RESET_DELAY
    return {"status": "Accepted"}


def _availability(charger: Charger, call: Call) -> dict[str, Any]:
    """Change it now, or after the session that runs (1.6 §5.2, G03, G04)."""
    operative = call.payload.get("type", call.payload.get("operationalStatus")) == "Operative"
    charger.inoperative = not operative
    if charger.transaction.running:
        return {"status": "Scheduled"}
    charger.connector()
    return {"status": "Accepted"}


def _says(**payload: Any) -> Answerer:
    return lambda _charger, _call: dict(payload)


def _unlock(charger: Charger, _: Call) -> dict[str, Any]:
    """Have no lock: each version says so in its own way."""
    core = charger.dialect.subprotocol == "ocpp1.6"
    return {"status": "NotSupported" if core else "UnknownConnector"}


RESET_DELAY = 1.0  # seconds between accepting a Reset and going down

FIRMWARE_STATUS = "FirmwareStatusNotification"
CORE_STATUS = "core status"
TRIGGERED: Mapping[str, Callable[[Charger], None]] = {
    FIRMWARE_STATUS: _trigger_firmware,
    CORE_STATUS: _trigger_core_status,
    "Heartbeat": lambda charger: charger.call("Heartbeat", {}),
    "StatusNotification": lambda charger: charger.connector(),
    "BootNotification": _trigger_boot,
}

_MAY_BE_TRIGGERED = frozenset(TRIGGERED) - {CORE_STATUS}

ANSWERERS: Mapping[str, Answerer] = {
    "UpdateFirmware": _update,
    "SignedUpdateFirmware": _update,
    "TriggerMessage": _trigger,
    "ExtendedTriggerMessage": _trigger,
    "Reset": _reset,
    "ChangeAvailability": _availability,
    "GetConfiguration": get_configuration,
    "ChangeConfiguration": change_configuration,
    "GetVariables": get_variables,
    "SetVariables": set_variables,
    "ClearCache": _says(status="Accepted"),
    "DataTransfer": _says(status="UnknownVendorId"),
    "RemoteStartTransaction": _says(status="Rejected"),
    "RemoteStopTransaction": _says(status="Rejected"),
    "RequestStartTransaction": _says(status="Rejected"),
    "RequestStopTransaction": _says(status="Rejected"),
    "UnlockConnector": _unlock,
}
