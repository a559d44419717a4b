"""The OpenAPI document is valid, committed, and what the running API does."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from openapi_spec_validator import validate
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from reference_csms import openapi
from reference_csms.api_routes import ROUTES
from tests.reference_csms.running import AUTH, EXT, running

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMITTED = Path(__file__).parents[2] / "docs" / "openapi.json"
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    unsupported_method,
]


def test_the_committed_document_is_the_served_one() -> None:
    """`python -m reference_csms.openapi > docs/openapi.json` was run after the last change."""
    assert COMMITTED.read_text("utf-8") == openapi.text()


def test_the_document_is_valid_and_complete() -> None:
    """It passes the validator, names every route once, and links a create to what follows."""
    document = openapi.document()
    validate(document)
    operations = [one for path in document["paths"].values() for one in path.values()]
    assert len({one["operationId"] for one in operations}) == len(ROUTES) == len(operations)
    created = document["paths"]["/api/v1/cpo/firmware/rollout"]["post"]["responses"]["201"]
    assert {"get_rollout", "execute_stage", "pause_rollout"} <= set(created["links"])


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    """Run a CSMS with one charger on its own loop, for a client that knows no asyncio."""
    loop, ready, ends = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    found: list[str] = []

    async def run() -> None:
        async with running() as csms:
            await csms.register("CP-1", "CP-2")
            found.append(str(csms.rest.make_url("/")).rstrip("/"))
            ready.set()
            await ends.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    assert ready.wait(20)
    yield found[0]
    loop.call_soon_threadsafe(ends.set)
    thread.join()
    loop.close()


# The event stream never ends; everything else is tried.
schema = schemathesis.openapi.from_dict(openapi.document()).exclude(path=f"{EXT}/events")


@pytest.mark.sockets
@schema.parametrize()
@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
def test_the_running_api_keeps_the_document(case: Any, base_url: str) -> None:
    """Generated requests, right and wrong: no 5xx, no undeclared status, type or body."""
    case.call_and_validate(base_url=base_url, headers=AUTH, checks=CHECKS)


@pytest.mark.sockets
@pytest.mark.asyncio
async def test_the_document_is_served_without_a_key() -> None:
    """`/openapi.json` is where errors send the reader."""
    async with running() as csms, csms.rest.get("/openapi.json") as answer:
        assert answer.status == 200
        assert await answer.json() == json.loads(openapi.text())
