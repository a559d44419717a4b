"""One request to the firmware server: its bytes on the wire, and the ways in which they end.

A shell. Whole images are streamed by range; a fault stops, bends or slows the stream.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from simulator.file_image import FileImage, OtherBuild
from simulator.firmware_faults import damage
from simulator.image import HEADER_BYTES, Image

if TYPE_CHECKING:
    from aiohttp import web

    from simulator.faults import DownloadFault

CHUNK = 1 << 18  # large chunks: a TLS record costs less than a turn of the loop
LONGEST_STALL = 3600.0  # seconds after which a stalled connection is given up
_DRAIN = 30.0


@dataclass(slots=True)
class Exchange:
    """One request and what becomes of it; turned into one line of the log."""

    request: web.BaseRequest
    client: str
    image: Image | FileImage | None
    fault: DownloadFault | None
    asked: tuple[int, int] | None = None
    status: int = 0
    sent: int = 0
    total: int = 0
    outcome: str = "aborted"
    began: float = field(default_factory=time.time)  # Unix seconds

    @property
    def kind(self) -> str | None:
        """The fault that strikes this request."""
        return self.fault.kind if self.fault else None

    def line(self) -> dict[str, Any]:
        """Return the log line of seam 4."""
        return {
            "time": time.time(),
            "began": self.began,
            "client": self.client[:256],
            "path": self.request.path[:1024],
            "range": list(self.asked) if self.asked else None,
            "status": self.status,
            "sent": self.sent,
            "total": self.total,
            "outcome": self.outcome,
            "fault": self.kind,
        }


async def stream(
    exchange: Exchange,
    image: Image | FileImage,
    answer: web.StreamResponse,
    first: int,
    end: int,
) -> None:
    """Send the bytes from `first` up to `end`, as far as the fault lets them go."""
    fault, kind = exchange.fault, exchange.kind
    stop, spot = end, -1
    if fault is not None and kind in _BREAKS:
        stop = max(fault.spot(image.size), first)
    if fault is not None and kind == "corrupt":
        spot = max(first + fault.spot(end - first - 16), HEADER_BYTES)
    source: Image | FileImage | OtherBuild = image
    if kind == "changed" and first:
        # Another build under the same name and validator, as two unsynchronised mirrors give it.
        source = _another_build(image)
    rate = fault.rate if fault is not None and kind == "throttle" else None
    chunk_bytes = CHUNK if rate is None else max(1, min(CHUNK, int(rate / 10)))
    begun = time.monotonic()
    while first < min(stop, end):
        chunk = source.read(first, min(chunk_bytes, stop - first, end - first))
        if rate is not None:
            due = begun + (exchange.sent + len(chunk)) / rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        await answer.write(damage(chunk, first, spot) if spot >= 0 else chunk)
        first += len(chunk)
        exchange.sent += len(chunk)
    if kind in _BREAKS:
        await _break(exchange)
        return
    await answer.write_eof()
    exchange.outcome = "complete"


def _another_build(image: Image | FileImage) -> Image | OtherBuild:
    if isinstance(image, FileImage):
        return image.another_build()
    return Image(image.version, image.size, image.vendor, image.model, image.seed + 1)


_BREAKS = frozenset({"cut", "stall", "wrong_length"})


async def _break(exchange: Exchange) -> None:
    """End a transfer the way its fault says, after what was sent has really arrived."""
    request = exchange.request
    if exchange.kind == "stall":
        exchange.outcome = "stalled"
        # Cancelled when the client hangs up (`handler_cancellation`).
        await asyncio.sleep(LONGEST_STALL)
    exchange.outcome = "cut"
    await _delivered(request)
    if exchange.kind == "wrong_length" and request.transport is not None:
        request.transport.close()
        return
    reset(request)


async def _delivered(request: web.BaseRequest) -> None:
    """Wait until the peer acknowledged every byte: a reset discards what is still on its way."""
    deadline = time.monotonic() + _DRAIN
    empty = 0
    while empty < 3 and time.monotonic() < deadline:  # noqa: PLR2004  what TLS still holds follows
        await asyncio.sleep(0.002)
        if request.transport is None:
            return
        empty = empty + 1 if _unsent(request.transport) == 0 else 0


def _unsent(transport: asyncio.Transport) -> int:
    """Return how many bytes the kernel has not seen acknowledged (0 where it cannot tell)."""
    try:
        import fcntl  # noqa: PLC0415  not on every platform
        import termios  # noqa: PLC0415

        raw = fcntl.ioctl(
            transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, struct.pack("i", 0)
        )
    except (ImportError, OSError, AttributeError):
        return 0
    return int(struct.unpack("i", raw)[0])


def reset(request: web.BaseRequest) -> None:
    """Drop the connection with a TCP reset, as a router does that forgot it."""
    transport = request.transport
    if transport is None:
        return
    with contextlib.suppress(OSError):
        transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
    transport.abort()
