"""A fleet that is updated, in one of two ways: `python -m benchmarks._updating VARIANT URL N`.

`ours` is the simulator; `chargepoint` is the shortest charger that people write on
mobilityhouse/ocpp: boot, answer UpdateFirmware, fetch with aiohttp, hash, report, reconnect, boot.
Prints a line when all have booted, another when all have booted into the new version. CPU and
memory are this process's own.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import hashlib
import json
import time
from typing import Any

import uvloop

from benchmarks._fleet import os_exit
from benchmarks._proc import resident
from simulator.event_loop import GC_THRESHOLDS

PACE = 1000.0  # connects a second
QUICK = 0.2  # seconds of an installation, and of a reboot


class Booted:
    """Counts boots and wakes who waits for a number of them."""

    def __init__(self, wanted: int) -> None:
        self.count, self.wanted = 0, wanted
        self.old, self.new = asyncio.Event(), asyncio.Event()

    def add(self) -> None:
        """Count one accepted BootNotification: each charger boots twice."""
        self.count += 1
        if self.count == self.wanted:
            self.old.set()
        if self.count == 2 * self.wanted:
            self.new.set()


async def ours(url: str, count: int, booted: Booted) -> None:
    """Our chargers on our driver."""
    from simulator.charger import Charger  # noqa: PLC0415  each variant pays for its own
    from simulator.faults import ChargerSpec, Fixed, Reconnect  # noqa: PLC0415
    from simulator.sockets import Fleet  # noqa: PLC0415

    def observe(_: str, kind: str, text: str | None, __: dict[str, Any]) -> None:
        if kind == "recv" and text is not None and '"interval"' in text:
            booted.add()

    chargers = [
        Charger(
            ChargerSpec(
                id=f"CP-{number:04}", cohort="all", ocpp="ocpp1.6", vendor="ABB", model="Terra",
                serial="1", firmware_version="1.0", install_time=Fixed(value=QUICK),
                reboot_time=Fixed(value=QUICK), reconnect=Reconnect(first=0.05),
            ),
            seed=1, start=time.time(),
        )
        for number in range(count)
    ]  # fmt: skip
    fleet = Fleet(chargers, url=lambda one: f"{url}/{one}", observe=observe, connect_rate=PACE)
    await fleet.start()
    await booted.new.wait()


async def chargepoint(url: str, count: int, booted: Booted) -> None:
    """The shortest charger on mobilityhouse/ocpp that does the same."""
    import aiohttp  # noqa: PLC0415
    from ocpp.routing import after, on  # noqa: PLC0415
    from ocpp.v16 import ChargePoint, call, call_result  # noqa: PLC0415
    from websockets.asyncio.client import connect  # noqa: PLC0415

    gate = asyncio.Semaphore(64)

    async def fetch(location: str) -> None:
        digest = hashlib.sha256()
        async with gate, aiohttp.ClientSession() as session, session.get(location) as answer:
            async for chunk in answer.content.iter_any():
                digest.update(chunk)

    class Point(ChargePoint):  # type: ignore[misc]
        updated: asyncio.Event

        @on("UpdateFirmware")  # type: ignore[untyped-decorator]
        def take(self, **_: Any) -> call_result.UpdateFirmware:
            return call_result.UpdateFirmware()

        @after("UpdateFirmware")  # type: ignore[untyped-decorator]
        async def update(self, location: str, **_: Any) -> None:
            await self.call(call.FirmwareStatusNotification("Downloading"))
            await fetch(location)
            await self.call(call.FirmwareStatusNotification("Downloaded"))
            await self.call(call.FirmwareStatusNotification("Installing"))
            await asyncio.sleep(QUICK)
            await self.call(call.FirmwareStatusNotification("Installed"))
            self.updated.set()

    async def life(name: str, version: str) -> None:
        async with connect(f"{url}/{name}", subprotocols=["ocpp1.6"], open_timeout=60) as socket:
            point = Point(name, socket)
            point.updated = asyncio.Event()
            running = asyncio.ensure_future(point.start())
            await point.call(call.BootNotification("Terra", "ABB", firmware_version=version))
            booted.add()
            await (booted.new if version == "2.0" else point.updated).wait()
            running.cancel()

    async def charger(number: int) -> None:
        await asyncio.sleep(number / PACE)
        await life(f"CP-{number:04}", "1.0")
        await asyncio.sleep(QUICK)
        await life(f"CP-{number:04}", "2.0")

    await asyncio.gather(*map(charger, range(count)))


VARIANTS = {"ours": ours, "chargepoint": chargepoint}


async def run(variant: str, url: str, count: int) -> None:
    """Tell when all have booted, and what it cost until all have booted anew."""
    booted = Booted(count)
    task = asyncio.ensure_future(VARIANTS[variant](url, count, booted))
    await booted.old.wait()
    gc.collect()
    print(json.dumps({"booted": count}), flush=True)
    cpu, memory, begun = time.process_time(), resident(), time.monotonic()
    await booted.new.wait()
    cost = {
        "cpu_us": (time.process_time() - cpu) / count * 1e6,
        "kib": (resident() - memory) / count / 1024,
        "seconds": time.monotonic() - begun,
    }
    print(json.dumps(cost), flush=True)
    task.cancel()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("variant", choices=VARIANTS)
    parser.add_argument("url")
    parser.add_argument("count", type=int)
    options = parser.parse_args()
    gc.set_threshold(*GC_THRESHOLDS)
    uvloop.new_event_loop().run_until_complete(run(options.variant, options.url, options.count))
    os_exit()
