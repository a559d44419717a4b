"""The probe of a target: what works, what does not, and what to do about it."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from harness.target_file import Target
from harness.target_probe import probe

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from harness.target_probe import Step

pytestmark = pytest.mark.sockets
KEY = "the-key-of-the-test"
ROUTES = (
    ("GET", "/api/fleet/firmware", 200),
    ("POST", "/api/firmware/rollout", 422),
    ("GET", "/api/firmware/rollout/{id}", 404),
    ("POST", "/api/firmware/rollout/{id}/execute-stage", 404),
    ("POST", "/api/firmware/rollout/{id}/pause", 404),
)


@asynccontextmanager
async def csms(
    statuses: Mapping[str, int] | None = None, *, boot: Any = "Accepted", open_door: bool = False
) -> AsyncIterator[int]:
    """Serve a CSMS of another author: these statuses instead of the right ones, this boot."""
    known: set[str] = set()
    app = web.Application()
    for method, path, status in ROUTES:
        given = (statuses or {}).get(path, status)
        app.router.add_route(method, path, answering(given, open_door=open_door))

    async def learn(request: web.Request) -> web.Response:
        known.add(request.match_info["id"])
        return web.json_response({}, status=(statuses or {}).get("known", 201))

    app.router.add_put("/known/{id}", learn)

    async def connect(request: web.Request) -> web.StreamResponse:
        return await charger(request, known, boot)

    app.router.add_get("/ocpp/{id}", connect)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def answering(status: int, *, open_door: bool) -> Any:
    """Return a handler that wants the key."""

    async def handle(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {KEY}" and not open_door:
            return web.json_response({}, status=401)
        return web.json_response({"title": "mine"}, status=status)

    return handle


async def charger(request: web.Request, known: set[str], boot: Any) -> web.StreamResponse:
    """Answer the first CALL with a boot status, or with a frame; unknown ids get 404."""
    if request.match_info["id"] not in known:
        return web.Response(status=404)
    socket = web.WebSocketResponse(protocols=("ocpp1.6",))
    await socket.prepare(request)
    call = json.loads(await socket.receive_str())
    if boot is None:
        await socket.close()
        return socket
    answer = (
        [3, call[1], {"status": boot}] if isinstance(boot, str) else [*boot[:1], call[1], *boot[1:]]
    )
    await socket.send_json([2, "other", "Reset", {}])
    await socket.send_json(answer)
    await socket.receive()
    return socket


def target(port: int, **changed: Any) -> Target:
    """Describe it."""
    base = f"http://127.0.0.1:{port}"
    chargers = {"pattern": "P-{n}", "provision": {"method": "PUT", "url": f"{base}/known/{{id}}"}}
    whole = {"version": 1, "name": "theirs", "api": f"{base}/api",
             "ocpp": f"ws://127.0.0.1:{port}/ocpp/{{id}}", "subprotocols": ["ocpp1.6"],
             "chargers": chargers}  # fmt: skip
    return Target.model_validate(whole | changed)


def probed(*, described: Mapping[str, Any] | None = None, **csms_options: Any) -> list[Step]:
    """Serve, probe, and return every step."""

    async def live() -> list[Step]:
        async with csms(**csms_options) as port:
            return [step async for step in probe(target(port, **(described or {})))]

    return asyncio.run(live())


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRMDRILL_API_KEY", KEY)


def wrong(steps: list[Step]) -> list[Step]:
    """Return the steps that did not work."""
    return [one for one in steps if one.works is False]


def test_a_sound_csms_works_step_by_step() -> None:
    """DNS, TCP, key, each operation, a charger made known, subprotocol, boot."""
    steps = probed()
    assert wrong(steps) == []
    told = "\n".join(one.text for one in steps)
    for part in ("DNS", "TCP", "key missing: 401", "key wrong: 401", "/firmware/rollout: 422",
                 "/pause: 404: no such rollout", "P-1 made known", "speaks it",
                 "BootNotification: Accepted"):  # fmt: skip
        assert part in told
    assert KEY not in told


@pytest.mark.parametrize(
    ("options", "seen", "vital"),
    [
        ({"statuses": {"/api/fleet/firmware": 404}}, "the key: 404. Is `api:`", True),
        ({"statuses": {"/api/fleet/firmware": 500}}, "500. It failed inside", True),
        ({"statuses": {"/api/fleet/firmware": 302}}, "302. Is `api:`", True),
        ({"statuses": {"/api/fleet/firmware": 403}}, "FIRMDRILL_API_KEY", True),
        ({"statuses": {"/api/firmware/rollout": 500}}, "500; a refusal", False),
        ({"statuses": {"/api/firmware/rollout": 201}}, "201; a refusal", False),
        ({"statuses": {"/api/firmware/rollout": 405}}, "405. Is `api:`", True),
        ({"statuses": {"known": 500}}, "Check `chargers: provision:`", True),
        ({"open_door": True}, "401 is expected", False),
        ({"boot": "Pending"}, "BootNotification: Pending; drills need Accepted", True),
        ({"boot": [4, "InternalError", "oh", {}]}, "refused: InternalError oh", True),
        ({"boot": None}, "closed instead of an answer", True),
        ({"described": {"subprotocols": ["ocpp2.1"]}}, "SUBPROTOCOL failed", True),
        ({"described": {"chargers": {"ids": ["stranger"]}}}, "/ocpp/stranger: HTTP failed", True),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_a_hint(
    options: dict[str, Any], seen: str, *, vital: bool
) -> None:
    """One thing is wrong, and the step that is about it says so."""
    found = [one for one in wrong(probed(**options)) if seen in one.text]
    assert found, probed(**options)
    assert found[0].vital is vital


def test_an_unknown_rollout_like_an_unknown_path_says_nothing() -> None:
    """Neither ok nor wrong: the same 404 comes where there is no such path at all."""
    paths = {"read": "/nowhere/{rollout_id}"}
    steps = probed(described={"names": {"paths": paths}})
    (open_step,) = [one for one in steps if one.works is None]
    assert "/nowhere/" in open_step.text
    assert wrong(steps) == []


@pytest.mark.parametrize(
    ("said", "hint"),
    [(b"", "A TLS port needs https://"), (b"SSH-2.0-server\r\n\r\n", "Does this port speak HTTP?")],
)
def test_a_port_that_speaks_something_else_is_told_with_a_hint(said: bytes, hint: str) -> None:
    """It closes at once, as a TLS port does, or it greets."""

    async def live() -> list[Step]:
        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            writer.write(said)
            writer.close()

        async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            return [step async for step in probe(target(port))]

    with_key = next(one for one in wrong(asyncio.run(live())) if "with the key:" in one.text)
    assert hint in with_key.text
