"""The REST API over HTTP: codes, problems, limits, extensions."""

from __future__ import annotations

import asyncio
import io
import json
from typing import Any

import pytest

from reference_csms.api import LARGEST_BODY
from reference_csms.api_routes import OPEN_PATHS, ROUTES
from reference_csms.model import Image
from tests.reference_csms.running import (
    API,
    AUTH,
    EXT,
    KEY,
    READER,
    URL,
    Running,
    boot,
    receive,
    running,
)

pytestmark = [pytest.mark.sockets, pytest.mark.asyncio]
CREATE = f"{API}/firmware/rollout"
GOOD = {"charger_ids": ["CP-1"], "firmware_url": URL, "strategy": "all_at_once"}


async def problem(csms: Running, method: str, path: str, **options: Any) -> tuple[int, Any]:
    """Return status and body of a refusal, which must be a problem document."""
    options.setdefault("headers", AUTH)
    async with csms.rest.request(method, path, **options) as answer:
        assert answer.content_type == "application/problem+json"
        body = await answer.json(content_type=None)
        assert body["status"] == answer.status
        assert {"type", "title", "detail"} <= set(body)
        return answer.status, body


async def test_the_published_shapes() -> None:
    """Create, read, execute, pause and fleet answer with the published fields (R44)."""
    async with running() as csms:
        await csms.register("CP-1", "CP-2", site_id="berlin")
        body = {**GOOD, "charger_ids": ["CP-1", "CP-2"], "strategy": "canary", "canary_count": 1.0}
        async with csms.rest.post(CREATE, json=body, headers=AUTH) as answer:
            created = await answer.json()
            assert answer.status == 201
            location = answer.headers["Location"]
        assert [stage["label"] for stage in created["stages"]] == ["Canary", "Rollout"]
        assert created["total_chargers"] == 2
        status, read = await csms.ask("GET", location)
        assert status == 200
        assert read["current_stage"] is None
        assert read["stages"][1]["chargers"] == [{"charge_point_id": "CP-2", "status": "pending"}]
        status, done = await csms.ask("POST", f"{location}/execute-stage")
        assert status == 200
        assert set(done) == {
            "rollout_id",
            "executed_stage",
            "status",
            "chargers_triggered",
            "triggered_at",
        }
        status, paused = await csms.ask("POST", f"{location}/pause", {"reason": "why not"})
        assert (status, paused["reason"], paused["status"]) == (200, "why not", "paused")
        status, fleet = await csms.ask("GET", f"{API}/fleet/firmware?site_id=berlin")
        assert (status, fleet["total_chargers"]) == (200, 2)


@pytest.mark.parametrize("header", [None, "Bearer wrong", f"Basic {KEY}", "Bearer"])
async def test_without_a_key_every_endpoint_is_401(header: str | None) -> None:
    """R45: on every route, with WWW-Authenticate and without any effect."""
    headers = {} if header is None else {"Authorization": header}
    async with running() as csms:
        for route in ROUTES:
            if route.path in OPEN_PATHS:
                continue
            status, _ = await problem(csms, route.method, route.path, headers=headers)
            assert status == 401
        async with csms.rest.get(CREATE, headers=headers) as answer:
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_a_reader_may_not_write() -> None:
    """A key of scope read sees everything and changes nothing: 403."""
    headers = {"Authorization": f"Bearer {READER}"}
    async with running() as csms:
        async with csms.rest.get(f"{EXT}/chargers", headers=headers) as answer:
            assert answer.status == 200
        status, _ = await problem(csms, "POST", CREATE, headers=headers, json=GOOD)
        assert status == 403


async def test_guessing_keys_is_slowed_down_but_a_good_key_works() -> None:
    """After a hundred wrong keys a minute 401 becomes 429; who has a key notices nothing."""
    async with running() as csms:
        for _ in range(100):
            await problem(csms, "GET", f"{EXT}/chargers", headers={})
        status, body = await problem(csms, "GET", f"{EXT}/chargers", headers={})
        assert (status, body["retry_after"] > 0) == (429, True)
        assert (await csms.ask("GET", f"{EXT}/chargers"))[0] == 200


async def test_the_other_refusals() -> None:
    """404, 405 with Allow, 409, 413 and 415, each a problem that says what to do."""
    async with running() as csms:
        await csms.register("CP-1")
        assert (await problem(csms, "GET", f"{API}/nothing"))[0] == 404
        for method, end in (("GET", ""), ("POST", "/execute-stage"), ("POST", "/pause")):
            assert (await problem(csms, method, f"{CREATE}/rollout_NONE{end}"))[0] == 404
        status, _ = await problem(csms, "PUT", CREATE)
        assert status == 405
        async with csms.rest.put(CREATE, headers=AUTH) as answer:
            assert answer.headers["Allow"] == "POST"
        rollout = await csms.rollout("CP-1")
        assert (await problem(csms, "POST", f"{CREATE}/{rollout}/pause"))[0] == 409
        status, _ = await problem(csms, "POST", CREATE, data=io.BytesIO(b"x" * (LARGEST_BODY + 1)))
        assert status == 413
        for kind in ("text/plain", "application/x-www-form-urlencoded"):
            headers = {**AUTH, "Content-Type": kind}
            status, body = await problem(
                csms, "POST", CREATE, data=json.dumps(GOOD), headers=headers
            )
            assert status == 415
            assert "Content-Type: application/json" in body["detail"]


WRONG: list[tuple[str, set[str]]] = [
    ("", {"body"}),
    ("{", {"body"}),
    ("null", {"body"}),
    ("[]", {"body"}),
    ("{}", {"charger_ids", "firmware_url", "strategy"}),
    (json.dumps({**GOOD, "charger_ids": "CP-1"}), {"charger_ids"}),
    (json.dumps({**GOOD, "charger_ids": [1, None]}), {"charger_ids.0", "charger_ids.1"}),
    (json.dumps({**GOOD, "charger_ids": []}), {"charger_ids"}),
    (json.dumps({**GOOD, "charger_ids": ["CP-1", "CP-1", "CP-9"]}), {"charger_ids"}),
    (json.dumps({**GOOD, "surprise": 1, "strategy": 5}), {"surprise", "strategy"}),
    (json.dumps({**GOOD, "strategy": "yolo"}), {"strategy"}),
    (json.dumps({**GOOD, "batch_size": 1}), {"batch_size"}),
    (json.dumps({**GOOD, "strategy": "rolling", "batch_size": 0}), {"batch_size"}),
    (json.dumps({**GOOD, "strategy": "rolling", "batch_size": "1"}), {"batch_size"}),
    (json.dumps({**GOOD, "strategy": "rolling", "batch_size": 1.5}), {"batch_size"}),
    (json.dumps({**GOOD, "strategy": "rolling", "batch_size": True}), {"batch_size"}),
    (json.dumps({**GOOD, "strategy": "rolling", "batch_size": 10**30}), {"batch_size"}),
    (json.dumps({**GOOD, "failure_threshold": float("nan")}), {"failure_threshold"}),
    (json.dumps({**GOOD, "firmware_url": "http://x.example/f"}), {"firmware_url"}),
    (json.dumps({**GOOD, "firmware_url": "https://u:p@x.example/f"}), {"firmware_url"}),
    (json.dumps({**GOOD, "retrieve_date": "2030-01-01T00:00:00"}), {"retrieve_date"}),
    ('{"charger_ids":["\\ud800"],"firmware_url":"https://a.b/c","strategy":"x"}', {"body"}),
    ("[" * 100_000, {"body"}),
]


async def test_wrong_bodies_are_422_and_list_every_problem() -> None:
    """D14: atomic, every problem with its field; nothing is created."""
    headers = {**AUTH, "Content-Type": "application/json"}
    async with running() as csms:
        await csms.register("CP-1")
        for text, fields in WRONG:
            status, body = await problem(csms, "POST", CREATE, data=text, headers=headers)
            assert status == 422, text[:80]
            assert {one["field"] for one in body["errors"]} == fields, (text[:80], body)
        assert (await csms.ask("GET", f"{EXT}/rollouts"))[1] == {"rollouts": []}


async def test_bodies_of_the_other_operations() -> None:
    """Execute takes nothing or {}, pause takes a reason or nothing, both refuse the rest."""
    async with running() as csms:
        await csms.register("CP-1")
        path = f"{CREATE}/{await csms.rollout('CP-1')}"
        assert (await problem(csms, "POST", f"{path}/execute-stage", json={"x": 1}))[0] == 422
        assert (await csms.ask("POST", f"{path}/execute-stage", {}))[0] == 200
        bodies: list[Any] = [{"reason": 5}, {"why": "x"}, [], "x", {"reason": "x" * 501}]
        for wrong in bodies:
            assert (await problem(csms, "POST", f"{path}/pause", json=wrong))[0] == 422
        assert (await csms.ask("POST", f"{path}/pause", {"reason": None}))[0] == 200


async def test_idempotency_keys() -> None:
    """D19: the same key gives the same rollout, another body under it is refused."""
    async with running() as csms:
        await csms.register("CP-1")
        _, one = await csms.ask("POST", CREATE, GOOD, Idempotency_Key="k-1")
        _, two = await csms.ask("POST", CREATE, GOOD, Idempotency_Key="k-1")
        assert one == two
        other = {**GOOD, "firmware_url": URL + "2"}
        assert (await csms.ask("POST", CREATE, other, Idempotency_Key="k-1"))[0] == 422
        assert (await csms.ask("POST", CREATE, GOOD, Idempotency_Key="x" * 201))[0] == 422


async def test_registering_chargers() -> None:
    """One, a list, a named list; all or none; passwords obey the policy and never come back."""
    async with running() as csms:
        path = f"{EXT}/chargers"
        one = {"charge_point_id": "A", "vendor": "chargers", "password": "a-long-password"}
        status, body = await csms.ask("POST", path, one)
        assert (status, body["total"]) == (200, 1)
        assert "password" not in json.dumps(body)
        for many in ([one, {"charge_point_id": "B"}], {"chargers": [{"charge_point_id": "C"}]}):
            assert (await csms.ask("POST", path, many))[0] == 200
        others: list[Any] = [
            {},
            [],
            [{}],
            {"chargers": []},
            {**one, "password": "short"},
            {**one, "x": 1},
        ]
        for wrong in others:
            assert (await csms.ask("POST", path, wrong))[0] == 422
        assert (await csms.ask("GET", path))[1]["total"] == 3
        assert (await csms.ask("DELETE", f"{path}/A"))[0] == 200
        assert (await csms.ask("DELETE", f"{path}/A"))[0] == 404


async def test_one_call_to_one_charger() -> None:
    """D29: sent, answered, audited; refused for commands of rollouts and wrong payloads."""
    async with running() as csms:
        await csms.register("CP-1")
        path = f"{EXT}/chargers/CP-1/call"
        soft = {"action": "Reset", "payload": {"type": "Soft"}}
        assert (await csms.ask("POST", path, soft))[0] == 409
        assert (await csms.ask("POST", f"{EXT}/chargers/X/call", soft))[0] == 404
        async with csms.link("CP-1") as link:
            await boot(link)
            task = asyncio.create_task(csms.ask("POST", path, soft))
            _, message_id, action, payload = await receive(link)
            assert (action, payload) == ("Reset", {"type": "Soft"})
            assert (await csms.ask("POST", path, soft))[0] == 409
            await link.send(json.dumps([3, message_id, {"status": "Accepted"}]))
            assert await task == (200, {"outcome": "result", "result": {"status": "Accepted"}})
            for wrong in (
                {"action": "UpdateFirmware"},
                {"action": "Reset", "payload": {"type": "Maybe"}},
                {"action": "Nonsense"},
            ):
                assert (await csms.ask("POST", path, wrong))[0] == 422
        _, audit = await csms.ask("GET", f"{EXT}/audit")
        assert [one["kind"] for one in audit["entries"]].count("call") == 1


async def test_images_rollouts_and_audit() -> None:
    """The catalogue, the list, cancel, retry and the audit trail are within reach."""
    async with running() as csms:
        await csms.register("CP-1")
        image = {"url": URL, "version": "2.0", "sha256": "a" * 64}
        status, body = await csms.ask("POST", f"{EXT}/images", image)
        assert status == 200
        assert body == json.loads(json.dumps({**dict.fromkeys(Image.__struct_fields__), **image}))
        assert (await csms.ask("GET", f"{EXT}/images"))[1]["images"] == [body]
        assert (await csms.ask("POST", f"{EXT}/images", {**image, "sha256": "x"}))[0] == 422
        rollout = await csms.rollout("CP-1")
        path = f"{EXT}/rollouts/{rollout}"
        assert (await csms.ask("POST", f"{path}/retry"))[0] == 409
        assert (await csms.ask("POST", f"{path}/cancel", {"reason": "no"}))[0] == 200
        status, body = await csms.ask("GET", f"{EXT}/rollouts?status=failed")
        assert [one["rollout_id"] for one in body["rollouts"]] == [rollout]
        assert (await csms.ask("POST", f"{path}/retry"))[0] == 201
        status, body = await csms.ask("GET", f"{EXT}/audit?rollout_id={rollout}&limit=1")
        assert (status, len(body["entries"])) == (200, 1)
        for wrong in ("limit=x", "after=-1", "limit=99999999999999999999999999"):
            assert (await csms.ask("GET", f"{EXT}/audit?{wrong}"))[0] == 422
        progress = f"{EXT}/chargers/CP-1/progress"
        assert (await csms.ask("POST", progress, {"percent": 10}))[0] == 200
        assert (await csms.ask("POST", progress, {"percent": 81}))[0] == 422


async def test_events_are_streamed() -> None:
    """A reader sees committed changes as server-sent events with numbers that rise."""
    async with running() as csms, csms.rest.get(f"{EXT}/events", headers=AUTH) as stream:
        assert stream.content_type == "text/event-stream"
        assert await stream.content.readline() == b": connected\n"
        await csms.register("CP-1")
        await csms.rollout("CP-1")
        await stream.content.readline()
        lines = [await stream.content.readline() for _ in range(3)]
        assert lines[0].startswith(b"id: ")
        assert isinstance(json.loads(lines[1].removeprefix(b"data: ")), dict)
        assert lines[2] == b"\n"


async def test_health_and_metrics() -> None:
    """Health needs no key and tells no secret; metrics count frames."""
    async with running() as csms:
        await csms.register("CP-1")
        async with csms.link("CP-1") as link:
            await boot(link)
            async with csms.rest.get("/healthz") as answer:
                assert await answer.json() == {"status": "ok", "connected_chargers": 1}
            async with csms.rest.get("/metrics", headers=AUTH) as answer:
                text = await answer.text()
        assert "csms_connected_chargers 1.0" in text
        assert "csms_ocpp_calls_total 1.0" in text
        assert "CP-1" not in text
