"""The bodies of answers, exactly as published (contract 1, D33). Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from reference_csms.model import ChargerStatus, RolloutStatus, StageStatus, rfc3339
from reference_csms.rollout_plan import stage_count, stage_label

if TYPE_CHECKING:
    from reference_csms.model import Charger
    from reference_csms.rollout_values import Row, Stage
    from reference_csms.service_live import Dispatch, Live, Presence


def _time(moment: float | None) -> str | None:
    return None if moment is None else rfc3339(moment)


def stage_status(live: Live, stage: Stage) -> StageStatus:
    """Return a stage's status: pending, in_progress, then completed if anyone succeeded (D5)."""
    if stage.unsettled == 0:
        return StageStatus.COMPLETED if stage.installed else StageStatus.FAILED
    started = stage.number <= live.head.current_stage
    return StageStatus.IN_PROGRESS if started else StageStatus.PENDING


def created_body(live: Live) -> dict[str, Any]:
    """Return the answer to a create; it depends on the plan alone, so that a retry repeats it."""
    plan = live.head.plan
    return {
        "rollout_id": plan.rollout_id,
        "strategy": plan.strategy,
        "firmware_url": plan.firmware_url,
        "total_chargers": plan.total,
        "status": RolloutStatus.PENDING,
        "stages": [
            {
                "stage": number,
                "label": stage_label(plan, number),
                "charger_ids": live.members(number),
                "status": StageStatus.PENDING,
            }
            for number in range(1, stage_count(plan) + 1)
        ],
        "created_at": rfc3339(plan.created_at),
    }


def rollout_body(live: Live) -> dict[str, Any]:
    """Return the body of GET rollout; untouched chargers carry only id and status."""
    head, plan = live.head, live.head.plan
    return {
        "rollout_id": plan.rollout_id,
        "strategy": plan.strategy,
        "firmware_url": plan.firmware_url,
        "status": head.status,
        "current_stage": head.current_stage or None,
        "stages": [_stage_body(live, number) for number in range(1, stage_count(plan) + 1)],
        "created_at": rfc3339(plan.created_at),
        "updated_at": rfc3339(head.updated_at),
    }


def _stage_body(live: Live, number: int) -> dict[str, Any]:
    return {
        "stage": number,
        "label": stage_label(live.head.plan, number),
        "status": stage_status(live, live.stage(number)),
        "chargers": [_charger_piece(live, one) for one in live.members(number)],
    }


def _charger_piece(live: Live, charger_id: str) -> msgspec.Raw | dict[str, Any]:
    row = live.rows.get(charger_id)
    if row is None or row.status is ChargerStatus.PENDING:
        return {"charge_point_id": charger_id, "status": ChargerStatus.PENDING}
    piece = live.pieces.get(charger_id)
    if piece is None:
        piece = live.pieces[charger_id] = msgspec.Raw(msgspec.json.encode(_charger_body(row)))
    return piece


def _charger_body(row: Row) -> dict[str, Any]:
    body: dict[str, Any] = {
        "charge_point_id": row.charger_id,
        "status": row.status,
        "progress_percent": row.progress,
        "started_at": _time(row.started_at),
        "completed_at": _time(row.completed_at),
    }
    if row.reason is not None:
        body["reason"] = row.reason
    if row.detail is not None:
        body["detail"] = row.detail
    if row.version_mismatch:
        body["version_mismatch"] = True
    return body


def executed_body(live: Live, dispatch: Dispatch) -> dict[str, Any]:
    """Return the answer to execute-stage: exactly the chargers sent (D31), in request order."""
    return {
        "rollout_id": live.rollout_id,
        "executed_stage": dispatch.stage,
        "status": dispatch.halted or live.head.status,
        "chargers_triggered": sorted(dispatch.messages, key=live.position.__getitem__),
        "triggered_at": rfc3339(dispatch.begun),
    }


def paused_body(live: Live) -> dict[str, Any]:
    """Return the answer to a pause; a repeated one tells the first time and reason (D9)."""
    return {
        "rollout_id": live.rollout_id,
        "status": live.head.status,
        "paused_at": _time(live.head.paused_at),
        "reason": live.head.pause_reason,
    }


def summary(live: Live) -> dict[str, Any]:
    """Return a rollout in one line, for lists (D29)."""
    head, plan = live.head, live.head.plan
    return {
        "rollout_id": plan.rollout_id,
        "strategy": plan.strategy,
        "firmware_url": plan.firmware_url,
        "status": head.status,
        "verdict": head.verdict,
        "total_chargers": plan.total,
        "current_stage": head.current_stage or None,
        "stages": stage_count(plan),
        "active": head.active,
        "installed": head.installed,
        "failed": head.failed,
        "paused_at": _time(head.paused_at),
        "pause_reason": head.pause_reason,
        "created_at": rfc3339(plan.created_at),
        "started_at": _time(head.started_at),
        "updated_at": rfc3339(head.updated_at),
        "completed_at": _time(head.completed_at),
    }


def charger_body(charger: Charger, presence: Presence | None) -> dict[str, Any]:
    """Return a registered charger, without its secrets."""
    return {
        "charge_point_id": charger.charger_id,
        "site_id": charger.site_id,
        "vendor": charger.vendor,
        "model": charger.model,
        "firmware_version": charger.firmware_version or "unknown",
        "ocpp_version": charger.ocpp_version,
        "connected": presence is not None,
        "accepted": charger.accepted,
        "last_seen": None if presence is not None else _time(charger.last_seen),
    }
