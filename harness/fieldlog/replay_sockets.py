"""Drives players over real WebSockets: into a CSMS, or into chargers that connect to us. A shell.

Time is the loop's, in seconds since the replay began; the chargers of a recording keep their
distances from each other.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from harness.suites.charger_socket import charger_of
from simulator.credentials import basic
from simulator.errors import StartError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping

    from websockets.asyncio.connection import Connection

    from harness.fieldlog.replay import Act, Player

WITHIN = 15.0  # seconds to connect
MOST_BYTES = 1 << 20


def address(template: str, charger: str) -> str:
    """Return the WebSocket url of a charger: `{id}` is replaced, or the id appended."""
    name = quote(charger, safe="")
    return (
        template.replace("{id}", name) if "{id}" in template else f"{template.rstrip('/')}/{name}"
    )


class _Driver:
    """One player and its connection."""

    def __init__(self, player: Player, open_line: Callable[[], Any]) -> None:
        self.player = player
        self._open_line = open_line
        self._line: Connection | None = None
        self._began = time.monotonic()

    def now(self) -> float:
        return time.monotonic() - self._began

    async def run(self) -> None:
        """Play to the end, or to the first divergence."""
        try:
            while not self.player.over:
                acts = self.player.step(self.now())
                for act in acts:
                    await self._do(act)
                if not acts and not self.player.over:
                    await self._listen()
            for act in self.player.step(self.now()):
                await self._do(act)
        finally:
            await self._close()

    async def _do(self, act: Act) -> None:
        if act.kind == "connect":
            await self._connect()
        elif act.kind == "close":
            await self._close()
        elif self._line is not None:
            try:
                await self._line.send(act.text)
            except ConnectionClosed:
                self._lost()

    async def _connect(self) -> None:
        await self._close()
        try:
            self._line = await self._open_line()
        except TimeoutError:
            self.player.failed("nobody connected in time")
        except (OSError, InvalidHandshake, InvalidURI) as error:
            self.player.failed(f"{type(error).__name__}: {error}")
        else:
            self.player.connected(self.now())

    async def _close(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            with contextlib.suppress(ConnectionClosed, TimeoutError):
                await asyncio.wait_for(line.close(), WITHIN)

    def _lost(self) -> None:
        line, self._line = self._line, None
        self.player.closed(self.now(), line.close_code if line is not None else None)

    async def _listen(self) -> None:
        """Wait for a frame, but not longer than the player sleeps."""
        left = self.player.wake - self.now()
        if left <= 0:
            return
        limit = None if math.isinf(left) else left
        if self._line is None:
            await asyncio.sleep(0 if limit is None else limit)
            return
        try:
            text = await asyncio.wait_for(self._line.recv(), limit)
        except TimeoutError:
            return
        except ConnectionClosed:
            self._lost()
            return
        self.player.heard(text if isinstance(text, str) else repr(text[:80]), self.now())


async def into_csms(
    players: Mapping[str, Player],
    template: str,
    *,
    subprotocols: Mapping[str, str],
    password: str | None = None,
    tls: ssl.SSLContext | None = None,
) -> None:
    """Play the chargers' side into a CSMS; the players hold what came of it."""

    def opener(charger: str) -> Callable[[], Any]:
        headers = [("Authorization", basic(charger, password))] if password else []

        async def opened() -> ClientConnection:
            return await asyncio.wait_for(
                connect(
                    address(template, charger), ssl=tls, additional_headers=headers,
                    subprotocols=[subprotocols[charger]],  # type: ignore[list-item]
                    compression=None, max_size=MOST_BYTES, proxy=None, ping_interval=None,
                ),
                WITHIN,
            )  # fmt: skip

        return opened

    await asyncio.gather(*(_Driver(p, opener(charger)).run() for charger, p in players.items()))


async def into_chargers(
    players: Mapping[str, Player],
    *,
    host: str,
    port: int,
    subprotocols: Mapping[str, str],
    listening: Callable[[str], None],
    wait: float,
) -> None:
    """Play the CSMS's side into chargers that connect here under the recording's ids.

    With one charger in the recording any id is welcome. Raises StartError if the port is taken.
    """
    doors: dict[str, asyncio.Queue[ServerConnection]] = {name: asyncio.Queue() for name in players}

    async def talk(connection: ServerConnection) -> None:
        assert connection.request is not None  # noqa: S101 - the handshake is over
        name = charger_of(connection.request.path)
        door = doors.get(name) or (next(iter(doors.values())) if len(doors) == 1 else None)
        if door is not None:
            await door.put(connection)
            await connection.wait_closed()

    known = sorted({version for version in subprotocols.values() if version})
    try:
        server = await serve(
            talk, host, port, compression=None, max_size=MOST_BYTES, ping_interval=None,
            subprotocols=known,  # type: ignore[arg-type]
        )  # fmt: skip
    except OSError as error:
        raise StartError(
            f"cannot listen on {host}:{port}: {error.strerror or error}; choose another --listen"
        ) from error
    async with server:
        listening(f"ws://{host}:{server.sockets[0].getsockname()[1]}")

        def opener(charger: str) -> Callable[[], Any]:
            async def opened() -> ServerConnection:
                return await asyncio.wait_for(doors[charger].get(), wait)

            return opened

        await asyncio.gather(*(_Driver(p, opener(name)).run() for name, p in players.items()))
