"""Each version's words are schema-valid, and what it is asked is understood or refused."""

from __future__ import annotations

import importlib.resources
import json
from datetime import UTC, datetime
from functools import cache
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.dialect import Dialect, UpdateRequest, dialect_of, rfc3339, unix
from simulator.errors import PeerError
from tests.simulator.lab import spec

KINDS = [("ocpp1.6", False), ("ocpp1.6", True), ("ocpp2.0.1", False), ("ocpp2.1", False)]
FOLDERS = {"ocpp1.6": "v16", "ocpp2.0.1": "v201", "ocpp2.1": "v21"}
NOW = 1_800_000_000.25


@cache
def validator(version: str, action: str) -> Any:
    """Return the validator of one request, from the schemas of an independent package."""
    folder = importlib.resources.files("ocpp") / FOLDERS[version] / "schemas"
    suffix = "" if version == "ocpp1.6" else "Request"
    text = (folder / f"{action}{suffix}.json").read_text(encoding="utf-8-sig")
    return jsonschema_rs.validator_for(json.loads(text))


@pytest.fixture(params=KINDS, ids=lambda kind: f"{kind[0]}{'-signed' if kind[1] else ''}")
def speaker(request: pytest.FixtureRequest) -> tuple[str, Dialect]:
    """Give each dialect with its version."""
    version, signed = request.param
    return version, dialect_of(spec(ocpp=version, signed=signed))


def test_what_a_charger_says_fits_the_schema(speaker: tuple[str, Dialect]) -> None:
    """Boot, connector, firmware status and security event, each in its own words."""
    version, dialect = speaker
    said = [
        ("BootNotification", dialect.boot(spec(), "1.0.0", "PowerUp")),
        ("StatusNotification", dialect.connector("Available", NOW)),
        dialect.firmware_status("Installed", 7),
        dialect.firmware_status("Idle", None),
        dialect.security_event("FirmwareUpdated", NOW),
    ]
    for action, payload in said:
        validator(version, action).validate(payload)


def test_only_2x_and_signed_updates_carry_a_request_id(speaker: tuple[str, Dialect]) -> None:
    """1.6 core has no field for it; Idle omits it everywhere (L01.FR.20)."""
    _, dialect = speaker
    assert ("requestId" in dialect.firmware_status("Installed", 7)[1]) == dialect.gives_request_id
    assert "requestId" not in dialect.firmware_status("Idle", None)[1]


def request_payload(dialect: Dialect, **extra: Any) -> dict[str, Any]:
    """Return an update request in the words of a dialect."""
    if not dialect.gives_request_id:
        return {"location": "https://x/y", "retrieveDate": rfc3339(NOW)} | extra
    firmware = {"location": "https://x/y", "retrieveDateTime": rfc3339(NOW)}
    return {"requestId": 0, "firmware": firmware} | extra


def test_a_request_is_understood(speaker: tuple[str, Dialect]) -> None:
    """Location, date, retries and the id 0, which is as good as any."""
    _, dialect = speaker
    payload = request_payload(dialect, retries=2, retryInterval=30)
    asked = dialect.update_request(dialect.update_actions[0], payload)
    assert asked == UpdateRequest(
        "https://x/y", NOW, retries=2, retry_interval=30,
        request_id=0 if dialect.gives_request_id else None,
    )  # fmt: skip
    assert not asked.secure


@pytest.mark.parametrize("missing", ["location", "retrieveDate", "requestId", "firmware"])
def test_what_is_missing_is_named(speaker: tuple[str, Dialect], missing: str) -> None:
    """A request without a required field is refused with the code for it."""
    _, dialect = speaker
    payload = request_payload(dialect)
    if missing not in payload:
        pytest.skip("not a field of this version")
    del payload[missing]
    with pytest.raises(PeerError) as caught:
        dialect.update_request(dialect.update_actions[0], payload)
    assert caught.value.code == "OccurrenceConstraintViolation"


@given(st.dictionaries(
    st.sampled_from(["location", "retrieveDate", "requestId", "firmware", "retries"]),
    st.none() | st.integers() | st.text() | st.lists(st.none()) | st.just({}),
))  # fmt: skip
def test_hostile_requests_are_refused_by_name(payload: dict[str, Any]) -> None:
    """Any mixture of fields and types is understood or refused, never worse."""
    for version, signed in KINDS:
        dialect = dialect_of(spec(ocpp=version, signed=signed))
        try:
            asked = dialect.update_request(dialect.update_actions[0], payload)
        except PeerError:
            continue
        assert isinstance(asked.location, str)


def test_1_6_misspells_two_codes() -> None:
    """The specification's own spellings."""
    old, new = dialect_of(spec()), dialect_of(spec(ocpp="ocpp2.0.1"))
    codes = ["FormatViolation", "OccurrenceConstraintViolation", "NotImplemented"]
    assert [old.error_code(code) for code in codes] == [
        "FormationViolation",
        "OccurenceConstraintViolation",
        "NotImplemented",
    ]
    assert [new.error_code(code) for code in codes] == codes


@given(st.floats(0, 4e9))
def test_dates_survive_to_the_millisecond(time: float) -> None:
    """Written in UTC with Z, read back as the same moment."""
    text = rfc3339(time)
    assert text == datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
    assert unix(text) == pytest.approx(time, abs=0.001)


def test_a_date_without_an_offset_is_utc() -> None:
    """The only sensible reading of what the field forbids."""
    assert unix("2026-01-01T00:00:00") == unix("2026-01-01T00:00:00Z")
    assert unix("2026-01-01T01:00:00+01:00") == unix("2026-01-01T00:00:00Z")
