"""R29-R31, R36, R37: what GET shows of each charger, and what moves it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.checkers.base import Checker, sees
from harness.checkers.facts import Read, Reported
from harness.checkers.triggering import instant
from harness.contract import SHOWN_RANK
from harness.verdict import Requirement

if TYPE_CHECKING:
    from harness.checkers.model import Member
    from harness.checkers.view import View
    from harness.history import Event


class R29(Checker):
    """Charger progress moves one way."""

    requirement = Requirement(
        "R29",
        "One way",
        "The status shown for a charger only moves forward, and never leaves installed or failed.",
        "API, Get rollout status: per-charger progress; contract D22, D25",
        level="PROFILE",
        switches=("D25",),
    )

    @sees(Read)
    def read(self, view: View, fact: Read) -> None:
        """Compare every row with the one shown before."""
        for member, row, before in fact.rows:
            if before is None:
                continue
            old, new = str(before.get("status")), str(row.get("status"))
            if old == new:
                continue
            self.exercised += 1
            ended = old in {"installed", "failed"}
            if not ended and SHOWN_RANK.get(new, 99) >= SHOWN_RANK.get(old, -1):
                continue
            last = member.shown.previous if member.shown else None
            self.accuse(
                view,
                who=member.rollout.name,
                charger=member.charger,
                expected=f"{old} is " + ("final" if ended else "followed by something later"),
                seen=f"{member.charger} went from {old} to {new}",
                events=(member.final_event, member.reported, last, fact.event),
            )


class R30(Checker):
    """Progress."""

    requirement = Requirement(
        "R30",
        "Progress",
        "progress_percent is an integer from 0 to 100, never falls within an attempt, and is 100 "
        "exactly for installed chargers.",
        "API, Get rollout status: progress_percent; contract D26",
        level="PROFILE",
        switches=("D26",),
    )

    @sees(Read)
    def read(self, view: View, fact: Read) -> None:
        """Judge every percentage shown."""
        for member, row, before in fact.rows:
            value = row.get("progress_percent")
            if value is None or (before is not None and row == before):
                continue
            self.exercised += 1
            old = (before or {}).get("progress_percent")
            problem = ""
            if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 100:  # noqa: PLR2004
                problem = f"progress_percent {value!r}"
            elif (value == 100) != (row.get("status") == "installed"):  # noqa: PLR2004 - percent
                problem = f"{row.get('status')} at {value} %"
            elif isinstance(old, int) and value < old and not member.download_failures:
                problem = f"fell from {old} % to {value} %"
            if problem:
                self.accuse(
                    view,
                    who=member.rollout.name,
                    charger=member.charger,
                    expected="0 to 100, never falling, 100 exactly when installed",
                    seen=f"{member.charger}: {problem}",
                    events=(member.reported, fact.event),
                )


class R31(Checker):
    """Timestamps."""

    requirement = Requirement(
        "R31",
        "Timestamps",
        "Times are RFC 3339 in UTC and written once; started_at is null before the command and "
        "completed_at before the end, which is not earlier than the start.",
        "API, Get rollout status: started_at, completed_at; contract D27",
        level="PROFILE",
        switches=("D27",),
    )

    @sees(Read)
    def read(self, view: View, fact: Read) -> None:
        """Judge the times of every row that changed."""
        for member, row, before in fact.rows:
            if before is not None and row == before:
                continue
            started, completed = row.get("started_at"), row.get("completed_at")
            if started is None and completed is None and "started_at" not in row:
                continue
            self.exercised += 1
            problem = _times(member, row, before or {}, swallowed=view.swallowed(member))
            if problem:
                self.accuse(
                    view,
                    who=member.rollout.name,
                    charger=member.charger,
                    expected="UTC times, each written once, start before end",
                    seen=f"{member.charger}: {problem}",
                    events=(member.triggers[0].event if member.triggers else None, fact.event),
                )


def _times(member: Member, row: dict[str, Any], before: dict[str, Any], *, swallowed: bool) -> str:
    """Say what is wrong with one row's times, '' if nothing is."""
    for name in ("started_at", "completed_at"):
        value = row.get(name)
        if value is not None and not _utc(value):
            return f"{name} {value!r} is no UTC time"
        if before.get(name) is not None and value != before[name]:
            return f"{name} changed from {before[name]} to {value}"
    started, completed = instant(row.get("started_at")), instant(row.get("completed_at"))
    ended = str(row.get("status")) in {"installed", "failed"}
    if started is not None and row.get("status") == "pending":
        return "pending, yet started_at is set"
    if completed is not None and not ended:
        return f"{row.get('status')}, yet completed_at is set"
    if row.get("status") == "installed" and (started is None or completed is None):
        return "installed without both times"
    if started is not None and completed is not None and completed < started:
        return f"completed_at {completed} precedes started_at {started}"
    if started is not None and not member.triggers and ended and not swallowed:
        return "started_at is set for a charger that was never triggered"
    return ""


def _utc(value: Any) -> bool:
    return isinstance(value, str) and value.endswith(("Z", "+00:00")) and instant(value) is not None


class R36(Checker):
    """Replay changes nothing."""

    requirement = Requirement(
        "R36",
        "Replay-idempotent",
        "A status that repeats or falls behind what the charger already reported changes nothing.",
        "contract D22",
        level="PROFILE",
        switches=("D22",),
    )

    def __init__(self) -> None:
        """Start with no repeats."""
        super().__init__()
        self._repeated: dict[Member, Event] = {}

    @sees(Reported)
    def reported(self, _view: View, fact: Reported) -> None:
        """Remember a status that should have no effect, forget it once another one moved on."""
        member = fact.member
        if member is None or fact.status == "Idle":
            return
        if member.status == fact.status and fact.status != fact.before:
            self._repeated.pop(member, None)
        else:
            self._repeated[member] = fact.event

    @sees(Read)
    def read(self, view: View, fact: Read) -> None:
        """Ask whether a row fell or changed only because of the repeat."""
        for member, row, before in fact.rows:
            repeat = self._repeated.pop(member, None) if before is not None else None
            if repeat is None or before is None:
                continue
            self.exercised += 1
            old, new = (
                SHOWN_RANK.get(str(before.get("status"))),
                SHOWN_RANK.get(str(row.get("status"))),
            )
            if old is not None and new is not None and new < old:
                self.accuse(
                    view,
                    who=member.rollout.name,
                    charger=member.charger,
                    expected="a repeated or late status changes nothing",
                    seen=f"{member.charger} went from {before.get('status')} to "
                    f"{row.get('status')}",
                    events=(member.final_event, repeat, fact.event),
                )


class R37(Checker):
    """Attribution."""

    requirement = Requirement(
        "R37",
        "Attribution",
        "A status of a charger that was not triggered, or that carries another update's request "
        "id, changes nothing in a rollout.",
        "OCPP L01.FR.20; contract D22",
        level="PROFILE",
        switches=("D22",),
    )

    def __init__(self) -> None:
        """Start with no stray statuses."""
        super().__init__()
        self._strays: dict[str, Event] = {}

    @sees(Reported)
    def reported(self, _view: View, fact: Reported) -> None:
        """Remember a status that belongs to no update."""
        if fact.member is None and fact.status != "Idle":
            self._strays[fact.station.id] = fact.event

    @sees(Read)
    def read(self, view: View, fact: Read) -> None:
        """Accuse a row that moved on with nothing but strays to move it."""
        if not self._strays:
            return
        for member, row, _ in fact.rows:
            stray = self._strays.get(member.charger)
            if stray is None or member.triggers or view.swallowed(member):
                continue
            self.exercised += 1
            if str(row.get("status")) not in {"pending", "failed"}:
                self.accuse(
                    view,
                    who=member.rollout.name,
                    charger=member.charger,
                    expected="a charger that was never triggered stays pending",
                    seen=f"{member.charger} is shown as {row.get('status')} after a status that "
                    "belongs to no update",
                    events=(stray, fact.event),
                )
