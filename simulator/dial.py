"""A TCP connection that can be given up at any time. A shell.

Whoever opens a WebSocket may lose patience while the server thinks about the handshake; the
library then no longer says which connection that was. So we open the TCP connection ourselves.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket


class Dialled:
    """At most one TCP connection; `give_up` ends it, whoever uses it by now."""

    __slots__ = ("_socket", "given_up")

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self.given_up = False

    async def connect(self, host: str, port: int) -> socket.socket:
        """Connect to the first address of the host that answers; raises its `OSError`."""
        loop = asyncio.get_running_loop()
        refused: OSError | None = None
        for family, address in await _addresses(loop, host, port):
            candidate = socket.socket(family, socket.SOCK_STREAM)
            candidate.setblocking(False)
            try:
                await loop.sock_connect(candidate, address)
            except OSError as error:
                candidate.close()
                refused = error
            except BaseException:
                candidate.close()
                raise
            else:
                self._socket = candidate
                return candidate
        try:
            raise refused or OSError(f"{host} has no address")
        finally:
            refused = None  # else the error and this frame keep each other alive

    def give_up(self) -> None:
        """End the connection: its transport, if it has one by now, sees the end of the stream."""
        self.given_up = True
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket = None


async def _addresses(
    loop: asyncio.AbstractEventLoop, host: str, port: int
) -> list[tuple[int, tuple[str, int]]]:
    """Return (family, address) pairs; an address written as numbers needs no resolver thread."""
    for family in (socket.AF_INET, socket.AF_INET6):
        with contextlib.suppress(OSError):
            socket.inet_pton(family, host)
            return [(family, (host, port))]
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(int(family), (str(address[0]), port)) for family, _, _, _, address in found]
