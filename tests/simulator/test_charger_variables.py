"""Settings are read and written by their names in each version."""

from __future__ import annotations

from typing import Any

import pytest

from simulator import wire
from tests.simulator.lab import Lab


def answered(lab: Lab, action: str, payload: dict[str, Any]) -> dict[str, Any]:
    """Return the payload of a CALLRESULT."""
    answer = lab.call(action, payload)
    assert isinstance(answer, wire.CallResult)
    return answer.payload


def variable(component: str, name: str, **more: Any) -> dict[str, Any]:
    """Return one entry of a Get- or SetVariables."""
    return {"component": {"name": component}, "variable": {"name": name}, **more}


ALLOW = ("ChargingStation", "AllowNewSessionsPendingFirmwareUpdate")


def test_keys_are_found_or_named_as_unknown() -> None:
    """GetConfiguration without names gives all, with names what was asked for (1.6 §5.8)."""
    lab = Lab().boot()
    everything = answered(lab, "GetConfiguration", {})
    assert "unknownKey" not in everything
    some = answered(lab, "GetConfiguration", {"key": ["HeartbeatInterval", "Colour"]})
    assert some == {
        "configurationKey": [{"key": "HeartbeatInterval", "readonly": False, "value": "60"}],
        "unknownKey": ["Colour"],
    }


@pytest.mark.parametrize(
    ("key", "value", "status"),
    [
        ("HeartbeatInterval", "5", "Accepted"),
        ("HeartbeatInterval", "0", "Rejected"),
        ("HeartbeatInterval", "soon", "Rejected"),
        ("SupportedFeatureProfiles", "Core", "Rejected"),
        ("Colour", "red", "NotSupported"),
    ],
)
def test_a_key_is_changed_or_the_reason_is_given(key: str, value: str, status: str) -> None:
    """Accepted, Rejected for a bad value or a read-only key, NotSupported for no such key."""
    lab = Lab().boot()
    assert answered(lab, "ChangeConfiguration", {"key": key, "value": value}) == {"status": status}
    lab.run(14.0)
    assert len(lab.calls("Heartbeat")) == (3 if status == "Accepted" else 0)


def test_variables_are_read_and_written() -> None:
    """What was written is what is read, and it is what the charger does from then on."""
    lab = Lab(ocpp="ocpp2.0.1").boot()
    wanted = [variable(*ALLOW), variable("OCPPCommCtrlr", "RetryBackOffWaitMinimum")]
    before = answered(lab, "GetVariables", {"getVariableData": wanted})["getVariableResult"]
    assert [row["attributeValue"] for row in before] == ["false", "1"]
    change = {"setVariableData": [variable(*ALLOW, attributeValue="true")]}
    (row,) = answered(lab, "SetVariables", change)["setVariableResult"]
    assert row["attributeStatus"] == "Accepted"
    lab.update()
    lab.run(200.0)
    states = [payload["connectorStatus"] for _, payload in lab.calls("StatusNotification")]
    assert "Unavailable" not in states


@pytest.mark.parametrize(
    ("entry", "status"),
    [
        (variable("Toaster", "Heat", attributeValue="1"), "UnknownComponent"),
        (variable("OCPPCommCtrlr", "Heat", attributeValue="1"), "UnknownVariable"),
        (variable(*ALLOW, attributeValue="perhaps"), "Rejected"),
        (variable("OCPPCommCtrlr", "RetryBackOffRepeatTimes", attributeValue="1"), "Rejected"),
    ],
)
def test_each_refusal_of_a_variable_has_its_status(entry: dict[str, Any], status: str) -> None:
    """One result an entry, saying why it was not written (B05)."""
    lab = Lab(ocpp="ocpp2.1").boot()
    (row,) = answered(lab, "SetVariables", {"setVariableData": [entry]})["setVariableResult"]
    assert row["attributeStatus"] == status


@pytest.mark.parametrize("rows", [None, [], [7], [{}], [{"component": {"name": "x"}}]])
def test_a_request_without_names_is_a_callerror(rows: Any) -> None:
    """An answer could not repeat the names, which its schema demands."""
    answer = Lab(ocpp="ocpp2.0.1").boot().call("GetVariables", {"getVariableData": rows})
    assert isinstance(answer, wire.CallError)
    assert answer.code == "OccurrenceConstraintViolation"
