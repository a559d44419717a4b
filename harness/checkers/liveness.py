"""L1-L8: what has to happen, within stated bounds and only where nothing excuses the CSMS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.checkers.base import Checker, sees
from harness.checkers.facts import (
    Answered,
    Called,
    Closed,
    Invoked,
    Marked,
    Read,
    Replied,
    Triggered,
)
from harness.checkers.knowing import known_settled
from harness.checkers.ordering import executed_stage
from harness.checkers.settling import ENDED, SLACK, Settled, last_sign, settled
from harness.contract import TERMINAL
from harness.verdict import Requirement, Subject

if TYPE_CHECKING:
    from harness.checkers.model import Member, Op, Rollout
    from harness.checkers.view import View
    from harness.history import Event


def liveness(number: str, title: str, sentence: str, source: str, *switches: str) -> Requirement:
    """Make a liveness requirement: always against the target's time bounds."""
    return Requirement(number, title, sentence, source, level="PROFILE", switches=switches)


@dataclass(slots=True)
class Due:
    """One charger that has to be triggered by a deadline."""

    member: Member
    since: Event
    deadline: float


class L1(Checker):
    """Dispatch."""

    requirement = liveness(
        "L1",
        "Dispatch",
        "After a successful execute-stage every connected, idle charger of the stage is triggered "
        "within the dispatch bound, unless the rollout is paused or its slots are taken.",
        "API, Execute rollout stage; contract D31, D34",
        "D34",
    )

    def __init__(self) -> None:
        """Start with nothing due."""
        super().__init__()
        self._due: dict[str, dict[str, Due]] = {}  # charger -> rollout -> due

    def applies(self, view: View, rollout: Rollout, stage: int) -> bool:
        """Whether this checker looks at the stage at all."""
        del view, stage
        return "max_in_flight" not in rollout.request

    @sees(Answered)
    def answered(self, view: View, fact: Answered) -> None:
        """An ok execute-stage makes its ready, untriggered chargers due."""
        op, rollout = fact.op, fact.rollout
        self.overdue(view)
        if rollout is None or op.name == "pause":
            return
        stage, bound = executed_stage(op), view.profile.dispatch_bound(len(rollout.members))
        running = isinstance(op.reply, dict) and op.reply.get("status") == "in_progress"
        if op.name != "execute_stage" or stage is None or bound is None or not running:
            return
        if not 0 < stage <= len(rollout.stages) or not self.applies(view, rollout, stage):
            return
        for member in rollout.stages[stage - 1].members:
            if member.triggers:
                self.exercised += member.triggers[-1].event.index > op.invoked.index
            elif free(view, member):
                self._owe(Due(member, fact.event, fact.event.time + bound))

    def _owe(self, due: Due) -> None:
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
                self._accuse(view, due, fact.event)

    @sees(Closed)
    def closed(self, _view: View, fact: Closed) -> None:
        """A charger that is gone is owed nothing until it is back (L2)."""
        self._due.pop(fact.connection.station.id, None)

    @sees(Called)
    def called(self, _view: View, fact: Called) -> None:
        """A charger with another command open has no free slot: the debt starts anew."""
        if fact.sender is Subject.CSMS and fact.station.id in self._due and not fact.call.trigger:
            self._due.pop(fact.station.id)

    @sees(Invoked)
    def invoked(self, _view: View, fact: Invoked) -> None:
        """A pause holds everything back."""
        if fact.op.name == "pause" and fact.rollout is not None:
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
                    if due.member.rollout.status in TERMINAL or not free(view, due.member):
                        continue
                    self.exercised += 1
                    self._accuse(view, due, view.last)

    def _accuse(self, view: View, due: Due, event: Event | None) -> None:
        self.accuse(
            view,
            who=due.member.rollout.name,
            charger=due.member.charger,
            expected=f"{due.member.charger} is triggered within "
            f"{due.deadline - due.since.time:.1f} s",
            seen=f"not in {(event.time if event else view.now) - due.since.time:.1f} s",
            events=(due.since, event),
        )


def free(view: View, member: Member) -> bool:
    """Whether a charger could take the command at once, as far as this rollout is concerned."""
    station = view.stations.get(member.charger)
    connection = station.connection if station else None
    if not station or not station.accepted or connection is None or connection.theirs:
        return False
    if connection.fences < 1 or settled(member, view.now, view.profile) is not Settled.NO:
        return False
    latest = station.triggers[-1].member if station.triggers else None
    busy = latest is not None and latest.rollout is not member.rollout
    return not busy or settled(latest, view.now, view.profile) is not Settled.NO  # type: ignore[arg-type]


class L7(L1):
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


class R28(L1):
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


class L2(L1):
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

    @sees(Replied)
    def replied(self, view: View, fact: Replied) -> None:
        """An accepted boot makes a charger of a begun stage due."""
        call = fact.call
        boot = call is not None and call.action == "BootNotification"
        if not boot or fact.sender is not Subject.CSMS or not fact.station.accepted:
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
                self._owe(Due(member, fact.event, fact.event.time + bound))


class L3(Checker):
    """Stages end."""

    requirement = liveness(
        "L3",
        "Stages end",
        "Once every charger of a stage has reported its end, GET shows the stage as ended.",
        "API, stages: status; contract D5, D34",
        "D5",
        "D34",
    )

    @sees(Read)
    def read(self, view: View, fact: Read) -> None:
        """Judge each stage whose chargers the CSMS knows to be settled."""
        fresh = view.profile.number("D34", "freshness")
        if fresh is None:
            return
        shown = [s for s in fact.body.get("stages") or [] if isinstance(s, dict)]
        at = fact.op.invoked.time
        for stage, row in zip(fact.rollout.stages, shown, strict=False):
            if not stage.triggered or not all(known_settled(m, at, fresh) for m in stage.members):
                continue
            self.exercised += 1
            if row.get("status") not in TERMINAL:
                self.accuse(
                    view,
                    who=fact.rollout.name,
                    expected=f"stage {stage.number} has ended",
                    seen=f"GET shows it as {row.get('status')}",
                    events=(*(m.acknowledged for m in stage.members[-2:]), fact.event),
                )


class L4(Checker):
    """Rollouts end."""

    requirement = liveness(
        "L4",
        "Rollouts end",
        "Once the last charger is settled the rollout ends by itself, with no further call, also "
        "while it is paused.",
        "API, status: completed, failed; contract D7, D34",
        "D7",
        "D34",
    )

    @sees(Read)
    def read(self, view: View, fact: Read) -> None:
        """Judge the overall status once everyone is known to be settled."""
        fresh, rollout = view.profile.number("D34", "freshness"), fact.rollout
        if fresh is None or not rollout.members:
            return
        at = fact.op.invoked.time
        if not all(known_settled(m, at, fresh) for m in rollout.members.values()):
            return
        self.exercised += 1
        if fact.body.get("status") not in TERMINAL:
            last = max(
                (m.acknowledged for m in rollout.members.values() if m.acknowledged),
                key=lambda event: event.index,
                default=None,
            )
            self.accuse(
                view,
                who=rollout.name,
                expected="completed or failed, all chargers being settled",
                seen=f"GET says {fact.body.get('status')}",
                events=(last, fact.op.invoked, fact.event),
            )


class L5(Checker):
    """Silence times out."""

    requirement = liveness(
        "L5",
        "Silence times out",
        "A charger that falls silent is shown as failed once its time-out has passed.",
        "contract D12",
        "D12",
    )

    @sees(Read)
    def read(self, view: View, fact: Read) -> None:
        """Judge every triggered charger whose last sign of life is too old."""
        asked = fact.rollout.request.get("update_timeout")
        known = isinstance(asked, int | float)
        limit = asked if known else view.profile.number("D12", "update_timeout")
        fresh = view.profile.number("D34", "freshness")
        if limit is None or fresh is None:
            self.doubt = "" if self.exercised else "the target's time-out is unknown"
            return
        for member, row, _ in fact.rows:
            if not member.triggers or member.final or _due_later(view, member):
                continue
            quiet = fact.op.invoked.time - last_sign(member)
            if quiet < limit + fresh + SLACK or view.kills:
                continue
            self.exercised += 1
            if row.get("status") not in ENDED:
                self.accuse(
                    view,
                    who=fact.rollout.name,
                    charger=member.charger,
                    expected=f"failed after {limit:.0f} s of silence",
                    seen=f"{row.get('status')} after {quiet:.0f} s",
                    events=(member.triggers[-1].event, member.reported, fact.event),
                )


def _due_later(view: View, member: Member) -> bool:
    """Whether the retrieve date makes the time-out start later than the command."""
    del view
    return member.rollout.request.get("retrieve_date") is not None


class L6(Checker):
    """Answers in time."""

    requirement = liveness(
        "L6",
        "Answers in time",
        "Every request of the API is answered within the target's bound, whatever chargers do.",
        "contract D31, D34",
        "D34",
    )

    @sees(Answered)
    def answered(self, view: View, fact: Answered) -> None:
        """Measure one request."""
        op = fact.op
        limit = self._limit(view, op, fact.rollout)
        if limit is None or view.killed_between(op.invoked.index, fact.event.index):
            return
        self.exercised += 1
        took = fact.event.time - op.invoked.time
        if took > limit:
            self.accuse(
                view,
                who=op.id,
                expected=f"an answer within {limit:.1f} s",
                seen=f"{op.name} took {took:.1f} s",
                events=(op.invoked, fact.event),
            )

    @staticmethod
    def _limit(view: View, op: Op, rollout: Rollout | None) -> float | None:
        base = view.profile.number("D34", "http")
        size = len(rollout.members) if rollout is not None else 0
        more = view.profile.dispatch_bound(size) if op.name == "execute_stage" else 0.0
        return None if base is None or more is None else base + more


class L8(Checker):
    """Bounded under load."""

    requirement = liveness(
        "L8",
        "Bounded under load",
        "With a thousand chargers or more, 99 of 100 reads are answered within the bound.",
        "contract D34",
        "D34",
    )
    LOAD = 1000  # chargers
    ENOUGH = 100  # reads

    def __init__(self) -> None:
        """Start with no reads."""
        super().__init__()
        self._times: list[float] = []
        self._slowest: tuple[float, Op] | None = None

    @sees(Answered)
    def answered(self, view: View, fact: Answered) -> None:
        """Collect the times of reads under load."""
        if fact.op.name != "read" or len(view.stations) < self.LOAD:
            return
        took = fact.event.time - fact.op.invoked.time
        self._times.append(took)
        if self._slowest is None or took > self._slowest[0]:
            self._slowest = (took, fact.op)

    def end(self, view: View) -> None:
        """Judge the 99th percentile."""
        bound = view.profile.number("D34", "http")
        if bound is None or self._slowest is None or len(self._times) < self.ENOUGH:
            self.doubt = f"needs {self.ENOUGH} reads beside {self.LOAD} chargers"
            return
        self.exercised = len(self._times)
        slow = sorted(self._times)[int(0.99 * len(self._times))]
        if slow > bound:
            op = self._slowest[1]
            self.accuse(
                view,
                who="API",
                expected=f"99 % of the reads within {bound:.1f} s",
                seen=f"99 % took up to {slow:.1f} s",
                events=(op.invoked, op.answered),
            )
