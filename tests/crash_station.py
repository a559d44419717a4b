"""An honest OCPP 2.0.1 station for the crash campaign: what it received is the truth."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

if TYPE_CHECKING:
    from tests.crash_campaign import Campaign

LOST = (ConnectionClosed, InvalidHandshake, OSError, TimeoutError, EOFError)


class Station:
    """An honest OCPP 2.0.1 station that survives its CSMS: it never forgets a command it got."""

    def __init__(self, campaign: Campaign, name: str) -> None:
        self.campaign, self.name = campaign, name
        self.random = random.Random(f"{campaign.seed}/{name}")
        self.version = "1.0"
        # The update it holds: request id, url, the statuses still to be gone through.
        self.request_id: int | None = None
        self.url = ""
        self.ahead: list[str] = []
        self.last = "Idle"
        self.got: Counter[str] = Counter()
        self.ended: dict[str, str] = {}
        self.socket: ClientConnection | None = None
        self.replies: dict[str, asyncio.Future[Any]] = {}
        self.number = 0
        self.tasks: set[asyncio.Task[None]] = set()

    async def live(self) -> None:
        """Connect, boot, work, for ever; stay away for a while now and then."""
        while True:
            with suppress(*LOST):
                url = f"ws://127.0.0.1:{self.campaign.ocpp_port}/ocpp/{self.name}"
                async with connect(
                    url,
                    subprotocols=[Subprotocol("ocpp2.0.1")],
                    proxy=None,
                    ping_interval=None,
                    compression=None,
                ) as self.socket:
                    reader = asyncio.create_task(self.read())
                    try:
                        await self.work()
                    finally:
                        reader.cancel()
                        self.abandon()
            self.socket = None
            await asyncio.sleep(self.random.choice([0.01, 0.05, 0.3]))

    def abandon(self) -> None:
        """Give up on answers that a lost connection will not bring."""
        for future in self.replies.values():
            if not future.done():
                future.set_exception(EOFError())
                future.exception()
        self.replies.clear()

    async def read(self) -> None:
        """Take frames until the connection is gone."""
        assert self.socket is not None
        with suppress(*LOST):
            async for text in self.socket:
                await self.take(json.loads(text))
        self.abandon()

    async def take(self, frame: list[Any]) -> None:
        """Answer a CALL, or deliver an answer."""
        assert self.socket is not None
        if frame[0] != 2:
            future = self.replies.pop(frame[1], None)
            if future is not None and not future.done():
                future.set_result(frame)
            return
        _, message_id, action, payload = frame
        if action == "UpdateFirmware":
            self.receive(payload)
            self.campaign.moment("frame received")
        await asyncio.sleep(self.random.choice([0.0, 0.0, 0.01]))
        await self.socket.send(json.dumps([3, message_id, {"status": "Accepted"}]))
        if action == "TriggerMessage":
            self.campaign.score.asked += 1
            self.campaign.score.idle += self.last == "Idle"
            # As of now: by the time it is sent, another command may have come.
            task = asyncio.create_task(self.tell_if_possible(self.last, self.request_id))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    def receive(self, payload: dict[str, Any]) -> None:
        """Take the command; a second one for the same rollout is what must never happen."""
        self.url = payload["firmware"]["location"]
        self.request_id = payload["requestId"]
        self.campaign.received(self, self.url)
        retry = ["DownloadFailed", "Downloading"] if self.random.random() < 0.2 else []
        end = "InstallationFailed" if self.random.random() < 0.15 else "Installed"
        self.ahead = ["Downloading", *retry, "Downloaded", "Installing", end]
        self.last = "DownloadScheduled"

    async def work(self) -> None:
        """Boot, then go on with the update, one status after the other."""
        boot = {"reason": "PowerUp", "chargingStation": {"vendorName": "V", "model": "M",
                "firmwareVersion": self.version}}  # fmt: skip
        await self.call("BootNotification", boot)
        leaves = time.monotonic() + self.random.choice([0.5, 3.0, 30.0])
        while time.monotonic() < leaves:
            await asyncio.sleep(self.random.uniform(0.005, 0.05))
            if self.ahead:
                self.last, url = self.ahead[0], self.url
                await self.tell(self.last, self.request_id)
                # Only an acknowledged status is behind it: it is repeated after a reconnect.
                self.campaign.moment("status acknowledged")
                if self.url != url:
                    continue  # a command came meanwhile: what lies ahead is another update's
                if self.finish(self.ahead.pop(0)) and self.random.random() < 0.5:
                    return  # reboots at once; the others name their new version much later
            elif self.random.random() < 0.1:
                await self.call("Heartbeat", {})

    def finish(self, status: str) -> bool:
        """Note an end; tell whether a new firmware was installed (the next boot names it)."""
        if status in {"Installed", "InstallationFailed"}:
            self.ended[self.url] = status
            self.last = "Idle"  # L01.FR.25; after a failure some repeat it, and time out (D12)
        if status == "Installed":
            self.version = f"{float(self.version) + 1:.1f}"
        return status == "Installed"

    async def tell(self, status: str, request_id: int | None) -> None:
        """Send a firmware status of the update with this request id."""
        payload: dict[str, Any] = {"status": status}
        if status != "Idle":
            payload["requestId"] = request_id
        await self.call("FirmwareStatusNotification", payload)

    async def tell_if_possible(self, status: str, request_id: int | None) -> None:
        """Answer a question with a status; a lost connection ends it."""
        with suppress(*LOST):
            await self.tell(status, request_id)

    async def call(self, action: str, payload: dict[str, Any]) -> None:
        """Send a CALL and wait for its answer."""
        if self.socket is None:
            raise EOFError
        self.number += 1
        name = f"{self.name}-{self.number}"
        future = self.replies[name] = asyncio.get_running_loop().create_future()
        await self.socket.send(json.dumps([2, name, action, payload]))
        frame = await asyncio.wait_for(future, 10)
        if frame[0] != 3:
            self.campaign.broken(f"{self.name}: {action} was answered {frame}")
