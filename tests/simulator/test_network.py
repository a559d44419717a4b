"""What the network does to single frames."""

from __future__ import annotations

from typing import Any

import pytest

from simulator import wire
from simulator.faults import NetworkFault
from tests.simulator.lab import START, Lab

STATUS = "FirmwareStatusNotification"


def lab(*faults: NetworkFault, **fields: Any) -> Lab:
    """Return the lab of a booted charger with these faults on its line."""
    return Lab(network_faults=faults, call_timeout=5.0, **fields).boot()


def times(one: Lab, action: str = STATUS) -> list[float]:
    """Return when the CALLs of one action were on the wire."""
    return [time for time, _ in one.calls(action)]


def test_a_lost_call_is_never_on_the_wire_and_times_out() -> None:
    """The second status is lost; the charger waits for its answer and goes on with the third."""
    one = lab(NetworkFault(kind="drop", action=STATUS, skip=1))
    one.request_update()
    one.run(120.0)
    assert one.statuses() == ["Downloading", "Installing", "Installed"]
    assert {"note": "call_timeout", "action": STATUS}.items() <= one.notes("call_timeout")[
        0
    ].items()


def test_a_lost_request_is_received_by_nobody() -> None:
    """The CSMS's request reached the socket and no further: no answer, no update."""
    one = lab(NetworkFault(kind="drop", action="UpdateFirmware"))
    one.request_update()
    one.run(30.0)
    assert one.statuses() == []
    assert one.charger.update is None


def test_a_lost_answer_makes_the_charger_wait() -> None:
    """The answer to the boot is lost: the charger boots again after its time-out."""
    one = lab(NetworkFault(kind="drop", action="BootNotification", frame="answer")).run(60.0)
    assert len(times(one, "BootNotification")) == 2
    assert one.charger.ready


def test_a_repeated_call_is_on_the_wire_twice() -> None:
    """The same frame, message id included, twice; both answers are taken."""
    one = lab(NetworkFault(kind="duplicate", action="BootNotification"))
    assert len(times(one, "BootNotification")) == 2
    assert one.charger.ready


def test_a_repeated_request_cancels_its_own_update() -> None:
    """A charger takes the second copy for another request."""
    one = lab(NetworkFault(kind="duplicate", action="UpdateFirmware"), ocpp="ocpp2.0.1")
    one.request_update()
    one.run(120.0)
    assert [getattr(frame, "payload", {})["status"] for _, frame in one.answers("csms-update")] == [
        "Accepted", "AcceptedCanceled"
    ]  # fmt: skip


def test_a_delayed_frame_holds_up_those_behind_it() -> None:
    """The order on the socket stays."""
    one = lab(NetworkFault(kind="delay", action=STATUS, by=3.0))
    one.request_update()
    one.run(120.0)
    assert one.statuses() == ["Downloading", "Downloaded", "Installing", "Installed"]
    assert times(one)[0] >= 5.0 + 3.0


def test_a_connection_that_breaks_after_a_frame_comes_back() -> None:
    """The charger reconnects by itself and does not boot again."""
    one = lab(NetworkFault(kind="disconnect", action=STATUS))
    one.request_update()
    one.run(120.0)
    assert len([kind for _, kind, _ in one.log if kind == "open"]) == 3  # power-on, here, reboot
    assert one.statuses()[-1] == "Installed"


def test_the_csms_does_not_hear_of_a_half_open_connection() -> None:
    """The charger is gone and comes back while the CSMS still holds the old connection."""
    one = lab(NetworkFault(kind="half_open", action="Heartbeat"), heartbeat=20.0)
    held = one.csms.connection
    one.run(20.5)
    assert one.csms.closings == 0
    one.run(20.0)
    assert one.charger.online
    assert one.csms.connection is not held
    assert [close.get("silent") for close in one.closes()] == [True]


def test_a_clock_that_is_ahead_is_seen_in_timestamps_and_dates() -> None:
    """An hour ahead, the charger thinks that a download in half an hour is due already."""
    one = lab(clock_skew=3600.0)
    assert one.calls("StatusNotification")[0][1]["timestamp"].startswith("2027-01-15T09:")
    assert START == 1_800_000_000.0  # 2027-01-15T08:00:00Z
    one.request_update(retrieve_in=1800.0)
    one.run(10.0)
    assert one.statuses()[0] == "Downloading"


def test_a_router_forgets_a_quiet_line_and_only_a_timeout_shows_it() -> None:
    """Nothing passes after the idle time; the charger reconnects when its Heartbeat times out."""
    one = lab(nat_timeout=30.0, heartbeat=60.0)
    held = one.csms.connection
    one.run(32.0)
    assert [close.get("silent") for close in one.closes()] == [True]
    (note,) = one.notes("nat_timeout")
    assert note["note"] == "nat_timeout"
    assert one.charger.online  # as far as it knows
    assert one.csms.closings == 0
    one.request_update()
    one.run(10.0)
    assert one.statuses() == []  # the CSMS calls into the void
    one.run(30.0)
    assert one.csms.connection is not held
    assert len(one.calls("BootNotification")) == 1
    assert one.charger.ready


def test_traffic_keeps_a_line_alive() -> None:
    """Heartbeats that are frequent enough are what operators configure against it."""
    one = lab(nat_timeout=30.0, heartbeat=20.0).run(300.0)
    assert one.notes("nat_timeout") == []
    assert len(one.calls("Heartbeat")) >= 14


def test_a_power_loss_in_the_middle_of_a_download_is_told_after_the_boot() -> None:
    """The download is lost with the power; DownloadFailed comes after the next boot."""
    one = lab(NetworkFault(kind="power_loss", action=STATUS), ocpp="ocpp2.0.1")
    one.request_update()
    one.run(120.0)
    assert one.statuses() == ["Downloading", "DownloadFailed"]
    reasons = [payload["reason"] for _, payload in one.calls("BootNotification")]
    assert reasons == ["PowerUp", "PowerUp"]
    assert one.charger.firmware_version == "1.0.0"


def test_a_line_that_breaks_with_the_request_swallows_its_answer() -> None:
    """The charger took the request and updates; the CSMS cannot know it."""
    one = lab(NetworkFault(kind="disconnect", action="UpdateFirmware"))
    one.request_update()
    one.run(120.0)
    assert one.answers("csms-update") == []
    assert one.statuses()[-1] == "Installed"


def heard(one: Lab, action: str) -> list[float]:
    """Return when CALLs of the CSMS were answered, by action of the CALL."""
    received = [frame for _, kind, frame in one.log if kind == "recv"]
    calls = {frame.message_id for frame in received
             if isinstance(frame, wire.Call) and frame.action == action}  # fmt: skip
    return [time for time, kind, frame in one.log
            if kind == "send" and isinstance(frame, wire.CallResult)
            and frame.message_id in calls]  # fmt: skip


def test_a_late_request_holds_up_what_came_behind_it() -> None:
    """A frame of the CSMS may be late, too; the frames behind it keep their order."""
    one = lab(NetworkFault(kind="delay", action="UpdateFirmware", by=4.0))
    one.request_update()
    assert one.csms.connection is not None
    one.csms.connection.send('[2,"behind","ClearCache",{}]')
    one.run(60.0)
    ((late,), (behind,)) = heard(one, "UpdateFirmware"), heard(one, "ClearCache")
    assert late == behind == pytest.approx(9.0)
    assert one.statuses()[-1] == "Installed"


def test_a_late_request_dies_with_its_connection() -> None:
    """What was still on its way when the line broke is heard by nobody, later connections are."""
    one = lab(NetworkFault(kind="delay", action="UpdateFirmware", by=4.0))
    one.request_update()
    one.run(1.0)
    one.fleet.cut("CP-1")
    one.run(60.0)
    assert one.charger.ready
    assert one.statuses() == []
    assert isinstance(one.call("ClearCache", {}), wire.CallResult)


def test_faults_of_the_line_stop_when_the_drill_heals() -> None:
    """From the mark `heal` on everything must come to an end: a line that loses all is mended."""
    one = lab(NetworkFault(kind="drop", action="UpdateFirmware", times=None))
    one.request_update()
    one.run(10.0)
    assert one.statuses() == []
    one.fleet.mark("heal")
    one.request_update()
    one.run(120.0)
    assert one.statuses()[-1] == "Installed"
