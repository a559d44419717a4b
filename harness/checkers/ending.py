"""How a rollout may end, worked out from the chargers that one body shows (D6, D7).

A core. A body is one snapshot, so whoever has settled in it has settled for its status, too. Where
the share of failures could be counted over the stage or over the whole rollout, only what is wrong
by both counts is wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.checkers.settling import ENDED
from harness.contract import objects

if TYPE_CHECKING:
    from collections.abc import Sequence


_CANARY = "nobody of the canary succeeded"


def wrong_end(body: dict[str, Any], request: dict[str, Any]) -> tuple[str, str]:
    """Say why the status shown does not follow from the chargers shown, '' if it does.

    `request` is the body of the create, for the strategy and the optional failure threshold. The
    second word names the decision that says so, D6 or D7: a target may take it otherwise.
    """
    status = body.get("status")
    stages = [_statuses(stage) for stage in objects(body.get("stages"))]
    rows = [row for stage in stages for row in stage]
    if not rows:
        return "", "D7"
    if status == "completed" and "installed" not in rows:
        return "completed although no charger was installed", "D7"
    if status == "completed" and not all(row in ENDED for row in rows):
        left = sum(row not in ENDED for row in rows)
        return f"completed while {left} charger(s) have not ended", "D7"
    strategy = body.get("strategy") or request.get("strategy")
    due = _must_fail(stages, strategy, request.get("failure_threshold"), body.get("current_stage"))
    if status == "failed" and not (due or _may_fail(stages, request)):
        return f"failed although {rows.count('installed')} of {len(rows)} were installed", "D7"
    if status not in ("failed", "pending") and due:
        return f"{status} although {due}", "D6" if due == _CANARY else "D7"
    return "", "D7"


def _statuses(stage: dict[str, Any]) -> list[str]:
    return [str(row.get("status")) for row in objects(stage.get("chargers"))]


def _must_fail(stages: Sequence[list[str]], strategy: Any, threshold: Any, current: Any) -> str:
    """Say which rule ends the rollout as failed, '' if none does."""
    rows = [row for stage in stages for row in stage]
    if _all_failed(rows):
        return "nobody succeeded"
    if strategy == "canary" and _all_failed(stages[0]) and len(stages) > 1:
        return _CANARY
    if not isinstance(threshold, int | float) or not isinstance(current, int):
        return ""
    if not 1 <= current <= len(stages):
        return ""
    stage = stages[current - 1]
    settled = bool(stage) and all(row in ENDED for row in stage)
    if settled and min(_failed_share(stage), _failed_share(rows)) > threshold:
        return f"the stage has settled and more than {threshold:g} of the chargers failed"
    return ""


def _may_fail(stages: Sequence[list[str]], request: dict[str, Any]) -> bool:
    """Whether some reading of the rules allows `failed`: any stage may have been the last."""
    threshold = request.get("failure_threshold")
    rows = [row for stage in stages for row in stage]
    if not isinstance(threshold, int | float):
        return False
    return max(_failed_share(rows), *(_failed_share(stage) for stage in stages)) > threshold


def _all_failed(rows: Sequence[str]) -> bool:
    return bool(rows) and all(row == "failed" for row in rows)


def _failed_share(rows: Sequence[str]) -> float:
    """Return the share of failed among those that have settled."""
    settled = [row for row in rows if row in ENDED]
    return settled.count("failed") / len(settled) if settled else 0.0
