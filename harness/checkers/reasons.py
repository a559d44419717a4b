"""R46: why and when a rollout was paused."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

from harness.checkers.base import Checker, sees
from harness.checkers.clocks import CLOCK_SKEW, in_history
from harness.checkers.facts import Answered, Read
from harness.contract import reason_of
from harness.verdict import Requirement

if TYPE_CHECKING:
    from harness.checkers.model import Op, Rollout
    from harness.checkers.view import View


class R46(Checker):
    """Reason."""

    requirement = Requirement(
        "R46",
        "Reason",
        "The reason given with a pause comes back in its answer and is kept, with its time.",
        "API, Pause a rollout: 'reason ... Stored for audit purposes'; contract D9",
    )

    def __init__(self) -> None:
        """Start with no pause."""
        super().__init__()
        self._kept: dict[str, tuple[set[Any], Op]] = {}  # reasons that may be the kept one

    @sees(Answered, about=("pause",))
    def answered(self, view: View, fact: Answered) -> None:
        """Compare the reason in an ok pause with the one given, or with the first one's."""
        op, rollout = fact.op, fact.rollout
        if op.outcome != "ok" or rollout is None:
            return
        given, said = reason_of(op.request), reason_of(op.reply)
        allowed, first = self._allowed(rollout, op, given)
        self._kept[rollout.name] = ({said} if said in allowed else allowed, op)
        if first:
            self._dated(view, rollout, op)
        earlier = {reason_of(p.request) for p in rollout.pauses if p is not op} - {None}
        if given is None and allowed == {None} and said not in earlier:
            return  # a reason of the target's own invention is no lie
        self.exercised += 1
        if said not in allowed:
            self.accuse(
                view,
                who=rollout.name,
                expected="the reason " + " or ".join(sorted(repr(r) for r in allowed)),
                seen=f"{said!r}",
                events=(op.invoked, fact.event),
                switch=None if first else "D9",
            )

    def _dated(self, view: View, rollout: Rollout, op: Op) -> None:
        """Compare the time in the answer to a pause that took effect with the time of the call."""
        shown = op.reply.get("paused_at") if isinstance(op.reply, dict) else None
        at, event = in_history(shown, view.header.started_at), op.answered
        if at == -inf or event is None:
            return
        self.exercised += 1
        if not op.invoked.time - CLOCK_SKEW <= at <= event.time + CLOCK_SKEW:
            self.accuse(
                view,
                who=rollout.name,
                expected="paused_at is when it was paused",
                seen=f"paused_at is {shown}, {at - op.invoked.time:+.0f} s from the call",
                events=(op.invoked, event),
                switch="D27",
            )
            return
        # By the target's own clock the bound is much closer; whole seconds may be cut or rounded.
        before = [e for e in rollout.executes if e.outcome == "ok" and e.before(op)]
        said = [e.reply.get("triggered_at") for e in before if isinstance(e.reply, dict)]
        latest = max((in_history(t, view.header.started_at) for t in said), default=-inf)
        if at <= latest - 1.0:
            self.accuse(
                view,
                who=rollout.name,
                expected="paused_at is not before what was executed before the pause",
                seen=f"paused_at is {shown}, {latest - at:.1f} s before the last triggered_at",
                events=(before[-1].answered, op.invoked, event),
                switch="D27",
            )

    def _allowed(self, rollout: Rollout, op: Op, given: Any) -> tuple[set[Any], bool]:
        """Return the reasons that any legal order allows, and whether this pause is the first."""
        others = [
            p
            for p in rollout.pauses
            if p is not op and p.may_act and (not p.done or p.overlaps(op))
        ]
        mine = {given} | {reason_of(p.request) for p in others}
        kept = self._kept.get(rollout.name)
        if kept is None:
            return mine, not others
        reasons, before = kept
        since = [e for e in rollout.executes if e.may_act and not e.before(before)]
        if not since:
            return reasons | (mine - {given}), False
        if any(e.done and before.before(e) and e.before(op) for e in since):
            return mine, not others
        return reasons | mine, False

    @sees(Read)
    def read(self, view: View, fact: Read) -> None:
        """Where a read shows the reason of a pause, it is the one given."""
        kept = self._kept.get(fact.rollout.name)
        if kept is None or fact.rollout.paused_since is None:
            return
        for name in ("reason", "pause_reason"):
            said = reason_of(fact.body, name)
            if said is not None and said not in kept[0]:
                self.accuse(
                    view,
                    who=fact.rollout.name,
                    expected="the reason is kept: " + " or ".join(map(repr, kept[0])),
                    seen=f"GET says {said!r}",
                    events=(kept[1].answered, fact.event),
                )
