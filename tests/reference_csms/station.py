"""A hub in virtual time and stations whose wire is a list: what the tests of the sessions use."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from reference_csms.model import CreateRollout, NewCharger, Reply, Settings
from reference_csms.ocpp_hub import Hub
from reference_csms.service import Service
from reference_csms.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from reference_csms.model import Ticket

BOOTS: dict[str, dict[str, Any]] = {
    "ocpp1.6": {"chargePointVendor": "ABB", "chargePointModel": "Terra", "firmwareVersion": "1"},
    "ocpp2.0.1": {
        "reason": "PowerUp",
        "chargingStation": {"vendorName": "ABB", "model": "Terra", "firmwareVersion": "1"},
    },
}
BOOTS["ocpp2.1"] = BOOTS["ocpp2.0.1"]


class Csms:
    """One service and hub over a database in memory."""

    def __init__(self, *ids: str, call_timeout: float = 30.0) -> None:
        self.now = 1_800_000_000.0
        self.store = Store(":memory:")
        self._call_timeout = call_timeout
        self._start()
        if ids:
            self.ok(lambda: self.service.register(self.now, [NewCharger(one) for one in ids]))

    def _start(self) -> None:
        self.service = Service(self.store, Settings(instance="t"), self.now)
        self.hub = Hub(self.service, epoch=self.store.epoch, call_timeout=self._call_timeout)

    def restart(self) -> None:
        """Kill the process and start it again on what the database holds."""
        self.store.restart()
        self._start()
        self.turn()

    def turn(self, seconds: float = 0.0) -> None:
        """Let time pass and do every turn that is due."""
        end = self.now + seconds
        for _ in range(10_000):
            self.hub.turn(self.now)
            due = self.hub.next_turn()
            if due is None or due > end:
                self.now = end
                return
            self.now = max(self.now, due)
        raise AssertionError("the hub never comes to rest")

    def ok(self, start: Callable[[], Ticket]) -> Any:
        """Return the body of an operation that succeeds at once."""
        ticket = start()
        self.turn()
        assert isinstance(ticket.outcome, Reply), ticket.outcome
        return json.loads(ticket.outcome.encoded())

    def rollout(self, *ids: str, **fields: Any) -> str:
        """Create a rollout of one stage over these chargers and execute it."""
        url = fields.pop("firmware_url", "https://x.example/f.bin")
        body = CreateRollout(ids, url, "all_at_once", **fields)
        rollout_id = str(self.ok(lambda: self.service.create_rollout(self.now, body))["rollout_id"])
        self.ok(lambda: self.service.execute_stage(self.now, rollout_id))
        return rollout_id

    def charger(self, rollout_id: str, charger_id: str) -> Any:
        """Return what the API shows of one charger."""
        body = self.ok(lambda: self.service.read_rollout(self.now, rollout_id))
        every = [one for stage in body["stages"] for one in stage["chargers"]]
        return next(one for one in every if one["charge_point_id"] == charger_id)


class Station:
    """The far end of one connection."""

    def __init__(
        self, csms: Csms, charger_id: str = "CP-1", version: str = "ocpp2.0.1", *, boot: bool = True
    ) -> None:
        self.csms = csms
        self.version = version
        self.frames: list[list[Any]] = []
        self.closed: tuple[int, str] | None = None
        self.deaf = False
        self.line = csms.hub.open(csms.now, charger_id, version, self)
        self._count = 0
        csms.turn()
        if boot:
            assert self.call("BootNotification", BOOTS[version])[2]["status"] == "Accepted"

    def write(self, text: str) -> bool:
        """Take a frame from the CSMS."""
        if not self.deaf:
            self.frames.append(json.loads(text))
        return not self.deaf

    def hang_up(self, code: int, reason: str) -> None:
        """Note that the CSMS closes."""
        self.closed = code, reason

    def send(self, data: str | bytes | list[Any]) -> list[list[Any]]:
        """Send anything; return the frames that came because of it."""
        before = len(self.frames)
        text = json.dumps(data) if isinstance(data, list) else data
        self.csms.hub.receive(self.csms.now, self.line, text)
        self.csms.turn()
        return self.frames[before:]

    def call(self, action: str, payload: dict[str, Any]) -> list[Any]:
        """Send a CALL and return the one answer to it."""
        self._count += 1
        message_id = f"s{self._count}"
        found = [f for f in self.send([2, message_id, action, payload]) if f[1] == message_id]
        assert len(found) == 1, found
        return found[0]

    def close(self) -> None:
        """Drop the connection."""
        self.csms.hub.close(self.csms.now, self.line)
        self.csms.turn()

    def command(self) -> list[Any]:
        """Return the last CALL that came."""
        return [frame for frame in self.frames if frame[0] == 2][-1]
