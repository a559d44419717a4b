"""The fleet completes an update against a CSMS nobody here wrote: mobilityhouse/ocpp's ChargePoint.

Real WebSockets, a real HTTPS download that is cut and resumed, and schemas that reject any slip on
either side's frames.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from ocpp.routing import on
from ocpp.v16 import ChargePoint as ChargePoint16
from ocpp.v16 import call as call16
from ocpp.v16 import call_result as result16
from ocpp.v21 import ChargePoint as ChargePoint21
from ocpp.v21 import call as call21
from ocpp.v21 import call_result as result21
from ocpp.v201 import ChargePoint as ChargePoint201
from ocpp.v201 import call as call201
from ocpp.v201 import call_result as result201
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from simulator.certificates import Authority, client_context, server_context
from simulator.charger import Charger
from simulator.faults import DownloadFault, Fixed, Reconnect
from simulator.firmware_faults import ImageSpec, ServerSpec
from simulator.firmware_server import FirmwareServer
from simulator.sockets import Fleet
from tests.simulator.socket_lab import World, spec

if TYPE_CHECKING:
    from pathlib import Path

    from websockets.asyncio.server import ServerConnection

pytestmark = [pytest.mark.sockets, pytest.mark.timeout(60)]
LIBRARY = {
    "ocpp1.6": (ChargePoint16, call16, result16),
    "ocpp2.0.1": (ChargePoint201, call201, result201),
    "ocpp2.1": (ChargePoint21, call21, result21),
}
SIZE = 300_000


class Csms:
    """A CSMS of that library that updates a charger after its first boot."""

    def __init__(self, version: str, url: str) -> None:
        self.version = version
        self.url = url
        self.statuses: list[str] = []
        self.versions: list[str] = []
        self.tasks: list[asyncio.Task[Any]] = []

    async def serve(self, connection: ServerConnection) -> None:
        """Be the CSMS of one connection."""
        point = self.point()("CP-1", connection)
        with contextlib.suppress(ConnectionClosed):
            await point.start()

    def point(self) -> Any:
        """Return a ChargePoint class with the handlers that this drill needs."""
        base, _, result = LIBRARY[self.version]
        csms = self
        now = datetime.now(UTC).isoformat()

        class Point(base):  # type: ignore[misc, valid-type]
            @on("BootNotification")  # type: ignore[untyped-decorator]
            def boot(self, **about: Any) -> Any:
                station = about.get("charging_station", about)
                csms.versions.append(station["firmware_version"])
                return result.BootNotification(current_time=now, interval=300, status="Accepted")

            @on("StatusNotification")  # type: ignore[untyped-decorator]
            def status(self, **_: Any) -> Any:
                if not csms.tasks:  # the first thing a charger says once its boot is accepted
                    csms.tasks.append(asyncio.ensure_future(self.call(csms.update(now))))
                return result.StatusNotification()

            @on("Heartbeat")  # type: ignore[untyped-decorator]
            def heartbeat(self) -> Any:
                return result.Heartbeat(current_time=now)

            @on("SecurityEventNotification")  # type: ignore[untyped-decorator]
            def security(self, **_: Any) -> Any:
                return result.SecurityEventNotification()

            @on("FirmwareStatusNotification")  # type: ignore[untyped-decorator]
            def firmware(self, status: str, **_: Any) -> Any:
                csms.statuses.append(status)
                return result.FirmwareStatusNotification()

        return Point

    def update(self, now: str) -> Any:
        """Return the request of this version."""
        _, call, _ = LIBRARY[self.version]
        if self.version == "ocpp1.6":
            return call.UpdateFirmware(
                location=self.url, retrieve_date=now, retries=1, retry_interval=0
            )
        firmware = {"location": self.url, "retrieve_date_time": now}
        return call.UpdateFirmware(request_id=7, firmware=firmware, retries=1, retry_interval=0)


@pytest.mark.asyncio
@pytest.mark.parametrize("version", LIBRARY)
async def test_an_update_completes_against_a_foreign_csms(version: str, tmp_path: Path) -> None:
    """Cut, resumed, installed, rebooted into the new version; no frame breaks a schema."""
    logging.getLogger("ocpp").setLevel(logging.CRITICAL)
    authority = Authority(tmp_path)
    log: list[dict[str, Any]] = []
    images = {"fw": ImageSpec(version="2.0", size=SIZE)}
    cut = DownloadFault(kind="cut", at=0.6)
    firmware = FirmwareServer(ServerSpec(images=images, faults={"CP-1": (cut,)}), log=log.append)
    url = await firmware.start("127.0.0.1", 0, server_context(authority.server()))
    csms, here = Csms(version, f"{url}/r1/fw"), World()
    quick = Fixed(value=0.02)
    about = spec(
        1, ocpp=version, install_time=quick, reboot_time=quick, reconnect=Reconnect(first=0.02)
    )
    charger = Charger(about, seed=1, start=0.0)
    async with serve(csms.serve, "127.0.0.1", 0, subprotocols=[Subprotocol(version)]) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        fleet = Fleet(
            [charger],
            url=lambda charger_id: f"ws://127.0.0.1:{port}/{charger_id}",
            observe=here.observe,
            download_ssl=client_context(authority.certificate),
        )
        await fleet.start()
        await here.until(lambda: "Installed" in csms.statuses)
        await fleet.stop()
    await firmware.stop()
    await asyncio.gather(*csms.tasks)
    assert csms.versions == ["1.0", "2.0"]
    assert csms.statuses[0] == "Downloading"
    assert [line["outcome"] for line in log] == ["cut", "complete"]
    assert log[1]["range"] == [SIZE * 6 // 10, SIZE - 1]
    refused = [text for _, _, text, _ in here.heard if text and json.loads(text)[0] == 4]
    assert refused == []
