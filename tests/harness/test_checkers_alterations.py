"""The judge's sensitivity: one altered event of a good history is enough to be convicted."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from harness.checkers import judge
from harness.verdict import Verdict
from tests.harness.tell import good_canary

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.history import Event

    Edit = Callable[[Any], None]

STATUS = "FirmwareStatusNotification"


def reply(kind: str) -> Callable[[Event], bool]:
    """Select the ok answers to one operation."""
    return lambda event: event.source == "operator" and event.kind == "ok" and event.name == kind


def frame(kind: str, action: str, message: int) -> Callable[[Event], bool]:
    """Select frames of one direction, action and message type."""
    return lambda event: (
        event.kind == kind and event.name == action and event.data["frame"][0] == message
    )


def put(*path: Any) -> Edit:
    """Set the value at a path; the last item is the value."""

    def edit(target: Any) -> None:
        for key in path[:-2]:
            target = target[key]
        target[path[-2]] = path[-1]

    return edit


COMMAND = frame("recv", "UpdateFirmware", 2)
REPORT = frame("send", STATUS, 2)
VERSION = ("body", "versions", 0)
ROW = ("body", "stages", 0, "chargers", 0)
ALTERATIONS: list[tuple[str, Callable[[Event], bool], int, Edit, str]] = [
    ("create: wrong label", reply("create"), 0, put("body", "stages", 0, "label", "X"), "R44"),
    ("create: moved", reply("create"), 0, put("body", "stages", 0, "charger_ids", ["B"]), "R01"),
    ("create: not pending", reply("create"), 0, put("body", "status", "in_progress"), "R44"),
    ("read: pending again", reply("read"), 2, put("body", "status", "pending"), "R32"),
    ("read: paused", reply("read"), 2, put("body", "status", "paused"), "R27"),
    ("read: completed", reply("read"), 2, put("body", "status", "completed"), "R15"),
    ("read: not paused", reply("read"), 3, put("body", "status", "in_progress"), "R20"),
    ("read: stage too far", reply("read"), 1, put("body", "current_stage", 2), "R27"),
    ("read: installed early", reply("read"), 1, put(*ROW, "status", "installed"), "R14"),
    ("read: failed", reply("read"), 1, put(*ROW, "status", "failed"), "R14"),
    ("read: ahead", reply("read"), 1, put(*ROW, "status", "installing"), "R14"),
    ("read: backwards", reply("read"), 3, put(*ROW, "status", "downloading"), "R29"),
    ("read: progress", reply("read"), 3, put(*ROW, "progress_percent", 99), "R30"),
    ("read: times", reply("read"), 3, put(*ROW, "started_at", "2025-01-01T00:00:00Z"), "R31"),
    ("read: torn", reply("read"), 3, put("body", "stages", 0, "status", "in_progress"), "R33"),
    ("execute: wrong stage", reply("execute_stage"), 1, put("body", "executed_stage", 1), "R27"),
    ("execute: left out", reply("execute_stage"), 1, put("body", "chargers_triggered", []), "R43"),
    ("execute: all", reply("execute_stage"), 1, put("body", "chargers_triggered", ["D"]), "R43"),
    ("pause: reason", reply("pause"), 0, put("body", "reason", "other"), "R46"),
    ("pause: status", reply("pause"), 0, put("body", "status", "in_progress"), "R44"),
    ("fleet: total", reply("fleet"), 0, put("body", "total_chargers", 9), "R42"),
    ("fleet: version", reply("fleet"), 0, put(*VERSION, "firmware_version", "9"), "R42"),
    ("command: url", COMMAND, 0, put("frame", 3, "location", "x:y"), "R16"),
    ("command: retries", COMMAND, 0, put("frame", 3, "retries", -1), "R16"),
    ("command: field", COMMAND, 0, put("frame", 3, "more", 1), "W01"),
    ("command: id", COMMAND, 1, put("frame", 1, "x" * 40), "W02"),
    ("answer: a status", frame("recv", STATUS, 3), 0, put("frame", 2, {"status": "Ok"}), "W01"),
    ("status: skipped", REPORT, 1, put("frame", 3, "status", "Installing"), "C01"),
    ("status: unknown", REPORT, 0, put("frame", 3, "status", "Done"), "W01"),
    ("bytes: half", lambda e: e.source == "firmware", 0, put("sent", 500), "C05"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("which", "nth", "edit", "killer"),
    [row[1:] for row in ALTERATIONS],
    ids=[row[0] for row in ALTERATIONS],
)
def test_one_altered_event_is_convicted(
    which: Callable[[Event], bool], nth: int, edit: Edit, killer: str
) -> None:
    """Each alteration fails the requirement that is meant to catch it."""
    told = good_canary().history
    at = [event.index for event in told.events if which(event)][nth]
    data = copy.deepcopy(told.events[at].data)
    edit(data)
    assert data != told.events[at].data
    events = list(told.events)
    events[at] = msgspec.structs.replace(events[at], data=data)
    assert judge(told.header, events).result(killer).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("action", "killer"), [("UpdateFirmware", "R43"), (STATUS, "C01"), ("BootNotification", "W09")]
)
def test_a_frame_that_never_was_is_missed(action: str, killer: str) -> None:
    """Dropping a command, a status or a boot from a history convicts whoever relied on it."""
    told = good_canary().history
    kind = "recv" if action == "UpdateFirmware" else "send"
    at = next(e.index for e in told.events if frame(kind, action, 2)(e))
    events = [event for event in told.events if event.index != at]
    assert judge(told.header, events).result(killer).verdict is Verdict.FAIL
