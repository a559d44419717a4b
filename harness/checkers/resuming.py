"""R23: what resuming a partly triggered stage does."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING

from harness.checkers.base import Checker, sees
from harness.checkers.dispatching import slots_for_all, waits
from harness.checkers.facts import Answered, Invoked, PauseEnded, Triggered
from harness.checkers.pausing import held_back
from harness.checkers.settling import Settled, settled
from harness.contract import TERMINAL
from harness.verdict import Requirement

if TYPE_CHECKING:
    from harness.checkers.model import Member, Op, Rollout
    from harness.checkers.view import View
    from harness.history import Event


class R23(Checker):
    """Exact resume."""

    requirement = Requirement(
        "R23",
        "Exact resume",
        "Resuming a partly triggered stage triggers exactly its chargers that were not triggered "
        "yet, and nothing of the next stage.",
        "API, Pause a rollout: 'Call execute stage to resume'; contract D2",
    )

    def __init__(self) -> None:
        """Start with no resume under way."""
        super().__init__()
        self._resumes: dict[str, tuple[Op, int, set[str]]] = {}  # op, stage, still to trigger

    @sees(PauseEnded)
    def ended(self, view: View, fact: PauseEnded) -> None:
        """Remember what a resume has to trigger."""
        rollout = fact.rollout
        op = rollout.executes[-1] if rollout.executes else None
        if op is None or op.invoked is not fact.event:
            return
        # Those that a time-out may have settled no longer hold the stage up.
        waiting = [
            m for m in held_back(rollout) if settled(m, fact.event.time, view.profile) is Settled.NO
        ]
        if waiting:
            stage = max(m.stage for m in waiting)
            self._resumes[rollout.name] = (op, stage, {m.charger for m in waiting})
        else:
            self._resumes.pop(rollout.name, None)

    @sees(Triggered)
    def triggered(self, view: View, fact: Triggered) -> None:
        """Cross off the chargers of the stage; accuse one of a later stage."""
        member = fact.trigger.member
        resume = self._resumes.get(member.rollout.name) if member else None
        if member is None or resume is None or resume[0].outcome == "fail":
            return
        op, stage, waiting = resume
        waiting.discard(member.charger)
        if member.stage <= stage:
            self.exercised += 1
            return
        if sum(e.may_act for e in member.rollout.executes if e.invoked.index > op.invoked.index):
            return
        self.accuse(
            view,
            who=member.rollout.name,
            charger=member.charger,
            expected=f"the resume triggers only what was left of stage {stage}",
            seen=f"{member.charger} of stage {member.stage} was triggered",
            events=(op.invoked, op.answered, fact.event),
        )

    @sees(Answered, about=("execute_stage",))
    def answered(self, view: View, fact: Answered) -> None:
        """Compare what the resume says with what was left to do."""
        rollout = fact.rollout
        resume = self._resumes.get(rollout.name) if rollout else None
        if rollout is None or resume is None or fact.op is not resume[0]:
            return
        if fact.op.outcome == "fail":
            self._resumes.pop(rollout.name)
            return
        body = fact.op.reply if isinstance(fact.op.reply, dict) else {}
        said = body.get("executed_stage")
        self.exercised += 1
        if isinstance(said, int) and said != resume[1]:
            self.accuse(
                view,
                who=rollout.name,
                expected=f"the resume continues stage {resume[1]}",
                seen=f"it answers executed_stage {said}",
                events=(fact.op.invoked, fact.event),
            )

    @sees(Invoked, about=("execute_stage", "pause"))
    def invoked(self, view: View, fact: Invoked) -> None:
        """The next execute-stage or pause ends the time that the resume had."""
        rollout = fact.rollout
        if rollout is None:
            return
        resume = self._resumes.get(rollout.name)
        if resume is not None and resume[0] is not fact.op and fact.op.name == "execute_stage":
            self._finish(view, rollout, fact.event)
        elif resume is not None and fact.op.name == "pause":
            self._resumes.pop(rollout.name)

    def end(self, view: View) -> None:
        """Judge the resumes that nothing followed."""
        for rollout in view.rollouts:
            self._finish(view, rollout, view.last)

    def _finish(self, view: View, rollout: Rollout, event: Event | None) -> None:
        """Accuse a resume that left out a charger it could have reached all the time."""
        resume = self._resumes.pop(rollout.name, None)
        if resume is None or resume[0].answered is None or resume[0].outcome != "ok":
            return
        op, stage, waiting = resume
        slots = cache(partial(slots_for_all, view, rollout))  # looks at everybody: once a stage
        left = [
            charger
            for charger in sorted(waiting)
            if self._reachable(view, rollout.members[charger], op)
            and (rollout.status in TERMINAL or slots(rollout.members[charger].stage))
        ]
        if left:
            self.accuse(
                view,
                who=rollout.name,
                charger=left[0],
                expected=f"the resume triggers every charger left of stage {stage}",
                seen=f"{', '.join(left[:5])} stayed connected and got no command",
                events=(op.invoked, op.answered, event),
            )

    @staticmethod
    def _reachable(view: View, member: Member, op: Op) -> bool:
        """Whether a charger was connected throughout, beyond the dispatch bound."""
        station = view.stations.get(member.charger)
        connection = station.connection if station else None
        if connection is None or op.answered is None:
            return False
        if connection.opened.index > op.invoked.index or not station or not station.accepted:
            return False
        if not waits(view, member, connection, op.answered.time) or view.unsure(member):
            return False
        bound = view.profile.dispatch_bound(len(member.rollout.members))
        late = bound is not None and view.now - op.answered.time > bound
        return connection.proves_after(op.answered.index) and late
