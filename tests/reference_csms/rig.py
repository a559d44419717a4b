"""A CSMS in virtual time with a wire of our own: what the tests of the service stand on.

The rig does what the shell does (turns, frames, slots) and remembers every frame that left, in
order, beside what operators were told. `crash` drops everything that was not committed.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from reference_csms.model import (
    Answered,
    AskStatus,
    Boot,
    CallResult,
    CreateRollout,
    NewCharger,
    Reply,
    SendUpdate,
    Settings,
    Ticket,
)
from reference_csms.service import Service
from reference_csms.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from reference_csms.model import Answer, Released

URL = "https://updates.example.com/firmware/terra-3.5.1.bin"


@dataclass
class Rig:
    """One service, its clock, and the far ends of its connections."""

    path: str = ":memory:"
    settings: Settings = field(default_factory=lambda: Settings(instance="rig"))
    now: float = 1_700_000_000.0
    # Every frame that left the process and every answer given, in order.
    log: list[tuple[str, Any]] = field(default_factory=list)
    # Connection ids of chargers that are connected.
    links: dict[str, str] = field(default_factory=dict)
    # Calls of the CSMS that a charger has not answered: charger -> message id.
    calls: dict[str, SendUpdate | AskStatus] = field(default_factory=dict)
    _count: int = 0

    def __post_init__(self) -> None:
        self.store = Store(self.path)
        self.service = Service(self.store, self.settings, self.now)

    # ---------------------------------------------- the shell's part

    def turn(self) -> None:
        """Do turns until nothing is due."""
        for _ in range(10_000):
            self.service.wake(self.now)
            for item in self.service.commit(self.now):
                self.deliver(item)
            wake = self.service.next_wake()
            if wake is None or wake > self.now:
                return
        raise AssertionError("the service never comes to rest")

    def deliver(self, item: Released) -> None:
        """Do what the shell does with one released item."""
        if isinstance(item, Answered):
            self.log.append(("answer", item))
            item.ticket.resolve(item.outcome)
        elif isinstance(item, SendUpdate | AskStatus):
            charger_id = item.charger_id
            if self.links.get(charger_id) != item.connection or charger_id in self.calls:
                self.service.undelivered(self.now, charger_id, item.message_id)
                return
            self.log.append(("frame", item))
            self.calls[charger_id] = item
            self.service.slot(self.now, charger_id, item.connection, free=False)
        else:
            self.log.append(("other", item))

    def pass_time(self, seconds: float) -> None:
        """Let time pass, waking the service whenever it asks for it."""
        end = self.now + seconds
        while (wake := self.service.next_wake()) is not None and wake <= end:
            self.now = max(self.now, wake)
            self.turn()
        self.now = end
        self.turn()

    def refuse_next_write(self) -> None:
        """Let the database refuse the next transaction that has anything in it."""
        store = self.store

        def refuse() -> None:
            del store._write
            raise sqlite3.OperationalError("database or disk is full")

        store._write = refuse  # type: ignore[method-assign]

    def crash(self, **fields: Any) -> None:
        """Kill the process: uncommitted changes and connections are gone; start it again."""
        self.links.clear()
        self.calls.clear()
        for name, value in fields.items():
            setattr(self, name, value)
        if self.path == ":memory:":
            self.store.restart()
        else:
            self.store.close()
            self.store = Store(self.path)
        self.service = Service(self.store, self.settings, self.now)
        self.turn()

    # ---------------------------------------------- the chargers' part

    def fleet(self, count: int, *, connect: bool = True, version: str = "3.4.1") -> list[str]:
        """Register chargers and, unless told otherwise, connect and boot them."""
        ids = [f"CP-{number:03}" for number in range(1, count + 1)]
        new = [NewCharger(one, "berlin", "ABB", "Terra AC") for one in ids]
        self.ok(lambda: self.service.register(self.now, new))
        if connect:
            for one in ids:
                self.connect(one, version)
        return ids

    def connect(self, charger_id: str, version: str | None = "3.4.1") -> None:
        """Open a connection and, unless `version` is None, boot on it."""
        self._count += 1
        link = f"{charger_id}#{self._count}"
        self.links[charger_id] = link
        self.calls.pop(charger_id, None)
        self.service.connected(self.now, charger_id, link, "ocpp2.0.1")
        if version is not None:
            boot = Boot("ABB", "Terra AC", version, "PowerUp")
            accepted = self.service.booted(self.now, charger_id, link, boot)
            assert accepted.status == "Accepted"
        self.turn()

    def disconnect(self, charger_id: str) -> None:
        """Drop a connection; its outstanding CALL will not be answered."""
        link = self.links.pop(charger_id)
        call = self.calls.pop(charger_id, None)
        if call is not None:
            self.service.unanswered(self.now, charger_id, call.message_id, "closed")
        self.service.disconnected(self.now, charger_id, link)
        self.turn()

    def answer(self, charger_id: str, answer: Answer | None = None) -> None:
        """Answer the outstanding CALL; Accepted if nothing else is said."""
        call = self.calls.pop(charger_id)
        told = CallResult("Accepted") if answer is None else answer
        self.service.answered(self.now, charger_id, call.message_id, told)
        self.service.slot(self.now, charger_id, call.connection, free=True)
        self.turn()

    def time_out(self, charger_id: str) -> None:
        """Let the session give up on the outstanding CALL."""
        call = self.calls.pop(charger_id)
        self.service.unanswered(self.now, charger_id, call.message_id, "timeout")
        self.service.slot(self.now, charger_id, call.connection, free=True)
        self.turn()

    def report(self, charger_id: str, *statuses: str, request_id: int | None = None) -> None:
        """Send firmware statuses."""
        for status in statuses:
            self.service.firmware_status(self.now, charger_id, status, request_id)
            self.turn()

    def install(self, *charger_ids: str) -> None:
        """Answer and report the whole way to Installed."""
        for one in charger_ids:
            if one in self.calls:
                self.answer(one)
            self.report(one, "Downloading", "Downloaded", "Installing", "Installed")

    def fail(self, *charger_ids: str) -> None:
        """Answer and report an InstallationFailed."""
        for one in charger_ids:
            if one in self.calls:
                self.answer(one)
            self.report(one, "Downloading", "InstallationFailed")

    # ---------------------------------------------- the operators' part

    def ask(self, operation: Callable[[], Ticket]) -> Ticket:
        """Start an operation and do the turns it needs."""
        ticket = operation()
        self.turn()
        return ticket

    def ok(self, operation: Callable[[], Ticket]) -> Any:
        """Return the JSON body of an operation that must succeed at once."""
        outcome = self.ask(operation).outcome
        assert isinstance(outcome, Reply), outcome
        return msgspec.json.decode(outcome.encoded())

    def create(self, ids: list[str], strategy: str = "all_at_once", **fields: Any) -> str:
        """Create a rollout and return its id."""
        request = CreateRollout(tuple(ids), fields.pop("url", URL), strategy, **fields)
        body = self.ok(lambda: self.service.create_rollout(self.now, request))
        return str(body["rollout_id"])

    def execute(self, rollout_id: str) -> Any:
        """Execute a stage and return the body."""
        return self.ok(lambda: self.service.execute_stage(self.now, rollout_id))

    def pause(self, rollout_id: str, reason: str | None = None) -> Any:
        """Pause and return the body."""
        return self.ok(lambda: self.service.pause(self.now, rollout_id, reason))

    def read(self, rollout_id: str) -> Any:
        """Read the rollout."""
        return self.ok(lambda: self.service.read_rollout(self.now, rollout_id))

    def charger(self, rollout_id: str, charger_id: str) -> Any:
        """Return one charger's entry in the rollout."""
        stages = self.read(rollout_id)["stages"]
        every = [one for stage in stages for one in stage["chargers"]]
        return next(one for one in every if one["charge_point_id"] == charger_id)

    def updates(self, rollout_id: str | None = None) -> list[str]:
        """Return the chargers that were sent UpdateFirmware, in order."""
        return [
            item.charger_id
            for kind, item in self.log
            if kind == "frame"
            and isinstance(item, SendUpdate)
            and rollout_id in {None, item.rollout_id}
        ]

    def asks(self) -> list[str]:
        """Return the chargers that were asked for their status, in order."""
        return [i.charger_id for k, i in self.log if k == "frame" and isinstance(i, AskStatus)]
