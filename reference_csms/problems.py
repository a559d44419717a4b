"""Every refusal of the contract, in one place (D28). Each function returns a `Problem` to raise.

Texts are for the operator: what is wrong, where, and what to do next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reference_csms.errors import Problem
from reference_csms.model import clean

if TYPE_CHECKING:
    from collections.abc import Iterable

LISTED = 1000  # members name at most this many chargers; `..._total` carries the count


def _some(name: str, ids: Iterable[str]) -> dict[str, Any]:
    every = list(ids)
    return {name: [clean(one) for one in every[:LISTED]], f"{name}_total": len(every)}


def unknown_rollout(rollout_id: str) -> Problem:
    """404: no rollout has this id."""
    return Problem(
        404,
        "Unknown rollout",
        f"There is no rollout {clean(rollout_id, 60)!r}. Ids come from the answer to the create.",
    )


def unknown_charger(charger_id: str) -> Problem:
    """404: no charger is registered under this id."""
    return Problem(
        404,
        "Unknown charger",
        f"No charger {clean(charger_id, 60)!r} is registered. Register it first.",
    )


def invalid(errors: list[dict[str, str]]) -> Problem:
    """422: the request says something impossible; `errors` lists every field and problem (D14)."""
    first = errors[0]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return Problem(
        422,
        "Invalid request",
        f"{first['field']}: {first['problem']}{more}. Nothing was changed.",
        errors=errors,
    )


def stage_unsettled(rollout_id: str, stage: int, blockers: Iterable[str]) -> Problem:
    """409: the current stage still runs (D1)."""
    return Problem(
        409,
        "Stage still running",
        f"Stage {stage} of {rollout_id} has unsettled chargers. Wait for them, or pause.",
        rollout_status="in_progress",
        stage=stage,
        **_some("blockers", blockers),
    )


def not_started(rollout_id: str) -> Problem:
    """409: a pending rollout cannot be paused (D9)."""
    return Problem(
        409,
        "Rollout not started",
        f"{rollout_id} is pending: nothing runs that could be paused. Execute its first stage.",
        rollout_status="pending",
    )


def terminal(rollout_id: str, status: str) -> Problem:
    """409: the rollout is over (D8)."""
    return Problem(
        409,
        "Rollout is over",
        f"{rollout_id} is {status}; nothing can change it any more. Create a new rollout.",
        rollout_status=status,
    )


def not_terminal(rollout_id: str, status: str) -> Problem:
    """409: only a finished rollout can be retried (D29)."""
    return Problem(
        409,
        "Rollout still open",
        f"{rollout_id} is {status}; wait for its end or cancel it before retrying.",
        rollout_status=status,
    )


def nothing_failed(rollout_id: str) -> Problem:
    """409: there is no failed charger to retry (D29)."""
    return Problem(409, "Nothing to retry", f"No charger of {rollout_id} failed.")


def busy(conflicts: dict[str, str]) -> Problem:
    """409: chargers take part in another running stage (D13); charger id -> rollout id."""
    return Problem(
        409,
        "Chargers in another rollout",
        f"{len(conflicts)} chargers belong to a running stage of another rollout. "
        "Wait until it is settled, or leave them out.",
        **_some("conflicts", conflicts),
        rollouts=sorted(set(conflicts.values()))[:LISTED],
    )


def key_reused(key: str) -> Problem:
    """422: an Idempotency-Key came back with a different request (D19)."""
    return Problem(
        422,
        "Idempotency-Key reused",
        f"The Idempotency-Key {clean(key, 60)!r} was used for another request. Use a fresh one.",
    )


def unavailable(why: str) -> Problem:
    """503: the database cannot be written; nothing of the request has happened (D28)."""
    return Problem(
        503,
        "Database unavailable",
        f"The request had no effect: {clean(why)}. Free the disk or fix its permissions; retry.",
    )
