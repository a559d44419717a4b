"""Wrong decisions about when something happened, or since when it lasts, one a function."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from harness.mutants.registry import handler, wrong
from reference_csms import rollout, rollout_plan, rollout_row, service_rollouts
from reference_csms.rollout_values import Dispatched, changed

if TYPE_CHECKING:
    from harness.mutants.patching import Patch


@wrong("R31")
def start_is_that_of_the_stage(patch: Patch) -> None:
    """started_at is when the rollout was first executed, however late the command could leave."""

    def first(original: Any, head: Any, row: Any, event: Any, now: float) -> Any:
        after = original(head, row, event, now)
        fresh = row.started_at is None and after.started_at is not None
        return changed(after, started_at=head.started_at) if fresh else after

    handler(patch, Dispatched, first)


@wrong("R31")
def end_is_dated_like_the_start(patch: Patch) -> None:
    """completed_at is when the command left: one time is kept for each charger."""
    end = rollout_row._end  # noqa: SLF001 - the decision under mutation

    def same(row: Any, status: Any, now: float, **fields: Any) -> Any:
        started = now if row.started_at is None else row.started_at
        return changed(end(row, status, now, **fields), completed_at=started)

    patch.attribute(rollout_row, "_end", same)


@wrong("R46")
def first_pause_dates_all(patch: Patch) -> None:
    """A rollout that is paused once more says when it was paused first."""
    hold = rollout.hold

    def held(head: Any, reason: Any, now: float) -> Any:
        after = hold(head, reason, now)
        return after if head.paused_at is None else changed(after, paused_at=head.paused_at)

    patch.attribute(service_rollouts, "hold", held)


@wrong("R16")
def date_is_that_of_the_create(patch: Patch) -> None:
    """Without a date a download may begin since the create, and not since the execute-stage."""

    def created(original: Any, head: Any, row: Any, event: Any, now: float) -> Any:
        after = original(head, row, event, now)
        open_ = after.retrieve_at is not None and head.plan.retrieve_at is None
        return changed(after, retrieve_at=head.plan.created_at) if open_ else after

    handler(patch, Dispatched, created)


@wrong("R16", rare=True)
def zone_of_the_date_is_dropped(patch: Patch) -> None:
    """A retrieve date in another zone is taken for one in UTC: only its digits are kept."""

    def digits(text: str) -> float:
        return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()

    patch.attribute(rollout_plan, "parse_date", digits)
