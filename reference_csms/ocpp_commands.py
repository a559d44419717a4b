"""How this CSMS says its few commands in each OCPP version. A core.

`retries` and `retryInterval` are always explicit (D30). An image with signature and certificate is
offered over the secure path: in 2.x as fields of UpdateFirmware, in 1.6 as SignedUpdateFirmware, a
message of the security extension that only a station known to speak it is sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reference_csms.model import rfc3339

if TYPE_CHECKING:
    from reference_csms.model import SendUpdate

# A 1.6 station that sends one of these speaks the security extension.
SECURITY_EXTENSION = frozenset(
    {
        "SecurityEventNotification",
        "SignCertificate",
        "SignedFirmwareStatusNotification",
        "LogStatusNotification",
    }
)


def update(version: str, item: SendUpdate, *, extended: bool) -> tuple[str, dict[str, Any]]:
    """Return action and payload of an update; `extended`: a 1.6 station with the extension."""
    date, signed = rfc3339(item.retrieve_at), item.signature and item.signing_certificate
    tries = {"retries": item.retries, "retryInterval": item.retry_interval}
    if version == "ocpp1.6" and not (signed and extended):
        return "UpdateFirmware", {"location": item.url, "retrieveDate": date, **tries}
    firmware = {"location": item.url, "retrieveDateTime": date}
    if signed:
        firmware["signingCertificate"] = item.signing_certificate or ""
        firmware["signature"] = item.signature or ""
    action = "SignedUpdateFirmware" if version == "ocpp1.6" else "UpdateFirmware"
    return action, {"requestId": item.request_id, **tries, "firmware": firmware}


def ask_status(version: str, *, extended: bool) -> tuple[str, dict[str, Any]]:
    """Return action and payload that ask for the firmware status (D21)."""
    # WP 6.8: the extension's own trigger is the one that yields the signed status.
    action = "ExtendedTriggerMessage" if version == "ocpp1.6" and extended else "TriggerMessage"
    return action, {"requestedMessage": "FirmwareStatusNotification"}
