"""Many cheap chargers: `python -m benchmarks._csms_load URL N`, commanded over standard input.

Connects and boots N OCPP 1.6 chargers `<URL>/CP-0000`..., prints a line, then waits for lines
`<calls>`: each charger makes so many calls, the next when the last was answered, and one line tells
the wall time. The mix is a heartbeat, a status and meter values in turn. `heartbeat S` lets each
send a heartbeat every S seconds from then on. Who is told to update reports its way to Installed.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import sys
import time

import picows
import uvloop

BOOT = {"chargePointVendor": "ABB", "chargePointModel": "Terra", "firmwareVersion": "1"}
METER = {
    "connectorId": 1,
    "meterValue": [
        {"timestamp": "2026-01-01T00:00:00Z", "sampledValue": [{"value": "1", "unit": "Wh"}]}
    ],
}
STATUS = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
MIX = [
    json.dumps([2, f"m{n}", action, payload])
    for n, (action, payload) in enumerate(
        [("Heartbeat", {}), ("StatusNotification", STATUS), ("MeterValues", METER)]
    )
]
PACE = 1000  # connects a second
STEP = 1.0  # seconds at most between two statuses of an update


UPDATE = b"[2,"
STATUSES = [
    json.dumps([2, f"u{n}", "FirmwareStatusNotification", {"status": status}])
    for n, status in enumerate(("Downloading", "Downloaded", "Installing", "Installed"))
]


class Charger(picows.WSListener):
    """One charger: sends the next call when the last was answered, and installs what it is told."""

    def __init__(self) -> None:
        # Calls still to make, the last first.
        self.queue: list[str] = []
        self.waiting = True
        self.idle: asyncio.Future[None] | None = None

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        """Boot."""
        self.transport = transport
        self.send(json.dumps([2, "b", "BootNotification", BOOT]))

    def send(self, text: str) -> None:
        """Write a frame."""
        self.transport.send(picows.WSMsgType.TEXT, text)

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        """Go on, or say that this one has done its calls."""
        if frame.msg_type == picows.WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
            return
        if frame.msg_type != picows.WSMsgType.TEXT:
            return
        data = frame.get_payload_as_bytes()
        if data.startswith(UPDATE):
            self.send(json.dumps([3, json.loads(data)[1], {}]))
            loop, delay = asyncio.get_running_loop(), 0.0
            for status in STATUSES:
                delay += random.uniform(0.1, STEP)
                loop.call_later(delay, self.make, [status])
        elif not data.startswith(b"[3"):
            raise RuntimeError(data)
        elif self.queue:
            self.send(self.queue.pop())
        else:
            self.waiting = False
            if self.idle is not None and not self.idle.done():
                self.idle.set_result(None)

    def make(self, calls: list[str]) -> None:
        """Make these calls, one after the other."""
        self.queue[:0] = reversed(calls)
        if not self.waiting:
            self.waiting = True
            self.send(self.queue.pop())

    def work(self, calls: int) -> asyncio.Future[None]:
        """Make so many calls; the future is done with the last answer."""
        self.idle = asyncio.get_running_loop().create_future()
        self.make([MIX[n % len(MIX)] for n in range(calls)])
        return self.idle


async def connect(url: str, count: int) -> list[Charger]:
    """Connect and boot `count` chargers, paced."""
    chargers, begun = [], time.monotonic()
    for number in range(count):
        await asyncio.sleep(max(0.0, begun + number / PACE - time.monotonic()))
        _, charger = await picows.ws_connect(
            Charger, f"{url}/CP-{number:04}", extra_headers={"Sec-WebSocket-Protocol": "ocpp1.6"}
        )
        charger.idle = asyncio.get_running_loop().create_future()
        chargers.append(charger)
    return chargers


async def beat(chargers: list[Charger], interval: float) -> None:
    """Send a heartbeat of every charger each interval, evenly spread, for ever."""
    begun = time.monotonic()
    for number in itertools.count():
        await asyncio.sleep(max(0.0, begun + number * interval / len(chargers) - time.monotonic()))
        chargers[number % len(chargers)].make(MIX[:1])


async def main(url: str, count: int) -> None:
    """Connect, then do what standard input says."""
    chargers = await connect(url, count)
    # The boot is answered before the first call's answer: one call each proves all are there.
    await asyncio.gather(*(one.work(1) for one in chargers))
    print(json.dumps({"connected": len(chargers)}), flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        if line.startswith("heartbeat"):
            await beat(chargers, float(line.split()[1]))
            continue
        begun = time.monotonic()
        await asyncio.gather(*(one.work(int(line)) for one in chargers))
        print(json.dumps({"seconds": time.monotonic() - begun}), flush=True)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2])))
