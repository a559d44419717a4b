"""R29-R31, R36, R37: what GET shows of each charger, and what moves it."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

from harness.checkers.base import Checker, sees
from harness.checkers.clocks import CLOCK_SKEW, in_history, instant
from harness.checkers.facts import Answered, Read, Reported
from harness.checkers.settling import ENDED
from harness.contract import SHOWN_RANK
from harness.verdict import Requirement

if TYPE_CHECKING:
    from harness.checkers.model import Member
    from harness.checkers.view import View
    from harness.history import Event


# What an answer dates: the request -> the field that says when it was carried out.
DATED = {"create": "created_at", "execute_stage": "triggered_at"}


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
        for member, row, before in fact.changed:
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
        """Judge every percentage that a read shows anew."""
        for member, row, before in fact.changed:
            value = row.get("progress_percent")
            if value is None:
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
        "Times are RFC 3339 in UTC, true, and written once; started_at is null before the command "
        "and completed_at before the end, which is not earlier than the start.",
        "API, Get rollout status: started_at, completed_at; contract D27",
        level="PROFILE",
        switches=("D27",),
    )

    @sees(Answered, about=tuple(DATED))
    def answered(self, view: View, fact: Answered) -> None:
        """Judge the time of what a request has just done."""
        op, name = fact.op, DATED[fact.op.name]
        body = op.reply if op.outcome == "ok" and isinstance(op.reply, dict) else {}
        said = in_history(body.get(name), view.header.started_at)
        if said == -inf or op.invoked.data.get("headers"):  # an Idempotency-Key: it may be a repeat
            return
        self.exercised += 1
        if not op.invoked.time - CLOCK_SKEW <= said <= fact.event.time + CLOCK_SKEW:
            self.accuse(
                view,
                who=op.id,
                expected=f"{name} is when it was done",
                seen=f"{name} is {body.get(name)}, {op.invoked.time - said:.0f} s before the call"
                if said < op.invoked.time
                else f"{name} is {body.get(name)}, {said - fact.event.time:.0f} s after the answer",
                events=(op.invoked, fact.event),
            )

    @sees(Read)
    def read(self, view: View, fact: Read) -> None:
        """Judge the times of every row that changed, and of the rollout."""
        for member, row, before in fact.changed:
            started, completed = row.get("started_at"), row.get("completed_at")
            if started is None and completed is None and "started_at" not in row:
                continue
            self.exercised += 1
            problem = _times(member, row, before or {}, swallowed=view.swallowed(member))
            problem = problem or _untrue(view, member, row, before)
            if problem:
                self.accuse(
                    view,
                    who=member.rollout.name,
                    charger=member.charger,
                    expected="UTC times, each written once, start before end",
                    seen=f"{member.charger}: {problem}",
                    events=(member.triggers[0].event if member.triggers else None, fact.event),
                )
        self._of_the_rollout(view, fact)

    def _of_the_rollout(self, view: View, fact: Read) -> None:
        create, body = fact.rollout.create, fact.body
        told = create.reply if create is not None and isinstance(create.reply, dict) else {}
        same = told.get("rollout_id") == body.get("rollout_id")
        first, created = instant(told.get("created_at")), instant(body.get("created_at"))
        problem = ""
        if same and first is not None and created is not None and created != first:
            problem = f"created_at changed from {told['created_at']} to {body['created_at']}"
        problem = _outdated(fact) or problem
        if problem:
            self.accuse(
                view,
                who=fact.rollout.name,
                expected="created_at is written once, updated_at is the last change",
                seen=problem,
                events=(create.answered if create else None, fact.event),
            )


def _outdated(fact: Read) -> str:
    """Say which time of a row is later than the rollout's last change, '' if none is."""
    updated = instant(fact.body.get("updated_at"))
    for member, row, _ in fact.changed if updated is not None else ():
        for name in ("started_at", "completed_at"):
            moment = instant(row.get(name))
            if moment and updated and (moment - updated).total_seconds() >= 1:
                was = fact.body["updated_at"]
                return f"updated_at is {was}, before {name} of {member.charger}, {row[name]}"
    return ""


def _times(member: Member, row: dict[str, Any], before: dict[str, Any], *, swallowed: bool) -> str:
    """Say what is wrong with one row's times, '' if nothing is."""
    for name in ("started_at", "completed_at"):
        value = row.get(name)
        if value is not None and not _utc(value):
            return f"{name} {value!r} is no UTC time"
        if before.get(name) is not None and value != before[name]:
            return f"{name} changed from {before[name]} to {value}"
    started, completed = instant(row.get("started_at")), instant(row.get("completed_at"))
    ended = row.get("status") in ("installed", "failed")
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


def _untrue(view: View, member: Member, row: dict[str, Any], before: dict[str, Any] | None) -> str:
    """Say which time of a row lies before a read that showed that it had not come, '' if none."""
    if before is None or member.shown is None:
        return ""
    was = before.get("status")
    for name, open_ in (("started_at", was == "pending"), ("completed_at", was not in ENDED)):
        if before.get(name) is not None or not open_:
            continue
        said = in_history(row.get(name), view.header.started_at)
        ago = member.shown.asked - said
        if said != -inf and ago > CLOCK_SKEW:
            return f"{name} is {row[name]}, and {ago:.0f} s later it was still {was}"
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
        for member, row, before in fact.rows if self._repeated else ():
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
            if row.get("status") not in ("pending", "failed"):
                self.accuse(
                    view,
                    who=member.rollout.name,
                    charger=member.charger,
                    expected="a charger that was never triggered stays pending",
                    seen=f"{member.charger} is shown as {row.get('status')} after a status that "
                    "belongs to no update",
                    events=(stray, fact.event),
                )
