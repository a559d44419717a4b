"""The middle of a charger: frames in and out, and what the network does to them. A sans-IO core.

`Frames` reads what arrives and refuses what is broken, sends one CALL at a time, and hands CALLs to
answer (`reply`) and answers to our own (`ended`) to the charger above it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator import effects, network, wire
from simulator.charger_link import ASK, Link
from simulator.errors import PeerError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simulator.faults import ChargerSpec, NetworkFault


class Frames(Link):
    """A charger as far as its frames go; `Charger` completes it."""

    __slots__ = ("_held", "deferred")

    def __init__(self, spec: ChargerSpec, *, seed: int, start: float) -> None:
        super().__init__(spec, seed=seed, start=start)
        self._held: tuple[str, ...] = ()  # texts that are late, in their order
        self.deferred: tuple[wire.CallResult, ...] = ()  # answers that are given late

    # ------------------------------------------------------------------ what the charger does

    def reply(self, call: wire.Call) -> wire.CallResult | wire.CallError | None:
        """Return the answer to a CALL, None for none; raises `PeerError` for a CALLERROR."""
        raise NotImplementedError

    def ended(self, ended: wire.Outstanding, payload: dict[str, Any] | None) -> None:
        """Take the answer to a CALL of ours; `payload` is None for a CALLERROR."""
        raise NotImplementedError

    def lose_power(self) -> None:
        """Go down without a word."""
        raise NotImplementedError

    def _lost(self, calls: Iterable[tuple[str, str | None]], code: int) -> None:
        """Forget what was held back, too: an answer belongs to the connection of its CALL."""
        self.deferred = ()
        super()._lost(calls, code)

    # ------------------------------------------------------------------ what comes in and goes out

    def received(self, received: effects.Received) -> None:
        """Take a text that arrived."""
        if self._forgotten:
            return
        self.traffic()
        if "arrive" in self.timers:  # nothing overtakes a frame that is late
            self._held = (*self._held, received.text)
        else:
            self._read(received.text)

    def arrive(self) -> None:
        """Take the texts that were late; another one among them may be late again."""
        (late, *behind), self._held = self._held, ()
        self._read(late, late=True)
        for text in behind:
            if self._online:
                self.received(effects.Received(text))

    def _read(self, text: str, *, late: bool = False) -> None:
        try:
            frame = wire.decode(text)
        except PeerError as error:
            self._refuse(error)
            return
        fault = None if late else self._fault(frame)
        if fault is not None and fault.kind == "drop":
            return
        if fault is not None and fault.kind == "delay":
            self._held = (text,)
            self.timers["arrive"] = self._now + fault.by
            return
        before = len(self._out)
        self._take(frame)
        if fault is not None and fault.kind == "duplicate":
            self._take(frame)
        if fault is not None and fault.kind in network.BREAKS:  # no answer gets out any more
            self._out[before:] = [a for a in self._out[before:] if type(a) is not effects.Send]
            self.break_line(fault.kind)

    def _take(self, frame: wire.Frame) -> None:
        if isinstance(frame, (wire.CallResult, wire.CallError)):
            self._settled(frame)
        elif isinstance(frame, wire.Call):
            self._answer(frame)
        else:
            self.note("ignored", frame=type(frame).__name__)

    def _fault(self, frame: wire.Frame) -> NetworkFault | None:
        """Return what the network does to a frame that came in."""
        if not self.spec.network_faults:
            return None
        if isinstance(frame, wire.Call):
            return network.strike(self, frame, frame.action)
        outstanding = self.endpoint.outstanding
        return network.strike(self, frame, outstanding.call.action) if outstanding else None

    def break_line(self, kind: str) -> None:
        """Lose the connection, or the power, as a fault of the line wants it."""
        if kind == "power_loss":
            self.lose_power()
        else:
            self.lose_connection(silent=kind == "half_open")

    def _answer(self, call: wire.Call) -> None:
        try:
            reply = self.reply(call)
        except PeerError as error:
            error.message_id = call.message_id
            self._refuse(error, call.action)
            return
        if reply is not None:
            self.transmit(reply, call.action)

    def answer_late(self) -> None:
        """Give the answers that were held back."""
        waiting, self.deferred = self.deferred, ()
        for reply in waiting if self._online else ():
            self.transmit(reply, "")

    def _refuse(self, error: PeerError, action: str = "") -> None:
        self.note("peer_error", code=error.code, description=error.description)
        message_id = error.message_id or self.dialect.nameless
        if error.answerable and message_id is not None:
            code = self.dialect.error_code(error.code)
            self.transmit(wire.CallError(message_id, code, error.description), action)

    def _settled(self, frame: wire.CallResult | wire.CallError) -> None:
        ended = self.endpoint.settle(frame)
        if ended is None:
            self.note("unexpected_answer", message_id=frame.message_id)
            return
        self.timers.pop("call", None)
        self.welcomed()
        if ended.ref is not None and ended.ref.startswith(ASK):
            self.note("answered", ref=ended.ref.removeprefix(ASK), message_id=frame.message_id)
        self.ended(ended, frame.payload if isinstance(frame, wire.CallResult) else None)

    def transmit(self, frame: wire.Frame, action: str) -> None:
        """Put a frame on the wire; `action` is its own, or that of the CALL it answers."""
        if self._forgotten:
            return
        self.traffic()
        delay = self.draw("latency/out", self.spec.latency)
        send = effects.Send(wire.encode(frame), delay)
        if not self.spec.network_faults:
            self._out.append(send)
            return
        fault = network.strike(self, frame, action)
        match fault.kind if fault is not None else None:
            case "drop":
                return
            case "duplicate":
                self._out += [send, send]
            case "delay":
                by = fault.by if fault is not None else 0.0
                self._out.append(effects.Send(send.text, delay + by))
            case _:
                self._out.append(send)
        if fault is not None and fault.kind in network.BREAKS:
            self.timers[f"break/{fault.kind}"] = self._now + delay + network.LEAVES

    def flush(self) -> None:
        """Send the next CALL if the wire is free."""
        if not self._online:
            return
        call = self.endpoint.next_call(self._now)
        if call is None:
            return
        outstanding = self.endpoint.outstanding
        if outstanding is not None:
            self.timers["call"] = outstanding.deadline
        self.transmit(call, call.action)
