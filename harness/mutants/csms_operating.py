"""Wrong decisions about plans, ends, execute-stage and pause, one a function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.mutants.registry import changed_request, refuses_past_the_last, verdicts, wrong
from reference_csms import (
    problems,
    rollout,
    rollout_plan,
    service_dispatch,
    service_rollouts,
    service_views,
)
from reference_csms.model import RolloutStatus
from reference_csms.rollout import Move, Situation
from reference_csms.rollout_plan import stage_count
from reference_csms.rollout_values import changed

if TYPE_CHECKING:
    from harness.mutants.patching import Patch

# ---------------------------------------------------------------------- the plan


@wrong("R02")
def default_batch_rounds_down(patch: Patch) -> None:
    """The default batch is a tenth rounded down."""
    sizes = rollout_plan._sizes  # noqa: SLF001 - the decision under mutation

    def floor(request: Any, total: int) -> tuple[int, int]:
        if request.strategy == "rolling" and request.batch_size is None:
            return max(1, total // 10), max(1, total // 10)
        return sizes(request, total)

    patch.attribute(rollout_plan, "_sizes", floor)


@wrong("R02")
def default_canary_is_two(patch: Patch) -> None:
    """A canary without a count has two chargers."""
    sizes = rollout_plan._sizes  # noqa: SLF001 - the decision under mutation

    def two(request: Any, total: int) -> tuple[int, int]:
        if request.strategy == "canary" and request.canary_count is None:
            return min(2, total), max(total - 2, 1)
        return sizes(request, total)

    patch.attribute(rollout_plan, "_sizes", two)


@wrong("R03")
def order_is_sorted_backwards(patch: Patch) -> None:
    """The chargers of a rollout are put into another order."""
    new = service_rollouts._new  # noqa: SLF001 - the decision under mutation

    def backwards(state: Any, request: Any, now: float) -> Any:
        ids = tuple(sorted(request.charger_ids, reverse=True))
        return new(state, changed_request(request, charger_ids=ids), now)

    patch.attribute(service_rollouts, "_new", backwards)


@wrong("R44")
def label_is_wrong(patch: Patch) -> None:
    """The second stage of a canary is not labelled as published."""
    label = rollout_plan.stage_label

    def other(plan: Any, number: int) -> str:
        return label(plan, number).replace("Rollout", "Rest")

    patch.attribute(service_views, "stage_label", other)


# ---------------------------------------------------------------------- ends


@wrong("R12", "R27", "R33")
def failing_canary_goes_on(patch: Patch) -> None:
    """A canary that fails does not end the rollout."""
    verdicts(patch, canary_failed=None)


@wrong("R33", "R27")
def failure_counts_as_completed(patch: Patch) -> None:
    """A rollout in which nobody was installed is called completed."""
    verdicts(patch, no_success=None)


@wrong("R33", "R27")
def threshold_ignored(patch: Patch) -> None:
    """The failure threshold is stored and never looked at."""
    verdicts(patch, failure_threshold=None)


@wrong("L4", "R33", "R27")
def never_completes(patch: Patch) -> None:
    """The rollout stays in progress although everyone has settled."""
    patch.attribute(rollout, "_conclude", lambda head, *_: head)
    refuses_past_the_last(patch)


@wrong("L4", "R33", "R27")
def never_completes_while_paused(patch: Patch) -> None:
    """The last charger settles during a pause and nobody notices."""
    conclude = rollout._conclude  # noqa: SLF001 - the decision under mutation

    def unnoticed(head: Any, *rest: Any) -> Any:
        return head if head.status is RolloutStatus.PAUSED else conclude(head, *rest)

    patch.attribute(rollout, "_conclude", unnoticed)
    refuses_past_the_last(patch)


@wrong("L4")
def success_waits_for_a_last_call(patch: Patch) -> None:
    """A rollout that fails ends by itself; one that goes well waits for one more execute-stage."""
    conclude = rollout._conclude  # noqa: SLF001 - the decision under mutation
    execute = service_rollouts.execute

    def failed_only(head: Any, stage: Any, now: float) -> Any:
        after = conclude(head, stage, now)
        return head if after.status is RolloutStatus.COMPLETED else after

    def ended(state: Any, now: float, rollout_id: str, key: str | None) -> Any:
        live = service_rollouts.find(state, rollout_id)
        if live.current is not None and not live.head.terminal:
            state.set_head(live, conclude(live.head, live.current, now))
        return execute(state, now, rollout_id, key)

    patch.attribute(rollout, "_conclude", failed_only)
    patch.attribute(service_rollouts, "execute", ended)


@wrong("R15", "R33")
def completes_with_its_last_stage_begun(patch: Patch) -> None:
    """The rollout is completed when one charger of the last stage is; nobody waits for the rest."""
    conclude = rollout._conclude  # noqa: SLF001 - the decision under mutation

    def soon(head: Any, stage: Any, now: float) -> Any:
        last = stage.number == stage_count(head.plan) and stage.installed
        if not last or head.terminal:
            return conclude(head, stage, now)
        return changed(head, status=RolloutStatus.COMPLETED, completed_at=now)

    patch.attribute(rollout, "_conclude", soon)


@wrong("R32", "R27")
def terminal_can_be_paused(patch: Patch) -> None:
    """A rollout that is over can be paused."""
    patch.entry(rollout.PAUSE, Situation.TERMINAL, Move.HOLD)


# ---------------------------------------------------------------------- execute and pause


@wrong("R26", "R27", "R43")
def execute_is_never_refused(patch: Patch) -> None:
    """Execute-stage on a running stage answers 200 and does nothing."""
    patch.entry(rollout.EXECUTE, Situation.UNSETTLED, Move.CONTINUE)


@wrong("R09", "R23", "R27")
def resume_goes_to_the_next_stage(patch: Patch) -> None:
    """A resume leaves what the paused stage still had to do."""
    patch.entry(rollout.EXECUTE, Situation.PAUSED_UNTRIGGERED, Move.NEXT_STAGE)
    patch.entry(rollout.EXECUTE, Situation.PAUSED_UNSETTLED, Move.NEXT_STAGE)
    refuses_past_the_last(patch)


@wrong("R23", "L1", "R15")
def resume_does_nothing(patch: Patch) -> None:
    """Once it was paused, a rollout says in_progress again and triggers nobody any more."""
    fill = service_dispatch.fill

    def nobody(state: Any, live: Any, *rest: Any) -> None:
        if live.head.paused_at is None:
            fill(state, live, *rest)

    patch.attribute(service_rollouts, "fill", nobody)


@wrong("R46")
def reason_is_lost(patch: Patch) -> None:
    """The pause's reason is not kept."""
    hold = rollout.hold
    patch.attribute(service_rollouts, "hold", lambda head, _, now: hold(head, None, now))


@wrong("R46", "R27", "R31")
def second_pause_overwrites(patch: Patch) -> None:
    """Pausing again replaces the first time and reason."""
    for one in ("PAUSED_UNTRIGGERED", "PAUSED_UNSETTLED", "PAUSED_SETTLED"):
        patch.entry(rollout.PAUSE, Situation[one], Move.HOLD)


@wrong("R38")
def refusal_is_a_500(patch: Patch) -> None:
    """Execute-stage on a running stage ends with an internal error."""
    refuse = problems.stage_unsettled

    def crash(*arguments: Any) -> Any:
        problem = refuse(*arguments)
        problem.status = 500
        return problem

    patch.attribute(problems, "stage_unsettled", crash)


@wrong("R43")
def all_are_listed_as_triggered(patch: Patch) -> None:
    """Execute-stage lists the whole stage, sent or not."""
    body = service_views.executed_body

    def everyone(live: Any, dispatch: Any) -> dict[str, Any]:
        return body(live, dispatch) | {"chargers_triggered": live.members(dispatch.stage)}

    patch.attribute(service_dispatch, "executed_body", everyone)


@wrong("R43")
def nobody_is_listed_as_triggered(patch: Patch) -> None:
    """Execute-stage lists nobody."""
    body = service_views.executed_body

    def nobody(live: Any, dispatch: Any) -> dict[str, Any]:
        return body(live, dispatch) | {"chargers_triggered": []}

    patch.attribute(service_dispatch, "executed_body", nobody)
