"""The virtual-time driver: the same chargers, no sockets, no threads, no waiting.

A shell in the plan of the house, yet it owns nothing real: time is a heap of callbacks, a socket a
pair of FIFO queues, a download arithmetic (`virtual_downloads`). A drill of a day costs seconds and
the same seed gives the same order of everything: events at the same instant run in the order in
which they were scheduled.

The CSMS side is a `Peer`: anything synchronous that takes frames and gives frames back.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from simulator import effects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from simulator.charger import Charger
    from simulator.virtual_downloads import Transfers

    Observer = Callable[[str, str, str | None, dict[str, Any]], None]

_NOTHING: dict[str, Any] = {}  # what there is to say of a frame beside its text


class Timer(list[Any]):
    """A callback that waits in the heap: [time, number, callback, argument].

    A list, because the heap compares them a million times: its first two items decide, in C.
    """

    __slots__ = ()

    def cancel(self) -> None:
        """Make it do nothing; calling it twice is harmless."""
        self[2] = self[3] = None


class Scheduler:
    """Virtual time: callbacks in order of (time, order of scheduling).

    `now` is Unix seconds, starts where it is told to and never steps back. What is due at once
    waits in a queue beside the heap: whatever the heap holds for the same time was there before.
    """

    __slots__ = ("_heap", "_interjected", "_sequence", "_soon", "now")

    def __init__(self, start: float) -> None:
        self.now = start
        self._heap: list[list[Any]] = []  # Timers, and plain lists like them
        self._soon: deque[list[Any]] = deque()
        self._sequence = 0
        self._interjected = 0

    def at(self, time: float, callback: Callable[[Any], None], argument: Any = None) -> Timer:
        """Run `callback(argument)` at `time` (the past means: next)."""
        if time <= self.now:
            timer = Timer((self.now, 0, callback, argument))
            self._soon.append(timer)
            return timer
        self._sequence = number = self._sequence + 1
        timer = Timer((time, number, callback, argument))
        heappush(self._heap, timer)
        return timer

    def post(self, time: float, callback: Callable[[Any], None], argument: Any = None) -> None:
        """Run `callback(argument)` at `time` for certain: `at` without a handle, and cheaper."""
        if time <= self.now:
            self._soon.append([self.now, 0, callback, argument])
            return
        self._sequence = number = self._sequence + 1
        heappush(self._heap, [time, number, callback, argument])

    def interject(self, callback: Callable[[Any], None]) -> None:
        """Run `callback(None)` before anything else; may be called from a signal handler."""
        # Numbers of its own: the handler may have come while `at` was counting.
        self._interjected -= 1
        heappush(self._heap, Timer((self.now, self._interjected, callback, None)))

    def step(self) -> bool:
        """Run the next callback; False when nothing is left to happen."""
        heap, soon = self._heap, self._soon
        while heap or soon:
            if soon and not (heap and heap[0][0] <= self.now):
                time, _, callback, argument = soon.popleft()
            else:
                time, _, callback, argument = heappop(heap)
            if callback is not None:
                self.now = time
                callback(argument)
                return True
        return False

    def run(self, *, until: Callable[[], bool], deadline: float) -> bool:
        """Step until the condition holds; False at the deadline or when nothing is left.

        At the deadline `now` is the deadline itself, so that a wait that failed took its time.
        """
        while not until():
            upcoming = self.upcoming()
            if upcoming is None or upcoming > deadline:
                self.now = max(self.now, deadline)
                return False
            self.step()
        return True

    def upcoming(self) -> float | None:
        """Return the time of the next callback, or None."""
        heap, soon = self._heap, self._soon
        while heap and heap[0][2] is None:
            heappop(heap)
        while soon and soon[0][2] is None:
            soon.popleft()
        if soon:
            return self.now
        return heap[0][0] if heap else None


@dataclass(frozen=True, slots=True)
class Refused:
    """The peer refused the WebSocket upgrade with this HTTP status."""

    status: int


class Peer(Protocol):
    """The CSMS end of every virtual connection."""

    def handshake(self, now: float, connection: Connection, offered: tuple[str, ...],
                  password: str | None) -> str | Refused:  # fmt: skip
        """Answer an upgrade request with the chosen subprotocol, or refuse it."""

    def receive(self, now: float, connection: Connection, text: str) -> None:
        """Take one frame from the charger."""

    def closed(self, now: float, connection: Connection, code: int) -> None:
        """Learn that the connection is gone."""


class Connection:
    """One virtual WebSocket: what the peer holds of a charger."""

    __slots__ = ("_fleet", "_slot", "charger_id", "open")

    def __init__(self, fleet: VirtualFleet, slot: Slot) -> None:
        self._fleet = fleet
        self._slot = slot
        self.charger_id = slot.charger.spec.id
        self.open = True

    def send(self, text: str) -> None:
        """Send one frame to the charger; silently lost once the connection is gone."""
        if self.open:
            self._fleet.arrive(self._slot, self, text)

    def close(self, code: int = 1000) -> None:
        """Close from the CSMS's side."""
        if self.open:
            self._fleet.hang_up(self._slot, self, code)


class Slot:
    """What the driver keeps of one charger."""

    __slots__ = (
        "charger", "connection", "inbound_free", "outbound_free", "wake_pending", "wake_time",
    )  # fmt: skip

    def __init__(self, charger: Charger) -> None:
        self.charger = charger
        self.connection: Connection | None = None
        self.wake_time: float | None = None  # the only wake-up that still counts
        self.wake_pending: float | None = None  # the earliest one on the heap
        self.inbound_free = 0.0  # no frame overtakes an earlier one
        self.outbound_free = 0.0


class VirtualFleet:
    """Drives chargers in virtual time; the twin of `sockets.Fleet`, without awaits.

    `observe(charger_id, kind, text, data)` is called at the socket, in the order of the sockets,
    with kinds open, close, send, recv and note.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        chargers: Iterable[Charger],
        *,
        peer: Peer,
        transfers: Transfers,
        observe: Observer,
        password: Callable[[str], str | None] = lambda _: None,
    ) -> None:
        self.scheduler = scheduler
        self.peer = peer
        self.transfers = transfers
        self.observe = observe
        self.password = password
        self.slots = {charger.spec.id: Slot(charger) for charger in chargers}
        self._marks: dict[str, int] = {}
        self._asked: dict[str, Callable[[str], None]] = {}
        self._asks = 0

    # -------------------------------------------------------------- what the harness does

    def start(self) -> None:
        """Power every charger on, in order."""
        for slot in self.slots.values():
            self._handle(slot, effects.PoweredOn())

    def mark(self, name: str) -> None:
        """Tell every charger that a named moment of the drill has passed."""
        self._marks[name] = count = self._marks.get(name, 0) + 1
        marked = effects.Marked(name, count)
        for slot in self.slots.values():
            if slot.charger.heeds(name):
                self._handle(slot, marked)

    def ask(
        self, charger_id: str, action: str, payload: dict[str, Any], done: Callable[[str], None]
    ) -> None:
        """Have one charger send a CALL; `done` hears answered, offline, closed or timeout."""
        slot = self.slots[charger_id]
        if slot.connection is None:
            done("offline")
            return
        self._asks += 1
        ref = f"ask-{self._asks}"
        self._asked[ref] = done
        self._handle(slot, effects.Asked(action, payload, ref))

    def knock(self, charger_id: str, credentials: str, password: str | None) -> None:
        """Try the CSMS's door in the name of a charger that is off; go at once if it opens.

        `credentials` says what is amiss with the password: `wrong` or `missing`.
        """
        slot, now = self.slots[charger_id], self.scheduler.now
        connection = Connection(self, slot)
        offered = (slot.charger.dialect.subprotocol,)
        answer = self.peer.handshake(now, connection, offered, password)
        connection.open = False
        told: dict[str, Any] = {"credentials": credentials}
        if isinstance(answer, Refused):
            self.observe(charger_id, "refused", None, told | {"status": answer.status})
            return
        self.observe(charger_id, "open", None, told | {"subprotocol": answer})
        self.observe(charger_id, "close", None, {"code": 1000, "reason": "it only knocked"})
        self.peer.closed(now, connection, 1000)

    # -------------------------------------------------------------- what connections do

    def arrive(self, slot: Slot, connection: Connection, text: str) -> None:
        """Record a frame from the CSMS at the socket and deliver it after its latency."""
        self.observe(connection.charger_id, "recv", text, _NOTHING)
        scheduler = self.scheduler
        due = scheduler.now + slot.charger.inbound_delay(scheduler.now)
        if due < slot.inbound_free:  # noqa: PLR1730 - `max` is a call
            due = slot.inbound_free
        slot.inbound_free = due
        scheduler.post(due, self._deliver, (slot, connection, text))

    def hang_up(self, slot: Slot, connection: Connection, code: int) -> None:
        """Close a connection from the CSMS's side; the charger hears of it in its own turn."""
        self._drop(slot, connection, code, "closed by the CSMS")
        self.peer.closed(self.scheduler.now, connection, code)
        self.scheduler.post(self.scheduler.now, self._tell_disconnected, (slot, code))

    def cut(self, charger_id: str, code: int = 1006) -> None:
        """Cut a charger's connection from outside (a network fault); nothing if it has none."""
        slot = self.slots[charger_id]
        if slot.connection is not None:
            self.hang_up(slot, slot.connection, code)

    # -------------------------------------------------------------- inside

    def _deliver(self, parcel: tuple[Slot, Connection, str]) -> None:
        slot, connection, text = parcel
        if slot.connection is connection:
            self._handle(slot, effects.Received(text))

    def _tell_disconnected(self, news: tuple[Slot, int]) -> None:
        slot, code = news
        self._handle(slot, effects.Disconnected(code))

    def _wake(self, slot: Slot) -> None:
        now, wanted = self.scheduler.now, slot.wake_time
        if slot.wake_pending != now:
            return  # an earlier one came instead
        slot.wake_pending = None
        if wanted is not None and wanted > now:
            self._wake_later(slot, wanted)  # most CALLs are answered long before their time is up
        elif wanted is not None:
            slot.wake_time = None
            self._handle(slot, effects.Woke())

    def _finished(self, outcome: tuple[Slot, effects.Fetched | effects.FetchFailed]) -> None:
        self._handle(outcome[0], outcome[1])

    def _handle(self, slot: Slot, incoming: effects.Input) -> None:
        for action in slot.charger.handle(self.scheduler.now, incoming):
            self._ACTS[type(action)](self, slot, action)

    def _wake_at(self, slot: Slot, action: effects.WakeAt) -> None:
        slot.wake_time = time = action.time
        if slot.wake_pending is None or time < slot.wake_pending:
            self._wake_later(slot, time)

    def _wake_later(self, slot: Slot, time: float) -> None:
        slot.wake_pending = due = max(time, self.scheduler.now)
        self.scheduler.post(due, self._wake, slot)

    def _plan_connect(self, slot: Slot, action: effects.Connect) -> None:
        self.scheduler.post(self.scheduler.now, self._connect, (slot, action))

    def _fetch(self, slot: Slot, action: effects.Fetch) -> None:
        self.transfers.begin(slot.charger.spec.id, action, lambda end: self._finished((slot, end)))

    def _cancel_fetch(self, slot: Slot, action: effects.CancelFetch) -> None:
        self.transfers.cancel(slot.charger.spec.id, keep=action.keep)

    def _send(self, slot: Slot, action: effects.Send) -> None:
        connection = slot.connection
        if connection is None:
            return
        due = self.scheduler.now + action.delay
        if due < slot.outbound_free:  # noqa: PLR1730 - `max` is a call
            due = slot.outbound_free
        slot.outbound_free = due
        self.scheduler.post(due, self._depart, (connection, action.text))

    def _depart(self, parcel: tuple[Connection, str]) -> None:
        connection, text = parcel
        if connection.open:
            self.observe(connection.charger_id, "send", text, _NOTHING)
            self.peer.receive(self.scheduler.now, connection, text)

    def _connect(self, wish: tuple[Slot, effects.Connect]) -> None:
        slot, action = wish
        charger_id = slot.charger.spec.id
        connection = Connection(self, slot)
        answer = self.peer.handshake(
            self.scheduler.now, connection, action.subprotocols, self.password(charger_id)
        )
        if isinstance(answer, Refused):
            connection.open = False
            self._handle(
                slot,
                effects.ConnectFailed("http", f"HTTP {answer.status}", http_status=answer.status),
            )
            return
        slot.connection = connection
        self.observe(charger_id, "open", None, {"subprotocol": answer})
        self._handle(slot, effects.Connected(answer))

    def _disconnect(self, slot: Slot, action: effects.Disconnect) -> None:
        connection = slot.connection
        if connection is None:
            return
        code = 1006 if action.abort or action.silent else action.code
        self._drop(slot, connection, code, "closed by the charger", silent=action.silent)
        if action.silent:
            return
        self.peer.closed(self.scheduler.now, connection, code)

    def _drop(
        self, slot: Slot, connection: Connection, code: int, reason: str, *, silent: bool = False
    ) -> None:
        connection.open = False
        if slot.connection is connection:
            slot.connection = None
        data = effects.closing(code, reason, silent=silent)
        self.observe(slot.charger.spec.id, "close", None, data)

    def _note(self, slot: Slot, note: effects.Note) -> None:
        if note.kind in {"answered", "unanswered"} and (
            done := self._asked.pop(note.data["ref"], None)
        ):
            done("answered" if note.kind == "answered" else note.data["why"])
        if note.kind != "answered":  # the frame itself has been observed
            self.observe(slot.charger.spec.id, "note", None, {"note": note.kind, **note.data})

    _ACTS: ClassVar[Mapping[type, Callable[[Any, Slot, Any], None]]] = {
        effects.Send: _send,
        effects.WakeAt: _wake_at,
        effects.Connect: _plan_connect,
        effects.Disconnect: _disconnect,
        effects.Fetch: _fetch,
        effects.CancelFetch: _cancel_fetch,
        effects.Note: _note,
    }
