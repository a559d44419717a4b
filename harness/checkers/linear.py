"""R25-R27: overlapping requests have a legal order, and the whole history a contract behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.checkers.automaton import (
    ENDED,
    REFUSED,
    Answer,
    Automaton,
    Operation,
    State,
    TooManyOrders,
)
from harness.checkers.base import Checker, sees
from harness.checkers.facts import Answered, Invoked, Marked
from harness.checkers.knowing import known_settled
from harness.checkers.ordering import executed_stage
from harness.checkers.pausing import may_have_ended
from harness.checkers.settling import Settled, settled
from harness.verdict import Requirement

if TYPE_CHECKING:
    from harness.checkers.model import Op, Rollout
    from harness.checkers.view import View
    from harness.history import Event

CONFLICT = 409
OPERATIONS = frozenset({"create", "execute_stage", "pause", "read"})
BOTH = frozenset({True, False})


class Seen:
    """What the view knows of one rollout's chargers, as the automaton asks for it."""

    def __init__(self, view: View, rollout: Rollout) -> None:
        """Look at one rollout through the shared view."""
        self._view = view
        self._rollout = rollout
        self._before: dict[tuple[str, int], bool] = {}  # op, stage: known settled at invoke

    @property
    def stages(self) -> int:
        """How many stages the plan has."""
        return len(self._rollout.stages)

    def remember(self, operation: Operation) -> None:
        """At an execute-stage's invocation, note which begun stages are known to be settled."""
        fresh = self._view.profile.number("D34", "freshness")
        for stage in self._rollout.stages[: self._rollout.begun]:
            self._before[operation.id, stage.number] = fresh is not None and all(
                known_settled(m, operation.since, fresh) for m in stage.members
            )

    def settled(self, stage: int, operation: Operation) -> frozenset[bool]:
        """Whether the CSMS may, or must, take this stage as settled."""
        if self._before.get((operation.id, stage)):
            return frozenset({True})
        members = self._rollout.stages[stage - 1].members if 0 < stage <= self.stages else []
        now, profile = self._view.now, self._view.profile
        if any(settled(m, now, profile) is Settled.NO for m in members):
            return frozenset({False})
        return BOTH

    def may_end(self) -> bool:
        """Whether the rollout may have ended by itself (D6, D7) or by an extension."""
        return may_have_ended(self._view, self._rollout)

    def may_refuse(self) -> bool:
        """Whether a charger may be busy in another rollout (D13)."""
        mine = self._rollout
        return any(
            other is not mine
            and other.executes
            and other.status not in ENDED
            and not mine.members.keys().isdisjoint(other.members)
            for other in self._view.rollouts
        )

    def judges(self, switch: str) -> bool:
        """Whether the target's profile settles a decision as the contract does."""
        return self._view.profile.judges(switch)


class R27(Checker):
    """Single-object linearisability."""

    requirement = Requirement(
        "R27",
        "Linearisability",
        "Every answer to create, execute-stage, pause and read is explained by some order of the "
        "requests that respects which ended before which began, under the table of statuses.",
        "API: the five endpoints; contract, table of statuses and operations, D1-D9",
        level="PROFILE",
    )

    def __init__(self) -> None:
        """Start with no rollouts."""
        super().__init__()
        self._machines: dict[str, tuple[Automaton, Seen]] = {}  # by url
        self._lost: set[str] = set()  # rollouts that no behaviour explains any more
        self._keys: set[str] = set()

    @sees(Invoked, about=OPERATIONS)
    def invoked(self, view: View, fact: Invoked) -> None:
        """Open an operation."""
        rollout, op = fact.rollout, fact.op
        if rollout is None or self._replayed(op):
            return
        if op.name == "create" and rollout.id is not None:
            self._lost.add(rollout.url)  # two rollouts share a url: nothing tells them apart
            return
        machine, seen = self._machine(view, rollout)
        operation = Operation(op.id, op.name, op.invoked.time)
        if op.name == "execute_stage":
            seen.remember(operation)
        machine.invoke(operation)

    @sees(Answered, about=OPERATIONS)
    def answered(self, view: View, fact: Answered) -> None:
        """Ask the automaton to explain an answer."""
        rollout, op = fact.rollout, fact.op
        if rollout is None or rollout.url in self._lost or rollout.url not in self._machines:
            return
        machine, _ = self._machines[rollout.url]
        try:
            self._explain(view, rollout, op, machine, fact.event)
        except TooManyOrders:
            self._lost.add(rollout.url)
            self.doubt = f"too many requests to {rollout.name} overlap to search their orders"

    def _explain(
        self, view: View, rollout: Rollout, op: Op, machine: Automaton, event: Event
    ) -> None:
        if op.outcome == "info":
            if view.was_down(op.invoked.index, event.index):
                machine.drop(op.id)
            elif view.killed_between(op.invoked.index, event.index):
                machine.settle(op.id)
            else:
                machine.forget(op.id)
            return
        if op.outcome == "fail" and (op.status != CONFLICT or op.name in {"create", "read"}):
            machine.drop(op.id)
            return
        self.exercised += 1
        before = machine.states()
        allowed = machine.answer(op.id, what_it_said(op))
        if allowed:
            self._lost.add(rollout.url)
            self.unexplained(view, rollout, op, (before, allowed), event)

    def unexplained(
        self,
        view: View,
        rollout: Rollout,
        op: Op,
        why: tuple[list[State], list[Answer]],
        event: Event,
    ) -> None:
        """Accuse the first answer that no behaviour explains."""
        before, allowed = why
        states = ", ".join(f"{s.status} in stage {s.stage}" for s in before)
        others = [
            o for e in (*rollout.executes, *rollout.pauses) if e is not op for o in (e.answered,)
        ]
        self.accuse(
            view,
            who=rollout.name,
            expected=f"{op.name} answers {' or '.join(map(str, allowed))} "
            f"(the rollout can only have been {states})",
            seen=str(what_it_said(op)),
            events=(*others[-4:], op.invoked, event),
        )

    @sees(Marked)
    def marked(self, view: View, fact: Marked) -> None:
        """A kill settles what was unknown."""
        if fact.name != "kill":
            return
        for op in view.ops.values():
            if op.outcome == "lost" and (rollout := view.known_rollout(op.rollout_id)):
                machine = self._machines.get(rollout.url)
                if machine is None or rollout.url in self._lost:
                    continue
                try:
                    machine[0].settle(op.id)
                except TooManyOrders:
                    self._lost.add(rollout.url)

    def _machine(self, view: View, rollout: Rollout) -> tuple[Automaton, Seen]:
        found = self._machines.get(rollout.url)
        if found is None:
            seen = Seen(view, rollout)
            found = self._machines[rollout.url] = (Automaton(seen), seen)
            if rollout.create is None:  # it existed before the history began
                self._lost.add(rollout.url)
        return found

    def _replayed(self, op: Op) -> bool:
        """Whether this request repeats an idempotency key: its answer is the first one's (D19)."""
        key = op.key
        if key is None:
            return False
        name = f"{op.rollout_id}/{op.name}/{key}"
        known = name in self._keys
        self._keys.add(name)
        return known


def what_it_said(op: Op) -> Answer:
    """Return an answer in the automaton's words."""
    if op.outcome == "fail":
        return Answer(REFUSED)
    body = op.reply if isinstance(op.reply, dict) else {}
    if op.name == "read":
        status, stage = body.get("status"), body.get("current_stage")
        ended = status in ("completed", "failed")
        number = stage if isinstance(stage, int) and not ended else None
        return Answer("ok", str(status), number)
    return Answer("ok", stage=executed_stage(op))


class R25(R27):
    """Pause beside execute."""

    requirement = Requirement(
        "R25",
        "Pause beside execute",
        "A pause and an execute-stage that overlap have the effect of one of their two orders.",
        "API: Execute rollout stage, Pause a rollout; contract D10, D31",
        level="PROFILE",
    )

    @sees(Answered, about=OPERATIONS)
    def answered(self, view: View, fact: Answered) -> None:
        """Count overlapping pairs, and judge as R27 does."""
        count = self.exercised
        super().answered(view, fact)
        self.exercised = count
        rollout, op = fact.rollout, fact.op
        if rollout is not None and op.name in {"pause", "execute_stage"} and op.done:
            rivals = rollout.executes if op.name == "pause" else rollout.pauses
            self.exercised += any(r.answered and r.done and r.overlaps(op) for r in rivals)

    def unexplained(
        self,
        view: View,
        rollout: Rollout,
        op: Op,
        why: tuple[list[State], list[Answer]],
        event: Event,
    ) -> None:
        """Accuse only what follows such a pair."""
        last = max(
            (p for p in rollout.pauses if any(e.overlaps(p) for e in rollout.executes)),
            key=lambda p: p.invoked.index,
            default=None,
        )
        if (last is not None and op in {last, *rollout.executes}) or (
            last is not None and op.name == "read" and last.before(op)
        ):
            super().unexplained(view, rollout, op, why, event)


class R26(Checker):
    """One winner."""

    requirement = Requirement(
        "R26",
        "One winner",
        "Of several overlapping execute-stage calls on one stage exactly one succeeds.",
        "API, Execute rollout stage; contract D19",
        level="PROFILE",
        switches=("D19",),
    )

    @sees(Answered, about=("execute_stage",))
    def answered(self, view: View, fact: Answered) -> None:
        """Look for another winner of the same stage."""
        rollout, op = fact.rollout, fact.op
        if rollout is None or not op.done:
            return
        rivals = [e for e in rollout.executes if e is not op and e.done and e.overlaps(op)]
        if not rivals:
            return
        self.exercised += 1
        stage, key = executed_stage(op), op.key
        for rival in rivals:
            same = key is not None and rival.key == key
            # A pause between the two makes the second one a resume of the same stage.
            paused = any(
                p.may_act
                and not (p.before(op) and p.before(rival))
                and not (op.before(p) and rival.before(p))
                for p in rollout.pauses
            )
            if stage is not None and executed_stage(rival) == stage and not same and not paused:
                self.accuse(
                    view,
                    who=rollout.name,
                    expected=f"one call starts stage {stage}, the others are refused",
                    seen="two overlapping calls both answered that they started it",
                    events=(rival.invoked, op.invoked, rival.answered, fact.event),
                )
                return
