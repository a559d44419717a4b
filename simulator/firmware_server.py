"""The firmware server: images by range without files, and every fault really on the wire.

A shell, run as its own process (`python -I -m simulator.firmware_server`), because TLS for a whole
fleet costs a core. It answers `GET /<any tag>/<image name>`: the tag only makes URLs distinct.
Nothing that a client sends becomes a file name; it appears in the log as JSON and nowhere else.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger
from pydantic import ValidationError

from simulator import event_loop
from simulator.addresses import REFUSED, altered
from simulator.certificates import KeyPair, server_context
from simulator.errors import StartError
from simulator.file_image import FileImage
from simulator.firmware_exchange import Exchange, reset, stream
from simulator.firmware_faults import (
    FaultPlan,
    ImageSpec,
    ServerSpec,
    client_of,
    parse_fault,
    parse_image,
    parse_range,
)
from simulator.line_writer import LineWriter
from simulator.scenario_problems import guess
from simulator.untrusted import UntrustedDoor

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from simulator.image import Image

    Log = Callable[[dict[str, Any]], None]

_ABOUT = """\
Serves firmware images and breaks on demand. An image is at <url>/<any tag>/<name>: the tag only
makes addresses distinct. The first line printed is JSON with the url; then one JSON line for each
finished request says who fetched what, which bytes, and how it ended. Ctrl-C ends it."""
_SPEC = """\
a spec, for what options cannot say:
  {"images": {"fw.bin": {"version": "2.0.0", "size": 20000000}, "real.bin": {"file": "fw-2.bin"}},
   "faults": {"CP-1": [{"kind": "cut", "at": 0.6, "times": 1}]},
   "path_faults": {"fw.bin": [{"kind": "status", "status": 503, "retry_after": 5}]}}
kinds of fault: cut, stall (at: share of the image, or byte: so many), status, redirect, html,
corrupt, throttle (rate: bytes a second), wrong_length, no_range, changed, refuse, dns, tls. A
client is the id that a virtual charger puts in its User-Agent, or the address of a real one."""
_LOOP_PATH = "/.loop"
_OURS = frozenset({"GET", "HEAD"})  # what `_get` answers, and logs itself
_LOGGER = logging.getLogger("simulator.firmware_server.refusals")  # aiohttp wants one; unused
UNRESOLVABLE = "firmware.invalid"  # RFC 6761 §6.4: names under .invalid exist nowhere
_HTML = b"<!doctype html><title>Sign in</title><p>Please accept the terms of use.</p>\n"


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
        self._door = UntrustedDoor()

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> str:
        """Listen and return the base url; raises `StartError` if the port cannot be had."""
        app = web.Application()
        app.router.add_get(r"/{path:(?s:.*)}", self._get)
        self._runner = web.AppRunner(
            app,
            access_log=_LOGGER,
            access_log_class=_refusals(self.log),
            handler_cancellation=True,
            shutdown_timeout=0.5,
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
        if self.plan.uses("tls"):
            await self._door.start(host)
        shown = f"[{host}]" if ":" in host else host
        return f"{'https' if tls else 'http'}://{shown}:{bound}"

    async def stop(self) -> None:
        """Stop listening and end what is still being sent."""
        await self._door.stop()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _get(self, request: web.Request) -> web.StreamResponse:
        name = request.path.rsplit("/", 1)[-1]
        client = client_of(request.headers.get("User-Agent", ""), request.remote or "")
        if request.path.startswith(_LOOP_PATH + "/"):
            # The round trips of a redirect loop are one download: they count as one request.
            return _redirect(request.rel_url.raw_path)
        # A look at the headers, or for what is not here: it neither meets nor uses up a fault.
        looks = request.method == "HEAD" or name not in self.images or altered(request.raw_path)
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
        if altered(request.raw_path):
            return _plain(exchange, 403, REFUSED)
        match exchange.kind:
            case "refuse":
                exchange.outcome = "cut"
                reset(request)
                return web.Response()
            case "status" if fault is not None:
                return _plain(exchange, fault.status or 503, "out of service\n")
            case "redirect":
                exchange.status, exchange.outcome = 302, "redirected"
                return _redirect(_LOOP_PATH + request.rel_url.raw_path)
            case "dns" | "tls":
                # A server cannot break what comes before it is reached: it sends its client there.
                exchange.status, exchange.outcome = 302, "redirected"
                return _redirect(self._elsewhere(request, exchange.kind))
            case "html":
                return await self._send_html(exchange)
            case _:
                return await self._send_image(exchange, image, name)

    def _elsewhere(self, request: web.BaseRequest, kind: str) -> str:
        """Return a url that cannot be reached, because of its name or of its certificate."""
        path = request.rel_url.raw_path
        if kind == "dns":
            return f"{request.scheme}://{UNRESOLVABLE}{path}"
        return f"{self._door.url(request.url.host)}{path}"

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
        await stream(exchange, image, answer, first, last + 1)
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


def _refusals(log: Log) -> type[AbstractAccessLogger]:
    """Return what logs the requests that never became one of ours: broken ones, other methods."""

    class Refusals(AbstractAccessLogger):
        def log(self, request: web.BaseRequest, response: web.StreamResponse, _: float) -> None:
            if request.method not in _OURS:  # one that cannot be read has no method at all
                exchange = Exchange(
                    request, request.remote or "", None, None, status=response.status
                )
                exchange.outcome = "status"
                log(exchange.line())

    return Refusals


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


def read_spec(file: str | None, images: list[str], faults: list[str]) -> ServerSpec:
    """Read the spec from a file (`-`: standard input) and add what is given as options."""
    try:
        text = '{"images": {}}'
        if file is not None:
            text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
        spec = ServerSpec.model_validate_json(text)
        named = {**spec.images, **dict(map(parse_image, images))}
        clients, paths = dict(spec.faults), dict(spec.path_faults)
        for client, path, fault in map(parse_fault, faults):
            place, name = (paths, path or "") if client is None else (clients, client)
            place[name] = (*place.get(name, ()), fault)
    except (OSError, ValueError) as error:
        about = "" if file is None else f"cannot read the spec {file}: "
        raise StartError(f"{about}{_reasons(error)}") from error
    for name in paths:
        if name and name not in named and not name.startswith("/"):
            told = f"no image is called {name!r:.60}{guess(name, named)}, and paths begin with /"
            raise StartError(f"a fault that would strike nothing: {told}")
    if not named:
        raise StartError("nothing to serve: give --image FILE, --image fw.bin=20MB or --spec FILE")
    return spec.model_copy(update={"images": named, "faults": clients, "path_faults": paths})


def main() -> int:
    """Run the server; exit 0 after a signal, 3 with one line if it could not start."""
    parser = argparse.ArgumentParser(
        prog="firmdrill firmware-server",
        description=_ABOUT,
        epilog=_SPEC,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--image",
        action="append",
        default=[],
        metavar="FILE | NAME=SIZE[@VERSION]",
        help="a file to serve under its name, or an image made up (fw.bin=20MB@2.0.0); repeatable",
    )
    parser.add_argument("--spec", help="JSON: images and faults (below); - for stdin")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=_port, default=0, help="0 (default): any free port")
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
        event_loop.run(serve(options, read_spec(options.spec, options.image, options.fault)))
    except StartError as error:
        sys.stderr.write(f"firmware server: {error}\n")
        return 3
    return 0


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:  # noqa: PLR2004  the largest there is
        raise argparse.ArgumentTypeError(f"{text!r:.20} is not a port: 0 to 65535")
    return int(text)


def _reasons(error: OSError | ValueError) -> str:
    """Return what is wrong on one line."""
    if isinstance(error, ValidationError):
        return "; ".join(
            ": ".join(
                part
                for part in (
                    ".".join(map(str, problem["loc"])),
                    problem["msg"].removeprefix("Value error, "),
                )
                if part
            )
            for problem in error.errors()
        )
    return str(error).replace("\n", " ")


if __name__ == "__main__":
    sys.exit(main())
