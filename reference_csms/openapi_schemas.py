"""The bodies of answers as JSON schemas, for the OpenAPI document. Values.

Requests need none of this: their schemas come from the models that check them (`api_models`).
"""

from __future__ import annotations

from typing import Any

from reference_csms.model import ChargerStatus, RolloutStatus, StageStatus, Strategy

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "minimum": 0}
TIME: Schema = {"type": "string", "format": "date-time"}
ANYTHING: Schema = {}


def _maybe(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _list(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


def _one_of(values: type[ChargerStatus | RolloutStatus | StageStatus | Strategy]) -> Schema:
    return {"type": "string", "enum": [str(value) for value in values]}


def ref(name: str) -> Schema:
    """Return a reference to a component schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def _object(required: Schema, optional: Schema | None = None) -> Schema:
    properties = {**required, **(optional or {})}
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def _problem() -> Schema:
    fields = {"type": TEXT, "title": TEXT, "status": COUNT, "detail": TEXT}
    fault = _object({"field": TEXT, "problem": TEXT})
    # RFC 9457: members beyond these four depend on the kind of problem.
    return {
        "type": "object",
        "properties": {**fields, "errors": _list(fault), "blockers": _list(TEXT)},
        "required": list(fields),
    }


_ROLLOUT = {
    "rollout_id": TEXT,
    "strategy": _one_of(Strategy),
    "firmware_url": TEXT,
    "status": _one_of(RolloutStatus),
}
_STAGE = {"stage": {"type": "integer", "minimum": 1}, "label": TEXT, "status": _one_of(StageStatus)}
_CURRENT = _maybe({"type": "integer", "minimum": 1})

_PROGRESS = _object(
    {"charge_point_id": TEXT, "status": _one_of(ChargerStatus)},
    {
        "progress_percent": {"type": "integer", "minimum": 0, "maximum": 100},
        "started_at": _maybe(TIME),
        "completed_at": _maybe(TIME),
        "reason": TEXT,
        "detail": TEXT,
        "version_mismatch": FLAG,
    },
)

_SUMMARY = _object(
    {
        **_ROLLOUT,
        "verdict": ANYTHING,
        "total_chargers": COUNT,
        "current_stage": _CURRENT,
        "stages": COUNT,
        "active": COUNT,
        "installed": COUNT,
        "failed": COUNT,
        "paused_at": _maybe(TIME),
        "pause_reason": _maybe(TEXT),
        "created_at": TIME,
        "updated_at": TIME,
        "completed_at": _maybe(TIME),
    }
)

_CHARGER = _object(
    {
        "charge_point_id": TEXT,
        "site_id": TEXT,
        "vendor": TEXT,
        "model": TEXT,
        "firmware_version": TEXT,
        "ocpp_version": TEXT,
        "connected": FLAG,
        "accepted": FLAG,
        "last_seen": _maybe(TIME),
    }
)

_IMAGE = _object(
    {
        "url": TEXT,
        "version": TEXT,
        "release_date": _maybe(TEXT),
        "size": _maybe(COUNT),
        "sha256": _maybe(TEXT),
        "signature": _maybe(TEXT),
        "signing_certificate": _maybe(TEXT),
    }
)

_VERSION = _object(
    {
        "firmware_version": TEXT,
        "charger_count": COUNT,
        "vendor": TEXT,
        "model": TEXT,
        "release_date": _maybe(TEXT),
        "charger_ids": _list(TEXT),
    }
)

_ENTRY = _object(
    {
        "number": COUNT,
        "time": {"type": "number"},
        "kind": TEXT,
        "rollout_id": _maybe(TEXT),
        "charger_id": _maybe(TEXT),
        "data": ANYTHING,
    }
)

SCHEMAS: dict[str, Schema] = {
    "Problem": _problem(),
    "FleetFirmware": _object({"versions": _list(_VERSION), "total_chargers": COUNT}),
    "CreatedRollout": _object(
        {
            **_ROLLOUT,
            "total_chargers": COUNT,
            "stages": _list(_object({**_STAGE, "charger_ids": _list(TEXT)})),
            "created_at": TIME,
        }
    ),
    "Rollout": _object(
        {
            **_ROLLOUT,
            "current_stage": _CURRENT,
            "stages": _list(_object({**_STAGE, "chargers": _list(_PROGRESS)})),
            "created_at": TIME,
            "updated_at": TIME,
        }
    ),
    "ExecutedStage": _object(
        {
            "rollout_id": TEXT,
            "executed_stage": {"type": "integer", "minimum": 1},
            "status": _one_of(RolloutStatus),
            "chargers_triggered": _list(TEXT),
            "triggered_at": TIME,
        }
    ),
    "PausedRollout": _object(
        {
            "rollout_id": TEXT,
            "status": _one_of(RolloutStatus),
            "paused_at": _maybe(TIME),
            "reason": _maybe(TEXT),
        }
    ),
    "RolloutSummary": _SUMMARY,
    "Rollouts": _object({"rollouts": _list(ref("RolloutSummary"))}),
    "Charger": _CHARGER,
    "Chargers": _object({"chargers": _list(ref("Charger")), "total": COUNT}),
    "Progress": _object({"charge_point_id": TEXT, "progress_percent": COUNT}),
    "CallOutcome": _object(
        {"outcome": {"type": "string", "enum": ["result", "error", "timeout", "closed"]}},
        {"result": {"type": "object"}, "error": _object({"code": TEXT, "description": TEXT})},
    ),
    "Image": _IMAGE,
    "Images": _object({"images": _list(ref("Image"))}),
    "Audit": _object({"entries": _list(_ENTRY)}),
    "Health": _object({"status": TEXT, "connected_chargers": COUNT}),
}
