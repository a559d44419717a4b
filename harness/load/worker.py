"""One worker of a load run: drives its share, records its slice, tells the coordinator the news.

A shell. It lives on an asyncio loop inside a Locust worker; `send` is Locust's message to the
coordinator, `fire` makes a Locust request event of a sample.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from harness.history import Header, History
from harness.load import usage
from harness.load.clock import SharedClock, machine
from harness.load.latency import TIMED, Timer, carry
from harness.load.news import News
from harness.load.share import Command, Told
from harness.load.slices import SliceWriter
from harness.load.world import STEADY_FROM, SteadyCalls
from harness.recorder import Recorder
from simulator.certificates import client_context
from simulator.charger import Charger
from simulator.errors import SimulatorError
from simulator.event_loop import tidy
from simulator.faults import ChargerSpec
from simulator.sockets import Fleet

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Coroutine

    from harness.history import Event
    from harness.load.latency import Sample
    from harness.load.share import Share

TELL_EVERY = 0.05
CHUNK = 1 << 20


class Worker:
    """Obeys the coordinator until told to stop."""

    def __init__(
        self, send: Callable[[dict[str, Any]], None], fire: Callable[[Sample], None]
    ) -> None:
        self.share: Share | None = None
        self.rollouts: list[str] = []
        self._send = send
        self._fire = fire
        self._news = News()
        self._timer = Timer()
        self._stack = contextlib.ExitStack()
        self._tasks: set[asyncio.Task[None]] = set()
        self._handed = False  # whether the coordinator finds our slice by itself
        self._clock: SharedClock
        self._recorder: Recorder
        self._writer: SliceWriter
        self._fleet: Fleet

    async def run(self, commands: asyncio.Queue[dict[str, Any]]) -> None:
        """Obey until told to stop; what takes time runs beside the rest."""
        with self._stack:
            while True:
                command = msgspec.convert(await commands.get(), Command)
                if command.do == "stop":
                    break
                if command.do in {"start", "ask"}:
                    self._beside(self._obey(command))
                else:
                    await self._obey(command)
            for task in self._tasks:
                task.cancel()
            if self.share is not None:
                await self._fleet.stop()
            self._tell(Told(number=command.number))

    async def _do(self, command: Command, told: Told) -> None:
        match command.do:
            case "share" if command.share is not None:
                self._take(command.share)
            case "clock":
                told.time, told.machine = time.monotonic(), machine()
            case "set" if self.share is not None:
                self._clock = SharedClock(self.share.epoch, command.time)
            case "start":
                await self._start()
            case "ask":
                told.outcome = await self._fleet.ask(command.ids, command.action, command.payload)
            case "mark":
                self._mark(command.name)
            case "rollout":
                self.rollouts.append(command.name)
            case "end":
                self._recorder.stop()
                self._writer.close()
            case "slice":
                self._hand_over(told)
            case _:  # settle: the answer itself stands behind everything that happened
                pass

    def _beside(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _obey(self, command: Command) -> None:
        told = Told(number=command.number)
        try:
            await self._do(command, told)
        except (SimulatorError, OSError) as error:
            told.error = str(error)
        if command.number:
            self._flush()
            self._tell(told)

    def _now(self) -> float:
        return self._clock.now()  # the clock is replaced once it was set

    # ------------------------------------------------------------------ the share

    def _take(self, share: Share) -> None:
        self.share = share
        self._clock = SharedClock(share.epoch, share.begun)
        history = History(Header(seed=share.seed), keep=False)
        self._recorder = Recorder(history, self._now)
        history.subscribe(self._news.see)
        history.subscribe(self._time)
        self._writer = SliceWriter(self._place(share), history)
        self._stack.callback(self._writer.close)
        chargers = [
            Charger(ChargerSpec.model_validate(spec), seed=share.seed, start=share.epoch)
            for spec in share.specs
        ]
        self._fleet = Fleet(
            chargers,
            url=share.urls.__getitem__,
            password=share.passwords.get,
            observe=self._recorder.observe,
            connect_rate=share.connect_rate,
            ssl=self._trust(share.ca),
            download_ssl=self._trust(share.download_ca),
        )

    def _place(self, share: Share) -> Path:
        """Write where the coordinator reads it, if that folder is here; else in one of our own."""
        folder = Path(share.folder)
        try:
            shared = (folder / "token").read_text(encoding="ascii") == share.token
        except OSError:
            shared = False
        if not shared:
            made = tempfile.TemporaryDirectory(prefix="firmdrill-slice-")
            folder = Path(self._stack.enter_context(made))
        self._handed = shared
        return folder / f"slice-{share.worker + 1:03}.ndjson"

    def _trust(self, pem: str) -> ssl.SSLContext | None:
        if not pem:
            return None
        with tempfile.NamedTemporaryFile("w", suffix=".pem", encoding="ascii") as file:
            file.write(pem)
            file.flush()
            return client_context(Path(file.name))

    async def _start(self) -> None:
        assert self.share is not None  # noqa: S101 - a share comes first
        self._beside(self._telling())
        self._beside(usage.watch(self.share.worker, self._clock.now, self._used))
        self._beside(tidy())
        await self._fleet.start()
        gc.freeze()  # thousands of chargers live as long as the process

    def _mark(self, name: str) -> None:
        self._fleet.mark(name)
        if name == STEADY_FROM:
            self._call_steadily()

    def _call_steadily(self) -> None:
        assert self.share is not None  # noqa: S101 - a share comes first
        for action, rate in self.share.rates.items():
            calls = SteadyCalls(self._fleet, action, rate, self._clock.now, self.taken)
            self._beside(calls.run())

    # ------------------------------------------------------------------ telling

    def taken(self, sample: Sample) -> None:
        """Record a sample that no other event shows, and fire it by that."""
        if self.share is not None and not self._recorder.stopped:
            self._recorder.history.record(
                self._clock.now(), "harness", TIMED, sample.name, data=carry(sample)
            )

    def _time(self, event: Event) -> None:
        for sample in self._timer.see(event):
            self._fire(sample)

    def _used(self, use: usage.Use) -> None:
        self._tell(Told(use=use.to_dict()))

    async def _telling(self) -> None:
        while True:
            await asyncio.sleep(TELL_EVERY)
            self._flush()

    def _flush(self) -> None:
        news = self._news.take()
        if news is not None:
            self._tell(Told(news=news))

    def _tell(self, told: Told) -> None:
        message = {name: getattr(told, name) for name in told.__struct_fields__}
        self._send(message)

    def _hand_over(self, told: Told) -> None:
        """Say where the slice is, or send it before the answer."""
        path = self._writer.path
        if self._handed:
            told.path = str(path)
            return
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                self._tell(Told(number=told.number, chunk=chunk, last=False))
