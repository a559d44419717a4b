"""What a network does to single frames of one charger: lose, repeat, delay, or break. A core.

A fault names the frame by its action (`FirmwareStatusNotification`, and whether the CALL or its
answer), lets `skip` of them pass and strikes the next `times`. The order of frames on one socket
never changes, so a delayed frame holds up those behind it. What a stranger sees is recorded at the
socket: a lost frame of the charger was never there, one of the CSMS was received by nobody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator import wire

if TYPE_CHECKING:
    from simulator.charger_link import Link
    from simulator.faults import NetworkFault


# What chargers say and are told in a drill of firmware: frames that a fault can wait for.
ACTIONS = (
    "BootNotification", "Heartbeat", "StatusNotification", "FirmwareStatusNotification",
    "SignedFirmwareStatusNotification", "SecurityEventNotification", "StartTransaction",
    "StopTransaction", "TransactionEvent", "UpdateFirmware", "SignedUpdateFirmware",
    "TriggerMessage", "ExtendedTriggerMessage", "Reset", "ChangeAvailability", "ClearCache",
    "GetConfiguration", "ChangeConfiguration", "GetVariables", "SetVariables", "GetBaseReport",
    "DataTransfer", "RemoteStartTransaction", "RemoteStopTransaction", "RequestStartTransaction",
    "RequestStopTransaction", "UnlockConnector", "GetDiagnostics", "GetLog", "SetChargingProfile",
    "SendLocalList", "GetLocalListVersion", "InstallCertificate", "CertificateSigned",
)  # fmt: skip
BREAKS = frozenset({"disconnect", "half_open", "power_loss"})
LEAVES = 0.02  # seconds a frame has to leave before the line breaks behind it


def strike(charger: Link, frame: wire.Frame, action: str) -> NetworkFault | None:
    """Return the fault that meets this frame, sent or received; counts the frames it lets pass."""
    if charger.healed:
        return None
    what = "call" if isinstance(frame, wire.Call) else "answer"
    for place, fault in enumerate(charger.spec.network_faults):
        if fault.action != action or fault.frame != what:
            continue
        count = charger.count(f"network/{place}") - fault.skip
        if count > 0 and (fault.times is None or count <= fault.times):
            charger.note("network", fault=fault.kind, action=action, frame=what)
            return fault
    return None
