"""Wrong decisions about what a create asked for, and about what is said in answer to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from harness.mutants.registry import handler, wrong
from reference_csms import (
    ocpp_answers,
    ocpp_session,
    problems,
    rollout,
    rollout_row,
    service_dispatch,
    service_rollouts,
    service_views,
)
from reference_csms.model import ChargerStatus, rfc3339
from reference_csms.rollout_values import (
    BootReported,
    Dispatched,
    UpdateAnswered,
    changed,
)

if TYPE_CHECKING:
    from harness.mutants.patching import Patch

# ---------------------------------------------------------------------- what was asked for


@wrong("L5")
def offline_timeout_is_ignored(patch: Patch) -> None:
    """A charger that is away is waited for for ever, whatever offline_timeout says."""

    def never(*_: Any) -> None:
        return None

    patch.attribute(service_dispatch, "_offline_due", never)


@wrong("R16")
def retries_are_the_default(patch: Patch) -> None:
    """The command carries two retries, half a minute apart, whatever was asked for."""
    command = rollout_row.update_command

    def default(head: Any, row: Any, event: Any) -> Any:
        plan = changed(head.plan, retries=2, retry_interval=30)
        return command(changed(head, plan=plan), row, event)

    patch.attribute(rollout, "update_command", default)


@wrong("R16", rare=True)
def date_is_kept_for_the_first_stage_only(patch: Patch) -> None:
    """From the second stage on downloads begin at once: the date has had its day."""

    def at_once(original: Any, head: Any, row: Any, event: Any, now: float) -> Any:
        if row.stage > 1:
            head = changed(head, plan=changed(head.plan, retrieve_at=None))
        return original(head, row, event, now)

    handler(patch, Dispatched, at_once)


@wrong("R16")
def signature_is_left_out(patch: Patch) -> None:
    """The image is signed in the catalogue, and the command does not say so."""
    command = rollout_row.update_command

    def unsigned(head: Any, row: Any, event: Any) -> Any:
        sent = command(head, row, event)
        return msgspec.structs.replace(sent, signature=None, signing_certificate=None)

    patch.attribute(rollout, "update_command", unsigned)


@wrong("R33", rare=True)
def threshold_is_met_not_exceeded(patch: Patch) -> None:
    """A rollout fails as soon as its share of failures reaches the threshold."""
    verdict = rollout._verdict  # noqa: SLF001 - the decision under mutation

    def met(head: Any, stage: Any, *, over: bool) -> Any:
        threshold = head.plan.failure_threshold
        if threshold is not None:
            head = changed(head, plan=changed(head.plan, failure_threshold=threshold - 1e-9))
        return verdict(head, stage, over=over)

    patch.attribute(rollout, "_verdict", met)


@wrong("R11")
def window_is_one_larger(patch: Patch) -> None:
    """One charger more than max_in_flight is on its way."""
    queue = service_dispatch._queue  # noqa: SLF001 - the decision under mutation

    def larger(live: Any) -> Any:
        full = live.head.plan.max_in_flight == live.head.active
        return live.waiting if full and not live.again else queue(live)

    patch.attribute(service_dispatch, "_queue", larger)


# ---------------------------------------------------------------------- what is said


@wrong("R31")
def triggered_at_is_the_creation(patch: Patch) -> None:
    """The answer to execute-stage carries the time of the create."""
    body = service_views.executed_body

    def long_past(live: Any, dispatch: Any) -> dict[str, Any]:
        return body(live, dispatch) | {"triggered_at": rfc3339(live.head.plan.created_at - 60)}

    patch.attribute(service_dispatch, "executed_body", long_past)


@wrong("R46")
def paused_at_is_the_creation(patch: Patch) -> None:
    """The answer to a pause carries the time of the create."""
    body = service_views.paused_body

    def long_past(live: Any) -> dict[str, Any]:
        return body(live) | {"paused_at": rfc3339(live.head.plan.created_at - 60)}

    patch.attribute(service_rollouts, "paused_body", long_past)


@wrong("R31")
def created_at_moves(patch: Patch) -> None:
    """created_at is the time of the last change."""
    body = service_views.rollout_body

    def moves(live: Any) -> dict[str, Any]:
        shown = body(live)
        return shown | {"created_at": shown["updated_at"]}

    patch.attribute(service_rollouts, "rollout_body", moves)


@wrong("R31")
def updated_at_stays(patch: Patch) -> None:
    """updated_at is the time of the create for ever."""
    body = service_views.rollout_body

    def stays(live: Any) -> dict[str, Any]:
        shown = body(live)
        return shown | {"updated_at": shown["created_at"]}

    patch.attribute(service_rollouts, "rollout_body", stays)


@wrong("R14")
def refusals_are_called_time_outs(patch: Patch) -> None:
    """A charger that refuses is shown as one that was silent."""

    def silent(original: Any, head: Any, row: Any, event: Any, now: float) -> Any:
        after = original(head, row, event, now)
        return changed(after, reason="timeout", detail=None) if after.settled else after

    handler(patch, UpdateAnswered, silent)


@wrong("R38")
def refusals_name_nobody(patch: Patch) -> None:
    """Execute-stage on a running stage is refused, and does not say whom it waits for."""
    unsettled = problems.stage_unsettled

    def unnamed(rollout_id: str, stage: int, _: Any) -> Any:
        return unsettled(rollout_id, stage, [])

    patch.attribute(problems, "stage_unsettled", unnamed)


@wrong("W07")
def stations_are_told_another_time(patch: Patch) -> None:
    """CurrentTime is the local time of a zone to the east, and says that it is UTC."""
    for module in (ocpp_answers, ocpp_session):
        patch.attribute(module, "rfc3339", lambda moment: rfc3339(moment + 7200.0))


# ---------------------------------------------------------------------- boots


@wrong("R34", "L3", "R14", rare=True)
def boots_are_not_read(patch: Patch) -> None:
    """Which version a charger boots with says nothing: only statuses do."""

    def unread(*_: Any) -> Any:
        raise rollout_row.Ignored("the boot says nothing")

    handler(patch, BootReported, unread)


@wrong("R29", "R14", rare=True)
def old_version_at_boot_fails(patch: Patch) -> None:
    """An installed charger that boots with its old version is shown as failed after all."""

    def fails(original: Any, head: Any, row: Any, event: Any, now: float) -> Any:
        after = original(head, row, event, now)
        if after.version_mismatch and after.status is ChargerStatus.INSTALLED:
            return changed(after, status=ChargerStatus.FAILED, reason="version_mismatch")
        return after

    handler(patch, BootReported, fails)
