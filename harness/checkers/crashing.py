"""R22, R24, R39-R41: what survives a kill, and what a pause stops the clock for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.checkers.base import Checker, sees
from harness.checkers.facts import Answered, Marked, PauseEnded, Read, Reported, Triggered
from harness.checkers.ordering import executed_stage
from harness.checkers.pausing import certainly_paused, held_back, may_have_ended
from harness.checkers.settling import Settled, settled
from harness.checkers.triggering import may_be_lost
from harness.contract import REACHED, SHOWN_RANK, TERMINAL
from harness.verdict import Requirement

if TYPE_CHECKING:
    from harness.checkers.model import Member, Rollout
    from harness.checkers.view import View
    from harness.history import Event


def crash_rule(number: str, title: str, sentence: str) -> Requirement:
    """Make a requirement on crash safety."""
    source = "contract, crash safety: every request answered 2xx survives a kill"
    return Requirement(number, title, sentence, source, level="PROFILE")


class R22(Checker):
    """Pause survives a kill."""

    requirement = crash_rule(
        "R22",
        "Survives a kill",
        "Everything that was answered 2xx before the CSMS was killed still holds afterwards: the "
        "rollout exists, its stages have begun, its pause is on.",
    )

    @sees(Answered)
    def answered(self, view: View, fact: Answered) -> None:
        """A rollout that was created before a kill is found after it."""
        op, rollout = fact.op, fact.rollout
        if rollout is None or rollout.create is None or op.name == "create" or not op.done:
            return
        made = rollout.create.answered
        if made is None or not view.killed_between(made.index, op.invoked.index):
            return
        self.exercised += 1
        if op.status == 404:  # noqa: PLR2004 - HTTP
            self._accuse(view, rollout, made, "the rollout exists", "404")

    @sees(Read)
    def read(self, view: View, fact: Read) -> None:
        """What a read shows after a kill contains what was acknowledged before."""
        rollout, start = fact.rollout, fact.op.invoked.index
        since = rollout.paused_since
        status = str(fact.body.get("status"))
        if since is not None and view.killed_between(since.index, start):
            self.exercised += 1
            if status != "paused" and not (status in TERMINAL and may_have_ended(view, rollout)):
                self._accuse(view, rollout, since, "still paused", f"GET says {status}")
        for execute in rollout.executes:
            stage, answer = executed_stage(execute), execute.answered
            if stage is None or answer is None or not view.killed_between(answer.index, start):
                continue
            shown = fact.body.get("current_stage")
            if status == "pending" or (isinstance(shown, int) and shown < stage):
                seen = f"GET says {status}, stage {shown}"
                self._accuse(view, rollout, answer, f"stage {stage} has begun", seen)

    @sees(Triggered)
    def triggered(self, view: View, fact: Triggered) -> None:
        """A pause that a kill ended shows in a command."""
        since, rollout = certainly_paused(fact.trigger), fact.trigger.rollout
        if since is not None and rollout and view.killed_between(since.index, fact.event.index):
            seen = f"{fact.trigger.station.id} was triggered"
            self._accuse(view, rollout, since, "still paused", seen)

    def _accuse(
        self, view: View, rollout: Rollout, before: Event, expected: str, seen: str
    ) -> None:
        self.accuse(
            view,
            who=rollout.name,
            expected=f"after the kill: {expected}",
            seen=seen,
            events=(before, view.killed, view.last),
        )


class R24(Checker):
    """The clock stops."""

    requirement = Requirement(
        "R24",
        "The clock stops",
        "A charger that was not triggered runs into no time-out while its rollout is paused.",
        "contract D11, D12",
        level="PROFILE",
        switches=("D12",),
    )

    def __init__(self) -> None:
        """Start with no pauses."""
        super().__init__()
        self._paused: dict[str, float] = {}  # seconds a rollout was certainly paused

    @sees(PauseEnded)
    def ended(self, view: View, fact: PauseEnded) -> None:
        """Add a pause up; one longer than a time-out puts those to the test whose clock stopped."""
        rollout = fact.rollout
        length = fact.event.time - fact.since.time
        total = self._paused[rollout.name] = self._paused.get(rollout.name, 0.0) + length
        asked = [rollout.request.get(name) for name in ("offline_timeout", "update_timeout")]
        asked.append(view.profile.number("D12", "update_timeout"))
        if any(isinstance(limit, int | float) and total >= limit for limit in asked):
            self.exercised += len(held_back(rollout))

    @sees(Read)
    def read(self, view: View, fact: Read) -> None:
        """Judge every untriggered charger that is newly shown as failed."""
        rollout = fact.rollout
        for member, row, before in fact.changed:
            failed = row.get("status") == "failed" and (before or {}).get("status") != "failed"
            if not failed or member.triggers or view.interfered or view.swallowed(member):
                continue
            problem = self._problem(view, rollout, row)
            if problem:
                self.accuse(
                    view,
                    who=rollout.name,
                    charger=member.charger,
                    expected="no time-out while the rollout is paused",
                    seen=f"{member.charger} {problem}",
                    events=(rollout.paused_since, fact.event),
                )

    def _problem(self, view: View, rollout: Rollout, row: dict[str, Any]) -> str:
        reason = row.get("reason")
        if reason == "timeout":
            return "was never triggered, and is shown as timed out"
        limit = rollout.request.get("offline_timeout")
        if reason not in ("offline", None) or not isinstance(limit, int | float):
            return ""
        if not rollout.executes:
            return ""
        since = rollout.paused_since
        paused = self._paused.get(rollout.name, 0.0) + (view.now - since.time if since else 0.0)
        waited = view.now - rollout.executes[0].invoked.time
        if paused and waited - paused < limit:
            return f"failed as offline after {waited:.0f} s, {paused:.0f} s of them paused"
        return ""


class R39(Checker):
    """Once, across restarts."""

    requirement = crash_rule(
        "R39",
        "Once, across restarts",
        "No charger is triggered twice because of a kill without the excuse of R13, and none is "
        "forgotten.",
    )

    @sees(Triggered)
    def triggered(self, view: View, fact: Triggered) -> None:
        """Judge a repeat that a kill lies before."""
        member = fact.trigger.member
        if member is None or not view.kills:
            return
        self.exercised += 1
        if len(member.triggers) < 2:  # noqa: PLR2004 - the second command
            return
        first = member.triggers[-2]
        if not view.killed_between(first.event.index, fact.event.index):
            return
        evidence = member.reported is not None and member.reported.index > first.event.index
        if evidence or not may_be_lost(first, fact.trigger, view):
            self.accuse(
                view,
                who=member.rollout.name,
                charger=member.charger,
                expected="one command, whatever was killed",
                seen=f"{member.charger} was triggered again after the restart",
                events=(first.event, member.reported, view.killed, fact.event),
            )

    @sees(Read)
    def read(self, view: View, fact: Read) -> None:
        """A rollout that survived a kill completes with everyone."""
        if not view.kills or fact.body.get("status") != "completed":
            return
        self.exercised += 1
        left = [
            m
            for m in fact.rollout.members.values()
            if settled(m, fact.event.time, view.profile) is Settled.NO
        ]
        if left and fact.rollout.finished is fact.op:
            self.accuse(
                view,
                who=fact.rollout.name,
                charger=left[0].charger,
                expected="nobody forgotten after a restart",
                seen=f"completed, while {left[0].charger} was never settled",
                events=(view.killed, fact.event),
            )


class R40(Checker):
    """Only what was released."""

    requirement = crash_rule(
        "R40",
        "Only what was released",
        "After a restart only chargers of stages that were released before the kill, and not "
        "triggered yet, receive the command, and none of a paused rollout.",
    )

    @sees(Triggered)
    def triggered(self, view: View, fact: Triggered) -> None:
        """Judge a command after a kill and before the next execute-stage."""
        member = fact.trigger.member
        if member is None or not view.kills:
            return
        rollout, kill = member.rollout, view.kills[-1]
        if any(e.invoked.index > kill for e in rollout.executes):
            return
        self.exercised += 1
        released = {executed_stage(e) for e in rollout.executes if e.may_act}
        unknown = any(executed_stage(e) is None for e in rollout.executes if e.may_act)
        problem = ""
        if member.stage not in released and not unknown:
            problem = f"stage {member.stage} was never released"
        elif certainly_paused(fact.trigger) is not None:
            problem = "the rollout is paused"
        if problem:
            self.accuse(
                view,
                who=rollout.name,
                charger=member.charger,
                expected="after the restart only what was released before",
                seen=f"{member.charger} was triggered although {problem}",
                events=(
                    *(e.answered for e in rollout.executes[-2:]),
                    view.killed,
                    fact.event,
                ),
            )


class R41(Checker):
    """Still tracked."""

    requirement = crash_rule(
        "R41",
        "Still tracked",
        "What a charger reports after a restart about an update that began before it is shown.",
    )

    def __init__(self) -> None:
        """Start with nothing reported."""
        super().__init__()
        self._after: dict[Member, Event] = {}

    @sees(Marked, about=("kill",))
    def marked(self, _view: View, _fact: Marked) -> None:
        """Another kill starts anew."""
        self._after.clear()

    @sees(Reported, about=REACHED)
    def reported(self, view: View, fact: Reported) -> None:
        """Remember a status after a kill of an update from before it."""
        member, trigger = fact.member, fact.trigger
        if member is None or trigger is None:
            return
        across = view.killed_between(trigger.event.index, fact.event.index)
        if across and member.pending is fact.event:
            self._after[member] = fact.event

    @sees(Read)
    def read(self, view: View, fact: Read) -> None:
        """Ask whether the status arrived in GET."""
        fresh = view.profile.number("D34", "freshness")
        if fresh is None or not self._after:
            return
        for member, row, _ in fact.rows:
            if member not in self._after or member.acknowledged is None:
                continue
            if member.acknowledged.time + fresh > fact.op.invoked.time:
                continue
            event = self._after.pop(member)
            self.exercised += 1
            rank = REACHED.get(member.status, 0)
            if SHOWN_RANK.get(str(row.get("status")), 99) < rank:
                self.accuse(
                    view,
                    who=member.rollout.name,
                    charger=member.charger,
                    expected=f"{member.status} is shown after the restart, too",
                    seen=f"{member.charger} is shown as {row.get('status')}",
                    events=(view.killed, event, member.acknowledged, fact.event),
                )
