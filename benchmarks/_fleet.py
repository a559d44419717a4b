"""One fleet in one process, in several ways; prints one JSON line of what it cost.

Run as `python -m benchmarks._fleet VARIANT --url ws://… --chargers N`. Phases: connect and boot all
(paced alike), settle, then heartbeats for a while. CPU is this process's only.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib
import json
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks._proc import resident
from simulator.event_loop import GC_THRESHOLDS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

VARIANTS = (
    "ours", "ours-uvloop", "picows-json", "picows-json-uvloop", "picows-msgspec",
    "picows-msgspec-uvloop", "websockets-json", "websockets-json-uvloop", "chargepoint",
)  # fmt: skip
BOOT = {
    "chargePointVendor": "ABB",
    "chargePointModel": "Terra",
    "chargePointSerialNumber": "1",
    "firmwareVersion": "1.0",
}


@dataclass
class Fleet:
    """What a variant is told and what it counts."""

    url: str
    chargers: int
    rate: float
    heartbeat: float
    booted: int = 0
    answered: int = 0

    async def paced(self, one: Callable[[int], Awaitable[object] | None]) -> None:
        """Begin every charger at the same pace for all variants."""
        begun = time.monotonic()
        tasks = set()
        for number in range(self.chargers):
            ahead = begun + number / self.rate - time.monotonic()
            if ahead > 0:
                await asyncio.sleep(max(ahead, 0.01))
            started = one(number)
            if started is not None:
                tasks.add(asyncio.ensure_future(started))
        self.tasks = tasks


async def ours(fleet: Fleet) -> None:
    """Our driver with our chargers."""
    from simulator.charger import Charger  # noqa: PLC0415  each variant pays for its own
    from simulator.faults import ChargerSpec  # noqa: PLC0415
    from simulator.sockets import Fleet as Driver  # noqa: PLC0415

    def observe(_: str, kind: str, text: str | None, __: dict[str, Any]) -> None:
        if kind == "recv":
            fleet.answered += 1
            if text is not None and '"Accepted"' in text:
                fleet.booted += 1

    chargers = [
        Charger(
            ChargerSpec(
                id=f"CP-{number:04}", cohort="all", ocpp="ocpp1.6", vendor="ABB", model="Terra",
                serial="1", firmware_version="1.0", heartbeat=fleet.heartbeat,
            ),
            seed=1, start=time.time(),
        )
        for number in range(fleet.chargers)
    ]  # fmt: skip
    driver = Driver(
        chargers,
        url=lambda charger: f"{fleet.url}/{charger}",
        observe=observe,
        connect_rate=fleet.rate,
    )
    await driver.start()
    fleet.driver = driver  # type: ignore[attr-defined]


async def bare_picows(fleet: Fleet, dumps: Callable[[Any], bytes], loads: Any) -> None:
    """The floor: picows, a parser, and nothing that a charger is."""
    import picows  # noqa: PLC0415

    loop = asyncio.get_running_loop()
    keep = []

    class Listener(picows.WSListener):
        __slots__ = ("count", "transport")

        def on_ws_connected(self, transport: picows.WSTransport) -> None:
            self.transport = transport
            self.count = 0
            self.call("BootNotification", BOOT)

        def call(self, action: str, payload: dict[str, Any]) -> None:
            self.count += 1
            self.transport.send(
                picows.WSMsgType.TEXT, dumps([2, f"m{self.count}", action, payload])
            )

        def on_ws_frame(self, _: picows.WSTransport, frame: picows.WSFrame) -> None:
            answer = loads(frame.get_payload_as_bytes())
            fleet.answered += 1
            if answer[2].get("status") == "Accepted":
                fleet.booted += 1
                loop.call_later(fleet.heartbeat, self.beat)

        def beat(self) -> None:
            self.call("Heartbeat", {})
            loop.call_later(fleet.heartbeat, self.beat)

    async def connect(number: int) -> None:
        keep.append(
            await picows.ws_connect(
                Listener,
                f"{fleet.url}/CP-{number:04}",
                extra_headers=[("Sec-WebSocket-Protocol", "ocpp1.6")],
                read_buffer_init_size=1024,
                use_aiofastnet=False,
            )
        )

    fleet.keep = keep  # type: ignore[attr-defined]
    await fleet.paced(connect)


async def picows_json(fleet: Fleet) -> None:
    """Bare picows with the standard library's json."""
    await bare_picows(fleet, lambda value: json.dumps(value).encode(), json.loads)


async def picows_msgspec(fleet: Fleet) -> None:
    """Bare picows with msgspec."""
    import msgspec  # noqa: PLC0415

    await bare_picows(fleet, msgspec.json.Encoder().encode, msgspec.json.Decoder().decode)


async def websockets_json(fleet: Fleet) -> None:
    """The `websockets` client, one task a charger, compression off."""
    from websockets.asyncio.client import connect  # noqa: PLC0415

    async def run(number: int) -> None:
        async with connect(
            f"{fleet.url}/CP-{number:04}", subprotocols=["ocpp1.6"], compression=None,
            ping_interval=None, proxy=None, open_timeout=60,
        ) as socket:  # fmt: skip
            action, payload = "BootNotification", BOOT
            for count in range(10**9):
                await socket.send(json.dumps([2, f"m{count}", action, payload]))
                answer = json.loads(await socket.recv())
                fleet.answered += 1
                if answer[2].get("status") == "Accepted":
                    fleet.booted += 1
                action, payload = "Heartbeat", {}
                await asyncio.sleep(fleet.heartbeat)

    await fleet.paced(run)


async def chargepoint(fleet: Fleet) -> None:
    """What most people write: mobilityhouse/ocpp's ChargePoint over `websockets`."""
    from ocpp.v16 import ChargePoint, call  # noqa: PLC0415
    from websockets.asyncio.client import connect  # noqa: PLC0415

    async def life(point: ChargePoint) -> None:
        boot = call.BootNotification(charge_point_model="Terra", charge_point_vendor="ABB")
        await point.call(boot)
        fleet.booted += 1
        fleet.answered += 1
        while True:
            await asyncio.sleep(fleet.heartbeat)
            await point.call(call.Heartbeat())
            fleet.answered += 1

    async def run(number: int) -> None:
        async with connect(
            f"{fleet.url}/CP-{number:04}", subprotocols=["ocpp1.6"], open_timeout=60
        ) as socket:
            point = ChargePoint(f"CP-{number:04}", socket)
            await asyncio.gather(point.start(), life(point))

    await fleet.paced(run)


# Imported before the measurement begins: a process pays for them once, not per charger.
NEEDS = {
    "ours": ("simulator.charger", "simulator.sockets"),
    "picows-json": ("picows",),
    "picows-msgspec": ("picows", "msgspec"),
    "websockets-json": ("websockets.asyncio.client",),
    "chargepoint": ("ocpp.v16", "websockets.asyncio.client"),
}
RUNNERS: dict[str, Callable[[Fleet], Awaitable[None]]] = {
    "ours": ours,
    "picows-json": picows_json,
    "picows-msgspec": picows_msgspec,
    "websockets-json": websockets_json,
    "chargepoint": chargepoint,
}


async def run(variant: str, fleet: Fleet, seconds: float) -> dict[str, Any]:
    """Boot a fleet and let it beat; return what that cost."""
    for module in NEEDS[variant.removesuffix("-uvloop")]:
        importlib.import_module(module)
    gc.collect()
    memory, cpu, begun = resident(), time.process_time(), time.monotonic()
    await RUNNERS[variant.removesuffix("-uvloop")](fleet)
    while fleet.booted < fleet.chargers:
        if time.monotonic() - begun > 120:  # noqa: PLR2004
            raise RuntimeError(f"only {fleet.booted} of {fleet.chargers} booted")
        await asyncio.sleep(0.005)
    booted, boot_cpu = time.monotonic() - begun, time.process_time() - cpu
    await asyncio.sleep(0.5)
    gc.collect()
    grown = resident() - memory
    cpu, calls = time.process_time(), fleet.answered
    await asyncio.sleep(seconds)
    cpu, calls = time.process_time() - cpu, fleet.answered - calls
    return {
        "boot_seconds": booted,
        "boot_cpu_us": boot_cpu / fleet.chargers * 1e6,
        "memory_kib": grown / fleet.chargers / 1024,
        "calls": calls,
        "call_cpu_us": cpu / max(calls, 1) * 1e6,
        "cpu_share": cpu / seconds if seconds else 0.0,
    }


def main() -> None:
    """Run one variant and leave at once: closing is not measured."""
    parser = argparse.ArgumentParser()
    parser.add_argument("variant", choices=VARIANTS)
    parser.add_argument("--url", required=True)
    parser.add_argument("--chargers", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=1e9)
    parser.add_argument("--heartbeat", type=float, default=1.0)
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()
    fleet = Fleet(options.url, options.chargers, options.rate, options.heartbeat)
    gc.set_threshold(*GC_THRESHOLDS)  # as our processes do, for every variant alike
    work = run(options.variant, fleet, options.seconds)
    if options.variant.endswith("-uvloop"):
        import uvloop  # noqa: PLC0415

        loop = uvloop.new_event_loop()
    else:
        loop = asyncio.new_event_loop()
    result = loop.run_until_complete(work)
    print(json.dumps(result), flush=True)
    sys.stdin.read()  # until whoever measures has what it wants
    os_exit()


def os_exit() -> None:
    """End without tidying up thousands of tasks."""
    import os  # noqa: PLC0415

    os._exit(0)


if __name__ == "__main__":
    main()
