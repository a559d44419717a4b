"""L2, L7, R28, and half of L1: released chargers get their command in time, whatever others do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.checkers.base import Checker, sees
from harness.checkers.facts import (
    Answered,
    Closed,
    Commanded,
    Invoked,
    Marked,
    Replied,
    Triggered,
)
from harness.checkers.liveness import liveness
from harness.checkers.ordering import executed_stage
from harness.checkers.settling import Settled, settled
from harness.contract import TERMINAL
from harness.verdict import CSMS

if TYPE_CHECKING:
    from harness.checkers.model import Connection, Member, Rollout
    from harness.checkers.view import View
    from harness.history import Event


@dataclass(slots=True)
class Due:
    """One charger that has to be triggered by a deadline."""

    member: Member
    since: Event
    deadline: float


class Owing(Checker):
    """A checker that keeps who has to be triggered, and until when."""

    def __init__(self) -> None:
        """Start with nothing due."""
        super().__init__()
        self._due: dict[str, dict[str, Due]] = {}  # charger -> rollout -> due

    def applies(self, view: View, rollout: Rollout, stage: int) -> bool:
        """Whether this checker looks at the stage at all."""
        return slots_for_all(view, rollout, stage)

    @sees(Answered)
    def answered(self, view: View, fact: Answered) -> None:
        """An ok execute-stage makes its ready, untriggered chargers due."""
        op, rollout = fact.op, fact.rollout
        self.overdue(view)
        if rollout is None or op.name != "execute_stage":
            return
        stage, bound = executed_stage(op), view.profile.dispatch_bound(len(rollout.members))
        running = isinstance(op.reply, dict) and op.reply.get("status") == "in_progress"
        if stage is None or bound is None or not running:
            return
        if not 0 < stage <= len(rollout.stages) or not self.applies(view, rollout, stage):
            return
        for member in rollout.stages[stage - 1].members:
            if member.triggers:
                self.exercised += member.triggers[-1].event.index > op.invoked.index
            elif free(view, member, view.now):
                self.owe(Due(member, fact.event, fact.event.time + bound))

    def owe(self, due: Due) -> None:
        """Note a debt; a newer one of the same charger and rollout replaces it."""
        self._due.setdefault(due.member.charger, {})[due.member.rollout.name] = due

    @sees(Triggered)
    def triggered(self, view: View, fact: Triggered) -> None:
        """Compare the arrival of a command with its deadline."""
        rollout = fact.trigger.rollout
        owed = self._due.get(fact.trigger.station.id)
        due = owed.pop(rollout.name, None) if owed and rollout is not None else None
        if due is not None:
            self.exercised += 1
            if fact.event.time > due.deadline:
                self.late(view, due, fact.event)

    @sees(Closed)
    def closed(self, _view: View, fact: Closed) -> None:
        """A charger that is gone is owed nothing until it is back (L2)."""
        self._due.pop(fact.connection.station.id, None)

    @sees(Commanded)
    def called(self, _view: View, fact: Commanded) -> None:
        """A charger with another command open has no free slot: the debt starts anew."""
        if fact.station.id in self._due and not fact.call.trigger:
            self._due.pop(fact.station.id)

    @sees(Invoked, about=("pause",))
    def invoked(self, _view: View, fact: Invoked) -> None:
        """A pause holds everything back."""
        if fact.rollout is not None:
            for owed in self._due.values():
                owed.pop(fact.rollout.name, None)

    @sees(Marked)
    def marked(self, view: View, fact: Marked) -> None:
        """A kill forgives; any other moment is one to look at the clock."""
        if fact.name == "kill":
            self._due.clear()
        else:
            self.overdue(view)

    def end(self, view: View) -> None:
        """Look at the clock a last time."""
        self.overdue(view)

    def overdue(self, view: View) -> None:
        """Accuse everything whose deadline has passed."""
        for owed in self._due.values():
            for name, due in list(owed.items()):
                if due.deadline < view.now:
                    del owed[name]
                    over = due.member.rollout.status in TERMINAL
                    if over or not free(view, due.member, due.deadline):
                        continue
                    if view.unsure(due.member):
                        continue
                    self.exercised += 1
                    self.late(view, due, view.last)

    def late(self, view: View, due: Due, event: Event | None) -> None:
        """Accuse a command that came with this event, or has not come until now."""
        self.accuse(
            view,
            who=due.member.rollout.name,
            charger=due.member.charger,
            expected=f"{due.member.charger} is triggered within "
            f"{due.deadline - due.since.time:.1f} s",
            seen=f"not in {(event.time if event else view.now) - due.since.time:.1f} s",
            events=(due.since, event),
        )


def slots_for_all(view: View, rollout: Rollout, stage: int) -> bool:
    """Whether nobody up to this stage has to wait until another one is done (D32)."""
    most = rollout.request.get("max_in_flight")
    if most is None:
        return True
    left = sum(
        settled(member, view.now, view.profile) is not Settled.YES
        for member in rollout.members.values()
        if member.stage <= stage or member.triggers
    )
    return isinstance(most, int) and left <= most


def waits(view: View, member: Member, connection: Connection, now: float) -> bool:
    """Whether a member is certainly unsettled: who stays connected cannot fail as offline (D11)."""
    state, executes = settled(member, now, view.profile), member.rollout.executes
    if state is Settled.PERHAPS and not member.triggers and executes:
        return connection.opened.index < executes[0].invoked.index
    return state is Settled.NO


def free(view: View, member: Member, by: float) -> bool:
    """Whether a charger could have taken the command by then, as far as this rollout goes."""
    station = view.stations.get(member.charger)
    connection = station.connection if station else None
    if not station or not station.accepted or connection is None or connection.theirs:
        return False
    if connection.fences < 1 or not waits(view, member, connection, by):
        return False
    latest = station.triggers[-1].member if station.triggers else None
    busy = latest is not None and latest.rollout is not member.rollout
    return not busy or settled(latest, view.now, view.profile) is not Settled.NO  # type: ignore[arg-type]


class L7(Owing):
    """Fairness."""

    requirement = liveness(
        "L7",
        "Fairness",
        "With several rollouts under way each is dispatched as fast as if it were alone.",
        "contract D34",
        "D34",
    )

    def applies(self, view: View, rollout: Rollout, stage: int) -> bool:
        """Only while another rollout is under way."""
        others = [r for r in view.rollouts if r is not rollout and r.executes]
        alive = any(r.status not in TERMINAL for r in others)
        return alive and super().applies(view, rollout, stage)


class R28(Owing):
    """Isolation."""

    requirement = liveness(
        "R28",
        "Isolation",
        "A charger that refuses, stays silent or disconnects delays no other charger of its stage.",
        "contract D20, D34",
        "D34",
    )

    def applies(self, view: View, rollout: Rollout, stage: int) -> bool:
        """Only beside a charger that makes trouble; others are judged by L1."""
        members = rollout.stages[stage - 1].members
        trouble = any(m.triggers and _troubled(m) for m in members)
        absent = any(not _online(view, m) for m in members)
        return (trouble or absent) and super().applies(view, rollout, stage)


def _troubled(member: Member) -> bool:
    trigger = member.triggers[-1]
    return trigger.refused or trigger.answered is None


def _online(view: View, member: Member) -> bool:
    station = view.stations.get(member.charger)
    return station is not None and station.connection is not None


class L2(Owing):
    """Dispatch after reconnect."""

    requirement = liveness(
        "L2",
        "Dispatch after reconnect",
        "A charger that was offline when its stage began is triggered within the dispatch bound "
        "once it is back and its boot was accepted.",
        "contract D11, D34",
        "D11",
        "D34",
    )

    @sees(Answered)
    def answered(self, view: View, fact: Answered) -> None:
        """Only the clock: reconnects make chargers due."""
        del fact
        self.overdue(view)

    @sees(Replied, about=("BootNotification",))
    def replied(self, view: View, fact: Replied) -> None:
        """An accepted boot makes a charger of a begun stage due."""
        if fact.sender is not CSMS or not fact.station.accepted:
            return
        for rollout in view.rollouts:
            member = rollout.members.get(fact.station.id)
            bound = view.profile.dispatch_bound(len(rollout.members))
            if member is None or member.triggers or bound is None:
                continue
            released = {executed_stage(e) for e in rollout.executes}
            held = rollout.paused_since is not None or any(
                not p.done or not any(p.before(e) for e in rollout.executes if e.done)
                for p in rollout.pauses
            )
            if member.stage in released and not held and self.applies(view, rollout, member.stage):
                self.owe(Due(member, fact.event, fact.event.time + bound))
