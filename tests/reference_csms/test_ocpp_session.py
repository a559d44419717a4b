"""The session answers every station correctly and survives every one of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_csms.model import Image
from reference_csms.ocpp_answers import ANSWERS, STATUS_ACTIONS
from reference_csms.ocpp_facts import Outcome
from reference_csms.ocpp_schemas import VERSIONS, Payloads, spelled
from tests.reference_csms.station import BOOTS, Csms, Station

STRICT = {version: Payloads(version, formats=True) for version in VERSIONS}
TOKEN = {"idToken": "A", "type": "Central"}
DATE = "2027-01-01T00:00:00Z"
SAMPLED = [{"value": "1"}]
HASH = {
    "hashAlgorithm": "SHA256",
    "issuerNameHash": "a",
    "issuerKeyHash": "b",
    "serialNumber": "1",
}
# A smallest valid request for every action that the answer tables know.
SMALL: dict[str, dict[str, dict[str, Any]]] = {
    "ocpp1.6": {
        "Authorize": {"idTag": "A"},
        "DataTransfer": {"vendorId": "v"},
        "DiagnosticsStatusNotification": {"status": "Idle"},
        "Heartbeat": {},
        "LogStatusNotification": {"status": "Idle"},
        "MeterValues": {
            "connectorId": 1,
            "meterValue": [{"timestamp": DATE, "sampledValue": SAMPLED}],
        },
        "SecurityEventNotification": {"type": "StartupOfTheDevice", "timestamp": DATE},
        "SignCertificate": {"csr": "x"},
        "StartTransaction": {"connectorId": 1, "idTag": "A", "meterStart": 0, "timestamp": DATE},
        "StatusNotification": {"connectorId": 1, "errorCode": "NoError", "status": "Available"},
        "StopTransaction": {"transactionId": 1, "meterStop": 2, "timestamp": DATE},
    },
    "ocpp2.0.1": {
        "Authorize": {"idToken": TOKEN},
        "ClearedChargingLimit": {"chargingLimitSource": "EMS"},
        "DataTransfer": {"vendorId": "v"},
        "Heartbeat": {},
        "LogStatusNotification": {"status": "Idle"},
        "MeterValues": {
            "evseId": 1,
            "meterValue": [{"timestamp": DATE, "sampledValue": [{"value": 1}]}],
        },
        "NotifyEvent": {
            "generatedAt": DATE,
            "seqNo": 0,
            "eventData": [
                {
                    "eventId": 1,
                    "timestamp": DATE,
                    "trigger": "Alerting",
                    "actualValue": "x",
                    "eventNotificationType": "CustomMonitor",
                    "component": {"name": "c"},
                    "variable": {"name": "v"},
                }
            ],
        },
        "NotifyReport": {"requestId": 1, "generatedAt": DATE, "seqNo": 0},
        "SecurityEventNotification": {"type": "StartupOfTheDevice", "timestamp": DATE},
        "SignCertificate": {"csr": "x"},
        "StatusNotification": {
            "timestamp": DATE,
            "connectorStatus": "Available",
            "evseId": 1,
            "connectorId": 1,
        },
        "TransactionEvent": {
            "eventType": "Started",
            "timestamp": DATE,
            "triggerReason": "Authorized",
            "seqNo": 0,
            "transactionInfo": {"transactionId": "t"},
            "idToken": TOKEN,
        },
    },
}
SMALL["ocpp2.1"] = {
    **SMALL["ocpp2.0.1"],
    "GetCertificateChainStatus": {
        "certificateStatusRequests": [
            {"source": "OCSP", "urls": ["https://x"], "certificateHashData": HASH}
        ]
    },
    "VatNumberValidation": {"vatNumber": "DE1"},
}


def station(version: str = "ocpp2.0.1", *, boot: bool = True) -> Station:
    """Connect the one station of a fresh CSMS."""
    return Station(Csms("CP-1"), version=version, boot=boot)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_ordinary_action_gets_a_valid_answer(version: str) -> None:
    """Requests a real station sends are answered with results that fit the strict schema."""
    one = station(version)
    for action, payload in SMALL[version].items():
        answer = one.call(action, payload)
        assert answer[0] == 3, (action, answer)
        validator = STRICT[version].response(action)
        assert validator is not None
        validator.validate(answer[2])


@pytest.mark.parametrize("version", VERSIONS)
def test_the_tables_only_name_actions_of_their_version(version: str) -> None:
    """Each answered action exists in the version's schemas, as request and as response."""
    for action in {*ANSWERS[version], *STATUS_ACTIONS[version]}:
        assert STRICT[version].request(action) is not None, action
        assert STRICT[version].response(action) is not None, action


@pytest.mark.parametrize("version", VERSIONS)
def test_a_boot_is_accepted_with_interval_and_utc_time(version: str) -> None:
    """The answer to a boot has the three fields the schema wants, the time in UTC with Z."""
    answer = station(version, boot=False).call("BootNotification", BOOTS[version])
    validator = STRICT[version].response("BootNotification")
    assert validator is not None
    validator.validate(answer[2])
    assert answer[2] == {
        "status": "Accepted",
        "currentTime": "2027-01-15T08:00:00.000Z",
        "interval": 300,
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_before_acceptance_everything_but_a_boot_is_a_security_error(version: str) -> None:
    """B01.FR.10: a station that never booted may only boot."""
    one = station(version, boot=False)
    assert one.call("Heartbeat", {})[2] == "SecurityError"
    assert one.call("FirmwareStatusNotification", {"status": "Idle"})[2] == "SecurityError"


def test_an_accepted_station_goes_on_after_a_plain_reconnect() -> None:
    """Acceptance is durable (D11): no second BootNotification is demanded."""
    one = station()
    one.close()
    again = Station(one.csms, boot=False)
    assert again.call("Heartbeat", {})[0] == 3


STATUSES = ["Downloading", "Downloaded", "Installing", "Installed", "InstallationFailed", "Idle"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("status", STATUSES)
def test_every_status_is_answered_with_an_empty_object(version: str, status: str) -> None:
    """D22, R35: unsolicited, odd and repeated statuses get {} like any other."""
    one = station(version)
    for extra in ({}, {"requestId": 0}, {"requestId": 99}, {"requestId": 10**30}):
        payload = {"status": status, **(extra if version != "ocpp1.6" else {})}
        assert one.call("FirmwareStatusNotification", payload)[0::2] == [3, {}]
        assert one.call("FirmwareStatusNotification", payload)[0::2] == [3, {}]


REFUSED = [
    ("NoSuchAction", {}, "NotImplemented", "NotImplemented"),
    ("heartbeat", {}, "NotImplemented", "NotImplemented"),
    ("../../etc/passwd", {}, "NotImplemented", "NotImplemented"),
    ("Reset", {"type": "Soft"}, "NotSupported", "NotSupported"),
    ("HeartbeatResponse", {}, "NotImplemented", "NotImplemented"),
    ("HeartbeatRequest", {}, "NotImplemented", "NotImplemented"),
    ("A" * 5000, {}, "NotImplemented", "NotImplemented"),
    (
        "FirmwareStatusNotification",
        {},
        "OccurenceConstraintViolation",
        "OccurrenceConstraintViolation",
    ),
    (
        "FirmwareStatusNotification",
        {"status": 1},
        "TypeConstraintViolation",
        "TypeConstraintViolation",
    ),
    (
        "FirmwareStatusNotification",
        {"status": "Foo"},
        "PropertyConstraintViolation",
        "PropertyConstraintViolation",
    ),
    ("Heartbeat", {"x": 1}, "FormationViolation", "FormatViolation"),
    ("Heartbeat", [], "FormationViolation", "FormatViolation"),
    ("Heartbeat", None, "FormationViolation", "FormatViolation"),
]


@pytest.mark.parametrize(("action", "payload", "old", "new"), REFUSED)
def test_a_wrong_call_earns_the_right_error(action: str, payload: Any, old: str, new: str) -> None:
    """The code fits the fault and is spelled as the version spells it (1.6 has its own way)."""
    for version, code in (("ocpp1.6", old), ("ocpp2.0.1", new), ("ocpp2.1", new)):
        answer = station(version).call(action, payload)
        assert answer[0] == 4
        assert answer[2] == code
        assert len(answer[3]) <= 255
        assert answer[4] == {}


GARBAGE: list[str | bytes] = [
    "",
    "nonsense",
    "{}",
    "[]",
    "null",
    "[2",
    "NaN",
    "[2]",
    "[2,3]",
    '[2,"",  "Heartbeat",{}]',
    '[2,"' + "x" * 37 + '","Heartbeat",{}]',
    "[" * 5000,
    b"\x00\x01",
    '["2","a","Heartbeat",{}]',
    "[true]",
    "[2.5]",
]


@pytest.mark.parametrize("data", GARBAGE)
def test_garbage_is_told_so_in_2x_and_passed_over_in_16(data: str | bytes) -> None:
    """Without a readable id 2.x answers to "-1", 1.6 has no way; the connection lives on."""
    new, old = station("ocpp2.0.1"), station("ocpp1.6")
    (answer,) = new.send(data)
    assert answer[:3] == [4, "-1", "RpcFrameworkError"]
    assert old.send(data) == []
    assert new.call("Heartbeat", {})[0] == old.call("Heartbeat", {})[0] == 3


SILENT = [
    '[3,"nobody-asked",{}]',
    '[4,"nobody-asked","GenericError","",{}]',
    "[3]",
    "[4]",
    "[3,7]",
    '[5,"x","FormatViolation","",{}]',
    '[6,"x","NotifyPeriodicEventStream",{}]',
    '[9,"x"]',
    "[-1]",
    f"[{10**40}]",
]


@pytest.mark.parametrize("text", SILENT)
@pytest.mark.parametrize("version", VERSIONS)
def test_replies_nobody_asked_for_and_unknown_types_are_passed_over(
    version: str, text: str
) -> None:
    """Silence is the answer to replies and to message types of other versions; they are counted."""
    one = station(version)
    assert one.send(text) == []
    counters = one.csms.hub.counters
    assert counters.late + counters.ignored == 1
    assert one.call("Heartbeat", {})[0] == 3


def test_a_call_with_an_unpaired_surrogate_is_refused_by_its_id() -> None:
    """Text that is no valid Unicode is refused, but the station learns which message it was."""
    one = station()
    (answer,) = one.send('[2,"m1","DataTransfer",{"vendorId":"\\ud800"}]')
    assert answer[:3] == [4, "m1", "FormatViolation"]


def test_a_wrongly_shaped_call_is_refused_by_its_id() -> None:
    """Too few or too many elements, or an action that is no text."""
    one = station()
    for text in ('[2,"m"]', '[2,"m","A"]', '[2,"m","Heartbeat",{},1]', '[2,"m",7,{}]'):
        (answer,) = one.send(text)
        assert answer[:3] == [4, "m", "RpcFrameworkError"]


def test_transaction_ids_differ() -> None:
    """1.6: each StartTransaction gets an id of its own."""
    one = station("ocpp1.6")
    small = SMALL["ocpp1.6"]["StartTransaction"]
    ids = {one.call("StartTransaction", small)[2]["transactionId"] for _ in range(5)}
    assert len(ids) == 5


def test_a_boot_is_answered_before_anything_is_asked_of_the_station() -> None:
    """B01.FR.08: neither the command nor the question precedes the acceptance on the wire."""
    csms = Csms("CP-1")
    csms.rollout("CP-1")
    one = Station(csms)
    assert [frame[0] for frame in one.frames] == [3, 2]
    assert one.command()[2] == "UpdateFirmware"
    one.close()
    again = Station(csms)
    assert [frame[0] for frame in again.frames] == [3, 2]
    assert again.command()[2] == "TriggerMessage"


# ------------------------------------------------------------------ our calls


def test_update_firmware_in_16() -> None:
    """The command carries location, date, retries and interval and fits the strict schema."""
    one = station("ocpp1.6")
    one.csms.rollout("CP-1", retries=1, retry_interval=7)
    _, message_id, action, payload = one.command()
    assert action == "UpdateFirmware"
    assert payload == {
        "location": "https://x.example/f.bin",
        "retrieveDate": "2027-01-15T08:00:00.000Z",
        "retries": 1,
        "retryInterval": 7,
    }
    assert len(message_id) <= 36
    validator = STRICT["ocpp1.6"].request(action)
    assert validator is not None
    validator.validate(payload)


@pytest.mark.parametrize("version", ["ocpp2.0.1", "ocpp2.1"])
def test_update_firmware_in_2x(version: str) -> None:
    """2.x nests the image under firmware and carries a request id."""
    one = station(version)
    one.csms.rollout("CP-1")
    _, _, action, payload = one.command()
    validator = STRICT[version].request(action)
    assert validator is not None
    validator.validate(payload)
    assert payload["retries"] == 2
    assert payload["retryInterval"] == 30
    assert isinstance(payload["requestId"], int)
    assert set(payload["firmware"]) == {"location", "retrieveDateTime"}


SIGNED = Image(
    url="https://x.example/f.bin", version="2", signature="c2ln", signing_certificate="PEM"
)


@pytest.mark.parametrize(
    ("version", "extended", "action"),
    [
        ("ocpp1.6", False, "UpdateFirmware"),
        ("ocpp1.6", True, "SignedUpdateFirmware"),
        ("ocpp2.0.1", False, "UpdateFirmware"),
        ("ocpp2.1", False, "UpdateFirmware"),
    ],
)
def test_a_signed_image_takes_the_secure_path(version: str, extended: bool, action: str) -> None:
    """Signature and certificate go along where the station can take them, and only there."""
    one = station(version)
    if extended:  # a 1.6 station shows that it speaks the security extension
        one.call("SecurityEventNotification", SMALL[version]["SecurityEventNotification"])
    one.csms.ok(lambda: one.csms.service.put_image(one.csms.now, SIGNED))
    rollout = one.csms.rollout("CP-1")
    _, message_id, sent, payload = one.command()
    assert sent == action
    validator = STRICT[version].request(action)
    assert validator is not None
    validator.validate(payload)
    secure = action == "SignedUpdateFirmware" or version != "ocpp1.6"
    assert (payload.get("firmware", {}).get("signature") == "c2ln") is secure
    one.send([3, message_id, {"status": "Accepted"} if secure else {}])
    if extended:
        told = {"status": "SignatureVerified", "requestId": payload["requestId"]}
        assert one.call("SignedFirmwareStatusNotification", told)[2] == {}
        assert one.csms.charger(rollout, "CP-1")["status"] == "downloaded"


def test_a_station_that_refuses_the_plain_update_is_sent_the_signed_one_next() -> None:
    """WP L01.FR.20: NotSupported tells that the station takes the signed update only."""
    one = station("ocpp1.6")
    one.csms.ok(lambda: one.csms.service.put_image(one.csms.now, SIGNED))
    first = one.csms.rollout("CP-1")
    one.send([4, one.command()[1], "NotSupported", "", {}])
    assert one.csms.charger(first, "CP-1")["status"] == "failed"
    again = one.csms.ok(lambda: one.csms.service.retry(one.csms.now, first))["rollout_id"]
    one.csms.ok(lambda: one.csms.service.execute_stage(one.csms.now, again))
    assert one.command()[2] == "SignedUpdateFirmware"


@pytest.mark.parametrize("shown", [True, False])
def test_a_restart_forgets_of_no_station_that_it_speaks_the_extension(shown: bool) -> None:
    """The command that such a station refuses would fail it after every restart (D20)."""
    one = station("ocpp1.6")
    if shown:
        one.call("SecurityEventNotification", SMALL["ocpp1.6"]["SecurityEventNotification"])
    one.csms.ok(lambda: one.csms.service.put_image(one.csms.now, SIGNED))
    one.csms.restart()
    again = Station(one.csms, version="ocpp1.6", boot=False)
    again.call("Heartbeat", {})
    one.csms.rollout("CP-1")
    assert again.command()[2] == ("SignedUpdateFirmware" if shown else "UpdateFirmware")


def test_a_station_with_the_extension_is_asked_with_its_own_trigger() -> None:
    """WP 6.8: ExtendedTriggerMessage is what yields the signed status."""
    one = station("ocpp1.6")
    one.call("LogStatusNotification", {"status": "Idle"})
    one.csms.rollout("CP-1")
    one.csms.turn(31)
    _, _, action, payload = one.command()
    assert action == "ExtendedTriggerMessage"
    validator = STRICT["ocpp1.6"].request(action)
    assert validator is not None
    validator.validate(payload)


def test_the_answer_and_the_statuses_reach_the_rollout() -> None:
    """From the command to Installed over the wire, as the API shows it."""
    one = station()
    rollout = one.csms.rollout("CP-1")
    _, message_id, _, payload = one.command()
    one.send([3, message_id, {"status": "Accepted"}])
    for status in ("Downloading", "Downloaded", "Installing", "Installed"):
        told = {"status": status, "requestId": payload["requestId"]}
        assert one.call("FirmwareStatusNotification", told)[2] == {}
    assert one.csms.charger(rollout, "CP-1")["status"] == "installed"


ANSWERS_TO_UPDATE = [
    ([3, {"status": "Rejected"}], "failed"),
    ([3, {"status": "InvalidCertificate"}], "failed"),
    ([3, {"status": "RevokedCertificate"}], "failed"),
    ([4, "NotSupported", "no", {}], "failed"),
    ([4], "failed"),
    ([3, {"status": "AcceptedCanceled"}], "scheduled"),
    ([3, {}], "scheduled"),
    ([3], "scheduled"),
    ([3, []], "scheduled"),
    ([3, {"status": 7}], "scheduled"),
]


@pytest.mark.parametrize(("answer", "shown"), ANSWERS_TO_UPDATE)
def test_each_answer_to_the_command_is_told_apart(answer: list[Any], shown: str) -> None:
    """D20: refusals and CALLERRORs fail the charger; unreadable results are not refusals."""
    one = station()
    rollout = one.csms.rollout("CP-1")
    one.send([answer[0], one.command()[1], *answer[1:]])
    assert one.csms.charger(rollout, "CP-1")["status"] == shown


def test_only_one_call_is_outstanding() -> None:
    """While a command is unanswered no other call leaves; it may once the answer came."""
    one = station()
    one.csms.rollout("CP-1")
    hub, outcomes = one.csms.hub, list[Outcome]()
    assert not hub.call(one.csms.now, "CP-1", "GetBaseReport", {}, outcomes.append)
    one.send([3, one.command()[1], {"status": "Accepted"}])
    assert hub.call(one.csms.now, "CP-1", "ClearCache", {}, outcomes.append)
    one.send([3, one.command()[1], {"status": "Accepted"}])
    assert outcomes == [Outcome(result={"status": "Accepted"})]


def test_an_operators_call_ends_in_a_timeout_or_a_close() -> None:
    """Whoever waits for an answer is told, whatever happens."""
    one = station()
    outcomes = list[Outcome]()
    one.csms.hub.call(one.csms.now, "CP-1", "ClearCache", {}, outcomes.append)
    one.csms.turn(31)
    one.csms.hub.call(one.csms.now, "CP-1", "ClearCache", {}, outcomes.append)
    one.close()
    assert outcomes == [Outcome(missing="timeout"), Outcome(missing="closed")]


def test_an_unanswered_command_is_asked_about_not_repeated() -> None:
    """D21: after the time-out comes TriggerMessage, never a second UpdateFirmware."""
    one = station()
    one.csms.rollout("CP-1")
    one.csms.turn(31)
    actions = [frame[2] for frame in one.frames if frame[0] == 2]
    assert actions == ["UpdateFirmware", "TriggerMessage"]
    assert one.command()[3] == {"requestedMessage": "FirmwareStatusNotification"}


def test_a_late_refusal_still_counts() -> None:
    """The answer to a command that came after the time-out is taken, and counted as late."""
    one = station()
    rollout = one.csms.rollout("CP-1")
    message_id = one.command()[1]
    one.csms.turn(31)
    one.send([3, message_id, {"status": "Rejected"}])
    assert one.csms.charger(rollout, "CP-1")["status"] == "failed"
    assert one.csms.hub.counters.late == 1
    one.send([3, message_id, {"status": "Rejected"}])
    assert one.csms.hub.counters.late == 2


def test_message_ids_are_never_used_twice_over_connections() -> None:
    """OCPP-J: unique per station identity, across its connections."""
    csms, ids = Csms("CP-1"), set()
    for _ in range(20):
        one = Station(csms)
        csms.hub.call(csms.now, "CP-1", "ClearCache", {}, lambda _: None)
        ids.add(one.command()[1])
    assert len(ids) == 20


def test_a_command_that_cannot_be_written_is_taken_back() -> None:
    """A transport that is closing: the charger is not counted as triggered and is tried again."""
    one = station()
    one.deaf = True
    rollout = one.csms.rollout("CP-1")
    assert one.csms.charger(rollout, "CP-1")["status"] == "pending"
    one.close()
    again = Station(one.csms)
    assert again.command()[2] == "UpdateFirmware"


def test_a_url_too_long_for_the_version_fails_the_charger() -> None:
    """An invalid frame never leaves; the operator sees why."""
    csms = Csms("CP-1")  # nobody knows yet which version it speaks
    rollout = csms.rollout("CP-1", firmware_url="https://x.example/" + "f" * 600)
    one = Station(csms, version="ocpp2.0.1")
    assert [frame for frame in one.frames if frame[0] == 2] == []
    shown = one.csms.charger(rollout, "CP-1")
    assert shown["status"] == "failed"
    assert "PropertyConstraintViolation" in str(shown)


def test_a_second_connection_replaces_the_first() -> None:
    """The older one is closed and what it still says is not heard."""
    one = station()
    two = Station(one.csms)
    assert one.closed == (1008, "replaced by a newer connection")
    assert one.send([2, "x", "Heartbeat", {}]) == []
    assert two.call("Heartbeat", {})[0] == 3
    one.close()
    assert two.call("Heartbeat", {})[0] == 3
    assert len(one.csms.hub) == 1


def test_a_removed_charger_is_hung_up_on() -> None:
    """D24: removing a charger ends its connection."""
    one = station()
    one.csms.ok(lambda: one.csms.service.remove_charger(one.csms.now, "CP-1"))
    assert one.closed is not None
    assert len(one.csms.hub) == 0


# ------------------------------------------------------------------ anything at all

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
_actions = st.sampled_from(
    [*ANSWERS["ocpp2.1"], *ANSWERS["ocpp1.6"], "FirmwareStatusNotification", "BootNotification"]
)
_payloads = st.one_of(
    st.dictionaries(st.text(max_size=8), _json, max_size=4),
    st.fixed_dictionaries({}, optional={"status": st.sampled_from(STATUSES), "requestId": _json}),
)
_calls = st.tuples(
    st.just(2), st.text(min_size=1, max_size=36), _actions | st.text(max_size=30), _payloads
).map(list)
_frames = st.one_of(
    _calls.map(json.dumps),
    _json.map(json.dumps),
    st.lists(st.sampled_from([2, 3, 4, 5, 6]) | _json, max_size=6).map(json.dumps),
    st.text(max_size=200),
    st.binary(max_size=50),
    _calls.map(json.dumps).flatmap(lambda text: st.integers(0, len(text)).map(lambda n: text[:n])),
)


@given(st.sampled_from(VERSIONS), st.booleans(), st.lists(_frames, max_size=8))
def test_nothing_a_station_sends_raises(
    version: str, boot: bool, frames: list[str | bytes]
) -> None:
    """Whatever arrives, the session neither raises nor stops answering."""
    one = station(version, boot=boot)
    one.csms.rollout("CP-1")
    for frame in frames:
        for answer in one.send(frame):
            assert answer[0] in {2, 3, 4}
            assert answer[0] != 4 or (len(answer) == 5 and answer[4] == {})
    assert one.call("BootNotification", BOOTS[version])[0] == 3
    assert one.call("Heartbeat", {})[0] == 3


@given(st.sampled_from(VERSIONS), st.lists(_calls, max_size=6, unique_by=lambda call: call[1]))
def test_every_well_formed_call_is_answered_exactly_once(
    version: str, calls: list[list[Any]]
) -> None:
    """One answer, with the id of the call, valid by the schema or with a code of the version."""
    one = station(version)
    for call in calls:
        try:
            text = json.dumps(call, allow_nan=False)
            text.encode()
            call[1].encode()
        except (ValueError, UnicodeEncodeError):
            continue
        answers = one.send(text)
        assert [answer[1] for answer in answers] == [call[1]]
        if answers[0][0] == 3:
            validator = STRICT[version].response(call[2])
            assert validator is not None
            validator.validate(answers[0][2])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("levels", [198, 252, 800])
def test_a_message_that_nests_too_deeply_is_refused_by_its_id(version: str, levels: int) -> None:
    """No validator is asked: it would give up, and with it the connection."""
    one = station(version)
    payload = '{"customData":{"vendorId":"v","deep":' + "[" * levels + "]" * levels + "}}"
    for action in (*SMALL[version], "BootNotification", "FirmwareStatusNotification"):
        (answer,) = one.send(f'[2,"{action[:36]}","{action}",{payload}]')
        assert answer[:3] == [4, action[:36], spelled(version, "FormatViolation")]
    assert one.call("Heartbeat", {})[0] == 3


def test_an_answer_that_nests_too_deeply_was_never_given() -> None:
    """The command waits until its time is up, and the connection goes on."""
    one = station()
    rollout_id = one.csms.rollout("CP-1")
    command = one.command()
    for kind in ("3", "4"):
        assert one.send(f'[{kind},"{command[1]}",{"[" * 700}{"]" * 700},"",{{}}]') == []
    one.csms.turn(60.0)
    assert one.csms.hub.counters.timeouts
    assert one.csms.charger(rollout_id, "CP-1")["status"] != "failed"
    assert one.call("Heartbeat", {})[0] == 3
