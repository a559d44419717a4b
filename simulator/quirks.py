"""How real chargers deviate from OCPP's firmware update: one name, one deviation. A core.

`QUIRKS` says what each does. A charger without quirks never comes here. The hooks, in the order of
an update: `boot_payload` and `booting` (at a boot), `announced` (after it), `refusal` and `answer`
(to the request), `told` (what is reported instead of the truth), `stays_up` (no reboot). What a
charger does differently inside, such as not verifying a signature, it looks up itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator import effects, wire
from simulator.errors import PeerError
from simulator.firmware import Status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulator.charger import Charger

Told = list[tuple[str, int | None]]

LATE = 5.0  # seconds by which `answers_late` is late
PRETENDED = 2.0  # seconds that a download takes which is none
UNHEARD = '[2,"unheard","UnheardOf",{}]'
STATUS_ACTIONS = frozenset({"FirmwareStatusNotification", "SignedFirmwareStatusNotification"})
BROKEN = '[2,"broken","FirmwareStatusNotification",{"status":'

QUIRKS: Mapping[str, str] = {
    "skips_downloading": "Never reports Downloading.",
    "skips_downloaded": "Never reports Downloaded.",
    "skips_installing": "Never reports Installing or InstallRebooting.",
    "only_installed": "Reports nothing but Installed.",
    "never_reports": "Updates, and reports nothing at all.",
    "duplicates_status": "Reports every status twice.",
    "swaps_statuses": "Reports Downloaded before Downloading.",
    "late_status": "Reports Downloading once more after Installed.",
    "spontaneous_idle": "Reports Idle in the middle of the update.",
    "unsolicited_installed": "Reports Installed after a boot although nobody asked for an update.",
    "no_request_id": "Leaves out the request id (2.x and signed 1.6).",
    "wrong_request_id": "Reports a request id that nobody gave.",
    "old_request_id": "Reports the request id before the current one.",
    "answers_late": f"Answers the update request {LATE:g} s late, its statuses come first.",
    "never_answers": "Updates, but never answers the request.",
    "answers_callerror": "Answers the update request with a CALLERROR and does not update.",
    "rejects": "Rejects the update request (1.6 core: CALLERROR NotSupported) and does not update.",
    "rejects_but_updates": "Rejects the update request and updates all the same.",
    "malformed_json": "Sends half a frame before it reports Downloading.",
    "two_calls": "Reports statuses without waiting for the answer to the CALL before.",
    "omits_version": "Leaves the firmware version out of its BootNotification.",
    "keeps_version": "Boots the new firmware under the old version's name.",
    "no_reboot": "Installs without a reboot, so no BootNotification follows.",
    "reinstalls": "Downloads again after a failed installation, while it has retries.",
    "zero_retries_never_start": "Takes `retries: 0` for no attempt at all: accepts, never begins.",
    "unheard_action": "Sends a CALL of no version of OCPP before it reports Downloading.",
    "doubts_signature": "Takes what it downloaded for badly signed: InvalidSignature (2.x).",
    "refuses_answers": "Meets the answer to a status report with a CALLRESULTERROR (2.1).",
    "skips_rebooting": "Never reports InstallRebooting (2.x and signed 1.6), and reboots.",
    "ignores_retries": "Downloads once, whatever `retries` says.",
    "stays_unavailable": "Leaves its connector Unavailable after an update that failed.",
    "early_status": "Sends a StatusNotification before its BootNotification is answered.",
    "forgets_ends": "Answers a trigger with Idle after any end of an update, failures included.",
    "answers_with_status": "Answers a core 1.6 UpdateFirmware with a status, which has none.",
    "checks_no_signature": "Takes any certificate and signature for a good one.",
    "boots_on_same_socket": "Boots the new version with a BootNotification and no reconnect.",
    "starts_unavailable": "Reports connector 0 Unavailable after a boot, then Available (1.6).",
    "pretends_to_download": "Fetches nothing, and reports as if it had; its version stays.",
}  # fmt: skip

_SILENT_ABOUT: Mapping[str, frozenset[str]] = {
    "skips_downloading": frozenset({Status.DOWNLOADING}),
    "skips_downloaded": frozenset({Status.DOWNLOADED}),
    "skips_installing": frozenset({Status.INSTALLING, Status.INSTALL_REBOOTING}),
    "skips_rebooting": frozenset({Status.INSTALL_REBOOTING}),
    "only_installed": frozenset(Status) - {Status.INSTALLED},
    "never_reports": frozenset(Status),
}


def told(charger: Charger, status: str, request_id: int | None) -> Told:
    """Return what the charger reports where `status` is the truth."""
    quirks = charger.spec.quirks
    if any(status in _SILENT_ABOUT.get(quirk, ()) for quirk in quirks):
        return []
    given = _request_id(quirks, request_id)
    reports: Told = [(status, given)]
    for quirk in quirks:
        match quirk, status:
            case "swaps_statuses", Status.DOWNLOADING:
                reports = []
            case "swaps_statuses", Status.DOWNLOADED:
                reports = [(status, given), (Status.DOWNLOADING, given)]
            case "spontaneous_idle", Status.DOWNLOADED:
                reports.append((Status.IDLE, None))
            case "late_status", Status.INSTALLED:
                reports.append((Status.DOWNLOADING, given))
            case "duplicates_status", _:
                reports += reports
            case "malformed_json", Status.DOWNLOADING if charger.ready:
                charger.act(effects.Send(BROKEN))
            case "unheard_action", Status.DOWNLOADING if charger.ready:
                charger.act(effects.Send(UNHEARD))
            case _:
                pass
    return reports


def _request_id(quirks: tuple[str, ...], request_id: int | None) -> int | None:
    if request_id is None or "no_request_id" in quirks:
        return None
    if "wrong_request_id" in quirks:
        return request_id + 1_000_000
    return max(0, request_id - 1) if "old_request_id" in quirks else request_id


def booting(charger: Charger) -> None:
    """Say something too early, with the BootNotification on its way."""
    if "early_status" in charger.spec.quirks:
        charger.flush()
        status = charger.dialect.connector(charger.connector_status, charger.clock)
        call = wire.Call(charger.endpoint.new_id(), "StatusNotification", status)
        charger.transmit(call, call.action)


def takes_any_signature(charger: Charger) -> bool:
    """Whether it reports SignatureVerified without having looked (or without an image)."""
    return not {"checks_no_signature", "pretends_to_download"}.isdisjoint(charger.spec.quirks)


def stays_up(charger: Charger) -> bool:
    """Whether it activates the new version without going down."""
    if "boots_on_same_socket" in charger.spec.quirks:
        version, spec = charger.firmware_version, charger.spec
        charger.call("BootNotification", charger.dialect.boot(spec, version, "FirmwareUpdate"))
        return True
    return "no_reboot" in charger.spec.quirks


def announced(charger: Charger) -> None:
    """Say what nobody asked for, after a boot."""
    if "starts_unavailable" in charger.spec.quirks and not charger.dialect.many_statuses:
        for status in ("Unavailable", "Available"):
            payload = charger.dialect.connector(status, charger.clock, connector=0)
            charger.call("StatusNotification", payload)
    if "unsolicited_installed" in charger.spec.quirks and charger.update is None:
        charger.call(*charger.dialect.firmware_status(Status.INSTALLED, None))


def refusal(charger: Charger, call: wire.Call) -> wire.CallResult | None:
    """Return, or raise as `PeerError`, the answer of a charger that does not do updates."""
    if not _asks_for_update(charger, call):
        return None
    if "answers_callerror" in charger.spec.quirks:
        raise PeerError("InternalError", "updates do not work here", call.message_id)
    if "rejects" not in charger.spec.quirks:
        return None
    if not charger.dialect.many_statuses:
        raise PeerError("NotSupported", "no updates here", call.message_id)
    return wire.CallResult(call.message_id, charger.dialect.update_answer(call.action, "Rejected"))


def answered(charger: Charger, call: wire.Call) -> None:
    """Take the answer to a CALL of ours."""
    if "refuses_answers" in charger.spec.quirks and call.action in STATUS_ACTIONS:
        refused = wire.CallResultError(call.message_id, "FormatViolation", "not understood")
        charger.transmit(refused, call.action)


def answer(
    charger: Charger, call: wire.Call, given: wire.CallResult
) -> wire.CallResult | wire.CallError | None:
    """Return what is answered to `call` at once instead of `given`; None: nothing, or later."""
    if not _asks_for_update(charger, call):
        return given
    quirks = charger.spec.quirks
    if "answers_with_status" in quirks and not given.payload:
        return wire.CallResult(given.message_id, {"status": "Accepted"})
    if "never_answers" in quirks:
        return None
    if "answers_late" in quirks:
        charger.deferred = (*charger.deferred, given)
        charger.timers["late"] = charger.now + LATE
        return None
    if "rejects_but_updates" in quirks:
        if "status" in given.payload:
            return wire.CallResult(given.message_id, {"status": "Rejected"})
        # The core 1.6 answer is empty: a CALLERROR is its only way to say no.
        return wire.CallError(given.message_id, "GenericError", "rejected")
    return given


def boot_payload(charger: Charger, payload: dict[str, Any]) -> dict[str, Any]:
    """Return the BootNotification with what this charger does to its version."""
    quirks = charger.spec.quirks
    inside = payload.get("chargingStation", payload)
    if "omits_version" in quirks:
        inside.pop("firmwareVersion", None)
    elif "keeps_version" in quirks:
        inside["firmwareVersion"] = charger.spec.firmware_version
    return payload


def _asks_for_update(charger: Charger, call: wire.Call) -> bool:
    return call.action in charger.dialect.update_actions
