"""One WebSocket of one charger: the handshake and the frames, as callbacks.

A shell around picows, chosen by measurement (reports/benchmarks.md). There is no task and no queue
per connection; what arrives is told to the `Ear` in the order of the socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from typing import TYPE_CHECKING, Protocol

import picows
from picows import WSCloseCode, WSListener, WSMsgType, WSTransport

from simulator.credentials import basic
from simulator.dial import Dialled
from simulator.effects import ConnectFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

_READ_BUFFER = 1024  # OCPP frames are small; this is most of an idle charger's memory
_LOG = logging.getLogger("simulator.picows")
_LOG.setLevel(logging.CRITICAL + 1)  # the history says what happened, and says it once
_NO_CODE = 1005
_LOST = 1006


class WrongSubprotocol(Exception):
    """The server chose a subprotocol that was not offered (RFC 6455 §4.1: fail the connection)."""


class Ear(Protocol):
    """Who listens to a line."""

    def opened(self, line: Line, subprotocol: str) -> None:
        """The handshake is done."""

    def heard(self, line: Line, text: str) -> None:
        """A text frame arrived."""

    def odd(self, line: Line, what: str) -> None:
        """Something arrived that OCPP-J does not know."""

    def gone(self, line: Line, code: int, reason: str) -> None:
        """The connection ended without us asking; told at most once, and not after `close`."""


class Line(WSListener):
    """One WebSocket; `send`, `close` and `abort` are harmless once it is gone."""

    __slots__ = ("_ear", "_ended", "_fragments", "_kind", "_transport")

    def __init__(self, ear: Ear) -> None:
        self._ear = ear
        self._ended = False
        self._transport: WSTransport | None = None
        self._fragments: bytes | None = None
        self._kind = WSMsgType.TEXT

    def send(self, text: str) -> None:
        """Put one text frame on the socket."""
        if self._transport is not None and not self._ended:
            self._transport.send(WSMsgType.TEXT, text)

    def close(self, code: int = 1000) -> None:
        """Begin the closing handshake; nothing is told any more. Call `abort` some time later."""
        if self._transport is not None and not self._ended:
            self._ended = True
            # picows types the code as its enum, yet any code of RFC 6455 may be sent.
            self._transport.send_close(code)  # type: ignore[arg-type]

    def abort(self) -> None:
        """Drop the connection at once; nothing is told any more."""
        self._ended = True
        if self._transport is not None:
            self._transport.disconnect(graceful=False)

    def freeze(self) -> None:
        """Leave the connection half-open: read nothing, say nothing, answer no ping."""
        self._ended = True
        if self._transport is not None:
            self._transport.underlying_transport.pause_reading()

    @property
    def connected(self) -> bool:
        """Whether the TCP connection is still there."""
        return self._transport is not None and not self._transport.is_disconnected

    # ------------------------------------------------------------------ what picows calls

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Take the transport: frames may follow in the same turn."""
        self._transport = transport
        subprotocol = transport.response.headers.get("Sec-WebSocket-Protocol", "")
        self._ear.opened(self, subprotocol)

    def on_ws_frame(self, transport: WSTransport, frame: picows.WSFrame) -> None:
        """Take one frame."""
        kind = frame.msg_type
        if kind == WSMsgType.CLOSE:
            self._closed_by_peer(transport, frame)
        elif self._ended or kind == WSMsgType.PONG:
            return
        elif kind == WSMsgType.CONTINUATION or not frame.fin:
            self._fragment(transport, frame)
        else:
            self._message(transport, kind, frame.get_payload_as_bytes())

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Learn that the TCP connection is gone, in whatever way."""
        if self._ended:
            return
        handshake = transport.close_handshake
        if handshake is not None and handshake.sent is not None:
            # picows found a protocol error and closed; its future holds the error until asked.
            task = asyncio.get_running_loop().create_task(_forget(transport))
            _forgetting.add(task)
            task.add_done_callback(_forgetting.discard)
            self._end(_number(handshake.sent.code), str(handshake.sent.reason or "protocol error"))
        else:
            self._end(_LOST, "connection lost")

    def pause_writing(self) -> None:
        """Do nothing: OCPP allows one outstanding CALL, which bounds what can pile up."""

    def resume_writing(self) -> None:
        """Do nothing."""

    # ------------------------------------------------------------------ inside

    def _message(self, transport: WSTransport, kind: WSMsgType, payload: bytes) -> None:
        if kind == WSMsgType.BINARY:
            self._ear.odd(self, f"a binary frame of {len(payload)} bytes")
            return
        try:
            text = payload.decode()
        except UnicodeDecodeError:
            transport.send_close(WSCloseCode.INVALID_TEXT)
            transport.disconnect()
            self._end(_number(WSCloseCode.INVALID_TEXT), "not UTF-8")
            return
        self._ear.heard(self, text)

    def _fragment(self, transport: WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type != WSMsgType.CONTINUATION:
            self._kind = frame.msg_type
        self._fragments = (self._fragments or b"") + frame.get_payload_as_bytes()
        if frame.fin:
            payload, self._fragments = self._fragments, None
            self._message(transport, self._kind, payload)

    def _closed_by_peer(self, transport: WSTransport, frame: picows.WSFrame) -> None:
        code = _number(frame.get_close_code()) or _NO_CODE
        if not self._ended:
            transport.send_close(frame.get_close_code())
        transport.disconnect()
        self._end(code, frame.get_close_reason() or "")

    def _end(self, code: int, reason: str) -> None:
        if not self._ended:
            self._ended = True
            self._ear.gone(self, code, reason)


def _number(code: WSCloseCode | int) -> int:
    """Return a close code as a number: picows gives the enum, or a number it has no name for."""
    return int(code.value) if isinstance(code, WSCloseCode) else int(code)


_forgetting: set[asyncio.Task[None]] = set()


async def _forget(transport: WSTransport) -> None:
    """Take note of an error that was already dealt with, so that asyncio does not report it."""
    with contextlib.suppress(Exception):
        await transport.wait_disconnected()


async def open_line(
    ear: Ear,
    url: str,
    *,
    subprotocols: Sequence[str],
    tls: ssl.SSLContext | None,
    login: tuple[str, str] | None,
    within: float,
) -> ConnectFailed | None:
    """Connect; success is told to the ear, in the turn of the handshake. Returns a failure.

    `login` is sent as HTTP Basic (OCPP security profiles 1 and 2).
    """
    line: Line | None = None
    dialled = Dialled()

    def listener(_: picows.WSUpgradeRequest, response: picows.WSUpgradeResponse) -> Line:
        nonlocal line
        if dialled.given_up:
            raise TimeoutError("the server answered after we had given up")
        chosen = response.headers.get("Sec-WebSocket-Protocol", "")
        if chosen and chosen not in subprotocols:
            raise WrongSubprotocol(f"the server chose {chosen!r}, which was not offered")
        line = Line(ear)
        return line

    headers = [("Sec-WebSocket-Protocol", ", ".join(subprotocols))]
    if login is not None:
        headers.append(("Authorization", basic(*login)))
    try:
        async with asyncio.timeout(within):
            await picows.ws_connect(
                listener,
                url,
                ssl_context=tls,
                extra_headers=headers,
                websocket_handshake_timeout=None,
                socket_factory=lambda target: dialled.connect(target.host, target.port),
                read_buffer_init_size=_READ_BUFFER,
                use_aiofastnet=False,
                max_redirects=0,
                logger_name=_LOG,
            )
    except asyncio.CancelledError:
        dialled.give_up()
        raise
    except Exception as error:  # noqa: BLE001  sorted into reasons; a charger tries again
        if line is not None:
            return None
        dialled.give_up()
        return failure(error)
    if line is None:
        return ConnectFailed("other", "the server closed the connection during the handshake")
    return None


def failure(error: Exception) -> ConnectFailed:
    """Say in the words of `ConnectFailed` why a connection could not be opened."""
    detail = f"{type(error).__name__}: {error}"[:300]
    match error:
        case picows.WSInvalidStatusError(response=response) if response is not None:
            status = int(response.status)
            return ConnectFailed("http", f"HTTP {status}", http_status=status)
        case TimeoutError():
            return ConnectFailed("timeout", "no answer in time")
        case WrongSubprotocol():
            return ConnectFailed("subprotocol", str(error)[:300])
        case ssl.SSLError():
            return ConnectFailed("tls", detail)
        case socket.gaierror():
            return ConnectFailed("dns", detail)
        case ConnectionRefusedError() | ConnectionResetError():
            return ConnectFailed("refused", detail)
        case _:
            return ConnectFailed("other", detail)
