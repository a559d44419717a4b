"""What OCPP 1.6, 1.6 with the security extension, 2.0.1 and 2.1 call the same things. A core.

A charger thinks in one vocabulary (`UpdateRequest`, status names, `boot`, `heartbeat`); a `Dialect`
turns it into the actions and payloads of one version and back. Field names come from the JSON
schemas of each version; nothing here decides anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from simulator.errors import PeerError

if TYPE_CHECKING:
    from simulator.faults import ChargerSpec


@dataclass(frozen=True, slots=True)
class UpdateRequest:
    """An UpdateFirmware or SignedUpdateFirmware in one vocabulary; dates are Unix seconds.

    `secure` says that certificate and signature were both there, so they must be verified.
    """

    location: str
    retrieve: float
    install: float | None = None
    retries: int | None = None
    retry_interval: float | None = None
    request_id: int | None = None
    certificate: str | None = None
    signature: str | None = None

    @property
    def secure(self) -> bool:
        """Whether the image is to be verified against a signature."""
        return self.certificate is not None and self.signature is not None


@lru_cache(maxsize=64)  # many chargers do the same at the same time
def rfc3339(time: float) -> str:
    """Return Unix seconds as an OCPP date in UTC, with milliseconds and `Z`."""
    whole, part = divmod(time, 1.0)
    # What is less than half a microsecond short of the next millisecond, is that one.
    second, milli = divmod(int(whole) * 1000 + int(part * 1000 + 0.0005), 1000)
    return f"{_date(second)}.{milli:03}Z"


@lru_cache(maxsize=1024)  # the milliseconds are new each time, the rest is not
def _date(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat()[:-6]


def unix(text: str) -> float:
    """Return an OCPP date as Unix seconds; one without an offset is taken as UTC."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


_CALLS = frozenset({
    "UpdateFirmware", "TriggerMessage", "Reset", "ChangeAvailability", "ClearCache",
    "DataTransfer", "UnlockConnector",
})  # fmt: skip
_CALLS_16 = frozenset({
    "GetConfiguration", "ChangeConfiguration", "RemoteStartTransaction", "RemoteStopTransaction",
})  # fmt: skip
_CALLS_20 = frozenset({
    "GetVariables", "SetVariables", "RequestStartTransaction", "RequestStopTransaction",
})  # fmt: skip


class Dialect:
    """OCPP 1.6, and what the other versions do differently in subclasses."""

    subprotocol = "ocpp1.6"
    signed = False  # speaks SignedUpdateFirmware
    gives_request_id = False  # statuses carry the id of the request
    many_statuses = False  # knows the fourteen statuses, not only the seven of 1.6 core
    update_actions: tuple[str, ...] = ("UpdateFirmware",)
    calls = _CALLS | _CALLS_16  # what a CSMS may call: all else is not implemented
    nameless: str | None = None  # the id that answers a CALL whose own cannot be read

    def boot(self, spec: ChargerSpec, version: str, reason: str) -> dict[str, Any]:
        """Return the BootNotification payload."""
        del reason
        return {"chargePointVendor": spec.vendor, "chargePointModel": spec.model,
                "chargePointSerialNumber": spec.serial[:25],
                "firmwareVersion": version}  # fmt: skip

    def connector(self, status: str, now: float, connector: int = 1) -> dict[str, Any]:
        """Return the StatusNotification payload for one connector."""
        return {"connectorId": connector, "errorCode": "NoError", "status": status,
                "timestamp": rfc3339(now)}  # fmt: skip

    def firmware_status(self, status: str, request_id: int | None) -> tuple[str, dict[str, Any]]:
        """Return action and payload that report a firmware status."""
        del request_id
        return "FirmwareStatusNotification", {"status": status}

    def security_event(self, kind: str, now: float) -> tuple[str, dict[str, Any]]:
        """Return action and payload of a security event."""
        return "SecurityEventNotification", {"type": kind, "timestamp": rfc3339(now)}

    def update_request(self, action: str, payload: dict[str, Any]) -> UpdateRequest:
        """Return the request in `payload`; raises `PeerError` where it cannot be one."""
        try:
            return self._parse(action, payload)
        except KeyError as error:
            raise PeerError("OccurrenceConstraintViolation", f"{error} is missing") from error
        except (TypeError, ValueError, AttributeError) as error:
            raise PeerError("TypeConstraintViolation", str(error)) from error

    def _parse(self, action: str, payload: dict[str, Any]) -> UpdateRequest:
        del action
        return UpdateRequest(
            location=_text(payload["location"]),
            retrieve=unix(payload["retrieveDate"]),
            retries=_count(payload.get("retries")),
            retry_interval=_count(payload.get("retryInterval")),
        )

    def update_answer(self, action: str, status: str) -> dict[str, Any]:
        """Return the answer to an update request; 1.6 core has no way to refuse."""
        del action, status
        return {}

    def error_code(self, code: str) -> str:
        """Return the spelling of an error code in this version (1.6 misspells two)."""
        return {"FormatViolation": "FormationViolation",
                "OccurrenceConstraintViolation": "OccurenceConstraintViolation",
                "RpcFrameworkError": "ProtocolError",
                "MessageTypeNotSupported": "ProtocolError"}.get(code, code)  # fmt: skip


class _Identified(Dialect):
    """What the signed update of 1.6 and both updates of 2.x share: ids, answers, statuses."""

    gives_request_id = True
    many_statuses = True
    status_action = "FirmwareStatusNotification"

    def firmware_status(self, status: str, request_id: int | None) -> tuple[str, dict[str, Any]]:
        """Return action and payload; the id is omitted for Idle (L01.FR.20; WP L01.FR.21)."""
        payload: dict[str, Any] = {"status": status}
        if request_id is not None:
            payload["requestId"] = request_id
        return self.status_action, payload

    def _parse(self, action: str, payload: dict[str, Any]) -> UpdateRequest:
        del action
        return _from_firmware(payload)

    def update_answer(self, action: str, status: str) -> dict[str, Any]:
        """Return the answer with its status."""
        del action
        return {"status": status}


class Signed16(_Identified):
    """OCPP 1.6 with the security extension: the update is signed, its statuses are fourteen."""

    signed = True
    update_actions = ("SignedUpdateFirmware",)
    calls = Dialect.calls | {"SignedUpdateFirmware", "ExtendedTriggerMessage"}
    status_action = "SignedFirmwareStatusNotification"


class V201(_Identified):
    """OCPP 2.0.1; one UpdateFirmware for secure (L01) and non-secure (L02) updates."""

    calls = _CALLS | _CALLS_20
    nameless = "-1"  # Part 4 §4.2.3
    subprotocol = "ocpp2.0.1"

    def boot(self, spec: ChargerSpec, version: str, reason: str) -> dict[str, Any]:
        """Return the BootNotification payload; the reason is mandatory (B01.FR.09)."""
        station = {"vendorName": spec.vendor, "model": spec.model,
                   "serialNumber": spec.serial[:25], "firmwareVersion": version}  # fmt: skip
        return {"reason": reason, "chargingStation": station}

    def connector(self, status: str, now: float, connector: int = 1) -> dict[str, Any]:
        """Return the StatusNotification payload of one EVSE's connector."""
        return {"timestamp": rfc3339(now), "connectorStatus": status, "evseId": connector,
                "connectorId": 1}  # fmt: skip

    def error_code(self, code: str) -> str:
        """Return the code: 2.x is how they are spelled here."""
        return code


class V21(V201):
    """OCPP 2.1: as 2.0.1 for everything this simulator says."""

    subprotocol = "ocpp2.1"


_DIALECTS: dict[tuple[str, bool], Dialect] = {
    ("ocpp1.6", False): Dialect(),
    ("ocpp1.6", True): Signed16(),
    ("ocpp2.0.1", False): V201(),
    ("ocpp2.0.1", True): V201(),
    ("ocpp2.1", False): V21(),
    ("ocpp2.1", True): V21(),
}


def dialect_of(spec: ChargerSpec) -> Dialect:
    """Return the dialect this charger speaks."""
    return _DIALECTS[spec.ocpp, spec.signed]


def _from_firmware(payload: dict[str, Any]) -> UpdateRequest:
    """Return a request of the shape shared by 2.x and the 1.6 security extension."""
    firmware = payload["firmware"]
    install = firmware.get("installDateTime")
    request_id = payload["requestId"]
    if type(request_id) is not int:
        raise TypeError("requestId is not an integer")
    return UpdateRequest(
        location=_text(firmware["location"]),
        retrieve=unix(firmware["retrieveDateTime"]),
        install=None if install is None else unix(install),
        retries=_count(payload.get("retries")),
        retry_interval=_count(payload.get("retryInterval")),
        request_id=request_id,
        certificate=_optional_text(firmware.get("signingCertificate")),
        signature=_optional_text(firmware.get("signature")),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is not a string")
    return value


def _optional_text(value: Any) -> str | None:
    return None if value is None else _text(value)


MOST = 1_000_000_000  # retries, or seconds between them: more than that is for ever


def _count(value: Any) -> int | None:
    """Return a non-negative number (a negative one is nobody's intention: none at all)."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r:.40} is not a number")
    return max(0, min(int(value), MOST))
