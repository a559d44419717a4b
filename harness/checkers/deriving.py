"""R32-R34: the rollout's own status: its edges, its derivation from the chargers, its freshness."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.checkers.base import Checker, sees
from harness.checkers.facts import Answered, Read, Replied, Reported, Triggered
from harness.checkers.wirefold import REPORTS
from harness.contract import SHOWN_RANK, TERMINAL
from harness.verdict import Requirement, Subject

if TYPE_CHECKING:
    from harness.checkers.model import Call, Member, Op, Rollout
    from harness.checkers.view import View
    from harness.history import Event

REACHED = {
    "Downloading": 2,
    "Downloaded": 3,
    "SignatureVerified": 3,
    "InstallScheduled": 4,
    "Installing": 4,
    "InstallRebooting": 4,
    "Installed": 5,
    "InstallationFailed": 5,
    "InvalidSignature": 5,
    "InstallVerificationFailed": 5,
}
"""The shown rank that a GET must have reached once this OCPP status was answered."""


class R32(Checker):
    """Rollout edges."""

    requirement = Requirement(
        "R32",
        "Rollout edges",
        "A rollout goes from pending to in_progress by execute-stage, to paused by pause, back by "
        "execute-stage, and ends in completed or failed for ever; a refused call has no effect.",
        "API, status: one of pending, in_progress, paused, completed, failed; contract D8",
        level="PROFILE",
        switches=("D8",),
    )

    def __init__(self) -> None:
        """Start with no status seen."""
        super().__init__()
        self._seen: dict[str, Op] = {}

    @sees(Answered)
    def answered(self, view: View, fact: Answered) -> None:
        """Compare an answer's status with the one before it."""
        rollout, op = fact.rollout, fact.op
        if rollout is None or op.outcome != "ok" or not isinstance(op.reply, dict):
            return
        status = op.reply.get("status")
        if not isinstance(status, str):
            return
        last = self._seen.get(rollout.name)
        if last is not None and not last.before(op):
            return  # overlapping: either order is legal
        self._seen[rollout.name] = op
        if last is None:
            return
        old = last.reply["status"]
        self.exercised += old != status
        problem = _edge(view, rollout, last, op, (old, status))
        if problem:
            self.accuse(
                view,
                who=rollout.name,
                expected="pending, in_progress, paused and the end in the published order",
                seen=problem,
                events=(last.answered, op.invoked, fact.event),
            )

    @sees(Triggered)
    def triggered(self, view: View, fact: Triggered) -> None:
        """Accuse a trigger after the end."""
        rollout, connection = fact.trigger.rollout, fact.trigger.connection
        if rollout is None or rollout.finished is None or connection is None:
            return
        ended = rollout.finished.answered
        if ended is not None and connection.proves_after(ended.index):
            self.accuse(
                view,
                who=rollout.name,
                charger=fact.trigger.station.id,
                expected=f"a {rollout.status} rollout triggers nobody",
                seen=f"{fact.trigger.station.id} was triggered afterwards",
                events=(ended, fact.event),
            )


def _edge(view: View, rollout: Rollout, last: Op, op: Op, edge: tuple[str, str]) -> str:
    """Say why a status may not follow another, '' if it may."""
    old, new = edge
    if old == new:
        return ""
    if old in TERMINAL:
        return f"{old} became {new}"
    if new == "pending":
        return f"{old} became pending again"
    executed = any(e.may_act and not e.before(last) for e in rollout.executes if e is not last)
    paused = any(p.may_act and not p.before(last) for p in rollout.pauses if p is not last)
    executed = executed or op.name == "execute_stage"
    paused = paused or op.name == "pause"
    if old == "pending" and not executed and not (new == "failed" and view.interfered):
        return f"pending became {new} without execute-stage"
    if old == "in_progress" and new == "paused" and not paused:
        return "in_progress became paused without pause"
    if old == "paused" and new == "in_progress" and not executed:
        return "paused became in_progress without execute-stage"
    return ""


class R33(Checker):
    """Derivation."""

    requirement = Requirement(
        "R33",
        "Derivation",
        "Every GET is one snapshot: the overall status and the stages' statuses agree with the "
        "chargers it shows.",
        "API, Get rollout status; contract D5, D7, D33",
        level="PROFILE",
        switches=("D33",),
    )

    @sees(Read)
    def read(self, view: View, fact: Read) -> None:
        """Judge one body against itself."""
        self.exercised += 1
        problem = _torn(fact.body)
        if problem:
            self.accuse(
                view,
                who=fact.rollout.name,
                expected="statuses that follow from the chargers shown",
                seen=problem,
                events=(fact.op.invoked, fact.event),
            )


def _torn(body: dict[str, Any]) -> str:
    """Say what contradicts itself in a body, '' if nothing does."""
    status = body.get("status")
    stages = [s for s in body.get("stages") or [] if isinstance(s, dict)]
    moving = 0
    for stage in stages:
        rows = [str(r.get("status")) for r in stage.get("chargers") or [] if isinstance(r, dict)]
        moving += sum(row not in {"pending", "installed", "failed"} for row in rows)
        said, number = stage.get("status"), stage.get("stage")
        over = bool(rows) and all(row in {"installed", "failed"} for row in rows)
        if said in TERMINAL and not over and status not in TERMINAL:
            return f"stage {number} is {said} while a charger in it is still {_open(rows)}"
        if said == "completed" and over and "installed" not in rows:
            return f"stage {number} is completed although nobody in it succeeded"
        if said == "failed" and "installed" in rows and status not in TERMINAL:
            return f"stage {number} is failed although a charger in it succeeded"
        if said == "pending" and any(row != "pending" for row in rows) and not over:
            return f"stage {number} is pending while a charger in it is {_begun(rows)}"
    if status == "completed" and moving:
        return f"completed while {moving} charger(s) are still updating"
    if status == "pending" and moving:
        return f"pending while {moving} charger(s) are updating"
    return ""


def _open(rows: list[str]) -> str:
    return next(row for row in rows if row not in {"installed", "failed"})


def _begun(rows: list[str]) -> str:
    return next(row for row in rows if row != "pending")


class R34(Checker):
    """Freshness."""

    requirement = Requirement(
        "R34",
        "Freshness",
        "Once a firmware status of a charger was answered, a later GET shows it or something "
        "later, within the target's freshness bound.",
        "API, Get rollout status: current status; contract D34",
        level="PROFILE",
        switches=("D34",),
    )

    def __init__(self) -> None:
        """Start with nothing acknowledged."""
        super().__init__()
        self._sent: dict[int, tuple[Member, str]] = {}  # index of the status's event
        self._known: dict[Member, tuple[int, str, Event]] = {}  # rank, status, its answer

    @sees(Reported)
    def reported(self, _view: View, fact: Reported) -> None:
        """Remember a status that moved its update on."""
        member = fact.member
        if member is not None and member.status == fact.status and fact.status in REACHED:
            self._sent[fact.event.index] = (member, fact.status)

    @sees(Replied, actions=REPORTS)
    def replied(self, _view: View, fact: Replied) -> None:
        """From the answer on, the status is known to the CSMS."""
        call: Call | None = fact.call
        if fact.sender is not Subject.CSMS or call is None:
            return
        sent = self._sent.pop(call.event.index, None)
        if sent is not None and fact.frame[0] == 3:  # noqa: PLR2004 - a CALLRESULT
            member, status = sent
            self._known[member] = (REACHED[status], status, fact.event)

    @sees(Read)
    def read(self, view: View, fact: Read) -> None:
        """Compare every row with what the CSMS has acknowledged long enough ago."""
        bound = view.profile.number("D34", "freshness")
        if bound is None:
            return
        for member, row, _ in fact.rows:
            known = self._known.get(member)
            if known is None:
                continue
            rank, status, answer = known
            if fact.op.invoked.time < answer.time + bound:
                continue
            del self._known[member]
            self.exercised += 1
            shown = str(row.get("status"))
            if SHOWN_RANK.get(shown, 99) < rank:
                self.accuse(
                    view,
                    who=member.rollout.name,
                    charger=member.charger,
                    expected=f"{status} was acknowledged: GET shows at least that",
                    seen=f"{member.charger} is still shown as {shown} "
                    f"{fact.op.invoked.time - answer.time:.1f} s later",
                    events=(answer, fact.op.invoked, fact.event),
                )
