"""The OpenAPI 3.1 document, drawn from the table of routes and the models that check requests.

`python -m reference_csms.openapi` prints it; the copy in `docs/openapi.json` is tested to be equal.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any

from pydantic.json_schema import models_json_schema

from reference_csms import api_models as models
from reference_csms.api_routes import OPEN_PATHS, ROUTES, Route
from reference_csms.model import RolloutStatus
from reference_csms.openapi_schemas import COUNT, SCHEMAS, TEXT, Schema, ref

_PROBLEMS = {
    401: "The key is missing, wrong or expired",
    403: "The key may only read",
    404: "There is nothing under this id",
    405: "The resource does not allow this method",
    409: "Not possible in the present state; the body says what stands in the way",
    413: "The body is too large",
    415: "The body is not declared as JSON",
    422: "The request says something impossible; `errors` lists every problem",
    429: "Too many requests without a valid key",
    503: "The database cannot be written; nothing has happened",
}
_QUERY: dict[str, Schema] = {
    "status": {"type": "string", "enum": [str(one) for one in RolloutStatus]},
    "after": {**COUNT, "maximum": 2**53},
    "limit": {**COUNT, "maximum": 10_000},
}
_MEDIA = {
    "stream_events": "text/event-stream",
    "get_metrics": "text/plain",
    "get_document": "application/json",
}
# The create's answer leads to everything that can be done with the rollout.
_LINKED = ("get_rollout", "execute_stage", "pause_rollout", "cancel_rollout", "retry_rollout")


def document() -> dict[str, Any]:
    """Return the document as JSON data."""
    bodies = {route.body for route in ROUTES if route.body is not None} | {models.ChargerBody}
    ordered = sorted(bodies, key=lambda model: model.__name__)
    _, definitions = models_json_schema(
        [(model, "validation") for model in ordered],
        ref_template="#/components/schemas/{model}",
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Firmware rollouts",
            "version": "1",
            "description": "The published firmware-management API, and extensions under /ext/v1.",
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "paths": _paths(),
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "schemas": {**SCHEMAS, **definitions["$defs"]},
            "responses": {f"Problem{code}": _problem(code) for code in _PROBLEMS},
        },
    }


def _problem(code: int) -> dict[str, Any]:
    return {
        "description": _PROBLEMS[code],
        "content": {"application/problem+json": {"schema": ref("Problem")}},
    }


def _paths() -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return paths


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.operation,
        "summary": route.summary,
        "tags": ["published" if route.path.startswith("/api/") else "extension"],
        "parameters": _parameters(route),
        "responses": _responses(route),
    }
    if route.path in OPEN_PATHS:
        operation["security"] = []
    if route.body is not None:
        operation["requestBody"] = {
            "required": route.body_required,
            "content": {"application/json": {"schema": _request_schema(route.body)}},
        }
    return operation


def _request_schema(body: type[Any]) -> Schema:
    if body is models.ChargersBody:
        many = {"type": "array", "items": ref("ChargerBody"), "minItems": 1}
        return {"anyOf": [ref("ChargersBody"), ref("ChargerBody"), many]}
    return ref(body.__name__)


def _parameters(route: Route) -> list[dict[str, Any]]:
    found = [
        {"name": name, "in": "path", "required": True, "schema": TEXT}
        for name in re.findall(r"{(\w+)}", route.path)
    ]
    found += [
        {"name": name, "in": "query", "schema": _QUERY.get(name, TEXT)} for name in route.query
    ]
    if route.idempotent:
        # Visible ASCII: what every HTTP library can send in a header.
        schema = {**TEXT, "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"}
        found.append({"name": "Idempotency-Key", "in": "header", "schema": schema})
    return found


def _responses(route: Route) -> dict[str, Any]:
    codes = {405, *route.problems}
    if route.path not in OPEN_PATHS:
        codes |= {401, 429} | ({403} if route.method != "GET" else set())
        codes |= {503} if route.answer else set()
    if route.body is not None:
        codes |= {413, 415, 422}
    success: dict[str, Any] = {"description": route.summary, "content": _content(route)}
    if route.operation in {"create_rollout", "retry_rollout"}:
        success["headers"] = {"Location": {"schema": TEXT, "description": "Where to read it"}}
        success["links"] = {name: _link(name) for name in _LINKED}
    refusals = {str(code): {"$ref": f"#/components/responses/Problem{code}"} for code in codes}
    return {str(route.success): success, **dict(sorted(refusals.items()))}


def _content(route: Route) -> dict[str, Any]:
    if route.answer:
        return {"application/json": {"schema": ref(route.answer)}}
    kind = _MEDIA[route.operation]
    return {kind: {"schema": {"type": "object"} if "json" in kind else TEXT}}


def _link(operation: str) -> dict[str, Any]:
    return {"operationId": operation, "parameters": {"rollout_id": "$response.body#/rollout_id"}}


def text() -> str:
    """Return the document as it is committed and served."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
