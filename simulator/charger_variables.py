"""A charger's settings, as OCPP 1.6 keys and as 2.x component variables. A core.

One table, `SETTINGS`: what a setting is called in both worlds, how it is read, and how it is
written where it may be. Answers to GetConfiguration, ChangeConfiguration, GetVariables and
SetVariables are looked up in it; names nobody knows are answered as unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simulator.errors import PeerError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simulator.charger import Charger
    from simulator.wire import Call


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its names, how to read it, and how to write it (None: it is read-only).

    `write` returns whether the value was taken.
    """

    key: str | None  # in 1.6
    variable: tuple[str, str] | None  # component and name in 2.x
    read: Callable[[Charger], str]
    write: Callable[[Charger, str], bool] | None = None


def _seconds(value: str) -> float | None:
    number = int(value[:9]) if value.isascii() and value.isdigit() else 0
    return float(number) or None


def _set_heartbeat(charger: Charger, value: str) -> bool:
    seconds = _seconds(value)
    if seconds is not None:
        charger.heartbeat = seconds
        charger.timers["heartbeat"] = charger.now + seconds
    return seconds is not None


def _set_new_sessions(charger: Charger, value: str) -> bool:
    if value.lower() not in {"true", "false"}:
        return False
    charger.allow_new_sessions = value.lower() == "true"
    return True


def _flag(*, value: bool) -> str:
    return "true" if value else "false"


_OCPP = "OCPPCommCtrlr"
SETTINGS = (
    Setting(
        "HeartbeatInterval",
        (_OCPP, "HeartbeatInterval"),
        lambda charger: str(int(charger.heartbeat)),
        _set_heartbeat,
    ),
    Setting(
        "SupportedFeatureProfiles",
        None,
        lambda _: "Core,FirmwareManagement,RemoteTrigger",
    ),
    Setting(
        None,  # L01.FR.07; 1.6 has no such key
        ("ChargingStation", "AllowNewSessionsPendingFirmwareUpdate"),
        lambda charger: _flag(value=charger.allow_new_sessions),
        _set_new_sessions,
    ),
    Setting(
        None,
        (_OCPP, "RetryBackOffWaitMinimum"),
        lambda charger: str(int(charger.spec.reconnect.first)),
    ),
    Setting(
        None,
        (_OCPP, "RetryBackOffRandomRange"),
        lambda charger: str(int(charger.spec.reconnect.random_range)),
    ),
    Setting(
        None,
        (_OCPP, "RetryBackOffRepeatTimes"),
        lambda charger: str(charger.spec.reconnect.repeats or 0),
    ),
)
_BY_KEY = {setting.key: setting for setting in SETTINGS if setting.key is not None}
_BY_VARIABLE = {setting.variable: setting for setting in SETTINGS if setting.variable is not None}
_COMPONENTS = {variable[0] for variable in _BY_VARIABLE}


def get_configuration(charger: Charger, call: Call) -> dict[str, Any]:
    """Answer with the keys that were asked for, or all; unknown ones are named as such."""
    wanted = call.payload.get("key")
    asked = wanted if isinstance(wanted, list) and wanted else list(_BY_KEY)
    names = [name for name in asked if isinstance(name, str)]
    found = [
        {"key": name, "readonly": setting.write is None, "value": setting.read(charger)}
        for name in names
        if (setting := _BY_KEY.get(name)) is not None
    ]
    unknown = [name for name in names if name not in _BY_KEY]
    return {"configurationKey": found} | ({"unknownKey": unknown} if unknown else {})


def change_configuration(charger: Charger, call: Call) -> dict[str, Any]:
    """Write a key: Accepted, Rejected (no such value, or read-only) or NotSupported (no key)."""
    key = call.payload.get("key")
    setting = _BY_KEY.get(key) if isinstance(key, str) else None
    if setting is None:
        return {"status": "NotSupported"}
    taken = setting.write is not None and setting.write(charger, str(call.payload.get("value", "")))
    return {"status": "Accepted" if taken else "Rejected"}


def get_variables(charger: Charger, call: Call) -> dict[str, Any]:
    """Read component variables, one result for each that was asked for (B06)."""

    def read(setting: Setting, _: Mapping[str, Any]) -> dict[str, Any]:
        return {"attributeStatus": "Accepted", "attributeValue": setting.read(charger)}

    return {"getVariableResult": _results(call, "getVariableData", read)}


def set_variables(charger: Charger, call: Call) -> dict[str, Any]:
    """Write component variables, one result for each (B05)."""

    def write(setting: Setting, entry: Mapping[str, Any]) -> dict[str, Any]:
        value = str(entry.get("attributeValue", ""))
        taken = setting.write is not None and setting.write(charger, value)
        return {"attributeStatus": "Accepted" if taken else "Rejected"}

    return {"setVariableResult": _results(call, "setVariableData", write)}


def _results(
    call: Call,
    name: str,
    treat: Callable[[Setting, Mapping[str, Any]], dict[str, Any]],
) -> list[dict[str, Any]]:
    entries = call.payload.get(name)
    if not isinstance(entries, list) or not entries:
        raise PeerError("OccurrenceConstraintViolation", f"{name} is empty")
    rows = []
    for entry in entries:
        component, variable = _named(entry, "component"), _named(entry, "variable")
        setting = _BY_VARIABLE.get((component, variable))
        if setting is not None:
            outcome = treat(setting, entry)
        else:
            known = component in _COMPONENTS
            outcome = {"attributeStatus": "UnknownVariable" if known else "UnknownComponent"}
        rows.append(outcome | {"component": entry["component"], "variable": entry["variable"]})
    return rows


def _named(entry: Any, what: str) -> str:
    """Return the name of an entry's component or variable; raises `PeerError` if it has none."""
    part = entry.get(what) if isinstance(entry, dict) else None
    name = part.get("name") if isinstance(part, dict) else None
    if not isinstance(name, str):
        raise PeerError("OccurrenceConstraintViolation", f"an entry names no {what}")
    return name
