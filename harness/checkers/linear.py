"""R25-R27: overlapping requests have a legal order, and the whole history a contract behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.checkers.base import Checker, sees
from harness.checkers.facts import Answered, Invoked, Marked
from harness.checkers.ordering import executed_stage
from harness.checkers.orders import OPERATIONS, orders_of, what_it_said
from harness.verdict import Requirement

if TYPE_CHECKING:
    from harness.checkers.model import Op, Rollout
    from harness.checkers.orders import Why
    from harness.checkers.view import View
    from harness.history import Event


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

    @sees(Invoked, about=OPERATIONS)
    def invoked(self, view: View, fact: Invoked) -> None:
        """Open an operation."""
        orders_of(view).see(view, fact)

    @sees(Answered, about=OPERATIONS)
    def answered(self, view: View, fact: Answered) -> None:
        """Ask the automaton to explain an answer."""
        orders = orders_of(view)
        orders.see(view, fact)
        self.exercised += orders.tried
        self.doubt = orders.doubt
        if orders.wrong is not None and fact.rollout is not None:
            self.unexplained(view, fact.rollout, fact.op, orders.wrong, fact.event)

    @sees(Marked, about=("kill",))
    def marked(self, view: View, fact: Marked) -> None:
        """A kill settles what was unknown."""
        orders_of(view).see(view, fact)

    def unexplained(
        self,
        view: View,
        rollout: Rollout,
        op: Op,
        why: Why,
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
        why: Why,
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
