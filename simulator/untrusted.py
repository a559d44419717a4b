"""A TLS listener whose certificate nobody trusts: where a download meets the fault `tls`.

A shell. Clients that check certificates end the handshake there; one that goes on finds nothing.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from simulator.certificates import Authority, server_context


class UntrustedDoor:
    """Listens beside the firmware server once `start` was called; `url` says where."""

    def __init__(self) -> None:
        self._server: asyncio.Server | None = None

    async def start(self, host: str) -> None:
        """Listen on any free port with a certificate made for this purpose and then forgotten."""
        with tempfile.TemporaryDirectory(prefix="firmdrill-") as folder:
            pair = Authority(Path(folder) / "nobody", name="an authority nobody knows").server()
            context = server_context(pair)
        self._server = await asyncio.start_server(_close, host, 0, ssl=context)

    def url(self, host: str | None) -> str:
        """Return `https://host:port`, with the host under which the client knows us."""
        assert self._server is not None, "started where a fault needs it"  # noqa: S101
        name, port = self._server.sockets[0].getsockname()[:2]
        shown = host or name
        return f"https://[{shown}]:{port}" if ":" in shown else f"https://{shown}:{port}"

    async def stop(self) -> None:
        """Stop listening; harmless if it never began."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()


async def _close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say nothing to a client that does not check certificates."""
    del reader
    writer.close()
