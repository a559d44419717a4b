"""The running counters: what `when:` steps and the live view are told."""

from __future__ import annotations

from typing import Any

from harness.history import Header, History
from harness.progress import Progress, begun_stage, by_status, finished, in_flight, settled_stages
from simulator.scenario_steps import COUNTERS

CHARGER = "charger:A"


def told(*events: tuple[str, str, str, dict[str, Any]], fleet: int = 2) -> Progress:
    """Count these events: (source, kind, name, data)."""
    progress, history = Progress(fleet), History(Header())
    history.subscribe(progress.see)
    for number, (source, kind, name, data) in enumerate(events):
        history.record(number, source, kind, name, ref=f"r{number}", data=data)
    return progress


def report(status: Any) -> tuple[str, str, str, dict[str, Any]]:
    """A firmware status notification of charger A."""
    name = "FirmwareStatusNotification"
    return CHARGER, "send", name, {"frame": [2, "1", name, {"status": status}]}


COMMAND = (CHARGER, "recv", "UpdateFirmware", {"frame": [2, "9", "UpdateFirmware", {}]})
BOOTED = (CHARGER, "recv", "BootNotification", {"frame": [3, "1", {"status": "Accepted"}]})


def test_every_counter_of_the_scenario_language_is_counted() -> None:
    """A scenario may name a counter that never moved: it is 0, not an error."""
    progress = told()
    assert {name: progress.count(name) for name in COUNTERS if name != "offline"} == {
        name: 0 for name in COUNTERS if name != "offline"
    }
    assert progress.count("offline") == 2


def test_a_charger_is_in_flight_from_the_command_to_its_end() -> None:
    """Triggered counts at once, and an end of whatever kind lands it."""
    assert told(COMMAND).count("in_flight") == 1
    assert told(COMMAND, report("Downloading")).count("in_flight") == 1
    assert told(COMMAND, report("Installed")).count("in_flight") == 0
    failed = told(COMMAND, report("DownloadFailed"))
    assert (failed.count("in_flight"), failed.count("failed")) == (0, 1)


def test_actions_and_statuses_are_counted_by_name() -> None:
    """`when: {UpdateFirmware: 1}` and `when: {Downloading: 2}` mean what they say."""
    progress = told(COMMAND, report("Downloading"), report("Downloading"))
    assert progress.count("UpdateFirmware") == 1
    assert progress.count("Downloading") == 2
    assert progress.triggered == {"A": 1}


def test_connections_and_boots_are_states_not_sums() -> None:
    """A charger that comes and goes is online once, and booted while accepted."""
    opened: tuple[str, str, str, dict[str, Any]] = (CHARGER, "open", "", {})
    progress = told(opened, (CHARGER, "close", "", {}), opened, BOOTED)
    assert (progress.count("online"), progress.count("offline")) == (1, 1)
    assert progress.count("booted") == 1


def test_why_a_charger_cannot_connect_is_remembered_until_it_can() -> None:
    """The first failed connects are what a user needs to see."""
    note = (CHARGER, "note", "connect_failed", {"reason": "refused", "detail": "nobody there"})
    assert told(note).trouble == {"A": "nobody there"}
    assert told(note, (CHARGER, "open", "", {})).trouble == {}


def test_hostile_frames_only_count_as_garbled() -> None:
    """Nothing a charger or a CSMS sends breaks the counters."""
    broken: tuple[dict[str, Any], ...] = (
        {"text": "hello"},
        {"frame": []},
        {"frame": None},
        {"frame": [2]},
        {"frame": [3, "x", "y"]},
    )
    progress = told(
        *((CHARGER, "recv", "BootNotification", data) for data in broken),
        *((CHARGER, "send", "FirmwareStatusNotification", data) for data in broken),
        report({"status": []}),
        (CHARGER, "send", "FirmwareStatusNotification", {"frame": [2, "1", "x", ["no object"]]}),
    )
    assert progress.garbled == 3
    assert progress.state == {}


def test_a_body_is_read_forgivingly() -> None:
    """Foreign systems may leave out anything."""
    assert settled_stages({}) == []
    assert begun_stage({"current_stage": None}) == 0
    assert not finished({"status": 7})
    body = {
        "status": "completed",
        "current_stage": 1,
        "stages": [
            {"chargers": [{"status": "installed"}, {"status": "failed"}]},
            {"chargers": [{"status": "pending"}, {"status": "downloading"}, None]},
            "nonsense",
        ],
    }
    assert settled_stages(body) == [True, False]
    assert finished(body)
    assert in_flight(body) == 1
    assert by_status(body)[0] == {"installed": 1, "failed": 1}


def test_of_chargers_that_are_through_only_the_status_is_kept() -> None:
    """A soak has many rollouts of thousands: what is over must not cost memory for ever."""
    rows = [{"charge_point_id": f"CP-{n}", "status": "installed", "x": n} for n in range(50)]
    rows += [{"charge_point_id": "CP-50", "status": "downloading"}, {"status": "failed"}]
    body = {"rollout_id": "r", "status": "running", "stages": [{"stage": 1, "chargers": rows}]}
    small = told(("operator", "ok", "read", {"body": body}), fleet=100)
    assert small.rollout("r") is body
    progress = told(("operator", "ok", "read", {"body": body}), fleet=101)
    (stage,) = progress.rollout("r")["stages"]
    assert by_status(progress.rollout("r")) == by_status(body)
    assert len({id(row) for row in stage["chargers"]}) == 3
    assert stage["chargers"][50] == rows[50]  # who is on the way is named in messages
    odd = {
        "rollout_id": "o",
        "stages": [None, {"chargers": "x"}, {"chargers": [3, {"status": []}]}],
    }
    assert told(("operator", "ok", "read", {"body": odd}), fleet=101).rollout("o") == odd
