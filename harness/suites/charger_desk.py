"""The scripted CSMS that chargers under test talk to. A core, on `simulator.wire`.

It accepts what a charger says, calls what a case asks for and remembers both. Whoever drives it
owns the sockets: it is a virtual fleet's peer (`simulator.virtual.Peer`) as it stands, and
`charger_site` puts a WebSocket server around it. It shares nothing with the reference CSMS.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from simulator import wire
from simulator.dialect import rfc3339
from simulator.errors import PeerError

if TYPE_CHECKING:
    from collections.abc import Callable

SUBPROTOCOLS = ("ocpp2.1", "ocpp2.0.1", "ocpp1.6")
HEARTBEAT = 300  # seconds
TOKEN = {"idTagInfo": {"status": "Accepted"}}
TOKEN_2 = {"idTokenInfo": {"status": "Accepted"}}
EMPTY = frozenset({
    "StatusNotification", "MeterValues", "FirmwareStatusNotification", "StopTransaction",
    "SignedFirmwareStatusNotification", "SecurityEventNotification", "TransactionEvent",
    "LogStatusNotification", "DiagnosticsStatusNotification", "NotifyEvent", "NotifyReport",
    "NotifyMonitoringReport", "ReportChargingProfiles",
})  # fmt: skip


class Socket(Protocol):
    """One open WebSocket of a charger."""

    charger_id: str

    def send(self, text: str) -> None:
        """Write one frame."""

    def close(self, code: int = 1000) -> None:
        """Close it."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A CALL that the charger sent; `time` is Unix seconds."""

    time: float
    action: str
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the charger answered; `error` is the code of a CALLERROR, or "no answer"."""

    time: float
    payload: dict[str, Any]
    error: str = ""

    @property
    def status(self) -> str:
        """The `status` of a CALLRESULT ('Accepted' where 1.6 core has none), '' for an error."""
        return "" if self.error else str(self.payload.get("status", "Accepted"))


@dataclass(slots=True)
class Line:
    """What the desk knows of one charger, across its connections."""

    charger: str
    endpoint: wire.Endpoint
    socket: Socket | None = None
    subprotocol: str = ""
    accepted: bool = False  # the boot of this connection, or of an earlier one, was accepted
    heard: list[Heard] = field(default_factory=list)
    answers: dict[str, Answer] = field(default_factory=dict)  # by message id
    opened: list[float] = field(default_factory=list)
    closed: list[float] = field(default_factory=list)
    hang_ups: int = 0  # so many of the next connections end with their first frame
    transactions: int = 0
    slow: bool = False  # answers wait until they are released
    held: list[wire.Frame] = field(default_factory=list)
    given_up: bool = False  # it stayed away for as long as we wait

    @property
    def online(self) -> bool:
        """Whether it is connected and may be called."""
        return self.socket is not None and self.accepted


class Desk:
    """All chargers that came; `now` gives Unix seconds, `changed` hears of everything new."""

    def __init__(
        self, now: Callable[[], float], changed: Callable[[], None] = lambda: None
    ) -> None:
        self._now = now
        self._changed = changed
        self.lines: dict[str, Line] = {}

    def line(self, charger: str) -> Line:
        """Return what is known of a charger, also before it comes."""
        if charger not in self.lines:
            endpoint = wire.Endpoint(f"d{int(self._now() * 1000):x}", 30.0)
            self.lines[charger] = Line(charger, endpoint)
        return self.lines[charger]

    # ------------------------------------------------------------------ what a driver tells

    def handshake(
        self, now: float, connection: Any, offered: tuple[str, ...], password: str | None
    ) -> str:
        """Choose the newest version that both sides speak; '' where there is none."""
        del now, password
        line = self.line(connection.charger_id)
        line.subprotocol = next((name for name in SUBPROTOCOLS if name in offered), "")
        line.endpoint.reset()
        line.socket = connection
        line.opened.append(self._now())
        self._changed()
        return line.subprotocol

    def receive(self, now: float, connection: Any, text: str) -> None:
        """Take one frame from a charger."""
        line = self.line(connection.charger_id)
        if line.hang_ups:
            line.hang_ups -= 1
            connection.close(1001)
            return
        try:
            frame = wire.decode(text)
        except PeerError as error:
            if error.answerable and error.message_id is not None:
                self._send(line, wire.CallError(error.message_id, "GenericError", "unreadable"))
            return
        if isinstance(frame, wire.Call):
            self._called(line, frame, now)
        elif isinstance(frame, wire.CallResult | wire.CallError):
            self._answered(line, frame, now)
        self._changed()

    def closed(self, now: float, connection: Any, code: int) -> None:
        """Learn that a connection is gone."""
        del code
        line = self.line(connection.charger_id)
        if line.socket is connection:
            line.socket = None
            line.held = []
            line.closed.append(now)
            line.endpoint.reset()
        self._changed()

    # ------------------------------------------------------------------ what a case does

    def call(self, charger: str, action: str, payload: dict[str, Any]) -> str:
        """Send a CALL and return its message id; its answer comes into `line.answers`."""
        line = self.line(charger)
        message_id = line.endpoint.new_id()
        self._send(line, wire.Call(message_id, action, payload))
        return message_id

    def release(self, charger: str) -> None:
        """Send the answers that were held back."""
        line = self.line(charger)
        waiting, line.held = line.held, []
        for frame in waiting:
            self._send(line, frame)

    # ------------------------------------------------------------------ inside

    def _called(self, line: Line, call: wire.Call, now: float) -> None:
        line.heard.append(Heard(now, call.action, call.payload))
        payload = self._reply(line, call, now)
        if payload is None:
            told = f"{call.action[:40]} is not handled here"
            self._reply_with(line, wire.CallError(call.message_id, "NotImplemented", told))
        else:
            self._reply_with(line, wire.CallResult(call.message_id, payload))
        if call.action == "BootNotification":
            line.accepted = True

    def _reply_with(self, line: Line, frame: wire.Frame) -> None:
        if line.slow:
            line.held.append(frame)
        else:
            self._send(line, frame)

    @staticmethod
    def _reply(line: Line, call: wire.Call, now: float) -> dict[str, Any] | None:
        match call.action:
            case "BootNotification":
                return {"currentTime": rfc3339(now), "interval": HEARTBEAT, "status": "Accepted"}
            case "Heartbeat":
                return {"currentTime": rfc3339(now)}
            case "StartTransaction":
                line.transactions += 1
                return {"transactionId": line.transactions, **TOKEN}
            case "Authorize":
                return TOKEN if line.subprotocol == "ocpp1.6" else TOKEN_2
            case "DataTransfer":
                return {"status": "UnknownVendorId"}
            case action if action in EMPTY:
                return {}
            case _:
                return None

    def _answered(self, line: Line, frame: wire.CallResult | wire.CallError, now: float) -> None:
        if isinstance(frame, wire.CallResult):
            answer = Answer(now, frame.payload)
        else:
            answer = Answer(now, {}, frame.code)
        line.answers.setdefault(frame.message_id, answer)

    @staticmethod
    def _send(line: Line, frame: wire.Frame) -> None:
        if line.socket is not None:
            line.socket.send(wire.encode(frame))
