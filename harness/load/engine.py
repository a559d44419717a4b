"""Locust underneath: its runner, its messages, its request events, one asyncio loop in a greenlet.

A shell, imported only inside a process of Locust: `import locust` patches the standard library.
The loop's waiting is gevent's, so the chargers, Locust's own greenlets and its users take turns in
one thread; `call_soon_threadsafe` is how another greenlet wakes the loop.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import gevent
from locust import runners
from locust.runners import MasterRunner, WorkerRunner

from harness.errors import HarnessError
from harness.load import block, report
from harness.load.course import Course
from harness.load.latency import DASHBOARD, TIMED, Sample
from harness.load.options import options_from
from harness.load.share import MESSAGE
from harness.load.verdict import LoadExit, judge
from harness.load.worker import Worker
from harness.run_record import ExitCode
from simulator.errors import ScenarioError
from simulator.event_loop import patient_collector

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from locust.env import Environment

    from harness.load.options import LoadOptions
    from harness.load.remote import RemoteFleet
    from harness.load.share import Dashboard

LOOK_FOR_WORKERS = 1.0
GONE_AFTER = 20  # seconds of silence: a worker on a busy machine may well be late by some
LOOK_FOR_PARENT = 1.0
WIND_UP_WITHIN = 60.0
_log = logging.getLogger("firmdrill")


def in_greenlet(work: Callable[[], Coroutine[Any, Any, None]]) -> gevent.Greenlet:
    """Run a coroutine on an asyncio loop of its own, in a greenlet."""

    def whole() -> None:
        loop = asyncio.new_event_loop()
        try:
            with patient_collector():
                loop.run_until_complete(work())
        finally:
            loop.close()

    return gevent.spawn(whole)


class Readers:
    """What the dashboards of this process look at; `dashboard` is None until there is something."""

    def __init__(self) -> None:
        self.dashboard: Dashboard | None = None
        self.rollouts: list[str] = []
        self.ca_file: str | None = None
        self.taken: Callable[[Sample], None] = lambda _: None


class Coordinator:
    """The process that builds, plans and judges: alone, or the master of workers."""

    def __init__(self, environment: Environment, options: LoadOptions, readers: Readers) -> None:
        runner = environment.runner
        assert runner is not None  # noqa: S101 - Locust made it before `init`
        self.workers: list[str] = []
        self.finished = False
        self._judging = False
        self._interrupted = False
        self._environment = environment
        self._runner = runner
        self._options = options
        self._readers = readers
        self._loop: asyncio.AbstractEventLoop | None = None
        self._course: Course | None = None
        self._greenlet: gevent.Greenlet | None = None
        self._fleet: RemoteFleet | None = None
        if os.name == "posix":
            signal.signal(signal.SIGINT, self._interrupt)
        self._alone = not isinstance(runner, MasterRunner)
        if not self._alone:
            # Locust gives up on a worker after three seconds, and what it saw would be lost.
            runners.HEARTBEAT_LIVENESS = GONE_AFTER
            runner.register_message(MESSAGE, self._heard)

    def begin(self) -> None:
        """Start the run, once Locust's own test starts."""
        if self._greenlet is not None:  # its web page offers another test
            if self.finished:
                self.say("One run a process: start Locust anew for another one.")
                gevent.spawn(self._runner.stop)
            return
        if isinstance(self._runner, MasterRunner):
            ready = {**self._runner.clients}
            self.workers = sorted(ready, key=self._runner.get_worker_index)
        self._greenlet = in_greenlet(self._whole)
        self._greenlet.link_exception(self._broke)

    def _interrupt(self, *_: Any) -> None:
        """Let Ctrl-C end the run as SIGTERM does, and a second one at once.

        Python's own handler raises in whatever runs now, which may be the judge.
        """
        if self._interrupted:
            os._exit(int(ExitCode.INTERRUPTED))
        self._interrupted = True
        os.kill(os.getpid(), signal.SIGTERM)

    async def _whole(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._course = course = Course(self._options, self)
        self._readers.taken = course.taken
        ran = await course.run()
        self._judging = True
        self.say("Merging and judging …")
        record = judge(ran, self._options, breathe=lambda: gevent.sleep(0.001))
        report.write(self._options.folder, record)
        self.finished = True
        self._environment.process_exit_code = record.exit_code
        for line in block.lines(record):
            self.say(line)
        gevent.spawn(self._over)

    def _over(self) -> None:
        """End Locust, or only the test where its web page is to stay."""
        said = self._environment.parsed_options
        if said is not None and not said.headless and not said.autostart:
            self._runner.stop()
        else:
            self._runner.quit()

    def _broke(self, greenlet: gevent.Greenlet) -> None:
        _log.error("firmdrill failed: %r", greenlet.exception, exc_info=greenlet.exc_info)
        self._environment.process_exit_code = int(ExitCode.INTERNAL)
        gevent.spawn(self._over)

    def wind_up(self) -> None:
        """Locust quits: end the run in good order if it still runs, and judge what there is."""
        if self._greenlet is None or self.finished or self._greenlet.dead:
            return
        if self._loop is not None and self._course is not None:
            self._loop.call_soon_threadsafe(self._course.interrupt)
        self._greenlet.join(timeout=WIND_UP_WITHIN)
        if self._judging:  # millions of events take minutes; another Ctrl-C ends that, too
            self._greenlet.join()

    # ------------------------------------------------------------------ what a course asks for

    def fire(self, sample: Sample) -> None:
        """Make a request event of a sample."""
        fire(self._environment, sample)

    def say(self, text: str) -> None:
        """Tell the person who watches."""
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()

    def send(self, worker: str, message: dict[str, Any]) -> None:
        """Send a worker a message."""
        self._runner.send_message(MESSAGE, message, client_id=worker)

    def attend(self, fleet: RemoteFleet, lost: Callable[[int], None]) -> None:
        """Hand the workers' messages to this fleet; look whether all workers are still there."""
        self._fleet = fleet
        gevent.spawn(self._look, fleet, lost)

    def show(self, dashboard: Dashboard | None) -> None:
        """Let the readers of this process begin; None: they look no more."""
        self._readers.dashboard = dashboard

    def rollout(self, rollout_id: str) -> None:
        """Tell the readers of this process of a rollout."""
        self._readers.rollouts.append(rollout_id)

    # ------------------------------------------------------------------ workers

    def _heard(self, environment: Environment, msg: Any, **_: Any) -> None:
        del environment
        fleet, loop = self._fleet, self._loop
        if fleet is None or loop is None or loop.is_closed():
            return  # before the first command, or after the last slice
        if msg.node_id in self.workers:
            number = self.workers.index(msg.node_id)
            loop.call_soon_threadsafe(fleet.heard, number, msg.data)

    def _look(self, fleet: RemoteFleet, lost: Callable[[int], None]) -> None:
        missing: set[str] = set()
        while not self.finished:
            gevent.sleep(LOOK_FOR_WORKERS)
            clients = getattr(self._runner, "clients")  # noqa: B009 - only a master has them
            here = {one.id for one in clients.all} - {one.id for one in clients.missing}
            for worker in set(self.workers) - here - missing:
                missing.add(worker)
                number = self.workers.index(worker)
                if self._loop is not None and not self._loop.is_closed():
                    self._loop.call_soon_threadsafe(fleet.lost, number)
                    self._loop.call_soon_threadsafe(lost, number)


class WorkerSide:
    """A worker process: its loop, and the coordinator's commands."""

    def __init__(self, environment: Environment, readers: Readers) -> None:
        assert isinstance(environment.runner, WorkerRunner)  # noqa: S101 - asked before
        self._environment = environment
        self._runner = environment.runner
        self._readers = readers
        self._loop: asyncio.AbstractEventLoop | None = None
        self._commands: asyncio.Queue[dict[str, Any]] | None = None
        self._early: list[dict[str, Any]] = []
        environment.runner.register_message(MESSAGE, self._heard)
        self._greenlet = in_greenlet(self._whole)
        said = environment.parsed_options
        self._interrupted = False
        if said is not None and said.processes:  # Locust forked us
            gevent.spawn(self._outlive_nobody)
            if said.scenario:  # from a coordinator on the same terminal
                signal.signal(signal.SIGINT, self._interrupt)

    def _outlive_nobody(self) -> None:
        """Quit once the process that forked us is gone, however it went."""
        parent = os.getppid()
        while os.getppid() == parent:
            gevent.sleep(LOOK_FOR_PARENT)
        self._runner.quit()

    def _interrupt(self, *_: Any) -> None:
        """Leave the first Ctrl-C to the coordinator: it still wants what we saw, and ends us."""
        if self._interrupted or self._greenlet.dead:
            raise KeyboardInterrupt
        self._interrupted = True
        gevent.spawn_later(WIND_UP_WITHIN, self._runner.quit)

    async def _whole(self) -> None:
        self._commands = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        for early in self._early:
            self._commands.put_nowait(early)
        worker = Worker(self._send, self._fire)
        self._readers.rollouts = worker.rollouts
        self._readers.taken = worker.taken
        await worker.run(self._commands)

    def _heard(self, environment: Environment, msg: Any, **_: Any) -> None:
        del environment
        share = msg.data.get("share")
        if share is not None:
            self._readers.dashboard = report.dashboard(share)
        elif msg.data.get("do") in {"end", "stop"}:
            self._readers.dashboard = None  # what they looked at goes away
        if self._loop is None or self._commands is None:
            self._early.append(msg.data)
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._commands.put_nowait, msg.data)

    def _send(self, message: dict[str, Any]) -> None:
        self._runner.send_message(MESSAGE, message)

    def _fire(self, sample: Sample) -> None:
        fire(self._environment, sample)


def fire(environment: Environment, sample: Sample) -> None:
    """Make a Locust request event of a sample; readers' requests made theirs already."""
    if sample.type != DASHBOARD:
        hook: Any = environment.events.request
        hook.fire(
            request_type=sample.type,
            name=sample.name,
            response_time=sample.seconds * 1000.0,
            response_length=0,
            exception=RuntimeError(sample.error) if sample.error else None,
            context={},
        )


def options_or_exit(said: dict[str, Any]) -> LoadOptions:
    """Return the options of the command line; say what is wrong with them and exit."""
    try:
        return options_from(said)
    except ScenarioError as error:
        sys.stderr.write("\n".join(map(str, error.problems)) + "\n")
    except HarnessError as error:
        sys.stderr.write(f"{error}\n")
    raise SystemExit(int(ExitCode.USAGE))


__all__ = [
    "TIMED", "Coordinator", "LoadExit", "Readers", "Sample", "WorkerSide", "fire", "in_greenlet",
    "options_or_exit",
]  # fmt: skip
