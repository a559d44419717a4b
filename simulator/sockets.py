"""The real-socket driver: the same chargers as in virtual time, on WebSockets and downloads.

A shell, the twin of `virtual.VirtualFleet` (seam 3). It owns sockets, the clock and downloads; the
charger decides everything. Callback-driven: no task and no timer per charger, so that ten thousand
of them fit into one process. The observer hears of every frame at the socket, in its order.
"""

from __future__ import annotations

import asyncio
import traceback
from collections import deque
from typing import TYPE_CHECKING, Any

from simulator import effects
from simulator.agenda import Agenda
from simulator.descriptors import budget
from simulator.downloads import Downloads
from simulator.socket_line import Line, open_line
from simulator.socket_slot import Slot

if TYPE_CHECKING:
    import ssl as tls
    from collections.abc import Callable, Iterable

    from simulator.socket_slot import Driven

    Observer = Callable[[str, str, str | None, dict[str, Any]], None]

HANDSHAKE_TIMEOUT = 20.0
MOST_HANDSHAKES = 100  # at a time: common servers let no more than this wait to be accepted
CLOSE_TIMEOUT = 2.0
PATIENCE = 120.0  # seconds after which `ask` gives up on a charger that says nothing
_TICK = 0.01


class Fleet:
    """Drives chargers on real sockets; create it in any place, `start` it inside a running loop.

    `url(id)` is where a charger connects; `password(id)` its HTTP Basic password, if it has one;
    `ssl` and `download_ssl` say which CSMS and which firmware servers are trusted; as a function of
    the id `ssl` also says which certificate the charger itself shows. `connect_rate`
    chargers a second are powered on: a fleet that connects in one burst misses handshake
    time-outs. `observe(charger_id, kind, text, data)` is called synchronously at the socket, with
    kinds open, close, send, recv and note.
    """

    def __init__(
        self,
        chargers: Iterable[Driven],
        *,
        url: Callable[[str], str],
        observe: Observer,
        connect_rate: float = 500.0,
        password: Callable[[str], str | None] | None = None,
        ssl: tls.SSLContext | Callable[[str], tls.SSLContext] | None = None,
        download_ssl: tls.SSLContext | None = None,
        max_downloads: int | None = None,
    ) -> None:
        self.slots = {charger.spec.id: Slot(self, charger) for charger in chargers}
        self.observe = observe
        self.crashed = 0  # chargers whose code raised
        self._url = url
        self._password = password or (lambda _: None)
        self._rate = connect_rate
        self._tls = ssl
        self._download_tls = download_ssl
        self._max_downloads = max_downloads
        self._connecting: set[asyncio.Task[None]] = set()
        self._wishes: deque[tuple[Slot, tuple[str, ...]]] = deque()  # behind MOST_HANDSHAKES
        self._closing: set[Line] = set()
        self._half_open: set[Line] = set()
        self._marks: dict[str, int] = {}
        self._asked: dict[str, asyncio.Future[str]] = {}
        self._asks = 0
        self._stopped = False
        self._agenda: Agenda
        self._downloads: Downloads

    # -------------------------------------------------------------- what the harness does

    @property
    def now(self) -> float:
        """Unix seconds that never step back."""
        return self._agenda.now

    @property
    def online(self) -> int:
        """How many chargers have an open WebSocket."""
        return sum(slot.line is not None for slot in self.slots.values())

    async def start(self) -> None:
        """Power every charger on, paced, in order; return once the last one was.

        Raises `DescriptorLimit` where the system allows too few open sockets for this fleet.
        """
        downloads = budget(len(self.slots), self._max_downloads)
        self._agenda = Agenda(asyncio.get_running_loop())
        self._downloads = Downloads(tls=self._download_tls, most=downloads)
        begun = self.now
        for number, slot in enumerate(self.slots.values()):
            ahead = begun + number / self._rate - self.now
            if ahead > 0:
                await asyncio.sleep(max(ahead, _TICK))
            if self._stopped:
                return
            self._handle(slot, effects.PoweredOn())

    async def ask(self, ids: Iterable[str], action: str, payload: dict[str, Any]) -> dict[str, str]:
        """Have each charger send one CALL (a fence); return how it went, by id.

        `answered`, `timeout`, `closed`, `not booted`, or `offline` for a charger that has no
        connection now. Raises `KeyError` for an unknown id.
        """
        waiting: dict[str, asyncio.Future[str] | None] = {}
        for charger_id in ids:
            slot = self.slots[charger_id]
            waiting[charger_id] = self._ask(slot, action, payload) if slot.line else None
        futures = [future for future in waiting.values() if future is not None]
        if futures:
            await asyncio.wait(futures, timeout=PATIENCE)
        return {
            charger_id: "offline" if future is None else _result(future)
            for charger_id, future in waiting.items()
        }

    def mark(self, name: str) -> None:
        """Tell every charger that a named moment of the drill has passed."""
        self._marks[name] = count = self._marks.get(name, 0) + 1
        marked = effects.Marked(name, count)
        for slot in self.slots.values():
            self._handle(slot, marked)

    async def settle(self) -> None:
        """Return once everything that happened before has been observed: here, at once.

        The twin of `divided.DividedFleet.settle`, where it takes a round trip.
        """

    def cut(self, charger_id: str) -> None:
        """Drop a charger's connection from outside (a network fault); nothing if it has none."""
        slot = self.slots[charger_id]
        if slot.line is not None:
            slot.line.abort()
            self.line_gone(slot, 1006, "cut")

    async def stop(self) -> None:
        """Close every connection in good order, or drop it after a while; cancel downloads."""
        if self._stopped or not hasattr(self, "_agenda"):
            self._stopped = True
            return
        self._stopped = True
        self._wishes.clear()
        for task in self._connecting:
            task.cancel()
        for slot in self.slots.values():
            if slot.line is not None:
                self._hang_up(slot, effects.Disconnect(1000))
        await asyncio.gather(*self._connecting, return_exceptions=True)
        await self._downloads.stop()
        for line in self._half_open:
            line.abort()
        deadline = self.now + CLOSE_TIMEOUT
        while any(line.connected for line in self._closing) and self.now < deadline:  # noqa: ASYNC110  closing is polled so that lines stay free of futures
            await asyncio.sleep(_TICK)
        for line in self._closing:
            line.abort()
        self._agenda.clear()
        for future in self._asked.values():
            if not future.done():
                future.set_result("closed")
        await asyncio.sleep(0)  # the transports close in the next turn

    # -------------------------------------------------------------- what lines tell

    def line_opened(self, slot: Slot, line: Line, subprotocol: str) -> None:
        """Take a new connection."""
        if slot.crashed or self._stopped:
            line.abort()
            return
        slot.line = line
        data = {"subprotocol": subprotocol, "url": self._url(slot.id)}
        self.observe(slot.id, "open", None, data)
        self._handle(slot, effects.Connected(subprotocol))

    def line_heard(self, slot: Slot, line: Line, text: str) -> None:
        """Record a frame and deliver it, now or after its latency, never out of order."""
        self.observe(slot.id, "recv", text, {})
        now = self.now
        delay = slot.charger.inbound_delay(now)
        if delay <= 0.0 and not slot.inbound_queued:
            self._handle(slot, effects.Received(text))
            return
        slot.inbound_free = max(slot.inbound_free, now + delay)
        slot.inbound_queued += 1
        self._agenda.at(slot.inbound_free, self._deliver, (slot, line, text))

    def line_gone(self, slot: Slot, code: int, reason: str) -> None:
        """Record the end of a connection and tell the charger."""
        slot.line = None
        self.observe(slot.id, "close", None, {"code": code, "reason": reason})
        self._handle(slot, effects.Disconnected(code, reason))

    # -------------------------------------------------------------- inside

    def _handle(self, slot: Slot, incoming: effects.Input) -> None:
        if slot.crashed or self._stopped:
            return
        try:
            for action in slot.charger.handle(self._agenda.now, incoming):
                self._act(slot, action)
        except Exception:  # noqa: BLE001  one charger's defect must not stop the fleet
            self._crash(slot, traceback.format_exc())

    def _act(self, slot: Slot, action: effects.Action) -> None:
        match action:
            case effects.Send():
                self._send(slot, action)
            case effects.WakeAt(time=time):
                self._wake_at(slot, time)
            case effects.Note():
                self._note(slot, action)
            case effects.Connect():
                self._connect_soon(slot, action)
            case effects.Disconnect():
                self._hang_up(slot, action)
            case effects.Fetch():
                self._downloads.begin(slot.id, action, lambda end: self._handle(slot, end))
            case effects.CancelFetch():
                self._downloads.cancel(slot.id, keep=action.keep)

    def _crash(self, slot: Slot, trace: str) -> None:
        slot.crashed = True
        self.crashed += 1
        self._downloads.cancel(slot.id)
        self.observe(slot.id, "note", None, {"note": "crashed", "traceback": trace})
        if slot.line is not None:
            self._hang_up(slot, effects.Disconnect(abort=True))

    def _deliver(self, parcel: tuple[Slot, Line, str]) -> None:
        slot, line, text = parcel
        slot.inbound_queued -= 1
        if slot.line is line:
            self._handle(slot, effects.Received(text))

    def _send(self, slot: Slot, action: effects.Send) -> None:
        if slot.line is None:
            return
        if action.delay <= 0.0 and not slot.outbound_queued:
            self.observe(slot.id, "send", action.text, {})
            slot.line.send(action.text)
            return
        slot.outbound_free = max(slot.outbound_free, self._agenda.now + action.delay)
        slot.outbound_queued += 1
        self._agenda.at(slot.outbound_free, self._depart, (slot, slot.line, action.text))

    def _depart(self, parcel: tuple[Slot, Line, str]) -> None:
        slot, line, text = parcel
        slot.outbound_queued -= 1
        if slot.line is line:
            self.observe(slot.id, "send", text, {})
            line.send(text)

    def _wake_at(self, slot: Slot, time: float) -> None:
        # A charger moves its wake-up with every frame; only one that comes earlier needs the heap.
        slot.wake_time = time
        if slot.wake_pending is None or time < slot.wake_pending:
            slot.wake_pending = time
            self._agenda.at(time, self._wake, (slot, time))

    def _wake(self, parcel: tuple[Slot, float]) -> None:
        slot, planned = parcel
        if slot.wake_pending != planned:
            return
        slot.wake_pending = None
        if slot.wake_time is None:
            return
        if slot.wake_time > planned:
            self._wake_at(slot, slot.wake_time)
            return
        slot.wake_time = None
        self._handle(slot, effects.Woke())

    def _connect_soon(self, slot: Slot, action: effects.Connect) -> None:
        self._wishes.append((slot, action.subprotocols))
        self._connect_next()

    def _connect_next(self) -> None:
        # A deque instead of a semaphore: a herd of ten thousand would be as many waiting tasks.
        while self._wishes and len(self._connecting) < MOST_HANDSHAKES and not self._stopped:
            task = asyncio.get_running_loop().create_task(self._connect(*self._wishes.popleft()))
            self._connecting.add(task)
            task.add_done_callback(self._connect_done)

    def _connect_done(self, task: asyncio.Task[None]) -> None:
        self._connecting.discard(task)
        self._connect_next()

    async def _connect(self, slot: Slot, subprotocols: tuple[str, ...]) -> None:
        self.observe(slot.id, "note", None, {"note": "connecting"})
        password = self._password(slot.id)
        failed = await open_line(
            slot,
            self._url(slot.id),
            subprotocols=subprotocols,
            tls=self._tls(slot.charger.spec.id) if callable(self._tls) else self._tls,
            login=None if password is None else (slot.id, password),
            within=HANDSHAKE_TIMEOUT,
        )
        if failed is not None:
            self._connect_failed(slot, failed)

    def _connect_failed(self, slot: Slot, failed: effects.ConnectFailed) -> None:
        data = {
            "note": "connect_failed",
            "reason": failed.reason,
            "detail": failed.detail,
            "http_status": failed.http_status,
            "url": self._url(slot.id),
        }
        self.observe(slot.id, "note", None, data)
        self._handle(slot, failed)

    def _hang_up(self, slot: Slot, action: effects.Disconnect) -> None:
        line, slot.line = slot.line, None
        if line is None:
            return
        code = 1006 if action.abort else action.code
        data = effects.closing(code, "closed by the charger", silent=action.silent)
        self.observe(slot.id, "close", None, data)
        if action.silent:
            line.freeze()
            self._half_open.add(line)
            return
        if action.abort:
            line.abort()
            return
        line.close(action.code)
        self._closing.add(line)
        self._agenda.at(self.now + CLOSE_TIMEOUT, self._give_up, line)

    def _give_up(self, line: Line) -> None:
        """Drop a line whose peer did not answer our closing handshake."""
        self._closing.discard(line)
        if line.connected:
            line.abort()

    def _ask(self, slot: Slot, action: str, payload: dict[str, Any]) -> asyncio.Future[str]:
        self._asks += 1
        ref = f"ask-{self._asks}"
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._asked[ref] = future
        self._handle(slot, effects.Asked(action, payload, ref))
        if slot.crashed and not future.done():
            future.set_result("closed")
        return future

    def _note(self, slot: Slot, note: effects.Note) -> None:
        if note.kind in {"answered", "unanswered"}:
            future = self._asked.pop(note.data.get("ref", ""), None)
            if future is not None and not future.done():
                future.set_result(_outcome(note))
        if note.kind != "answered":  # the frame itself has been observed
            self.observe(slot.id, "note", None, {"note": note.kind, **note.data})


def _outcome(note: effects.Note) -> str:
    """Return how an ask ended: the kind of end, without the details that a note may carry."""
    why = "answered" if note.kind == "answered" else str(note.data["why"])
    return "closed" if why.startswith("closed") else why


def _result(future: asyncio.Future[str]) -> str:
    return future.result() if future.done() else "timeout"
