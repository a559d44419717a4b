"""The bench on a desk: real chargers, our scripted CSMS and our firmware server. A shell.

Each charger has a lane: whatever it says goes into the history of the case that runs on it now. A
case that begins on an open connection starts with that connection's opening and last boot, or the
judge would take the charger for one that talks before its boot.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from harness.history import History
from harness.recorder import Recorder
from harness.socket_world import Clock, Waiters
from harness.suites.charger_desk import Desk
from harness.suites.charger_judging import header
from harness.suites.charger_socket import StationServer
from simulator.addresses import path_of, with_query
from simulator.certificates import KeyPair, server_context
from simulator.firmware_faults import AnyImage, FileSpec, ImageSpec, ServerSpec
from simulator.firmware_server import FirmwareServer
from simulator.manufacturer import Manufacturer, Signed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.suites.charger_cases import Case, Pace
    from harness.suites.charger_signing import Signer
    from simulator.faults import DownloadFault

    Seen = tuple[str, str | None, dict[str, Any]]  # kind, text, data: as a recorder takes it

GOOD, OLDER, CORRUPT = "good.bin", "older.bin", "corrupt.bin"
OURS = {GOOD: "2.0.0", OLDER: "1.9.0"}  # what we serve to simulated chargers
MADE_BYTES = 2_000_000
MOST_BEFORE_BOOT = 200  # frames that are kept of a charger that does not boot


@dataclass(frozen=True, slots=True)
class SiteOptions:
    """Where to listen, what to serve, and how chargers reach it."""

    host: str = "127.0.0.1"
    port: int = 0
    firmware_port: int = 0
    firmware_url: str = ""  # how chargers reach our firmware server; '' as we listen
    images: dict[str, Path] = field(default_factory=dict)  # name -> file; {}: made-up ones
    tls: KeyPair | None = None
    password: str | None = None


@dataclass(slots=True)
class Lane:
    """What one charger is being recorded into."""

    recorder: Recorder | None = None
    boot: list[Seen] = field(default_factory=list)  # how it last booted: opened, asked, accepted
    accepted: bool = False  # it booted once
    opened: Seen | None = None  # the connection of now, where it is not that of the boot
    boot_id: str = ""

    @property
    def context(self) -> list[Seen]:
        """Return what a case that begins now has to know."""
        if self.opened is None or not self.accepted:
            return self.boot
        return [*self.boot, ("close", None, {"code": 1006}), self.opened]


class ChargerSite:
    """`start`, then `bench_of` for each case; `stop` in the end."""

    def __init__(
        self,
        options: SiteOptions,
        *,
        signer: Signer,
        ask: Callable[[str, str], Any],
        refused: Callable[[str], None],
    ) -> None:
        self.options = options
        self.desk = Desk(time.time, self._changed)
        self.urls: tuple[str, str] = ("", "")  # chargers, firmware
        self._signer = signer
        self._ask = ask
        self._waiters = Waiters()
        self._lanes: dict[str, Lane] = {}
        self._clients: dict[str, str] = {}  # path of an update -> charger
        images: dict[str, AnyImage] = {
            name: FileSpec(file=path) for name, path in options.images.items()
        } or {name: ImageSpec(version=v, size=MADE_BYTES) for name, v in OURS.items()}
        self._firmware = FirmwareServer(ServerSpec(images=images), log=self._served)
        self._server = StationServer(
            self.desk, now=time.time, observe=self._observe, refused=refused,
            password=options.password,
        )  # fmt: skip

    async def start(self) -> None:
        """Listen for chargers and for downloads; `StartError` says what is in the way."""
        options = self.options
        tls = server_context(options.tls) if options.tls else None
        served = await self._firmware.start(options.host, options.firmware_port, tls)
        ocpp = await self._server.start(options.host, options.port, tls)
        self.urls = (ocpp, options.firmware_url.rstrip("/") or served)

    async def stop(self) -> None:
        """Close everything."""
        await self._server.stop()
        await self._firmware.stop()

    def begin(self, charger: str, case: Case, pace: Pace, **about: Any) -> Recorder:
        """Begin the history of a case on a charger, and record into it from now on."""
        clock = Clock()
        started = datetime.fromtimestamp(clock.epoch, UTC).isoformat()
        history = History(header(case, pace, started_at=started, **about))
        recorder = Recorder(history, clock.now)
        lane = self._lanes.setdefault(charger, Lane())
        for kind, text, data in lane.context:
            recorder.observe(charger, kind, text, data)
        lane.recorder = recorder
        return recorder

    def end(self, charger: str) -> None:
        """Stop recording a charger."""
        self._lanes[charger].recorder = None

    # ------------------------------------------------------------------ what a bench wants

    def now(self) -> float:
        """Return Unix seconds."""
        return time.time()

    async def until(self, condition: Callable[[], bool], within: float) -> bool:
        """Wait until the condition holds, asked after every event."""
        return await self._waiters.until(condition, within)

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        await asyncio.sleep(seconds)

    def shelve(
        self, charger: str, tag: str, image: str, faults: tuple[DownloadFault, ...], *,
        presigned: bool = False,
    ) -> str:  # fmt: skip
        """Lay an image out under a path of its own, and its faults with it."""
        if CORRUPT in self._firmware.images and any(one.kind == "corrupt" for one in faults):
            image, faults = CORRUPT, ()
        place = f"{charger_tag(charger)}-{tag}-{len(self._clients)}"
        path = path_of(place, image, presigned=presigned)
        self._clients[path] = charger
        self._firmware.plan.by_path = {**self._firmware.plan.by_path, path: faults}
        return self.urls[1] + with_query(path)

    def sign(self, image: str, flaw: str) -> Signed:
        """Return certificate and signature of an image, good or with this flaw."""
        return self._signer.sign(self._firmware.images[image].sha256, flaw)

    def size(self, image: str) -> int:
        """Return the bytes of an image."""
        return self._firmware.images[image].size

    async def ask_person(self, charger: str, what: str) -> bool:
        """Have somebody do something at the charger; False if nobody is there."""
        return bool(await self._ask(charger, what))

    # ------------------------------------------------------------------ what happens

    def _changed(self) -> None:
        self._waiters.wake()

    def _observe(self, charger: str, kind: str, text: str | None, data: dict[str, Any]) -> None:
        lane = self._lanes.setdefault(charger, Lane())
        if lane.recorder is not None:
            lane.recorder.observe(charger, kind, text, data)
        _remember(lane, kind, text, data)

    def _served(self, line: dict[str, Any]) -> None:
        charger = self._clients.get(str(line.get("path", "")))
        lane = self._lanes.get(charger or "")
        if charger is not None and lane is not None and lane.recorder is not None:
            lane.recorder.served({**line, "client": charger})
        self._changed()


def charger_tag(charger: str) -> str:
    """Return an id as a path may hold it."""
    return "".join(one if one.isascii() and one.isalnum() else "-" for one in charger)


def _remember(lane: Lane, kind: str, text: str | None, data: dict[str, Any]) -> None:
    """Keep what the next case needs to know: the last boot, and the connection of now.

    Of a charger that never booted everything is kept: it may talk before it boots.
    """
    head, seen = (text or "")[:80], (kind, text, data)
    booted, first = False, not lane.accepted and len(lane.boot) < MOST_BEFORE_BOOT
    if kind == "open":
        lane.opened = seen
        lane.boot_id = ""
    elif kind == "send" and '"BootNotification"' in head:
        lane.boot_id = head.split('"', 2)[1]
        if lane.accepted:
            lane.boot = [*([lane.opened] if lane.opened else lane.boot[:1])]
        booted = True
    elif kind == "recv" and lane.boot_id and f'"{lane.boot_id}"' in head:
        lane.boot_id, lane.opened, lane.accepted = "", None, True
        booted = True
    if booted or first:
        lane.boot.append(seen)


def manufacturer() -> Manufacturer:
    """Return our own signer: for simulated chargers, and where nobody gave a key."""
    return Manufacturer(1, now=time.time())
