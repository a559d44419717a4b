"""What the tests of fleets on sockets share: specs, a small CSMS, and an ear for what happens."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

from websockets.exceptions import ConnectionClosed

from simulator.faults import ChargerSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from websockets.asyncio.server import ServerConnection

    from simulator.sockets import Fleet


def spec(number: int = 1, **options: Any) -> ChargerSpec:
    """Return a charger's spec."""
    about: dict[str, Any] = {
        "id": f"CP-{number}", "cohort": "test", "ocpp": "ocpp1.6", "vendor": "ABB",
        "model": "Terra", "serial": str(number), "firmware_version": "1.0",
    }  # fmt: skip
    return ChargerSpec(**about | options)


class World:
    """A fleet, the url it connects to, and everything its observer heard."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, str | None, dict[str, Any]]] = []
        self.changed = asyncio.Event()
        self.fleet: Fleet

    def observe(self, charger: str, kind: str, text: str | None, data: dict[str, Any]) -> None:
        """Remember what happened and wake whoever waits for it."""
        self.heard.append((charger, kind, text, data))
        self.changed.set()

    def kinds(self, kind: str) -> list[tuple[str, str, str | None, dict[str, Any]]]:
        """Return what was heard of this kind."""
        return [each for each in self.heard if each[1] == kind]

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait until something holds, looking after each thing heard."""
        async with asyncio.timeout(10):
            while not holds():
                self.changed.clear()
                await self.changed.wait()


async def csms(connection: ServerConnection) -> None:
    """Answer like a CSMS: accept boots, tell the time, acknowledge everything else."""
    with contextlib.suppress(ConnectionClosed):
        async for text in connection:
            frame = json.loads(text)
            if frame[0] != 2:
                continue
            now = "2026-01-01T00:00:00Z"
            payload = {
                "BootNotification": {"status": "Accepted", "currentTime": now, "interval": 300},
                "Heartbeat": {"currentTime": now},
            }.get(frame[2], {})
            await connection.send(json.dumps([3, frame[1], payload]))
