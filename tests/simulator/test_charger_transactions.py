"""An update and a charging session: the session goes first, and the connector comes back."""

from __future__ import annotations

from typing import Any

import pytest

from simulator import wire
from simulator.faults import Fixed, InstallFault, PauseDownload
from tests.simulator.lab import Lab

VERSIONS = ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"]


def connector(lab: Lab) -> list[str]:
    """Return what the connector was said to be, in order."""
    calls = lab.calls("StatusNotification")
    return [str(payload.get("status", payload.get("connectorStatus"))) for _, payload in calls]


def busy(seconds: float, **fields: Any) -> Lab:
    """Return a booted charger with a session of this length."""
    lab = Lab(transaction=Fixed(value=seconds), **fields)
    lab.csms.transaction_id = 77
    return lab.boot()


@pytest.mark.parametrize("ocpp", VERSIONS)
def test_an_installation_waits_for_the_session(ocpp: str) -> None:
    """Downloaded at once, Installing only after the session ended (L01.FR.06, FR.33)."""
    lab = busy(100.0, ocpp=ocpp)
    lab.update()
    lab.run(80.0)
    waiting = lab.statuses()
    assert "Downloaded" in waiting
    assert "Installing" not in waiting
    assert ("InstallScheduled" in waiting) == (ocpp != "ocpp1.6")
    lab.run(200.0)
    assert lab.statuses()[-1] == "Installed"


def test_the_session_is_told_in_the_words_of_its_version() -> None:
    """1.6 stops the transaction by the id it was given, 2.x by its own, in sequence."""
    old, new = busy(50.0), busy(50.0, ocpp="ocpp2.0.1")
    old.run(100.0)
    new.run(100.0)
    assert [payload["transactionId"] for _, payload in old.calls("StopTransaction")] == [77]
    events = [payload for _, payload in new.calls("TransactionEvent")]
    assert [event["eventType"] for event in events] == ["Started", "Ended"]
    assert [event["seqNo"] for event in events] == [0, 1]
    assert len({event["transactionInfo"]["transactionId"] for event in events}) == 1


def test_a_pending_update_keeps_new_sessions_away() -> None:
    """In use while the session runs, then Unavailable, then Available again (L01.FR.07)."""
    lab = busy(50.0, ocpp="ocpp2.0.1")
    lab.update()
    lab.run(300.0)
    assert connector(lab) == ["Occupied", "Unavailable", "Available"]


def test_new_sessions_may_be_allowed() -> None:
    """AllowNewSessionsPendingFirmwareUpdate leaves the connector in service."""
    lab = busy(50.0, ocpp="ocpp2.0.1", allow_new_sessions=True)
    lab.update()
    lab.run(300.0)
    assert "Unavailable" not in connector(lab)


@pytest.mark.parametrize("ocpp", VERSIONS)
def test_the_connector_comes_back_after_a_failure(ocpp: str) -> None:
    """A failed installation leaves nobody out of service (TC_L_08)."""
    lab = Lab(ocpp=ocpp, install_faults=(InstallFault(how="fails"),)).boot()
    lab.update()
    lab.run(100.0)
    assert connector(lab)[-2:] == ["Unavailable", "Available"]


def test_a_session_that_ends_offline_is_told_after_the_reconnect() -> None:
    """Transaction messages are never lost (E04.FR.01; 1.6 section 3.7)."""
    lab = busy(50.0, ocpp="ocpp2.0.1")
    lab.csms.refuse = [503] * 6
    lab.run(45.0)
    lab.fleet.cut("CP-1")
    lab.run(120.0)
    assert lab.calls("TransactionEvent")[-1][1]["eventType"] == "Ended"


@pytest.mark.parametrize("number", [None, "7", 1.5, [1], True])
@pytest.mark.parametrize("ends", [4.0, 0.0], ids=["after the answer", "before it"])
def test_what_is_no_transaction_id_is_not_told_again(number: Any, ends: float) -> None:
    """A CSMS that makes the mistake does not make its charger break the schema."""
    lab = Lab(transaction=Fixed(value=ends), latency=Fixed(value=0.5))
    lab.csms.transaction_id = number
    lab.boot().run(30.0)
    assert len(lab.calls("StartTransaction")) == 1
    assert lab.calls("StopTransaction") == []


@pytest.mark.parametrize("ocpp", VERSIONS)
@pytest.mark.parametrize("cut", [True, False], ids=["cut off", "timed out"])
def test_what_the_csms_did_not_answer_is_told_again(ocpp: str, *, cut: bool) -> None:
    """Start and end, in order, with the times they had and fresh message ids (E13.FR.01)."""
    lab = Lab(ocpp=ocpp, transaction=Fixed(value=4.0), call_timeout=10.0)
    actions = {"StartTransaction", "StopTransaction", "TransactionEvent"}
    lab.csms.mute = actions
    lab.boot()
    lab.csms.mute = set()
    if cut:
        lab.fleet.cut("CP-1")
    lab.run(60.0)
    told = [payload for one in sorted(actions) for _, payload in lab.calls(one)]
    ends = [p for p in told if "transactionId" in p or p.get("eventType") == "Ended"]
    starts = [p for p in told if p not in ends]
    assert starts[0] == starts[1]
    assert len(starts) == 2
    assert ends
    assert all(one == ends[0] for one in ends)
    whole = [f.action for _, kind, f in lab.log
             if kind == "send" and isinstance(f, wire.Call) and f.action in actions]  # fmt: skip
    assert whole.index(whole[0], 1) < len(whole) - 1
    sent = [f.message_id for _, kind, f in lab.log if kind == "send" and isinstance(f, wire.Call)]
    assert len(sent) == len(set(sent))


@pytest.mark.parametrize("ocpp", ["ocpp1.6", "ocpp2.0.1"])
def test_a_charger_may_pause_its_own_download(ocpp: str) -> None:
    """It goes on where it stopped; 2.x says so, 1.6 has no word for it (L01.FR.14)."""
    pause = PauseDownload(after=2.0, length=20.0)
    lab = Lab(ocpp=ocpp, pause_download=pause, download_rate=Fixed(value=10_000.0)).boot()
    lab.update()
    lab.run(200.0)
    expected = ["Downloading", "DownloadPaused", "Downloading", "Downloaded"]
    if ocpp == "ocpp1.6":
        expected = ["Downloading", "Downloaded"]
    assert lab.statuses()[: len(expected)] == expected
    broken, resumed = lab.served
    assert (broken["outcome"], resumed["outcome"]) == ("aborted", "complete")
    assert resumed["range"][0] == broken["sent"] == pytest.approx(20_000, abs=500)
    assert lab.statuses()[-1] == "Installed"
