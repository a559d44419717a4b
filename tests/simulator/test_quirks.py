"""Every quirk changes what a stranger sees on the wire, in the way its description says."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from simulator import effects, wire
from simulator.faults import DownloadFault, InstallFault, QuirkName
from simulator.quirks import LATE, QUIRKS
from tests.simulator.lab import START, Lab

TRAIN = ["Downloading", "Downloaded", "Installing", "InstallRebooting", "Installed"]


def updated(*quirks: str, **fields: Any) -> Lab:
    """Return the lab of a 2.0.1 charger that went through an update."""
    lab = Lab(quirks=quirks, ocpp="ocpp2.0.1", **fields).boot()
    lab.request_update()
    return lab.run(120.0)


def notified(lab: Lab) -> list[tuple[str, int | None]]:
    """Return (status, request id) of every status report."""
    return [
        (payload["status"], payload.get("requestId"))
        for _, payload in lab.calls("FirmwareStatusNotification")
    ]


def test_every_quirk_is_described() -> None:
    """The names of the model and the descriptions are the same."""
    assert set(get_args(QuirkName)) == set(QUIRKS)


def test_a_plain_charger_reports_the_whole_train() -> None:
    """Without quirks nothing is changed: the yardstick of the tests below."""
    assert notified(updated()) == [(status, 7) for status in TRAIN]


@pytest.mark.parametrize(
    ("quirk", "statuses"),
    [
        ("skips_downloading", TRAIN[1:]),
        ("skips_downloaded", ["Downloading", *TRAIN[2:]]),
        ("skips_installing", ["Downloading", "Downloaded", "Installed"]),
        ("only_installed", ["Installed"]),
        ("never_reports", []),
        ("duplicates_status", [status for status in TRAIN for _ in range(2)]),
        ("swaps_statuses", ["Downloaded", "Downloading", *TRAIN[2:]]),
        ("late_status", [*TRAIN, "Downloading"]),
        ("spontaneous_idle", ["Downloading", "Downloaded", "Idle", *TRAIN[2:]]),
        ("unsolicited_installed", ["Installed", *TRAIN]),
        ("skips_rebooting", [status for status in TRAIN if status != "InstallRebooting"]),
        ("boots_on_same_socket", ["Downloading", "Downloaded", "Installing", "Installed"]),
    ],
)
def test_what_is_reported(quirk: str, statuses: list[str]) -> None:
    """The train of statuses is the one that the quirk makes of it."""
    lab = updated(quirk)
    assert [status for status, _ in notified(lab)] == statuses
    assert lab.charger.firmware_version == "2.0.0"


@pytest.mark.parametrize(
    ("quirk", "given"), [("no_request_id", None), ("wrong_request_id", 1_000_007),
                         ("old_request_id", 6)]
)  # fmt: skip
def test_which_request_id_is_reported(quirk: str, given: int | None) -> None:
    """Every report carries the wrong id, or none."""
    assert {request_id for _, request_id in notified(updated(quirk))} == {given}


def test_a_late_answer_comes_after_the_first_status() -> None:
    """The request is answered, but five seconds later."""
    lab = updated("answers_late")
    ((time, frame),) = lab.answers("csms-update")
    assert isinstance(frame, wire.CallResult)
    assert time == pytest.approx(5.0 + LATE)
    assert lab.calls("FirmwareStatusNotification")[0][0] < time


def test_a_late_answer_is_never_given_on_another_connection() -> None:
    """Nobody there asked, and what is asked there is answered for itself."""
    lab = Lab(quirks=("answers_late",), ocpp="ocpp2.0.1").boot()
    lab.request_update()
    lab.run(1.0)
    lab.fleet.cut("CP-1")
    lab.run(60.0)
    assert lab.charger.online
    assert lab.answers("csms-update") == []


def test_no_answer_at_all() -> None:
    """The update runs, the request stays unanswered."""
    lab = updated("never_answers")
    assert lab.answers("csms-update") == []
    assert lab.statuses()[-1] == "Installed"


def test_a_callerror_and_no_update() -> None:
    """The charger refuses with a CALLERROR and stays what it was."""
    lab = updated("answers_callerror")
    ((_, frame),) = lab.answers("csms-update")
    assert isinstance(frame, wire.CallError)
    assert lab.statuses() == []
    assert lab.charger.firmware_version == "1.0.0"


@pytest.mark.parametrize(
    ("ocpp", "kind"), [("ocpp2.0.1", wire.CallResult), ("ocpp1.6", wire.CallError)]
)
def test_rejected_and_updated_all_the_same(ocpp: str, kind: type) -> None:
    """The answer says no in the words of the version, the charger updates."""
    lab = Lab(quirks=("rejects_but_updates",), ocpp=ocpp).boot()
    lab.request_update()
    lab.run(120.0)
    ((_, frame),) = lab.answers("csms-update")
    assert isinstance(frame, kind)
    assert getattr(frame, "payload", {"status": "Rejected"}) == {"status": "Rejected"}
    assert lab.statuses()[-1] == "Installed"


def test_half_a_frame_goes_out_before_downloading() -> None:
    """Something that is not JSON is on the wire, once, and the update goes on."""
    lab = updated("malformed_json")
    assert lab.broken == 1
    assert lab.statuses() == TRAIN


@pytest.mark.parametrize("quirk", ["malformed_json", "unheard_action"])
def test_nothing_odd_is_sent_without_a_connection(quirk: str) -> None:
    """A download that begins offline is told of neither well nor badly."""
    lab = Lab(quirks=(quirk,), ocpp="ocpp2.0.1").boot()
    lab.request_update(retrieve_in=60.0)
    lab.run(1.0)
    lab.charger.handle(START + 10.0, effects.Disconnected(1006))
    did = {type(action) for action in lab.charger.handle(START + 70.0, effects.Woke())}
    assert effects.Fetch in did
    assert effects.Send not in did


def test_two_calls_are_outstanding() -> None:
    """A second CALL goes out although the first is not answered; a plain charger waits."""
    sent = {}
    for quirks in ((), ("two_calls",)):
        lab = Lab(quirks=quirks, call_timeout=60.0).boot()
        lab.csms.mute = {"FirmwareStatusNotification", "Heartbeat"}
        lab.request_update()
        lab.run(1.0)
        sent[quirks] = len(lab.statuses()) + len(lab.calls("Heartbeat"))
    assert sent == {(): 1, ("two_calls",): 4}  # Downloading, Downloaded, Installing, and a beat


def test_what_the_boot_says_about_the_version() -> None:
    """The version is left out, or stays the old one, although the new one runs."""
    versions = {
        quirk: [
            payload["chargingStation"].get("firmwareVersion")
            for _, payload in updated(quirk).calls("BootNotification")
        ]
        for quirk in ("omits_version", "keeps_version")
    }
    assert versions == {"omits_version": [None, None], "keeps_version": ["1.0.0", "1.0.0"]}


def test_an_update_without_a_reboot() -> None:
    """Installed is reported on the same connection, and no boot follows."""
    lab = updated("no_reboot")
    assert len(lab.calls("BootNotification")) == 1
    assert lab.charger.firmware_version == "2.0.0"
    assert lab.statuses()[-1] == "Installed"


@pytest.mark.parametrize(
    ("ocpp", "kind"), [("ocpp2.0.1", wire.CallResult), ("ocpp1.6", wire.CallError)]
)
def test_rejected_and_left_alone(ocpp: str, kind: type) -> None:
    """The answer says no in the words of the version, and nothing follows."""
    lab = Lab(quirks=("rejects",), ocpp=ocpp).boot()
    lab.request_update()
    lab.run(120.0)
    ((_, frame),) = lab.answers("csms-update")
    assert isinstance(frame, kind)
    assert getattr(frame, "payload", {"status": "Rejected"}) == {"status": "Rejected"}
    assert lab.statuses() == []
    assert lab.charger.firmware_version == "1.0.0"


def test_a_failed_installation_begins_again() -> None:
    """From the download on, and the second installation takes."""
    fails = (InstallFault(how="fails"),)
    lab = updated("reinstalls", install_faults=fails, reports_each_attempt=True)
    assert lab.statuses() == [*TRAIN[:3], "InstallationFailed", *TRAIN]
    assert updated(install_faults=fails).statuses()[-1] == "InstallationFailed"


@pytest.mark.parametrize("retries", [0, 1])
def test_no_retries_taken_for_no_attempt(retries: int) -> None:
    """`retries: 0` is accepted and nothing begins; any other number is an update."""
    lab = Lab(quirks=("zero_retries_never_start",), ocpp="ocpp2.0.1").boot()
    answer = lab.update(retries=retries)
    lab.run(120.0)
    assert isinstance(answer, wire.CallResult)
    assert answer.payload == {"status": "Accepted"}
    assert lab.statuses() == (TRAIN if retries else [])


def test_an_unheard_of_action_is_called() -> None:
    """Once an update, and the train goes on."""
    lab = updated("unheard_action")
    assert lab.statuses() == TRAIN
    assert len(lab.calls("UnheardOf")) == 1


def test_an_image_is_taken_for_badly_signed() -> None:
    """InvalidSignature and its security event, although the image is sound."""
    lab = updated("doubts_signature")
    assert lab.statuses() == ["Downloading", "Downloaded", "InvalidSignature"]
    events = [payload["type"] for _, payload in lab.calls("SecurityEventNotification")]
    assert events[-1] == "InvalidFirmwareSignature"


def test_the_answer_to_a_status_is_refused() -> None:
    """Each CALLRESULT of the CSMS is met with a CALLRESULTERROR of the same id, 2.1's type 5."""
    lab = updated("refuses_answers")
    refused = [what for _, _, what in lab.log if isinstance(what, wire.CallResultError)]
    assert len(refused) == len(TRAIN) - 1  # with the answer to InstallRebooting it is gone
    assert lab.statuses() == TRAIN


def test_a_download_that_is_none() -> None:
    """The firmware server is never asked, and the charger boots under its old version."""
    lab = updated("pretends_to_download")
    assert lab.statuses() == TRAIN
    assert lab.served == []
    assert lab.charger.firmware_version == "1.0.0"
    assert len(updated().served) == 1


def test_a_boot_on_the_same_socket() -> None:
    """The new version is told by a BootNotification, and the connection never closes."""
    lab = updated("boots_on_same_socket")
    boots = [payload["chargingStation"]["firmwareVersion"]
             for _, payload in lab.calls("BootNotification")]  # fmt: skip
    assert boots == ["1.0.0", "2.0.0"]
    assert [kind for _, kind, _ in lab.log if kind in {"open", "close"}] == ["open"]


def test_a_status_before_the_boot_is_answered() -> None:
    """Two CALLs are outstanding, the BootNotification first."""
    lab = Lab(quirks=("early_status",))
    lab.csms.mute = {"BootNotification"}
    lab.boot()
    sent = [frame.action for _, kind, frame in lab.log if kind == "send"]
    assert sent == ["BootNotification", "StatusNotification"]


def test_connector_zero_is_unavailable_at_first() -> None:
    """Only in 1.6, where the whole charger is connector 0."""
    lab = Lab(quirks=("starts_unavailable",)).boot()
    told = [(payload["connectorId"], payload["status"])
            for _, payload in lab.calls("StatusNotification")]  # fmt: skip
    assert told == [(1, "Available"), (0, "Unavailable"), (0, "Available")]


@pytest.mark.parametrize("quirks", [(), ("ignores_retries",)])
def test_retries_are_ignored(quirks: tuple[str, ...]) -> None:
    """One request to the firmware server instead of three."""
    lab = Lab([DownloadFault(kind="refuse", times=None)], quirks=quirks).boot()
    lab.update(retries=2, retryInterval=1)
    lab.run(60.0)
    assert len(lab.served) == (1 if quirks else 3)
    assert lab.statuses()[-1] == "DownloadFailed"


@pytest.mark.parametrize("quirks", [(), ("stays_unavailable",)])
def test_a_failure_leaves_the_connector_unavailable(quirks: tuple[str, ...]) -> None:
    """It stays so until the next update takes its course."""
    lab = Lab(quirks=quirks, install_faults=(InstallFault(how="fails"),)).boot()
    lab.update()
    lab.run(60.0)
    last = lab.calls("StatusNotification")[-1][1]["status"]
    assert last == ("Unavailable" if quirks else "Available")
    lab.update()
    lab.run(60.0)
    assert lab.statuses()[-1] == "Installed"
    assert lab.calls("StatusNotification")[-1][1]["status"] == "Available"


@pytest.mark.parametrize("quirks", [(), ("forgets_ends",)])
def test_a_failure_is_forgotten(quirks: tuple[str, ...]) -> None:
    """A trigger after a failure is answered with the failure (L01.FR.26), or with Idle."""
    lab = Lab(quirks=quirks, install_faults=(InstallFault(how="fails"),)).boot()
    lab.update()
    lab.run(60.0)
    lab.call("TriggerMessage", {"requestedMessage": "FirmwareStatusNotification"})
    assert lab.statuses()[-1] == ("Idle" if quirks else "InstallationFailed")


def test_an_answer_with_a_status_that_1_6_does_not_have() -> None:
    """The core answer is empty in every schema of 1.6."""
    answer = Lab(quirks=("answers_with_status",)).boot().update()
    assert isinstance(answer, wire.CallResult)
    assert answer.payload == {"status": "Accepted"}


@pytest.mark.parametrize("quirks", [(), ("checks_no_signature",)])
def test_no_signature_is_checked(quirks: tuple[str, ...]) -> None:
    """A signature over another image passes with a charger that does not look."""
    lab = Lab(quirks=quirks, ocpp="ocpp1.6", signed=True).boot()
    lab.update(firmware={"signature": "AAAA"})
    lab.run(120.0)
    assert lab.statuses()[-1] == ("Installed" if quirks else "InvalidSignature")
