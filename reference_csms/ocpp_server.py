"""The OCPP port: `websockets` around the hub. A shell.

`/ocpp/<percent-encoded id>`; unknown station 404, wrong password 401, no common subprotocol 400 at
the upgrade (the certification test TC_B_58_CSMS wants a refusal). Compression is off unless asked
for: it costs ten times the memory of an idle connection. Frames are written to the transport
without awaiting (D31); a station that reads too slowly is cut off before it fills the memory.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed, NegotiationError
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.protocol import State

from reference_csms.auth import Failures
from reference_csms.ocpp_schemas import VERSIONS

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence

    from websockets.http11 import Request, Response
    from websockets.typing import Subprotocol

    from reference_csms.auth import StationPasswords
    from reference_csms.turns import Turns

PREFIX = "/ocpp/"
LARGEST_FRAME = 256 * 1024  # bytes; OCPP's largest messages are certificates and reports
_UNREAD = 1024 * 1024  # bytes that may wait for a station that does not read
_FIRST_FREEZE = 1024  # connections
_FAILURES = 10  # wrong passwords a minute for one station from one address

_log = logging.getLogger(__package__)


class _Link:
    """Writes one connection's frames."""

    def __init__(self, connection: ServerConnection, closing: set[asyncio.Task[None]]) -> None:
        self._connection = connection
        self._closing = closing

    def write(self, text: str) -> bool:
        """Give the frame to the transport; False if the connection is no longer open."""
        connection = self._connection
        if connection.protocol.state is not State.OPEN or connection.transport.is_closing():
            return False
        connection.protocol.send_text(text.encode())
        connection.send_data()
        if connection.transport.get_write_buffer_size() > _UNREAD:
            connection.transport.abort()
        return True

    def hang_up(self, code: int, reason: str) -> None:
        """Close with the closing handshake, in the background."""
        task = asyncio.ensure_future(self._connection.close(code, reason))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


class OcppServer:
    """Accepts stations and feeds their frames to the hub."""

    def __init__(
        self,
        turns: Turns,
        passwords: StationPasswords,
        *,
        tls: ssl.SSLContext | None = None,
        certificate_names: bool = False,
        deflate: bool = False,
        ping_interval: float | None = 60.0,
    ) -> None:
        """`certificate_names`: security profile 3, the client certificate's CN is the station."""
        self._turns = turns
        self._hub = turns.hub
        self._passwords = passwords
        self._tls = tls
        self._certificate_names = certificate_names
        self._deflate = deflate
        self._ping_interval = ping_interval
        self._failures = Failures(_FAILURES)
        self._closing: set[asyncio.Task[None]] = set()
        self._server: Server | None = None
        self._freeze_at = _FIRST_FREEZE

    async def start(self, host: str, port: int) -> int:
        """Listen and return the port; OSError if it is taken."""
        extensions = (
            [ServerPerMessageDeflateFactory(server_max_window_bits=11, client_max_window_bits=11)]
            if self._deflate
            else None
        )
        self._server = await serve(
            self._serve,
            host,
            port,
            process_request=self._admit,
            select_subprotocol=_select,
            compression=None,
            extensions=extensions,
            max_size=LARGEST_FRAME,
            ping_interval=self._ping_interval,
            ping_timeout=self._ping_interval,
            open_timeout=30,
            close_timeout=5,
            ssl=self._tls,
            server_header=None,
            logger=_quiet(),
            backlog=4096,
        )
        return int(next(iter(self._server.sockets)).getsockname()[1])

    async def stop(self) -> None:
        """Say good-bye to every station (1001) and stop listening."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    # -------------------------------------------------- the upgrade

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refuse the upgrade where the station is unknown or does not prove who it is."""
        charger_id = station_of(request.path)
        charger = self._hub.service.known(charger_id) if charger_id else None
        if charger is None:
            text = f"No such station. Register it, and connect to {PREFIX}<station id>.\n"
            return connection.respond(HTTPStatus.NOT_FOUND, text)
        if self._certificate_names and _common_name(connection) != charger_id:
            text = "The client certificate's common name is not this station.\n"
            return connection.respond(HTTPStatus.UNAUTHORIZED, text)
        if not charger.password_hash:
            return None
        return self._check_password(connection, request, charger_id, charger.password_hash)

    def _check_password(
        self, connection: ServerConnection, request: Request, charger_id: str, password_hash: str
    ) -> Response | None:
        now = self._turns.now()
        name = f"{charger_id} {_address(connection)}"
        wait = self._failures.wait(name, now)
        if wait:
            response = connection.respond(HTTPStatus.TOO_MANY_REQUESTS, "Too many failures.\n")
            response.headers["Retry-After"] = str(wait)
            return response
        header = request.headers.get_all("Authorization")
        given = header[0] if len(header) == 1 else None
        if self._passwords.matches(charger_id, password_hash, given):
            return None
        self._failures.note(name, now)
        response = connection.respond(HTTPStatus.UNAUTHORIZED, "Wrong or missing password.\n")
        response.headers["WWW-Authenticate"] = 'Basic realm="ocpp", charset="UTF-8"'
        return response

    def _spare_collector(self) -> None:
        """Keep the garbage collector away from connections each time their number has doubled.

        A full collection over ten thousand of them stops the loop for tens of milliseconds. What is
        frozen and later only reachable through a cycle stays: at most as much as was ever open.
        """
        if len(self._hub) >= self._freeze_at:
            self._freeze_at *= 2
            gc.freeze()

    # -------------------------------------------------- a connection

    async def _serve(self, connection: ServerConnection) -> None:
        """Feed one station's frames to the hub until its connection ends."""
        assert connection.request is not None  # noqa: S101 - the handshake is over
        charger_id = station_of(connection.request.path)
        if self._hub.service.known(charger_id) is None:
            await connection.close(1008, "this charger was removed")
            return
        turns, hub, link = self._turns, self._hub, _Link(connection, self._closing)
        line = hub.open(turns.now(), charger_id, connection.subprotocol or "", link)
        turns.soon()
        self._spare_collector()
        try:
            async for data in connection:
                hub.receive(turns.now(), line, data)
                turns.soon()
        except ConnectionClosed:
            pass
        except Exception:
            # A defect of ours: the library would close with 1011 and tell nobody.
            _log.exception("the connection of %r failed", charger_id)
            raise
        finally:
            hub.close(turns.now(), line)
            turns.soon()


def station_of(path: str) -> str:
    """Return the station id in a request path, '' if there is none."""
    path = urlsplit(path).path if path.startswith("/") else ""
    if not path.startswith(PREFIX):
        return ""
    segment = path.removeprefix(PREFIX)
    return "" if "/" in segment else unquote(segment, errors="replace")


def _select(connection: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """Return the first version of the station's list that is spoken here."""
    del connection
    for one in offered:
        if one in VERSIONS:
            return one
    raise NegotiationError(f"offer one of the subprotocols {', '.join(VERSIONS)}")


def _address(connection: ServerConnection) -> str:
    address = connection.remote_address
    return str(address[0]) if address else ""


def _common_name(connection: ServerConnection) -> str | None:
    """Return the CN of the verified client certificate."""
    certificate = connection.transport.get_extra_info("peercert") or {}
    for part in certificate.get("subject", ()):
        for key, value in part:
            if key == "commonName":
                return str(value)
    return None


def _quiet() -> logging.Logger:
    """Return a logger for `websockets` that tells no handshake failures: peers make those."""
    logger = _log.getChild("websockets")
    logger.setLevel(logging.CRITICAL)
    return logger
