"""L1: dispatch in time, also into slots that come free while others wait in line (D32)."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from harness.checkers.base import sees
from harness.checkers.dispatching import Due, Owing, free
from harness.checkers.facts import Closed, Commanded, Invoked, Marked, Read, Triggered
from harness.checkers.liveness import liveness
from harness.checkers.settling import Settled, settled

if TYPE_CHECKING:
    from harness.checkers.model import Member, Rollout
    from harness.checkers.view import View
    from harness.history import Event


@dataclass(slots=True)
class Slot:
    """A free slot of a rollout, and who could have taken it ever since."""

    since: Event
    deadline: float
    ready: dict[str, Member]


class L1(Owing):
    """Dispatch."""

    requirement = liveness(
        "L1",
        "Dispatch",
        "After a successful execute-stage every connected, idle charger of the stage is triggered "
        "within the dispatch bound, unless the rollout is paused or its slots are taken.",
        "API, Execute rollout stage; contract D31, D32, D34",
        "D34",
    )

    def __init__(self) -> None:
        """Start with nothing due and no slot free."""
        super().__init__()
        self._slots: dict[str, Slot] = {}  # rollout -> slot

    @sees(Read)
    def read(self, view: View, fact: Read) -> None:
        """Two reads, the bound apart, that show a free slot and somebody in line for it: too late.

        Only reads tell that the rollout still goes on: it may have failed in between.
        """
        rollout = fact.rollout
        before = self._slots.pop(rollout.name, None)
        bound = view.profile.dispatch_bound(len(rollout.members))
        ready = _in_line(view, fact) if bound is not None else {}
        if not ready or bound is None:
            return
        still = {one: m for one, m in before.ready.items() if one in ready} if before else {}
        slot = Slot(fact.event, fact.event.time + bound, ready)
        if before is not None and still:
            slot = Slot(before.since, before.deadline, still)
            if fact.op.invoked.time > before.deadline:
                self._missed(view, before, still, fact.event)
                slot.deadline = inf  # said once, until a command comes
        self._slots[rollout.name] = slot

    @sees(Triggered)
    def triggered(self, view: View, fact: Triggered) -> None:
        """A slot is taken: in time, or late by whoever stood in line all the time."""
        super().triggered(view, fact)
        rollout = fact.trigger.rollout
        slot = self._slots.pop(rollout.name, None) if rollout is not None else None
        if slot is None:
            return
        member = slot.ready.get(fact.trigger.station.id)
        if member is not None and fact.event.time > slot.deadline:
            self._missed(view, slot, {member.charger: member}, fact.event)
        else:
            self.exercised += 1

    def _missed(self, view: View, slot: Slot, ready: dict[str, Member], event: Event) -> None:
        self.exercised += 1
        first = next(iter(ready.values()))
        self.late(view, Due(first, slot.since, slot.deadline), event)

    @sees(Closed)
    def closed(self, view: View, fact: Closed) -> None:
        """Who is gone no longer stands in line."""
        super().closed(view, fact)
        self._step_out(fact.connection.station.id)

    @sees(Commanded)
    def called(self, view: View, fact: Commanded) -> None:
        """Who has another command open cannot take this one."""
        super().called(view, fact)
        if not fact.call.trigger:
            self._step_out(fact.station.id)

    @sees(Invoked, about=("pause",))
    def invoked(self, view: View, fact: Invoked) -> None:
        """A pause keeps slots free."""
        super().invoked(view, fact)
        if fact.rollout is not None:
            self._slots.pop(fact.rollout.name, None)

    @sees(Marked)
    def marked(self, view: View, fact: Marked) -> None:
        """A kill forgives."""
        super().marked(view, fact)
        if fact.name == "kill":
            self._slots.clear()

    def _step_out(self, charger: str) -> None:
        for slot in self._slots.values():
            slot.ready.pop(charger, None)


def _in_line(view: View, fact: Read) -> dict[str, Member]:
    """Return who could take a slot that is certainly free, by charger."""
    rollout, number = fact.rollout, fact.body.get("current_stage")
    most = rollout.request.get("max_in_flight")
    running = fact.body.get("status") == "in_progress"
    if not running or not isinstance(most, int) or not isinstance(number, int):
        return {}
    if not 1 <= number <= len(rollout.stages) or view.interfered:
        return {}
    if rollout.struck(number) is not None:
        return {}  # a command that a kill swallowed holds a slot, and nobody sees it
    begun = [m for m in rollout.members.values() if m.stage <= number]
    if sum(_holds(view, rollout, m) for m in begun) >= most:
        return {}
    return {
        member.charger: member
        for member in rollout.stages[number - 1].members
        if not member.triggers and _pending(member) and free(view, member, view.now)
    }


def _pending(member: Member) -> bool:
    return member.shown is not None and member.shown.status == "pending"


def _holds(view: View, rollout: Rollout, member: Member) -> bool:
    """Whether the CSMS may rightly count the member as in flight."""
    if settled(member, view.now, view.profile) is Settled.YES:
        return False
    if member.triggers or not _pending(member):
        return True
    # A connection that ended may have taken a command with it.
    station = view.stations.get(member.charger)
    connection = station.connection if station is not None else None
    began = rollout.executes[0].invoked.index if rollout.executes else 0
    return connection is None or connection.opened.index > began
