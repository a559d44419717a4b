"""What this CSMS answers to each message a station may send: action -> answer. A core.

Boots and firmware statuses are not here: they are facts for the service (`ocpp_session`). Every
other action of the three versions that a station may send is answered so that a real station can
stay connected for days: whoever wants to charge may; certificates are not issued here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reference_csms.model import rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Payload = dict[str, Any]
    Answerer = Callable[[Payload, float, Iterator[int]], Payload]

_DAY = 86_400.0


def _empty(payload: Payload, now: float, transactions: Iterator[int]) -> Payload:
    del payload, now, transactions
    return {}


def _always(**answer: Any) -> Answerer:
    def answered(payload: Payload, now: float, transactions: Iterator[int]) -> Payload:
        del payload, now, transactions
        return answer

    return answered


def _heartbeat(payload: Payload, now: float, transactions: Iterator[int]) -> Payload:
    del payload, transactions
    return {"currentTime": rfc3339(now)}


def _start_transaction(payload: Payload, now: float, transactions: Iterator[int]) -> Payload:
    del payload, now
    return {"transactionId": next(transactions), "idTagInfo": {"status": "Accepted"}}


def _stop_transaction(payload: Payload, now: float, transactions: Iterator[int]) -> Payload:
    del now, transactions
    return {"idTagInfo": {"status": "Accepted"}} if "idTag" in payload else {}


def _transaction_event(payload: Payload, now: float, transactions: Iterator[int]) -> Payload:
    del now, transactions
    # E01.FR.11: a token in the event asks for its authorization.
    return {"idTokenInfo": {"status": "Accepted"}} if "idToken" in payload else {}


def _chain_status(payload: Payload, now: float, transactions: Iterator[int]) -> Payload:
    del transactions
    statuses = [
        {
            "certificateHashData": asked["certificateHashData"],
            "source": asked["source"],
            "status": "Failed",
            "nextUpdate": rfc3339(now + _DAY),
        }
        for asked in payload["certificateStatusRequests"]
    ]
    return {"certificateStatus": statuses}


def _vat_number(payload: Payload, now: float, transactions: Iterator[int]) -> Payload:
    del now, transactions
    return {"vatNumber": payload["vatNumber"], "status": "Rejected"}


_REJECTED = _always(status="Rejected")
_FAILED = _always(status="Failed")
_TOKEN = _always(idTokenInfo={"status": "Accepted"})

_COMMON: dict[str, Answerer] = {
    "DataTransfer": _always(status="UnknownVendorId"),
    "Heartbeat": _heartbeat,
    "LogStatusNotification": _empty,
    "MeterValues": _empty,
    "SecurityEventNotification": _empty,
    "SignCertificate": _REJECTED,
    "StatusNotification": _empty,
}

_1_6: dict[str, Answerer] = {
    **_COMMON,
    "Authorize": _always(idTagInfo={"status": "Accepted"}),
    "DiagnosticsStatusNotification": _empty,
    "StartTransaction": _start_transaction,
    "StopTransaction": _stop_transaction,
}

_2_0_1: dict[str, Answerer] = {
    **_COMMON,
    "Authorize": _TOKEN,
    "ClearedChargingLimit": _empty,
    "Get15118EVCertificate": _always(status="Failed", exiResponse=""),
    "GetCertificateStatus": _FAILED,
    "NotifyChargingLimit": _empty,
    "NotifyCustomerInformation": _empty,
    "NotifyDisplayMessages": _empty,
    "NotifyEVChargingNeeds": _REJECTED,
    "NotifyEVChargingSchedule": _REJECTED,
    "NotifyEvent": _empty,
    "NotifyMonitoringReport": _empty,
    "NotifyReport": _empty,
    "PublishFirmwareStatusNotification": _empty,
    "ReportChargingProfiles": _empty,
    "ReservationStatusUpdate": _empty,
    "TransactionEvent": _transaction_event,
}

_2_1: dict[str, Answerer] = {
    **_2_0_1,
    "BatterySwap": _empty,
    "ClosePeriodicEventStream": _empty,
    "GetCertificateChainStatus": _chain_status,
    "NotifyDERAlarm": _empty,
    "NotifyDERStartStop": _empty,
    "NotifyPriorityCharging": _empty,
    "NotifySettlement": _empty,
    "OpenPeriodicEventStream": _REJECTED,
    "PullDynamicScheduleUpdate": _REJECTED,
    "ReportDERControl": _empty,
    "VatNumberValidation": _vat_number,
}

ANSWERS: dict[str, dict[str, Answerer]] = {"ocpp1.6": _1_6, "ocpp2.0.1": _2_0_1, "ocpp2.1": _2_1}

STATUS_ACTIONS = {
    "ocpp1.6": frozenset({"FirmwareStatusNotification", "SignedFirmwareStatusNotification"}),
    "ocpp2.0.1": frozenset({"FirmwareStatusNotification"}),
    "ocpp2.1": frozenset({"FirmwareStatusNotification"}),
}
