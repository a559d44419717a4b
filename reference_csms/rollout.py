"""The rollout core: what follows from one event, as tables. Pure.

Theory
------
A rollout is a sequence of stages, a stage a set of chargers, and every charger runs its own small
state machine. Only three facts travel upwards from a charger: it was triggered, it was installed,
it failed. So a stage and a rollout are counters over these facts, and one event costs the same in
a rollout of one charger and of a hundred thousand: `decide` gets the head, the charger's stage and
the charger's row, and returns the three anew.

Downwards there is one law: **a charger is triggered only by `Dispatched`, and `Dispatched` is
refused unless the rollout is in progress, the charger's stage is the current one, and the charger
was never told** (or was provably not reached, D21). Pause, stage order, at-most-once and "no latent
effect" are all consequences of that one guard, because status, stage and row are decided together.

The charger's own machine is in `rollout_row`.

A stage is settled when all its chargers are. What then follows is `_verdict` (D5, D6, D7); what an
operator may do in which situation are the tables `EXECUTE` and `PAUSE`.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from reference_csms.model import ChargerStatus, RolloutStatus, Strategy
from reference_csms.rollout_row import HANDLERS, Ignored, update_command
from reference_csms.rollout_values import (
    BootReported,
    Decision,
    Dispatched,
    Head,
    Row,
    RowEvent,
    Stage,
    StatusReported,
    changed,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reference_csms.model import SendUpdate


def decide(head: Head, stage: Stage, row: Row, event: RowEvent, now: float) -> Decision:
    """Return what follows from `event` about the charger `row` of `stage` of the rollout `head`.

    The values returned are the arguments themselves where nothing changed. `commands` may be
    released only once the returned row is durable.
    """
    if row.settled and not isinstance(event, BootReported):
        return Decision(head, stage, row, ignored="settled")
    if head.terminal and not row.settled:
        return Decision(head, stage, row, ignored="the rollout is over")
    try:
        after = HANDLERS[type(event)](head, row, event, now)
    except Ignored as why:
        return Decision(head, stage, row, ignored=str(why))
    commands: tuple[SendUpdate, ...] = ()
    if isinstance(event, Dispatched) and after.message_id == event.message_id:
        commands = (update_command(head, after, event),)
    seen = _visible(row) != _visible(after)
    if seen:
        head, stage = _count(changed(head, updated_at=now), stage, row, after, now)
    quiet = None if seen or not isinstance(event, StatusReported) else "repeated or late"
    return Decision(head, stage, after if after != row else row, commands, quiet)


# ------------------------------------------------------------------ stage and rollout


def _visible(row: Row) -> tuple[Any, ...]:
    """Return what a reader can see of the row: a repeated status must not change it (D22)."""
    return (
        row.status,
        row.detail,
        row.progress,
        row.reason,
        row.triggered,
        row.version_mismatch,
    )


def _tally(row: Row) -> tuple[int, int, int]:
    """Return what the row adds to (active, installed, failed)."""
    if row.settled:
        return (0, 1, 0) if row.status is ChargerStatus.INSTALLED else (0, 0, 1)
    return (1, 0, 0) if row.triggered else (0, 0, 0)


def _count(head: Head, stage: Stage, before: Row, after: Row, now: float) -> tuple[Head, Stage]:
    old, new = _tally(before), _tally(after)
    if old == new:
        return head, stage
    delta = [n - o for n, o in zip(new, old, strict=True)]
    head, stage = (
        changed(
            counter,
            active=counter.active + delta[0],
            installed=counter.installed + delta[1],
            failed=counter.failed + delta[2],
        )
        for counter in (head, stage)
    )
    if after.settled and not before.settled and not head.terminal:
        head = _conclude(head, stage, now)
    return head, stage


def _conclude(head: Head, stage: Stage, now: float) -> Head:
    """End the rollout if the charger that just settled was the last that mattered (D5-D7)."""
    over = head.installed + head.failed == head.plan.total
    gate = stage.unsettled == 0 and stage.number == max(head.current_stage, 1)
    verdict = _verdict(head, stage, over=over) if over or gate else None
    if verdict is None and not over:
        return head
    status = RolloutStatus.FAILED if verdict else RolloutStatus.COMPLETED
    return changed(head, status=status, verdict=verdict, completed_at=now)  # type: ignore[no-any-return]


def _verdict(head: Head, stage: Stage, *, over: bool) -> str | None:
    """Return why the rollout fails now, or None."""
    if head.cancelled:
        return "cancelled" if over else None
    canary = head.plan.strategy is Strategy.CANARY and stage.number == 1
    if canary and stage.unsettled == 0 and stage.installed == 0:
        return "canary_failed"
    if over and head.installed == 0:
        return "no_success"
    threshold = head.plan.failure_threshold
    settled = head.installed + head.failed
    if threshold is not None and head.failed > threshold * settled:
        return "failure_threshold"
    return None


# ------------------------------------------------------------------ operators


class Situation(Enum):
    """Where a rollout stands, as far as an operator's next call is concerned."""

    PENDING = auto()
    UNSETTLED = auto()
    SETTLED = auto()
    PAUSED_UNTRIGGERED = auto()
    PAUSED_UNSETTLED = auto()
    PAUSED_SETTLED = auto()
    TERMINAL = auto()


class Move(Enum):
    """What an operator's call does."""

    NEXT_STAGE = auto()  # start the next stage (resuming, if paused)
    CONTINUE = auto()  # resume the current stage: trigger what it has left (D2, D3)
    HOLD = auto()  # pause
    NOTHING = auto()  # 200 without effect (D9)
    REFUSE_UNSETTLED = auto()  # 409: the current stage still runs (D1)
    REFUSE_PENDING = auto()  # 409: not started (D9)
    REFUSE_TERMINAL = auto()  # 409: over (D8)


EXECUTE: Mapping[Situation, Move] = {
    Situation.PENDING: Move.NEXT_STAGE,
    Situation.UNSETTLED: Move.REFUSE_UNSETTLED,
    Situation.SETTLED: Move.NEXT_STAGE,
    Situation.PAUSED_UNTRIGGERED: Move.CONTINUE,
    Situation.PAUSED_UNSETTLED: Move.CONTINUE,
    Situation.PAUSED_SETTLED: Move.NEXT_STAGE,
    Situation.TERMINAL: Move.REFUSE_TERMINAL,
}
PAUSE: Mapping[Situation, Move] = {
    Situation.PENDING: Move.REFUSE_PENDING,
    Situation.UNSETTLED: Move.HOLD,
    Situation.SETTLED: Move.HOLD,
    Situation.PAUSED_UNTRIGGERED: Move.NOTHING,
    Situation.PAUSED_UNSETTLED: Move.NOTHING,
    Situation.PAUSED_SETTLED: Move.NOTHING,
    Situation.TERMINAL: Move.REFUSE_TERMINAL,
}


def situation(head: Head, stage: Stage | None) -> Situation:
    """Return where the rollout stands; `stage` is the current one, None before the start."""
    if head.terminal:
        return Situation.TERMINAL
    if stage is None:
        return Situation.PENDING
    if head.status is not RolloutStatus.PAUSED:
        return Situation.UNSETTLED if stage.unsettled else Situation.SETTLED
    if stage.waiting:
        return Situation.PAUSED_UNTRIGGERED
    return Situation.PAUSED_UNSETTLED if stage.unsettled else Situation.PAUSED_SETTLED


def start(head: Head, number: int, now: float) -> Head:
    """Return the head once stage `number` is started or resumed."""
    return changed(  # type: ignore[no-any-return]
        head,
        status=RolloutStatus.IN_PROGRESS,
        current_stage=number,
        started_at=now if head.started_at is None else head.started_at,
        resumed_at=now,
        updated_at=now,
    )


def hold(head: Head, reason: str | None, now: float) -> Head:
    """Return the head once the rollout is paused."""
    return changed(  # type: ignore[no-any-return]
        head, status=RolloutStatus.PAUSED, paused_at=now, pause_reason=reason, updated_at=now
    )


def cancel(head: Head, now: float) -> Head:
    """Return the head once cancelled; it ends `failed` when its triggered chargers have settled."""
    return changed(head, cancelled=True, updated_at=now)  # type: ignore[no-any-return]
