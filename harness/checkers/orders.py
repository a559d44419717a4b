"""What orders of overlapping requests explain the answers so far: folded once for R25 and R27.

A core. Each rollout has an automaton of its own; what it asks about the chargers, `Seen` answers.
"""

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
from harness.checkers.facts import Answered, Invoked
from harness.checkers.knowing import known_settled
from harness.checkers.ordering import executed_stage
from harness.checkers.pausing import may_have_ended
from harness.checkers.settling import Settled, settled

if TYPE_CHECKING:
    from harness.checkers.facts import Marked
    from harness.checkers.model import Op, Rollout
    from harness.checkers.view import View

CONFLICT = 409
OPERATIONS = frozenset({"create", "execute_stage", "pause", "read"})
BOTH = frozenset({True, False})
Why = tuple[list[State], list[Answer]]  # the states before it, the answers that they allow


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


class Orders:
    """The automata of all rollouts; `see` a fact as often as you like, it is folded once.

    Afterwards `tried` says whether an answer was put to the test, and `wrong` why none fits it.
    """

    def __init__(self) -> None:
        """Start with no rollouts."""
        self.tried = False
        self.wrong: Why | None = None
        self.doubt = ""
        self._seen: object = None
        self._broken: Exception | None = None
        self._machines: dict[str, tuple[Automaton, Seen]] = {}  # by url
        self._lost: set[str] = set()  # rollouts that no behaviour explains any more
        self._keys: set[str] = set()

    def see(self, view: View, fact: Invoked | Answered | Marked) -> None:
        """Take in a request, its answer, or the mark of a kill.

        A search that broke is broken for everybody who asks it.
        """
        if self._broken is not None:
            raise self._broken
        if fact is self._seen:
            return
        self._seen, self.tried, self.wrong = fact, False, None
        try:
            self._fold(view, fact)
        except Exception as error:
            self._broken = error
            raise

    def _fold(self, view: View, fact: Invoked | Answered | Marked) -> None:
        if isinstance(fact, Invoked):
            self._invoked(view, fact)
        elif isinstance(fact, Answered):
            self._answered(view, fact)
        else:
            self._killed(view)

    def _invoked(self, view: View, fact: Invoked) -> None:
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

    def _answered(self, view: View, fact: Answered) -> None:
        rollout, op = fact.rollout, fact.op
        if rollout is None or rollout.url in self._lost or rollout.url not in self._machines:
            return
        machine, _ = self._machines[rollout.url]
        try:
            self._explain(view, op, machine, fact.event.index)
        except TooManyOrders:
            self._lost.add(rollout.url)
            self.doubt = f"too many requests to {rollout.name} overlap to search their orders"
        if self.wrong:
            self._lost.add(rollout.url)

    def _explain(self, view: View, op: Op, machine: Automaton, now: int) -> None:
        if op.outcome == "info":
            if view.was_down(op.invoked.index, now):
                machine.drop(op.id)
            elif view.killed_between(op.invoked.index, now):
                machine.settle(op.id)
            else:
                machine.forget(op.id)
            return
        if op.outcome == "fail" and (op.status != CONFLICT or op.name in {"create", "read"}):
            machine.drop(op.id)
            return
        self.tried = True
        before = machine.states()
        allowed = machine.answer(op.id, what_it_said(op))
        if allowed:
            self.wrong = before, allowed

    def _killed(self, view: View) -> None:
        """A kill settles what was unknown."""
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


def orders_of(view: View) -> Orders:
    """Return the one fold that all checkers of a history share."""
    found: Orders | None = view.shared.get("orders")
    if found is None:
        found = view.shared["orders"] = Orders()
    return found


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
