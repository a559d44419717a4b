"""The WebSocket server in front of the desk: real chargers connect here. A shell.

What the server refuses at the door (a wrong path, password or subprotocol) is told to `refused`, in
words for whoever stands beside the charger. Passwords are compared and never written anywhere.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import hmac
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed, NegotiationError

from harness.suites.charger_desk import SUBPROTOCOLS
from simulator.errors import StartError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Sequence

    from websockets.asyncio.server import Server, ServerConnection
    from websockets.http11 import Request, Response
    from websockets.typing import Subprotocol

    from harness.suites.charger_desk import Desk

    Observe = Callable[[str, str, str | None, dict[str, Any]], None]

MOST_BYTES = 1 << 20
LONGEST_ID = 48  # OCPP 2.0.1 Part 4: a station's identity


class _Socket:
    """One open connection, as the desk holds it; frames leave in the order in which it sent."""

    def __init__(self, connection: ServerConnection, charger_id: str, observe: Observe) -> None:
        self.charger_id = charger_id
        self._connection = connection
        self._observe = observe
        self._out: asyncio.Queue[str | int] = asyncio.Queue()
        self._closing = False

    def send(self, text: str) -> None:
        """Write one frame."""
        if not self._closing:
            self._observe(self.charger_id, "recv", text, {})
            self._out.put_nowait(text)

    def close(self, code: int = 1000) -> None:
        """Close it, after what was sent before."""
        if not self._closing:
            self._closing = True
            self._out.put_nowait(code)

    async def write(self) -> None:
        """Write until it is closed."""
        with contextlib.suppress(ConnectionClosed):
            while isinstance(item := await self._out.get(), str):
                await self._connection.send(item)
            await self._connection.close(item)


class StationServer:
    """Listens for chargers; `start`, then `stop`."""

    def __init__(
        self,
        desk: Desk,
        *,
        now: Callable[[], float],
        observe: Observe,
        refused: Callable[[str], None],
        password: str | None = None,
    ) -> None:
        self._desk = desk
        self._now = now
        self._observe = observe
        self._refused = refused
        self._password = password
        self._server: Server | None = None

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> str:
        """Listen and return the base url for chargers; `StartError` if the port is taken."""
        try:
            self._server = await serve(
                self._talk, host, port, ssl=tls, max_size=MOST_BYTES, compression=None,
                subprotocols=[*SUBPROTOCOLS],  # type: ignore[list-item]
                select_subprotocol=self._select, process_request=self._admit,
            )  # fmt: skip
        except OSError as error:
            raise StartError(
                f"cannot listen on {host}:{port}: {error.strerror or error}; "
                "choose another --listen, or port 0 for any free one"
            ) from error
        bound = self._server.sockets[0].getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        return f"{'wss' if tls else 'ws'}://{shown}:{bound}"

    async def stop(self) -> None:
        """Close every connection."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def _select(self, _: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
        chosen = next((name for name in SUBPROTOCOLS if name in offered), None)
        if chosen is None:
            told = ", ".join(offered) or "none"
            self._refused(f"a charger offered the subprotocols {told}; one of "
                          f"{', '.join(SUBPROTOCOLS)} is needed")  # fmt: skip
            raise NegotiationError("no OCPP subprotocol in common")
        return chosen  # type: ignore[return-value]

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        charger = charger_of(request.path)
        if not charger:
            self._refused(f"a connection came to {request.path[:80]!r}, which names no charger")
            return connection.respond(
                HTTPStatus.NOT_FOUND, "the path must end in the charger's id\n"
            )
        wanted = self._password
        if wanted is not None and not _right(request.headers.get("Authorization"), charger, wanted):
            self._refused(f"{charger} did not give the right password (HTTP Basic)")
            response = connection.respond(HTTPStatus.UNAUTHORIZED, "wrong user or password\n")
            response.headers["WWW-Authenticate"] = 'Basic realm="OCPP"'
            return response
        return None

    async def _talk(self, connection: ServerConnection) -> None:
        assert connection.request is not None  # noqa: S101 - the handshake is over
        charger, desk = charger_of(connection.request.path), self._desk
        socket = _Socket(connection, charger, self._observe)
        version = connection.subprotocol or ""
        self._observe(charger, "open", None, {"subprotocol": version})
        desk.handshake(self._now(), socket, (version,), None)
        writing = asyncio.create_task(socket.write())
        try:
            async for text in connection:
                if isinstance(text, str):
                    self._observe(charger, "send", text, {})
                    desk.receive(self._now(), socket, text)
        except ConnectionClosed:
            pass
        finally:
            writing.cancel()
            code = connection.close_code or 1006
            self._observe(charger, "close", None, {"code": code})
            desk.closed(self._now(), socket, code)


def charger_of(path: str) -> str:
    """Return the charger's id at the end of a path, '' if there is none that OCPP allows."""
    name = unquote(urlsplit(path).path.rsplit("/", 1)[-1])
    return name if 0 < len(name) <= LONGEST_ID and name.isprintable() else ""


def _right(header: str | None, charger: str, password: str) -> bool:
    """Whether an Authorization header holds the charger's id and the password."""
    scheme, _, value = (header or "").partition(" ")
    if scheme.lower() != "basic":
        return False
    try:
        given = base64.b64decode(value.strip(), validate=True)
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(given, f"{charger}:{password}".encode())
