"""The fleet of `firmdrill load` inside Locust, without CSMS, operator and judge.

Run as `locust -f benchmarks/_load_locust.py --headless` with BENCH_URL and BENCH_CHARGERS in the
environment. Every frame is recorded and written down, every call becomes a request event.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path
from typing import Any

import gevent
from locust import User, events, task

from harness.history import Header, History
from harness.load import engine
from harness.load.clock import SharedClock
from harness.load.latency import Timer
from harness.load.slices import SliceWriter
from harness.recorder import Recorder
from simulator.charger import Charger
from simulator.faults import ChargerSpec
from simulator.sockets import Fleet

_events: Any = events


async def drive(environment: Any) -> None:
    """Boot the fleet and let it send its heartbeats until the process ends."""
    clock, timer = SharedClock.started(), Timer()
    history = History(Header(), keep=False)
    recorder = Recorder(history, clock.now)

    def time(event: Any) -> None:
        for sample in timer.see(event):
            engine.fire(environment, sample)

    history.subscribe(time)
    chargers = [
        ChargerSpec(id=f"LT-{n}", cohort="load", ocpp="ocpp1.6", vendor="V", model="M",
                    serial=str(n), firmware_version="1.0")
        for n in range(int(os.environ["BENCH_CHARGERS"]))
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        SliceWriter(Path(folder) / "slice.ndjson", history)
        fleet = Fleet(
            [Charger(spec, seed=1, start=clock.epoch) for spec in chargers],
            url=lambda charger: f"{os.environ['BENCH_URL']}/{charger}",
            observe=recorder.observe,
        )
        await fleet.start()
        await asyncio.Event().wait()


def begin(environment: Any, **_: Any) -> None:
    """Start the fleet with Locust's test."""
    engine.in_greenlet(lambda: drive(environment))


_events.test_start.add_listener(begin)


class Nobody(User):
    """Locust wants a user."""

    @task
    def wait(self) -> None:
        """Do nothing."""
        gevent.sleep(60)
