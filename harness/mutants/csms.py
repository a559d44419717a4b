"""The reference CSMS with one wrong decision: `python -I -m harness.mutants.csms NAME -- OPTIONS`.

One of the two modules of the harness that may import `reference_csms`. A mutant replaces as little
as one decision needs; everything else is the reference itself. `mutated(name)` does so for a while
(in virtual time), `main` for the life of a process.
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any

from harness.mutants import csms_load, more, names
from harness.mutants.patching import Patch
from harness.mutants.registry import refuses_past_the_last
from reference_csms import (
    rollout,
    rollout_row,
    service_dispatch,
    service_live,
    service_rollouts,
    service_state,
)
from reference_csms.model import RolloutStatus
from reference_csms.process import main as run_reference
from reference_csms.rollout import Move, Situation
from reference_csms.rollout_plan import stage_count
from reference_csms.rollout_values import Dispatched, Intent, StatusReported, changed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reference_csms.rollout_values import Decision, Head, Row, RowEvent, Stage
    from reference_csms.service_live import Live

_RUNNING = (RolloutStatus.IN_PROGRESS, RolloutStatus.PAUSED)


# ---------------------------------------------------------------------- the wrong decisions


def pause_ignored(patch: Patch) -> None:
    """A pause changes the status and nothing else. Killed by R18 in `pause`."""
    pause_ignored_on_reconnect(patch)
    patch.attribute(service_live.Live, "hold_back", lambda _: None)


def pause_ignored_on_reconnect(patch: Patch) -> None:
    """Who waits is held back, but connecting does not consult the pause. R18 or R21 in `smoke`."""
    guard = rollout_row.HANDLERS[Dispatched]

    def dispatched(head: Head, row: Row, event: Dispatched, now: float) -> Row:
        return guard(changed(head, status=RolloutStatus.IN_PROGRESS), row, event, now)

    def may_be_triggered(live: Live, row: Row) -> bool:
        told = row.triggered and row.intent is not Intent.IDLE
        mine = row.stage == live.head.current_stage and live.head.status in _RUNNING
        return mine and not told and not row.settled

    patch.entry(rollout_row.HANDLERS, Dispatched, dispatched)
    patch.attribute(service_dispatch, "_may_be_triggered", may_be_triggered)


def stage_skipped(patch: Patch) -> None:
    """From the second stage on, the next stage is the one after. Killed by R07 in `rolling`."""

    def next_stage(live: Live) -> int:
        number = live.head.current_stage + 1
        return min(number + 1, stage_count(live.head.plan)) if number > 1 else number

    patch.attribute(service_rollouts, "_next_stage", next_stage)


def triggered_twice(patch: Patch) -> None:
    """A charger with a free CALL slot is told once more. Killed by R13 in `smoke`."""
    guard = rollout_row.HANDLERS[Dispatched]

    def dispatched(head: Head, row: Row, event: Dispatched, now: float) -> Row:
        if row.triggered and row.sends < 2:  # noqa: PLR2004 - twice
            row = changed(row, intent=Intent.IDLE, version_before=event.version)
        return guard(head, row, event, now)

    def may_be_triggered(live: Live, row: Row) -> bool:
        running = live.head.status is RolloutStatus.IN_PROGRESS
        mine = row.stage == live.head.current_stage
        return running and mine and row.sends < 2 and not row.settled  # noqa: PLR2004 - twice

    patch.entry(rollout_row.HANDLERS, Dispatched, dispatched)
    patch.attribute(service_dispatch, "_may_be_triggered", may_be_triggered)


def next_stage_early(patch: Patch) -> None:
    """Execute-stage never asks whether the last stage has settled. Killed by R09 in `early`."""
    patch.entry(rollout.EXECUTE, Situation.UNSETTLED, Move.NEXT_STAGE)
    refuses_past_the_last(patch)


def late_status_overwrites(patch: Patch) -> None:
    """An end is no end: the latest status is the truth. Killed by R29 in `late`."""
    decide = rollout.decide

    def overwritten(head: Head, stage: Stage, row: Row, event: RowEvent, now: float) -> Decision:
        decision = decide(head, stage, row, event, now)
        if not (row.settled and isinstance(event, StatusReported)):
            return decision
        if event.status not in rollout_row.STATUSES:
            return decision
        _, shown, progress, _ = rollout_row.STATUSES[event.status]
        after = changed(row, status=shown, progress=progress)
        out: Decision = changed(decision, row=after, ignored=None)
        return out

    patch.attribute(service_state, "decide", overwritten)


# ---------------------------------------------------------------------- benign variants


def last_come_first_served(patch: Patch) -> None:
    """A stage is dispatched from its end: the API promises no order inside a stage."""
    fill = service_dispatch.fill

    def backwards(state: Any, live: Live) -> None:
        fill(state, live)
        waiting = list(live.waiting)
        live.waiting.clear()
        live.waiting.update(dict.fromkeys(reversed(waiting)))

    patch.attribute(service_rollouts, "fill", backwards)


def other_progress(patch: Patch) -> None:
    """Downloading shows 42 percent: OCPP carries no percentage, so any estimate is allowed."""
    rank, shown, _, detailed = rollout_row.STATUSES["Downloading"]
    patch.entry(rollout_row.STATUSES, "Downloading", (rank, shown, 42, detailed))


DECISIONS: dict[str, Callable[[Patch], None]] = {
    decision.__name__: decision
    for decision in (
        pause_ignored,
        pause_ignored_on_reconnect,
        stage_skipped,
        triggered_twice,
        next_stage_early,
        late_status_overwrites,
        last_come_first_served,
        other_progress,
    )
} | more.DECISIONS


@contextlib.contextmanager
def mutated(name: str) -> Iterator[None]:
    """Take the wrong decision `name` inside the block."""
    patch = Patch()
    try:
        (DECISIONS.get(name) or csms_load.find(name) or DECISIONS[name])(patch)
        yield
    finally:
        patch.undo()


def main(argv: list[str]) -> int:
    """Run the reference with one wrong decision; 2 if there is none of that name."""
    if not argv or (argv[0] not in DECISIONS and csms_load.find(argv[0]) is None):
        sys.stderr.write(f"name one mutant: {', '.join(names())}; then -- and CSMS options\n")
        return 2
    with mutated(argv[0]):
        return run_reference([word for word in argv[1:] if word != "--"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
