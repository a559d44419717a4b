"""The firmware server: images by range without files, and every fault really on the wire.

A shell, run as its own process (`python -I -m simulator.firmware_server`), because TLS for a whole
fleet costs a core. It answers `GET /<any tag>/<image name>`: the tag only makes URLs distinct.
Nothing that a client sends becomes a file name; it appears in the log as JSON and nowhere else.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import socket
import struct
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web
from pydantic import ValidationError

from simulator import event_loop
from simulator.certificates import KeyPair, server_context
from simulator.errors import StartError
from simulator.file_image import FileImage, OtherBuild
from simulator.firmware_faults import (
    FaultPlan,
    ImageSpec,
    ServerSpec,
    client_of,
    damage,
    parse_fault,
    parse_range,
)
from simulator.image import HEADER_BYTES, Image
from simulator.line_writer import LineWriter

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from simulator.faults import DownloadFault

    Log = Callable[[dict[str, Any]], None]

CHUNK = 1 << 18  # large chunks: a TLS record costs less than a turn of the loop
LONGEST_STALL = 3600.0  # seconds after which a stalled connection is given up
_LOOP_PATH = "/.loop"
_HTML = b"<!doctype html><title>Sign in</title><p>Please accept the terms of use.</p>\n"
_DRAIN = 30.0


@dataclass(slots=True)
class Exchange:
    """One request and what becomes of it; turned into one line of the log."""

    request: web.Request
    client: str
    image: Image | FileImage | None
    fault: DownloadFault | None
    asked: tuple[int, int] | None = None
    status: int = 0
    sent: int = 0
    total: int = 0
    outcome: str = "aborted"

    @property
    def kind(self) -> str | None:
        """The fault that strikes this request."""
        return self.fault.kind if self.fault else None

    def line(self) -> dict[str, Any]:
        """Return the log line of seam 4."""
        return {
            "time": time.time(),
            "client": self.client[:256],
            "path": self.request.path[:1024],
            "range": list(self.asked) if self.asked else None,
            "status": self.status,
            "sent": self.sent,
            "total": self.total,
            "outcome": self.outcome,
            "fault": self.kind,
        }


class FirmwareServer:
    """Serves the images of a spec; `log` hears one line for each finished request."""

    def __init__(self, spec: ServerSpec, *, log: Log) -> None:
        self.images: dict[str, Image | FileImage] = {
            name: about.image() if isinstance(about, ImageSpec) else FileImage(about.file)
            for name, about in spec.images.items()
        }
        self.plan = FaultPlan(spec.faults, spec.path_faults)
        self.log = log
        # Made now: hashing a large image must not delay the first download.
        self._etags = {name: f'"{image.sha256[:32]}"' for name, image in self.images.items()}
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> str:
        """Listen and return the base url; raises `StartError` if the port cannot be had."""
        app = web.Application()
        app.router.add_get(r"/{path:(?s:.*)}", self._get)
        self._runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=0.5
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, ssl_context=tls, backlog=1024)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise StartError(
                f"cannot listen on {host}:{port}: {error.strerror or error}; "
                "choose another --port, or 0 for any free one"
            ) from error
        bound = self._runner.addresses[0][1]
        shown = f"[{host}]" if ":" in host else host
        return f"{'https' if tls else 'http'}://{shown}:{bound}"

    async def stop(self) -> None:
        """Stop listening and end what is still being sent."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _get(self, request: web.Request) -> web.StreamResponse:
        name = request.path.rsplit("/", 1)[-1]
        client = client_of(request.headers.get("User-Agent", ""), request.remote or "")
        if request.path.startswith(_LOOP_PATH + "/"):
            # The round trips of a redirect loop are one download: they count as one request.
            return _redirect(request.rel_url.raw_path)
        # A look at the headers is no download: it neither meets nor uses up a fault.
        looks = request.method == "HEAD"
        fault = None if looks else self.plan.strike(client, request.path, name)
        exchange = Exchange(request, client, self.images.get(name), fault)
        try:
            return await self._answer(exchange, name)
        finally:
            # Also when the client went away or we are being stopped: what was sent is a fact.
            self.log(exchange.line())

    async def _answer(self, exchange: Exchange, name: str) -> web.StreamResponse:
        image, fault, request = exchange.image, exchange.fault, exchange.request
        if image is None:
            return _plain(exchange, 404, "no such image\n")
        match exchange.kind:
            case "refuse":
                exchange.outcome = "cut"
                _reset(request)
                return web.Response()
            case "status" if fault is not None:
                return _plain(exchange, fault.status or 503, "out of service\n")
            case "redirect":
                exchange.status, exchange.outcome = 302, "redirected"
                return _redirect(_LOOP_PATH + request.rel_url.raw_path)
            case "html":
                return await self._send_html(exchange)
            case _:
                return await self._send_image(exchange, image, name)

    async def _send_html(self, exchange: Exchange) -> web.StreamResponse:
        exchange.status, exchange.total = 200, len(_HTML)
        response = web.Response(body=_HTML, content_type="text/html")
        await response.prepare(exchange.request)
        await response.write_eof()
        exchange.sent, exchange.outcome = len(_HTML), "complete"
        return response

    async def _send_image(
        self, exchange: Exchange, image: Image | FileImage, name: str
    ) -> web.StreamResponse:
        request = exchange.request
        exchange.total = image.size
        try:
            exchange.asked = self._range(exchange, image, self._etags[name])
        except ValueError:
            response = _plain(exchange, 416, "")
            response.headers["Content-Range"] = f"bytes */{image.size}"
            return response
        first, last = exchange.asked or (0, image.size - 1)
        exchange.status = 206 if exchange.asked else 200
        answer = web.StreamResponse(status=exchange.status)
        answer.content_length = last - first + 1
        answer.content_type = "application/octet-stream"
        answer.headers["ETag"] = self._etags[name]
        if exchange.kind != "no_range":
            answer.headers["Accept-Ranges"] = "bytes"
        if exchange.asked:
            answer.headers["Content-Range"] = f"bytes {first}-{last}/{image.size}"
        await answer.prepare(request)
        if request.method == "HEAD":
            exchange.outcome = "complete"
            return answer
        await _stream(exchange, image, answer, first, last + 1)
        return answer

    def _range(
        self, exchange: Exchange, image: Image | FileImage, etag: str
    ) -> tuple[int, int] | None:
        headers = exchange.request.headers
        if exchange.kind == "no_range" or "Range" not in headers:
            return None
        if headers.get("If-Range", etag) != etag:
            return None
        return parse_range(headers["Range"], image.size)


async def _stream(
    exchange: Exchange,
    image: Image | FileImage,
    answer: web.StreamResponse,
    first: int,
    end: int,
) -> None:
    """Send the bytes from `first` up to `end`, as far as the fault lets them go."""
    fault, kind = exchange.fault, exchange.kind
    share = 0.5 if fault is None or fault.at is None else fault.at
    stop = max(int(image.size * share), first) if kind in _BREAKS else end
    spot = -1
    if kind == "corrupt":
        spot = max(first + int((end - first - 16) * share), HEADER_BYTES)
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
    _reset(request)


async def _delivered(request: web.Request) -> None:
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


def _reset(request: web.Request) -> None:
    """Drop the connection with a TCP reset, as a router does that forgot it."""
    transport = request.transport
    if transport is None:
        return
    with contextlib.suppress(OSError):
        transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
    transport.abort()


def _redirect(location: str) -> web.Response:
    return web.Response(status=302, headers={"Location": location})


def _plain(exchange: Exchange, status: int, text: str) -> web.Response:
    exchange.status, exchange.outcome = status, "status"
    response = web.Response(status=status, text=text)
    if exchange.fault is not None and exchange.fault.retry_after is not None:
        response.headers["Retry-After"] = f"{exchange.fault.retry_after:g}"
    return response


async def serve(options: argparse.Namespace, spec: ServerSpec) -> None:
    """Serve until SIGTERM or Ctrl-C, or until nobody reads the log any more."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    tls = None
    if options.tls_cert is not None:
        try:
            tls = server_context(KeyPair(options.tls_cert, options.tls_key))
        except OSError as error:
            raise StartError(f"cannot use the TLS certificate or key: {error}") from error
    writer = LineWriter(sys.stdout, lost=lambda: loop.call_soon_threadsafe(stop.set))
    server = FirmwareServer(spec, log=writer.write)  # reads every image once
    url = await server.start(options.host, options.port, tls)
    writer.write({"ready": True, "url": url})
    await stop.wait()
    await server.stop()
    writer.close()


def read_spec(file: str, faults: list[str]) -> ServerSpec:
    """Read the spec from a file (`-`: standard input) and add faults given as options."""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
        spec = ServerSpec.model_validate_json(text)
        clients, paths = dict(spec.faults), dict(spec.path_faults)
        for client, path, fault in map(parse_fault, faults):
            place, name = (paths, path or "") if client is None else (clients, client)
            place[name] = (*place.get(name, ()), fault)
    except (OSError, ValueError) as error:
        raise StartError(f"cannot read the spec {file}: {_reasons(error)}") from error
    return spec.model_copy(update={"faults": clients, "path_faults": paths})


def main() -> int:
    """Run the server; exit 0 after a signal, 3 with one line if it could not start."""
    parser = argparse.ArgumentParser(prog="simulator.firmware_server", description=__doc__)
    parser.add_argument("--spec", required=True, help="JSON: images and faults; - for stdin")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 (default): any free port")
    parser.add_argument("--tls-cert", type=Path)
    parser.add_argument("--tls-key", type=Path)
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="kind=cut,at=0.6,times=1,client=ID,path=IMAGE",
        help="a fault for one client, one image or path, or (with neither) everyone; repeatable",
    )
    options = parser.parse_args()
    if (options.tls_cert is None) != (options.tls_key is None):
        parser.error("--tls-cert and --tls-key need each other")
    try:
        event_loop.run(serve(options, read_spec(options.spec, options.fault)))
    except StartError as error:
        sys.stderr.write(f"firmware server: {error}\n")
        return 3
    return 0


def _reasons(error: OSError | ValueError) -> str:
    """Return what is wrong on one line."""
    if isinstance(error, ValidationError):
        return "; ".join(
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors()
        )
    return str(error).replace("\n", " ")


if __name__ == "__main__":
    sys.exit(main())
