"""Every operation of the REST API in one table: what the routes and the document are made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reference_csms import api_models as models

if TYPE_CHECKING:
    from pydantic import BaseModel

API, EXT = "/api/v1/cpo", "/ext/v1"
ROLLOUTS = f"{API}/firmware/rollout"
OPEN_PATHS = frozenset({"/healthz", "/openapi.json"})  # these need no key


@dataclass(frozen=True, slots=True)
class Route:
    """One operation. `operation` names its handler (`_<operation>`) and is its operationId."""

    method: str
    path: str
    operation: str
    summary: str
    # Name of the answer's schema among the components; '' where the answer is not JSON of ours.
    answer: str = ""
    success: int = 200
    # The request body, and whether it may be left out.
    body: type[BaseModel] | None = None
    body_required: bool = True
    # Optional query parameters and headers.
    query: tuple[str, ...] = ()
    idempotent: bool = False
    # Refusals beside those that every operation with a key or a body has.
    problems: tuple[int, ...] = field(default=())


_PUBLISHED = (
    Route(
        "GET",
        f"{API}/fleet/firmware",
        "list_firmware",
        "Versions running in the fleet, and who runs them",
        "FleetFirmware",
        query=("site_id", "vendor"),
    ),
    Route(
        "POST",
        ROLLOUTS,
        "create_rollout",
        "Create a pending rollout; it triggers nothing",
        "CreatedRollout",
        success=201,
        body=models.RolloutBody,
        idempotent=True,
        problems=(409,),
    ),
    Route(
        "GET",
        f"{ROLLOUTS}/{{rollout_id}}",
        "get_rollout",
        "Status of a rollout and progress of every charger",
        "Rollout",
        problems=(404,),
    ),
    Route(
        "POST",
        f"{ROLLOUTS}/{{rollout_id}}/execute-stage",
        "execute_stage",
        "Start the next stage, or resume a paused rollout",
        "ExecutedStage",
        body=models.NothingBody,
        body_required=False,
        idempotent=True,
        problems=(404, 409),
    ),
    Route(
        "POST",
        f"{ROLLOUTS}/{{rollout_id}}/pause",
        "pause_rollout",
        "Trigger no more chargers of this rollout",
        "PausedRollout",
        body=models.PauseBody,
        body_required=False,
        problems=(404, 409),
    ),
)

_CHARGERS = (
    Route(
        "POST",
        f"{EXT}/chargers",
        "register_chargers",
        "Register chargers, or change registered ones: all of them or none",
        "Chargers",
        body=models.ChargersBody,
    ),
    Route(
        "GET",
        f"{EXT}/chargers",
        "list_chargers",
        "Registered chargers",
        "Chargers",
        query=("site_id", "vendor"),
    ),
    Route(
        "DELETE",
        f"{EXT}/chargers/{{charger_id}}",
        "remove_charger",
        "Forget a charger; unfinished rollouts count it as failed",
        "Charger",
        problems=(404,),
    ),
    Route(
        "POST",
        f"{EXT}/chargers/{{charger_id}}/progress",
        "report_progress",
        "Tell how far a download is, from whoever serves the image",
        "Progress",
        body=models.ProgressBody,
        problems=(404,),
    ),
    Route(
        "POST",
        f"{EXT}/chargers/{{charger_id}}/call",
        "call_charger",
        "Send one OCPP call and wait for what becomes of it",
        "CallOutcome",
        body=models.CallBody,
        problems=(404, 409),
    ),
)

_FLEET = (
    Route(
        "POST",
        f"{EXT}/images",
        "put_image",
        "Catalogue a firmware image under its URL",
        "Image",
        body=models.ImageBody,
    ),
    Route("GET", f"{EXT}/images", "list_images", "The firmware catalogue", "Images"),
    Route(
        "GET",
        f"{EXT}/rollouts",
        "list_rollouts",
        "All rollouts, newest first",
        "Rollouts",
        query=("status",),
        problems=(422,),
    ),
    Route(
        "POST",
        f"{EXT}/rollouts/{{rollout_id}}/cancel",
        "cancel_rollout",
        "Fail every charger that was not triggered yet",
        "RolloutSummary",
        body=models.PauseBody,
        body_required=False,
        problems=(404, 409),
    ),
    Route(
        "POST",
        f"{EXT}/rollouts/{{rollout_id}}/retry",
        "retry_rollout",
        "Create a new rollout over the failed chargers of a finished one",
        "CreatedRollout",
        success=201,
        body=models.NothingBody,
        body_required=False,
        problems=(404, 409),
    ),
    Route(
        "GET",
        f"{EXT}/audit",
        "read_audit",
        "The audit trail, oldest first",
        "Audit",
        query=("rollout_id", "after", "limit"),
        problems=(404, 422),
    ),
    Route("GET", f"{EXT}/events", "stream_events", "Committed changes as server-sent events"),
)

_PROCESS = (
    Route("GET", "/healthz", "get_health", "Whether the process answers", "Health"),
    Route("GET", "/metrics", "get_metrics", "Counters in Prometheus' text format"),
    Route("GET", "/openapi.json", "get_document", "This document"),
)

ROUTES = (*_PUBLISHED, *_CHARGERS, *_FLEET, *_PROCESS)
