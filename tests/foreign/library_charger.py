"""A charger on mobilityhouse's `ocpp` library: its schemas, its reading of OCPP-J, none of ours."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

import aiohttp
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
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

LIBRARY: dict[str, Any] = {
    "ocpp1.6": (ChargePoint16, call16, result16),
    "ocpp2.0.1": (ChargePoint201, call201, result201),
    "ocpp2.1": (ChargePoint21, call21, result21),
}


class LibraryCharger:
    """Connects until it is cancelled; `lies` says that it skips the download it reports."""

    def __init__(self, version: str, url: str, *, lies: bool = False) -> None:
        self.protocol = version
        self.url = url
        self.lies = lies
        self.firmware = "1.0.0"
        self._installed: int | None = None  # the request id to report after the boot
        self._updating: asyncio.Task[None] | None = None
        logging.getLogger("ocpp").setLevel(logging.CRITICAL)

    async def run(self) -> None:
        """Connect, boot, listen; connect again when the connection is gone."""
        while True:
            with contextlib.suppress(ConnectionClosed, OSError):
                async with connect(self.url, subprotocols=[Subprotocol(self.protocol)]) as socket:
                    point = self._class()("charger", socket)
                    listening = asyncio.create_task(point.start())
                    await self._boot(point)
                    await listening
            await asyncio.sleep(0.1)

    async def _boot(self, point: Any) -> None:
        _, call, _ = LIBRARY[self.protocol]
        about: dict[str, Any]
        if self.protocol == "ocpp1.6":
            about = {"charge_point_vendor": "V", "charge_point_model": "M",
                     "firmware_version": self.firmware}  # fmt: skip
        else:
            station = {"vendor_name": "V", "model": "M", "firmware_version": self.firmware}
            reason = "PowerUp" if self._installed is None else "FirmwareUpdate"
            about = {"charging_station": station, "reason": reason}
        await point.call(call.BootNotification(**about))
        if self._installed is not None:
            done, self._installed = self._installed, None
            await self._say(point, "Installed", done)

    def _class(self) -> Any:
        base, _, result = LIBRARY[self.protocol]
        charger = self

        class Point(base):  # type: ignore[misc, valid-type]
            @on("UpdateFirmware")  # type: ignore[untyped-decorator]
            def update(self, **command: Any) -> Any:
                charger._updating = asyncio.ensure_future(charger._update(self, command))
                if charger.protocol == "ocpp1.6":
                    return result.UpdateFirmware()
                return result.UpdateFirmware(status="Accepted")

        return Point

    async def _update(self, point: Any, command: dict[str, Any]) -> None:
        number = command.get("request_id", 0)
        url = command["location"] if "location" in command else command["firmware"]["location"]
        await self._say(point, "Downloading", number)
        for attempt in range(command.get("retries", 0) + 1):
            if attempt:
                await asyncio.sleep(command.get("retry_interval", 1))
            if self.lies or await _fetched(url):
                break
        else:
            await self._say(point, "DownloadFailed", number)
            return
        await self._say(point, "Downloaded", number)
        await self._say(point, "Installing", number)
        self.firmware = "1.9.0" if url.endswith("older.bin") else "2.0.0"
        self._installed = number
        await point._connection.close()

    async def _say(self, point: Any, status: str, number: int) -> None:
        _, call, _ = LIBRARY[self.protocol]
        told = {} if self.protocol == "ocpp1.6" else {"request_id": number}
        await point.call(call.FirmwareStatusNotification(status=status, **told))


async def _fetched(url: str) -> bool:
    """Download everything and throw it away; False if it did not all come."""
    try:
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            await answer.read()
            return answer.status == 200
    except aiohttp.ClientError:
        return False
