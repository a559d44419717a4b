"""The CSMS as a process: sockets, database, signals, one ready line (Seam 4). A shell.

`main(argv, service_factory=...)` runs it; a harness that wants a CSMS with one wrong decision
gives a subclass of `Service` (same constructor) and changes nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging
import os
import signal
import ssl
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from reference_csms.api import Api
from reference_csms.api_routes import API, EXT
from reference_csms.auth import (
    KEY_VARIABLE,
    ApiKeys,
    StationPasswords,
    api_key,
    load_keys,
    private_secret,
)
from reference_csms.errors import CsmsError, StoreCorrupt, StoreUnavailable
from reference_csms.model import Settings
from reference_csms.ocpp_hub import Hub
from reference_csms.ocpp_server import PREFIX, OcppServer
from reference_csms.options import build_parser
from reference_csms.service import Service
from reference_csms.store import Store
from reference_csms.turns import Clock, Turns

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Sequence

    ServiceFactory = Callable[[Store, Settings, float], Service]

COULD_NOT_START = 3
INTERRUPTED = 130
_IN_MEMORY = ":memory:"
_HINTS = {
    "locked": "Another process uses it: stop that one, or choose another --database.",
    "read_only": "Make the file and its folder writable, or choose another --database.",
    "full": "The disk is full: free some space.",
}
_LONGEST_STOP = 5.0  # seconds for REST answers under way

_log = logging.getLogger(__package__)


class StartError(CsmsError):
    """The process cannot start; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """The keys of this process, and where a made API key is kept (None: it was given)."""

    keys: ApiKeys
    passwords: StationPasswords
    key_file: Path | None


def main(argv: Sequence[str] | None = None, *, service_factory: ServiceFactory = Service) -> int:
    """Run the CSMS until a signal; return the exit code. Usage errors exit with 2."""
    options = build_parser().parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="csms: %(levelname)s %(message)s")
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(_run(options, service_factory))
    except StartError as error:
        sys.stderr.write(f"csms: {error}\n")
        return COULD_NOT_START
    except KeyboardInterrupt:
        return INTERRUPTED


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's loop where there is one: 20 to 45 % less CPU."""
    try:
        import uvloop  # noqa: PLC0415 - optional, absent on Windows
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _run(options: argparse.Namespace, service_factory: ServiceFactory) -> int:
    stopped: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    _on_signals(stopped)
    _allow_many_sockets()
    tls = _tls(options, stations=False), _tls(options, stations=True)
    with _readable(options.database):
        store = Store(str(options.database), synchronous=options.synchronous)
    try:
        secrets = _secrets(options)
        with _readable(options.database):
            clock = Clock(store.last_time())
            service = service_factory(store, _settings(options), clock.now())
        hub = Hub(service, epoch=store.epoch, call_timeout=options.call_timeout)
        return await _serve(options, Turns(hub, clock), secrets, tls, stopped)
    finally:
        store.close()


async def _serve(
    options: argparse.Namespace,
    turns: Turns,
    secrets: Secrets,
    tls: tuple[ssl.SSLContext | None, ssl.SSLContext | None],
    stopped: asyncio.Future[int],
) -> int:
    """Open both ports, say so, and serve until a signal; return the exit code."""
    api = Api(turns, secrets.keys, secrets.passwords).application()
    runner = web.AppRunner(
        api, access_log=None, shutdown_timeout=_LONGEST_STOP, handle_signals=False
    )
    await runner.setup()
    ocpp = OcppServer(
        turns,
        secrets.passwords,
        tls=tls[1],
        certificate_names=options.client_ca is not None,
        deflate=options.deflate,
        ping_interval=options.ping_interval or None,
    )
    try:
        ready = await _listen(options, runner, ocpp, tls[0])
        if secrets.key_file is not None:
            ready["key_file"] = str(secrets.key_file)
        turns.soon()
        _announce(ready)
        return await stopped
    finally:
        await ocpp.stop()
        await runner.cleanup()
        turns.stop()


def _on_signals(stopped: asyncio.Future[int]) -> None:
    loop = asyncio.get_running_loop()

    def stop(code: int) -> None:
        if not stopped.done():
            stopped.set_result(code)

    for number, code in ((signal.SIGTERM, 0), (signal.SIGINT, INTERRUPTED)):
        # Windows has no such handlers, other threads may not set them: Ctrl-C still interrupts.
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, stop, code)


def _allow_many_sockets() -> None:
    """Lift the limit of open files as far as an ordinary user may."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource  # noqa: PLC0415 - absent on Windows

        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _listen(
    options: argparse.Namespace,
    runner: web.AppRunner,
    ocpp: OcppServer,
    tls: ssl.SSLContext | None,
) -> dict[str, object]:
    """Open both ports and return the ready line."""
    host, end = options.host, "s" if tls is not None else ""
    asked = ("--port", options.port)
    try:
        await web.TCPSite(runner, host, options.port, ssl_context=tls, backlog=1024).start()
        asked = ("--ocpp-port", options.ocpp_port)
        ocpp_port = await ocpp.start(host, options.ocpp_port)
    except OSError as error:
        raise StartError(_no_port(host, *asked, error)) from error
    port = runner.addresses[0][1]
    shown = f"[{host}]" if ":" in host else host
    return {
        "ready": True,
        "api": f"http{end}://{shown}:{port}{API}",
        "ext": f"http{end}://{shown}:{port}{EXT}",
        "ocpp": f"ws{end}://{shown}:{ocpp_port}{PREFIX.rstrip('/')}",
    }


def _no_port(host: str, option: str, port: int, error: OSError) -> str:
    why = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
    return (
        f"cannot listen on {host} port {port} ({why}). Stop what uses it, "
        f"or choose another one with {option} (0: any free port)."
    )


def _announce(ready: dict[str, object]) -> None:
    # What lives from here on lives long: keep the collector away from it.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    with contextlib.suppress(OSError):
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()


# ------------------------------------------------------------------ options -> parts


def _settings(options: argparse.Namespace) -> Settings:
    return Settings(
        batch=options.batch,
        update_timeout=options.update_timeout,
        heartbeat_interval=options.heartbeat_interval,
        insecure_firmware_url=options.insecure_firmware_url,
    )


@contextlib.contextmanager
def _readable(path: object) -> Iterator[None]:
    """Say in one line why the database cannot be used, and what to do."""
    try:
        yield
    except StoreCorrupt as error:
        raise StartError(f"{path}: {error} Choose another file with --database.") from error
    except StoreUnavailable as error:
        hint = _HINTS.get(error.why, "Is the folder there and writable?")
        raise StartError(f"cannot use the database {path} ({error.detail}). {hint}") from error


def _secrets(options: argparse.Namespace) -> Secrets:
    """Return the keys; what is not given is made and kept beside the database, mode 0600."""
    database = options.database
    kept = str(database) != _IN_MEMORY
    given = os.environ.get(KEY_VARIABLE, "")
    key_file = None if given or not kept else Path(f"{database}.api-key")
    try:
        if not given and key_file is None:
            raise StartError(f"a database in memory needs the API key in {KEY_VARIABLE}.")
        first = given or private_secret(key_file or database)
        keys = [api_key(first), *(load_keys(options.api_keys) if options.api_keys else ())]
        secret = private_secret(Path(f"{database}.station-key")) if kept else first
    except CsmsError as error:
        raise StartError(str(error)) from error
    except OSError as error:
        raise StartError(f"cannot keep secrets in {error.filename}: {error.strerror}.") from error
    low, high = options.password_length
    passwords = StationPasswords(secret.encode(), shortest=low, longest=high)
    return Secrets(ApiKeys(keys), passwords, key_file)


def _tls(options: argparse.Namespace, *, stations: bool) -> ssl.SSLContext | None:
    """Return the TLS context of a port; stations may have to show a certificate (profile 3)."""
    if options.tls_cert is None and options.tls_key is None and options.client_ca is None:
        return None
    if options.tls_cert is None or options.tls_key is None:
        raise StartError("TLS needs both --tls-cert and --tls-key.")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(options.tls_cert, options.tls_key)
        if stations and options.client_ca is not None:
            context.load_verify_locations(options.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as error:
        raise StartError(f"cannot use the certificates: {error}") from error
    return context
