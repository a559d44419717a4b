"""Yardsticks for the CSMS: `python -m benchmarks._csms_servers stock|websockets [--uvloop]`.

`stock` is mobilityhouse/ocpp's `ChargePoint` behind `websockets`, as its documentation shows it.
`websockets` is the same library with msgspec and constant answers: no validation, no state; what
our server stands on. Both print `{"port": ...}`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

BOOTED = {"status": "Accepted", "interval": 300}


async def stock(connection: ServerConnection) -> None:
    """Serve one charger with the stock library."""
    from ocpp.routing import on  # noqa: PLC0415 - the other yardstick needs none of it
    from ocpp.v16 import ChargePoint, call_result  # noqa: PLC0415

    class Station(ChargePoint):
        """Answers the calls of the load."""

        @on("BootNotification")
        def on_boot(self, **_: Any) -> Any:
            return call_result.BootNotification(current_time=_now(), **BOOTED)

        @on("Heartbeat")
        def on_heartbeat(self) -> Any:
            return call_result.Heartbeat(current_time=_now())

        @on("StatusNotification")
        def on_status(self, **_: Any) -> Any:
            return call_result.StatusNotification()

        @on("MeterValues")
        def on_meter_values(self, **_: Any) -> Any:
            return call_result.MeterValues()

    with contextlib.suppress(ConnectionClosed):
        await Station("CP", connection).start()


async def bare(connection: ServerConnection) -> None:
    """Serve one charger with constant answers."""
    decode, encode = msgspec.json.Decoder().decode, msgspec.json.Encoder().encode
    with suppress(ConnectionClosed):
        async for data in connection:
            _, message_id, action, _ = decode(data)
            answer: dict[str, Any] = {}
            if action == "BootNotification":
                answer = {**BOOTED, "currentTime": _now()}
            elif action == "Heartbeat":
                answer = {"currentTime": _now()}
            await connection.send(encode((3, message_id, answer)), text=True)


def _now() -> str:
    return datetime.now(UTC).isoformat()


async def run(handler: Callable[[ServerConnection], Awaitable[None]], *, plain: bool) -> None:
    """Serve for ever; `plain`: with the library's default settings."""
    options: dict[str, Any] = {} if plain else {"compression": None, "ping_interval": None}
    async with serve(
        handler, "127.0.0.1", 0, subprotocols=["ocpp1.6"], open_timeout=60, backlog=4096, **options
    ) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        print(json.dumps({"port": port}), flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    if "--uvloop" in sys.argv:
        import uvloop

        loop_factory = uvloop.new_event_loop
    else:
        loop_factory = None
    chosen = stock if sys.argv[1] == "stock" else bare
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        try:
            runner.run(run(chosen, plain=chosen is stock))
        except KeyboardInterrupt:
            sys.exit(0)
