"""The real shells on free loopback ports within one test's loop."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from websockets.asyncio.client import ClientConnection, connect

from reference_csms.api import Api
from reference_csms.auth import ApiKeys, StationPasswords, api_key
from reference_csms.model import Settings
from reference_csms.ocpp_hub import Hub
from reference_csms.ocpp_server import OcppServer
from reference_csms.service import Service
from reference_csms.store import Store
from reference_csms.turns import Clock, Turns
from tests.reference_csms.station import BOOTS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from websockets.typing import Subprotocol

KEY, READER = "the-key-of-the-tests", "the-reader-of-the-tests"
AUTH = {"Authorization": f"Bearer {KEY}"}
API, EXT = "/api/v1/cpo", "/ext/v1"
URL = "https://x.example/f.bin"
Client = TestClient[web.Request, web.Application]


class Running:
    """A CSMS with both ports open."""

    def __init__(self, rest: Client, ocpp_port: int, turns: Turns) -> None:
        self.rest = rest
        self.ocpp_port = ocpp_port
        self.turns = turns

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Return status and JSON body of a request with the key."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.rest.request(method, path, json=body, headers=AUTH | named) as answer:
            return answer.status, await answer.json(content_type=None)

    async def register(self, *ids: str, **fields: Any) -> None:
        """Register chargers."""
        chargers = [{"charge_point_id": one, **fields} for one in ids]
        status, _ = await self.ask("POST", f"{EXT}/chargers", {"chargers": chargers})
        assert status == 200

    async def rollout(self, *ids: str, **fields: Any) -> str:
        """Create a rollout."""
        body = {"charger_ids": ids, "firmware_url": URL, "strategy": "all_at_once", **fields}
        status, answer = await self.ask("POST", f"{API}/firmware/rollout", body)
        assert status == 201, answer
        return str(answer["rollout_id"])

    def link(self, charger_id: str, version: str = "ocpp1.6", **options: Any) -> connect:
        """Return a connection to open with `async with`."""
        offered: list[Subprotocol] = options.pop("subprotocols", [version])
        scheme = "wss" if "ssl" in options else "ws"
        url = f"{scheme}://127.0.0.1:{self.ocpp_port}/ocpp/{charger_id}"
        return connect(url, subprotocols=offered, proxy=None, ping_interval=None, **options)


@asynccontextmanager
async def running(**options: Any) -> AsyncIterator[Running]:
    """Run a CSMS over a database in memory."""
    store = Store(":memory:")
    clock = Clock()
    settings = options.pop("settings", Settings(instance="t", insecure_firmware_url=True))
    hub = Hub(Service(store, settings, clock.now()), epoch=1)
    turns = Turns(hub, clock)
    passwords = StationPasswords(b"secret")
    keys = ApiKeys([api_key(KEY), api_key(READER, "read")])
    ocpp = OcppServer(turns, passwords, ping_interval=None, **options)
    client = TestClient(TestServer(Api(turns, keys, passwords).application()))
    await client.start_server()
    try:
        yield Running(client, await ocpp.start("127.0.0.1", 0), turns)
    finally:
        await ocpp.stop()
        await client.close()
        turns.stop()
        store.close()


async def call(link: ClientConnection, message_id: str, action: str, payload: Any) -> list[Any]:
    """Send a CALL and return the next frame."""
    await link.send(json.dumps([2, message_id, action, payload]))
    return await receive(link)


async def receive(link: ClientConnection) -> list[Any]:
    """Return the next frame."""
    frame: list[Any] = json.loads(await link.recv())
    return frame


async def boot(link: ClientConnection) -> None:
    """Boot as any station would."""
    answer = await call(link, "boot", "BootNotification", BOOTS[str(link.subprotocol)])
    assert answer[2]["status"] == "Accepted"


async def install(link: ClientConnection) -> None:
    """Take the update command and report the whole way to Installed."""
    _, message_id, _, payload = await receive(link)
    two = link.subprotocol != "ocpp1.6"
    await link.send(json.dumps([3, message_id, {"status": "Accepted"} if two else {}]))
    for status in ("Downloading", "Downloaded", "Installing", "Installed"):
        told = {"status": status, **({"requestId": payload["requestId"]} if two else {})}
        assert (await call(link, status, "FirmwareStatusNotification", told))[2] == {}
