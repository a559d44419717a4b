"""One virtual charger: its power, its connection, its boot, its calls. A sans-IO core.

`handle(now, input) -> actions` is all there is: whoever drives it owns the socket, the clock and
the download (seam 1, `effects`). The life of a charger has five layers, each with a module:

* `charger_link`, the lower half: power, offline windows, connect and reconnect;
* `charger_frames`, the middle: frames in and out, one CALL at a time;
* here: boot until accepted, heartbeats, reports, timers;
* `charger_calls`: what it answers when the CSMS calls;
* `charger_update`: a firmware update from request to the first boot of the new version.

Time is a handful of named timers of which the driver only ever sees the next one. Chance is a fresh
named stream for each decision, so nothing that happens to one charger changes another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from simulator import effects, quirks, wire
from simulator.charger_calls import TRIGGERED, answer
from simulator.charger_frames import Frames
from simulator.charger_link import ASK, SECURITY_REF, TERMINAL_REF, Link
from simulator.charger_transactions import TRANSACTION_REF, Transaction
from simulator.charger_update import Update
from simulator.dialect import MOST
from simulator.firmware import TERMINAL, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simulator.dialect import UpdateRequest
    from simulator.faults import ChargerSpec

BOOT_RETRY = 10.0  # seconds until another BootNotification where the CSMS named no interval


class Charger(Frames):
    """One charger. `start` is the Unix time at which the drill begins; equal seeds, equal lives."""

    __slots__ = (
        "allow_new_sessions", "asked_for", "heartbeat", "inoperative", "installs",
        "last_status", "reset_when_idle", "transaction", "update",
    )  # fmt: skip

    def __init__(self, spec: ChargerSpec, *, seed: int, start: float) -> None:
        super().__init__(spec, seed=seed, start=start)
        self.update: Update | None = None
        self.transaction = Transaction(self)
        self.installs = 0  # how many installations were begun
        self.heartbeat: float = 0.0  # seconds
        self.asked_for: tuple[str, ...] = ()  # messages triggered before the boot was accepted
        self.allow_new_sessions: bool = spec.allow_new_sessions
        self.inoperative = False  # as the CSMS wants it (ChangeAvailability)
        self.reset_when_idle = False
        self.last_status: tuple[str, int | None] = (Status.IDLE, None)

    # ------------------------------------------------------------------ what the driver uses

    def inbound_delay(self, now: float) -> float:
        """Return how long a frame that just arrived travels inside, in seconds."""
        del now  # the driver's clock; latency does not depend on it
        return self.draw("latency/in", self.spec.latency)

    def handle(self, now: float, incoming: effects.Input) -> list[effects.Action]:
        """Take one input and return what follows from it, in order."""
        self._now = now
        out = self._out = []
        self._INPUTS[type(incoming)](self, incoming)
        self.flush()
        if self._leaving is not None and self.endpoint.idle:
            reason, away = self._leaving
            self.reboot(reason, away=away)
        self.set_wake()
        return out

    # ------------------------------------------------------------------ what its layers use

    def call(self, action: str, payload: dict[str, Any], ref: str | None = None) -> None:
        """Queue a CALL; dropped while there is no accepted connection to send it on."""
        if self.ready:
            self.endpoint.queue(action, payload, ref)

    def report(self, status: str, request_id: int | None) -> None:
        """Report a firmware status; an end that cannot be sent now is sent after the next boot."""
        self.last_status = (status, request_id)
        if self.spec.quirks:
            for told in quirks.told(self, status, request_id):
                self._tell(*told)
        else:
            self._tell(status, request_id)

    def _tell(self, status: str, request_id: int | None) -> None:
        if self.ready:
            action, payload = self.dialect.firmware_status(status, request_id)
            ref = f"{TERMINAL_REF}{status}" if status in TERMINAL else None
            if "two_calls" in self.spec.quirks:
                self.endpoint.queue("Heartbeat", {})
                self.transmit(wire.Call(self.endpoint.new_id(), action, payload), action)
                return
            self.endpoint.queue(action, payload, ref)
        elif status in TERMINAL:
            self.undelivered = (status, request_id)

    def security_event(self, kind: str) -> None:
        """Tell of a security event; what a lost connection swallows is told again (A04.FR.02)."""
        self.untold = (*self.untold, (self.clock, kind))
        self._tell_security()

    def _tell_security(self) -> None:
        if self.ready:
            waiting, self.untold = self.untold, ()
            for time, kind in waiting:
                event = self.dialect.security_event(kind, time)
                self.endpoint.queue(*event, ref=f"{SECURITY_REF}{time!r} {kind}")

    def connector(self) -> None:
        """Report the state of the connector."""
        payload = self.dialect.connector(self.connector_status, self.clock)
        self.call("StatusNotification", payload)

    @property
    def connector_status(self) -> str:
        """In use, out of service (by the CSMS, or by an update: L01.FR.07), or free."""
        if self.transaction.running:
            return self.transaction.in_use
        held = self.update is not None and self.update.unavailable and not self.update.away
        return "Unavailable" if held or self.inoperative else "Available"

    @property
    def busy(self) -> bool:
        """Whether a session or an update would be interrupted by a reset."""
        return self.transaction.running or (self.update is not None and not self.update.over)

    def now_idle(self) -> None:
        """Do what waited for the end of a session or an update."""
        if self.reset_when_idle and not self.busy:
            self.reset_when_idle = False
            self.timers["reset"] = self._now

    def trigger(self, wanted: str) -> None:
        """Send a message that the CSMS asked for; before the boot is accepted, right after it."""
        if self.ready:
            TRIGGERED[wanted](self)
        elif wanted == "BootNotification":  # how a CSMS ends a Pending (B02)
            if self.endpoint.idle and not self._leaving:
                self.timers.pop("boot", None)
                self._boot()
        elif wanted not in self.asked_for:
            self.asked_for = (*self.asked_for, wanted)

    def begin_update(self, action: str, request: UpdateRequest) -> str:
        """Start the update or refuse it; return the status of the answer."""
        verdict = "Accepted"
        if self.update is not None and not self.update.over:
            if not self.update.cancel():
                return "Rejected"
            verdict = "AcceptedCanceled"
        self.update = Update(self, request)
        self.note("update", request_id=request.request_id, action=action)
        if self.ready:
            self.update.begin()
        return verdict

    # ------------------------------------------------------------------ boot and heartbeat

    def online_now(self) -> None:
        """Boot where that is due, else go on where the last connection broke."""
        self.asked_for = ()
        self.traffic()
        if self.boot_reason is not None:
            self._boot()
        else:
            self.booted = True
            self._announce()

    def reboot(self, reason: str, *, away: float, abort: bool = False) -> None:
        """Go down now, which is what a scheduled reset wanted, too."""
        self.reset_when_idle = False
        super().reboot(reason, away=away, abort=abort)

    def lose_power(self) -> None:
        """Go down without a word, losing what ran."""
        self.reboot("PowerUp", away=self.draw("reboot_time", self.spec.reboot_time), abort=True)
        if self.update is not None:
            self.update.interrupt()

    def end_lost(self, status: str) -> None:
        """Keep the end of an update until it can be told."""
        if self.update is not None:
            self.undelivered = (status, self.update.request.request_id)

    def _boot(self) -> None:
        reason = self.boot_reason or "PowerUp"
        payload = self.dialect.boot(self.spec, self.firmware_version, reason)
        payload = quirks.boot_payload(self, payload) if self.spec.quirks else payload
        self.endpoint.queue("BootNotification", payload)
        if self.spec.quirks:
            quirks.booting(self)

    def _boot_answered(self, payload: dict[str, Any]) -> None:
        interval = payload.get("interval")
        wait = 0.0
        if isinstance(interval, int) and interval > 0:
            wait = float(min(interval, MOST))  # JSON has integers beyond any float
        if self.booted:  # it was only triggered
            return
        if payload.get("status") != "Accepted":
            self.timers["boot"] = self._now + (wait or BOOT_RETRY)
            return
        self.booted = True
        self.boot_reason = None
        self.heartbeat = self.spec.heartbeat or wait or 300.0
        self._announce()
        if self.spec.signed:
            self.security_event("StartupOfTheDevice")

    def _announce(self) -> None:
        """Say how we are, and what we could not say before."""
        self.heartbeat = self.heartbeat or self.spec.heartbeat or 300.0
        self.timers["heartbeat"] = self._now + self.heartbeat
        self.transaction.announce()
        self.connector()
        if self.spec.quirks:
            quirks.announced(self)
        if self.update is not None:
            self.update.booted()
        waiting, self.undelivered = self.undelivered, None
        if waiting is not None and waiting[0] == self.last_status[0]:  # nothing came after it
            self.report(*waiting)
        self._tell_security()
        asked_for, self.asked_for = self.asked_for, ()
        for wanted in asked_for:
            TRIGGERED[wanted](self)

    # ------------------------------------------------------------------ calls and answers

    def reply(self, call: wire.Call) -> wire.CallResult | wire.CallError | None:
        """Answer a CALL of the CSMS."""
        if not self.spec.quirks:
            return wire.CallResult(call.message_id, answer(self, call))
        refusal = quirks.refusal(self, call)
        if refusal is not None:
            return refusal
        given = wire.CallResult(call.message_id, answer(self, call))
        return quirks.answer(self, call, given)

    def ended(self, ended: wire.Outstanding, payload: dict[str, Any] | None) -> None:
        """Take the answer to a CALL of ours."""
        if ended.ref is not None and ended.ref.startswith(TRANSACTION_REF):
            self.transaction.answered(ended.ref, payload)
        if ended.call.action == "BootNotification":
            self._boot_answered(payload or {})
        if self.spec.quirks and payload is not None:
            quirks.answered(self, ended.call)

    def _asked(self, asked: effects.Asked) -> None:
        if not self.ready:
            why = "offline" if not self._online else "not booted"
            self.note("unanswered", ref=asked.ref, why=why)
            return
        payload = asked.payload
        if asked.action == "StatusNotification" and not payload:
            payload = self.dialect.connector(self.connector_status, self.clock)
        self.endpoint.queue(asked.action, payload, f"{ASK}{asked.ref}")

    def _fetch_ended(self, end: effects.Fetched | effects.FetchFailed) -> None:
        if self.update is not None:
            self.update.fetched(end)

    # ------------------------------------------------------------------ time

    def _woke(self, _: effects.Woke) -> None:
        self._wake = None
        due = sorted((time, name) for name, time in self.timers.items() if time <= self._now)
        for time, name in due:
            if self.timers.get(name) == time:  # an earlier one may have cancelled it
                del self.timers[name]
                self._due(name)

    def _due(self, name: str) -> None:
        kind, _, number = name.partition("/")
        if kind == "offline":
            self.open_window(int(number), self.spec.offline[int(number)])
        elif kind == "online":
            self.close_window(int(number))
        elif kind == "break":
            self.break_line(number)
        else:
            self._TIMERS[kind](self)

    def _beat(self) -> None:
        self.timers["heartbeat"] = self._now + self.heartbeat
        self.call("Heartbeat", {})

    def _reset(self) -> None:
        """Do what a Reset asked for; an update that ran is interrupted by it."""
        if self.update is not None:
            self.update.interrupt()
        away = self.draw("reboot_time", self.spec.reboot_time)
        self.go_down("RemoteReset", away, abort=False)

    def _update_due(self) -> None:
        if self.update is None:
            return
        if self._rebooting:  # nothing happens while the power is off
            self.timers["update"] = self.timers.get("power", self._now) + 1.0
        else:
            self.update.woke()

    def _transaction_due(self) -> None:
        self.transaction.end()

    def _call_expired(self) -> None:
        ended = self.endpoint.expired(self._now)
        if ended is None:
            return
        self.note("call_timeout", action=ended.call.action, message_id=ended.call.message_id)
        if ended.ref is not None and ended.ref.startswith(ASK):
            self.note("unanswered", ref=ended.ref.removeprefix(ASK), why="timeout")
        if self._forgotten:
            self.lose_connection(silent=True)
        elif ended.ref is not None and ended.ref.startswith(TRANSACTION_REF):
            self.endpoint.queue(ended.call.action, ended.call.payload, ended.ref, first=True)
        elif ended.call.action == "BootNotification" and not self.booted:
            self.timers["boot"] = self._now + BOOT_RETRY

    _INPUTS: ClassVar[Mapping[type, Callable[[Any, Any], None]]] = {
        effects.Received: Frames.received,
        effects.Woke: _woke,
        effects.Connected: Link.connected,
        effects.Disconnected: Link.disconnected,
        effects.ConnectFailed: Link.connect_failed,
        effects.Asked: _asked,
        effects.Fetched: _fetch_ended,
        effects.FetchFailed: _fetch_ended,
        effects.Marked: Link.marked_by,
        effects.PoweredOn: Link.power_on,
    }
    _TIMERS: ClassVar[Mapping[str, Callable[[Any], None]]] = {
        "connect": Link.connect,
        "boot": _boot,
        "heartbeat": _beat,
        "call": _call_expired,
        "power": Link.power_back,
        "leave": Link.leave_anyway,
        "nat": Link.forgotten,
        "reset": _reset,
        "update": _update_due,
        "late": Frames.answer_late,
        "arrive": Frames.arrive,
        "transaction": _transaction_due,
    }
