"""R17: a charger has one update at a time, and who takes part in none is free for another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.checkers.base import Checker, sees
from harness.checkers.facts import Answered, Triggered
from harness.checkers.knowing import known_settled
from harness.checkers.ordering import executed_stage
from harness.checkers.sense import senseless
from harness.checkers.settling import Settled, settled
from harness.contract import TERMINAL
from harness.verdict import Requirement

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from harness.checkers.model import Member, Op, Rollout
    from harness.checkers.view import View

CONFLICT = 409


class R17(Checker):
    """One attempt per charger."""

    requirement = Requirement(
        "R17",
        "One attempt per charger",
        "A charger never has two unsettled updates of different rollouts: a create or an "
        "execute-stage that names one of a stage under way elsewhere is refused, and no other "
        "create for that.",
        "contract D13",
        level="PROFILE",
        switches=("D13",),
    )

    @sees(Triggered)
    def triggered(self, view: View, fact: Triggered) -> None:
        """Look for an unsettled update of another rollout."""
        now, mine = fact.event.time, fact.trigger
        seen: set[str] = set()
        for other in reversed(mine.station.triggers[:-1]):
            member = other.member
            if member is None or member.rollout is mine.rollout or member.rollout.name in seen:
                continue
            seen.add(member.rollout.name)
            self.exercised += 1
            cancelled = member.rollout.status in TERMINAL
            if not cancelled and settled(member, now, view.profile) is Settled.NO:
                self.accuse(
                    view,
                    who=mine.rollout.name if mine.rollout else mine.station.id,
                    charger=mine.station.id,
                    expected="one update of a charger at a time",
                    seen=f"{mine.station.id} was triggered while its update of "
                    f"{member.rollout.name} was {member.status or 'just triggered'}",
                    events=(other.event, member.reported, fact.event),
                )

    @sees(Answered, about=("create", "execute_stage"))
    def answered(self, view: View, fact: Answered) -> None:
        """Judge who was taken, or turned down, for a part in another rollout."""
        op, rollout = fact.op, fact.rollout
        if op.status == CONFLICT:
            self.exercised += 1
        if op.key is not None or view.interfered:  # a repeat tells of an earlier moment
            return
        if op.outcome == "ok" and rollout is not None:
            self._taken(view, fact, rollout)
        elif op.status == CONFLICT and op.name == "create" and not senseless(op.request):
            self._turned_down(view, fact)

    def _taken(self, view: View, fact: Answered, rollout: Rollout) -> None:
        """Accuse what was accepted although a charger's stage ran elsewhere all the while."""
        op = fact.op
        for charger in _begins(rollout, op):
            busy = next(_busy(view, rollout, charger, op), None)
            if busy is None:
                continue
            self.accuse(
                view,
                who=rollout.name,
                charger=charger,
                expected=f"409: {charger} belongs to a stage of {busy.rollout.name} that runs",
                seen=f"{op.name} answered {op.status}; {busy.charger} of that stage was "
                f"{busy.status or 'just triggered'}",
                events=(busy.triggers[0].event, busy.reported, op.invoked, fact.event),
            )
            return

    def _turned_down(self, view: View, fact: Answered) -> None:
        """Accuse a conflict where no charger can have any."""
        op, target = fact.op, view.header.target
        fresh = view.profile.number("D34", "freshness")
        ids = op.request.get("charger_ids") if isinstance(op.request, dict) else None
        if fresh is None or not isinstance(ids, list) or target.get("foreign"):
            return  # a CSMS that is not ours may know rollouts that we do not
        wanted = {one for one in ids if isinstance(one, str)}
        others = [one for one in view.rollouts if not wanted.isdisjoint(one.members)]
        if any(_may_hold(other, wanted & other.members.keys(), op, fresh) for other in others):
            return
        self.accuse(
            view,
            who=op.id,
            expected="a create: none of its chargers belongs to a stage that runs",
            seen=f"{op.status}",
            events=(op.invoked, fact.event),
        )


def _begins(rollout: Rollout, op: Op) -> list[str]:
    """Return the chargers that an accepted request takes: of a plan, or of a stage it begins."""
    if op.name == "create":
        return list(rollout.members)
    number = executed_stage(op)
    before = [one for one in rollout.executes if one is not op and one.may_act]
    said = [executed_stage(one) for one in before]
    if number is None or any(stage is None or stage >= number for stage in said):
        return []  # it resumes a stage, perhaps
    return [one.charger for one in rollout.members.values() if one.stage == number]


def _busy(view: View, mine: Rollout, charger: str, op: Op) -> Iterator[Member]:
    """Yield chargers that kept the stage of this one in another rollout under way throughout."""
    for other in view.rollouts:
        member = other.members.get(charger)
        if other is mine or member is None or other.status in TERMINAL:
            continue
        for peer in other.stages[member.stage - 1].members:
            told = peer.triggers[0].event.index if peer.triggers else op.invoked.index
            if told < op.invoked.index and settled(peer, view.now, view.profile) is Settled.NO:
                yield peer


def _may_hold(other: Rollout, chargers: Iterable[str], op: Op, fresh: float) -> bool:
    """Whether a stage of another rollout with one of these chargers may run at this request."""
    ended = other.finished.answered if other.finished is not None else None
    if ended is not None and ended.index < op.invoked.index:
        return False
    begun = sum(one.may_act for one in other.executes)  # each begins one stage at most (R10)
    stages = {other.members[one].stage for one in chargers}
    return any(
        number <= begun
        and not all(
            known_settled(one, op.invoked.time, fresh) for one in other.stages[number - 1].members
        )
        for number in stages
    )
