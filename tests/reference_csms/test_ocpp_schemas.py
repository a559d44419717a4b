"""The schemas of the `ocpp` package, and the policy about them."""

from __future__ import annotations

from typing import Any

import pytest

from reference_csms.ocpp_schemas import VERSIONS, Payloads, payloads, spelled

STATUS = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}


@pytest.mark.parametrize(
    ("payload", "code", "where"),
    [
        ({}, "OccurenceConstraintViolation", "connectorId"),
        ({**STATUS, "connectorId": "1"}, "TypeConstraintViolation", "connectorId"),
        ({**STATUS, "status": "Fine"}, "PropertyConstraintViolation", "status"),
        ({**STATUS, "info": "x" * 51}, "PropertyConstraintViolation", "info"),
        ({**STATUS, "extra": 1}, "FormationViolation", "the payload"),
    ],
)
def test_a_violation_has_a_code_and_a_place(payload: Any, code: str, where: str) -> None:
    """The code fits the broken keyword, the sentence names the place and repeats no value."""
    checks = payloads("ocpp1.6")
    validator = checks.request("StatusNotification")
    assert validator is not None
    violation = checks.violation(validator, payload)
    assert violation is not None
    assert violation.code == code
    assert where in violation.description
    assert "x" * 51 not in violation.description
    assert checks.violation(validator, STATUS) is None


def test_dates_without_a_zone_are_heard() -> None:
    """Formats are not enforced on stations, and are where we check ourselves."""
    payload = {**STATUS, "timestamp": "2027-01-01 00:00"}
    for checks, fine in ((payloads("ocpp1.6"), True), (Payloads("ocpp1.6", formats=True), False)):
        validator = checks.request("StatusNotification")
        assert validator is not None
        assert validator.is_valid(payload) is fine


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "action", ["", "..", "/etc/passwd", "A" * 9999, "\0", "HeartbeatRequest", "HeartbeatResponse"]
)
def test_invented_actions_are_unknown_and_forgotten(version: str, action: str) -> None:
    """A name from the wire never reaches the file system and is not remembered."""
    checks = Payloads(version)
    assert checks.request(action) is None
    assert checks.response(action) is None
    assert vars(checks)["_requests"] == {}


def test_codes_are_spelled_as_the_version_spells_them() -> None:
    """1.6 writes FormationViolation and OccurenceConstraintViolation, 2.x does not."""
    assert spelled("ocpp1.6", "FormatViolation") == "FormationViolation"
    assert spelled("ocpp2.0.1", "FormatViolation") == "FormatViolation"
    assert spelled("ocpp1.6", "SecurityError") == "SecurityError"
