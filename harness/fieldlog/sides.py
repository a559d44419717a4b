"""Which side says what: the actions of OCPP by their sender, and what gives a version away. A core.

Only what is certain counts: DataTransfer, which both sides may send, tells nothing.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from harness.checkers.schemas import VERSIONS, actions
from harness.fieldlog.frames import CALL, NOTE

CHARGER, CSMS = "charger", "csms"
EITHER = frozenset({"DataTransfer"})
_OLD = """Authorize BootNotification DiagnosticsStatusNotification FirmwareStatusNotification
Heartbeat LogStatusNotification MeterValues SecurityEventNotification SignCertificate
SignedFirmwareStatusNotification StartTransaction StatusNotification StopTransaction"""
_NEW = """BatterySwap ClearedChargingLimit ClosePeriodicEventStream Get15118EVCertificate
GetCertificateChainStatus GetCertificateStatus NotifyChargingLimit NotifyCustomerInformation
NotifyDERAlarm NotifyDERStartStop NotifyDisplayMessages NotifyEVChargingNeeds
NotifyEVChargingSchedule NotifyEvent NotifyMonitoringReport NotifyPeriodicEventStream
NotifyPriorityCharging NotifyReport NotifySettlement NotifyWebPaymentStarted
OpenPeriodicEventStream PublishFirmwareStatusNotification PullDynamicScheduleUpdate
ReportChargingProfiles ReportDERControl ReservationStatusUpdate TransactionEvent
VatNumberValidation"""
FROM_CHARGER = frozenset(f"{_OLD} {_NEW}".split())
_ONLY_OLD = """ChangeConfiguration DiagnosticsStatusNotification ExtendedTriggerMessage
    GetConfiguration GetDiagnostics RemoteStartTransaction RemoteStopTransaction
    SignedFirmwareStatusNotification SignedUpdateFirmware StartTransaction StopTransaction"""
_ONLY_NEW = """GetBaseReport GetVariables NotifyEvent NotifyReport RequestStartTransaction
    RequestStopTransaction SetVariables TransactionEvent"""
ONLY_OLD, ONLY_NEW = frozenset(_ONLY_OLD.split()), frozenset(_ONLY_NEW.split())


@lru_cache(1024)  # a charger may invent any number of actions
def sender(action: str) -> str:
    """Return the side that sends CALLs of this action, '' if both may or nobody is known to."""
    if action in EITHER:
        return ""
    if action in FROM_CHARGER:
        return CHARGER
    return CSMS if any(action in actions(version) for version in VERSIONS) else ""


def version(frame: list[Any]) -> str:
    """Return the subprotocol that a CALL gives away, '' if it fits several.

    2.0.1 and 2.1 look alike; what only 2.1 has (SEND frames, its own actions) tells it.
    """
    if frame[0] == NOTE:
        return "ocpp2.1"
    if frame[0] != CALL or len(frame) < 4 or not isinstance(frame[2], str):  # noqa: PLR2004
        return ""
    action, payload = frame[2], frame[3] if isinstance(frame[3], dict) else {}
    if action in ONLY_OLD:
        return "ocpp1.6"
    if action in ONLY_NEW:
        return "ocpp2.0.1"
    if action in actions("ocpp2.1") and not any(
        action in actions(old) for old in ("ocpp1.6", "ocpp2.0.1")
    ):
        return "ocpp2.1"
    return _by_fields(action, payload)


_FIELDS = {
    "BootNotification": ("chargePointVendor", "chargingStation"),
    "StatusNotification": ("errorCode", "connectorStatus"),
    "UpdateFirmware": ("location", "firmware"),
    "Authorize": ("idTag", "idToken"),
    "MeterValues": ("connectorId", "evseId"),
    "FirmwareStatusNotification": ("", "requestId"),
    "Reset": ("", "evseId"),
}


def _by_fields(action: str, payload: dict[str, Any]) -> str:
    old, new = _FIELDS.get(action, ("", ""))
    if old and old in payload:
        return "ocpp1.6"
    return "ocpp2.0.1" if new and new in payload else ""
