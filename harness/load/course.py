"""One load run from the first process to the last slice: the coordinator's side.

A shell on one asyncio loop, which lives in one greenlet of Locust. It builds what any drill needs
(CSMS, firmware server), lets the fleet arrive at its pace, here or in workers, follows the
operator's plan, and leaves slices of history for the judge.
"""

from __future__ import annotations

import asyncio
import contextlib
import platform
import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from harness import targets
from harness.about import quirky, scenario_facts, version
from harness.catalogue import catalogue
from harness.drill import NotConnected
from harness.errors import TargetError
from harness.history import Header, History
from harness.load import news, usage
from harness.load.clock import SharedClock
from harness.load.latency import TIMED, Timer, carry
from harness.load.partition import shares
from harness.load.remote import LostWorker, RemoteFleet
from harness.load.share import Dashboard, Share
from harness.load.slices import SliceWriter
from harness.load.world import STEADY_FROM, LoadDrill, LoadWorld, SteadyCalls, rates
from harness.mapping import PATHS
from harness.progress import Progress
from harness.recorder import Recorder
from harness.site import Builder
from simulator.certificates import client_context
from simulator.charger import Charger
from simulator.descriptors import budget
from simulator.errors import SimulatorError
from simulator.event_loop import tidy
from simulator.sockets import Fleet

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.load.latency import Sample
    from harness.load.options import LoadOptions
    from harness.load.share import Told
    from harness.processes import Child
    from harness.site import Site
    from simulator.faults import ChargerSpec


class Engine(Protocol):
    """What Locust does for a run; `workers` are the ids of its workers, in order (none: alone)."""

    workers: list[str]

    def fire(self, sample: Sample) -> None:
        """Make a request event of a sample."""

    def say(self, text: str) -> None:
        """Tell the person who watches."""

    def send(self, worker: str, message: dict[str, Any]) -> None:
        """Send a worker a message."""

    def attend(self, fleet: RemoteFleet, lost: Any) -> None:
        """Hand the workers' messages to this fleet from now on."""

    def show(self, dashboard: Dashboard | None) -> None:
        """Let the readers of this process begin; None: they look no more."""

    def rollout(self, rollout_id: str) -> None:
        """Tell the readers of this process of a rollout."""


@dataclass(slots=True)
class Ran:
    """What a run leaves for the judge."""

    header: Header
    slices: list[Path] = field(default_factory=list)
    uses: list[usage.Use] = field(default_factory=list)
    asked: int = 0  # chargers
    booted: int = 0
    workers: int = 0
    clock_error: float = 0.0
    problem: str = ""  # why it could not run, or not to its end
    too_few: str = ""  # which chargers never came up
    incomplete: bool = False  # a worker's slice is missing: nobody can be judged by the rest
    interrupted: bool = False


@dataclass(slots=True)
class Course:
    """One load run; `run` once."""

    options: LoadOptions
    engine: Engine
    ran: Ran = field(default_factory=lambda: Ran(Header()))
    world: LoadWorld | None = None
    recorder: Recorder | None = None
    _chargers: list[ChargerSpec] = field(default_factory=list)
    _aliases: dict[str, str] = field(default_factory=dict)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _timer: Timer = field(default_factory=Timer)
    _main: asyncio.Task[Any] | None = None

    async def run(self) -> Ran:
        """Go through the whole run; what went wrong stands in the result."""
        options = self.options
        options.folder.mkdir(parents=True, exist_ok=True)
        self._main = asyncio.current_task()
        self.ran.workers = len(self.engine.workers)
        try:
            self._check_size()
            written = options.scenario.chargers(options.actual_seed)
            target = options.target
            self._chargers = written if target is None else target.rename(written)
            self._aliases = {a.id: b.id for a, b in zip(written, self._chargers, strict=True)}
            self.ran.asked = len(self._chargers)
            async with contextlib.AsyncExitStack() as stack:
                await self._whole(stack)
        except (TargetError, SimulatorError) as error:
            self.ran.problem = self.ran.problem or str(error)
        except asyncio.CancelledError:
            if not self.ran.interrupted:
                raise
            self.ran.problem = "interrupted during set-up"
        return self.ran

    def _check_size(self) -> None:
        """Refuse at once what this machine cannot hold; DescriptorLimit says the remedy."""
        if self.options.target is None or not self.engine.workers:
            # One process holds an end of every connection: our CSMS, or the only driver.
            budget(sum(cohort.count for cohort in self.options.scenario.fleet), 0)

    def interrupt(self) -> None:
        """End the phase that runs, as Ctrl-C does; inside the loop."""
        self.ran.interrupted = True
        if self.world is not None:
            self.world.interrupt()
        elif self._main is not None:
            self._main.cancel()

    # ------------------------------------------------------------------ the run

    async def _whole(self, stack: contextlib.AsyncExitStack) -> None:
        options = self.options
        site = await self._site(stack)
        clock = SharedClock.started()
        header = self.ran.header = self._header(site, clock)
        history = History(header, keep=False)
        recorder = self.recorder = Recorder(history, clock.now)
        progress = Progress(len(self._chargers))
        history.subscribe(progress.see)
        history.subscribe(self._time)
        mine = options.folder / "slice-000.ndjson"
        writer = SliceWriter(mine, history)
        stack.callback(writer.close)
        api = targets.RestApi(site.address)
        await api.open()
        stack.push_async_callback(api.close)
        await self._make_known(api, site)
        fleet = await self._fleet(site, clock, recorder, progress)
        stack.push_async_callback(fleet.stop)
        self.world = LoadWorld(
            clock=clock,
            recorder=recorder,
            progress=progress,
            api=api,
            fleet=fleet,  # type: ignore[arg-type]  # it offers what the world uses
            site=site,
        )
        self.world.created = self._created(fleet)
        self.world.marked = self._marked(fleet, clock)
        stack.callback(self._cancel)
        self._watch(clock)
        self.ran.slices = [mine]
        await self._drill(site)
        self.engine.show(None)
        recorder.stop()
        writer.close()
        if isinstance(fleet, RemoteFleet):
            await self._gather(fleet)

    async def _gather(self, fleet: RemoteFleet) -> None:
        try:
            self.ran.slices += await fleet.gather(self.options.folder)
        except LostWorker:
            self.ran.incomplete = True
            raise

    async def _drill(self, site: Site) -> None:
        assert self.world is not None  # noqa: S101 - made just before
        options = self.options
        drill = LoadDrill(
            self.world,
            options.scenario,
            self._chargers,
            site.image_url,
            extensions=options.target is None or options.target.extensions,
            aliases=self._aliases,
            boot_within=options.scenario.load.boot_within,
        )
        try:
            await drill.run()
        except NotConnected as error:
            self.ran.too_few = str(error)
        self.ran.booted = self.world.progress.count("booted")

    async def _site(self, stack: contextlib.AsyncExitStack) -> Site:
        options, target = self.options, self.options.target
        self.engine.say(f"Starting for {len(self._chargers)} chargers …")
        builder = Builder(
            options.scenario, self._chargers, options.folder, self._served, options.mutant,
            self._died,
        )  # fmt: skip
        site = await builder.build(
            stack,
            None if target is None else target.address(self._chargers),
            None if target is None else target.firmware,
            None if target is None else target.restart,
        )
        name = "Reference CSMS" if target is None else target.name
        self.engine.say(f"{name}: {site.address.api} and {site.address.ocpp}")
        return site

    async def _make_known(self, api: targets.RestApi, site: Site) -> None:
        await api.check()
        await targets.provision(api, self._chargers)
        entries = catalogue(self.options.scenario, site.image_url, now=time.time())
        await targets.publish(api, entries)

    async def _fleet(
        self, site: Site, clock: SharedClock, recorder: Recorder, progress: Progress
    ) -> Fleet | RemoteFleet:
        load, address = self.options.scenario.load, site.address
        dashboard = _dashboard(site, load.read_every)
        if not self.engine.workers:
            self.engine.show(dashboard)
            return Fleet(
                [
                    Charger(spec, seed=self.options.actual_seed, start=clock.epoch)
                    for spec in self._chargers
                ],
                url=address.charger_url,
                observe=recorder.observe,
                connect_rate=load.connect_rate,
                password=address.passwords.get,
                ssl=address.charger_trust if address.certificates else address.trust(),
                download_ssl=None if site.authority is None else client_context(site.authority),
            )
        fleet = RemoteFleet(self.engine.workers, self.engine.send, self._told(progress))
        self.engine.attend(fleet, self._lost)
        await fleet.share(self._shares(site, clock, dashboard))
        self.ran.clock_error = fleet.clock_error
        return fleet

    def _shares(self, site: Site, clock: SharedClock, dashboard: Dashboard) -> list[Share]:
        options, load, address = self.options, self.options.scenario.load, site.address
        token = secrets.token_hex(16)
        (options.folder / "token").write_text(token, encoding="ascii")
        parts = shares(self._chargers, len(self.engine.workers))
        whole = max(1, len(self._chargers))
        return [
            Share(
                worker=number,
                specs=[spec.model_dump(mode="json") for spec in part],
                seed=options.actual_seed,
                epoch=clock.epoch,
                begun=clock.begun,
                urls={spec.id: address.charger_url(spec.id) for spec in part},
                passwords={s.id: p for s in part if (p := address.passwords.get(s.id))},
                connect_rate=load.connect_rate * len(part) / whole,
                rates={action: rate * len(part) / whole for action, rate in rates(load).items()},
                ca=_pem(address.ca),
                download_ca=_pem(site.authority),
                folder=str(options.folder.resolve()),
                token=token,
                dashboard=dashboard,
            )
            for number, part in enumerate(parts)
        ]

    def _header(self, site: Site, clock: SharedClock) -> Header:
        options, target = self.options, self.options.target
        return Header(
            versions={"firmdrill": version(), "python": platform.python_version()},
            scenario=scenario_facts(
                options.scenario, self._chargers, source=options.source, text=options.text
            ),
            seed=options.actual_seed,
            target=site.address.describe(),
            quirky=quirky(self._chargers),
            profile={} if target is None else dict(target.profile),
            under_test=("csms", "charger") if target is None else target.under_test,
            started_at=datetime.fromtimestamp(clock.epoch, UTC).isoformat(),
        )

    # ------------------------------------------------------------------ what is heard

    def _watch(self, clock: SharedClock) -> None:
        """Look at ourselves, and tidy up."""
        number = -1 if self.engine.workers else 0
        looking = usage.watch(number, clock.now, self.ran.uses.append)
        self._tasks = [asyncio.create_task(looking), asyncio.create_task(tidy())]

    def _marked(self, fleet: Fleet | RemoteFleet, clock: SharedClock) -> Callable[[str], None]:
        wanted = rates(self.options.scenario.load)

        def marked(name: str) -> None:
            if name != STEADY_FROM or not isinstance(fleet, Fleet):
                return
            for action, rate in wanted.items():
                calls = SteadyCalls(fleet, action, rate, clock.now, self.taken)
                self._tasks.append(asyncio.create_task(calls.run()))

        return marked

    def _cancel(self) -> None:
        for task in self._tasks:
            task.cancel()

    def taken(self, sample: Sample) -> None:
        """Record a sample that no other event shows."""
        if self.recorder is not None and not self.recorder.stopped:
            self.recorder.history.record(
                sample.time, "harness", TIMED, sample.name, data=carry(sample)
            )

    def _time(self, event: Any) -> None:
        for sample in self._timer.see(event):
            self.engine.fire(sample)

    def _served(self, line: dict[str, Any]) -> None:
        if self.recorder is not None:
            self.recorder.served(line)

    def _created(self, fleet: Fleet | RemoteFleet) -> Any:
        return fleet.rollout if isinstance(fleet, RemoteFleet) else self.engine.rollout

    def _told(self, progress: Progress) -> Any:
        def told(_: int, said: Told) -> None:
            if said.use is not None:
                self.ran.uses.append(usage.Use(**said.use))
            if said.news is not None:
                news.apply(said.news, progress)
                if self.world is not None:
                    self.world.news()

        return told

    def _died(self, child: Child) -> None:
        if self.recorder is None or not self.recorder.stopped:
            self._abandon(child.ended)

    def _lost(self, worker: int) -> None:
        self.ran.incomplete = True
        if self.recorder is None or not self.recorder.stopped:
            self._abandon(f"worker {worker} is gone: what its chargers saw is lost with it")

    def _abandon(self, problem: str) -> None:
        self.ran.problem = self.ran.problem or problem
        if self.recorder is not None and self.world is not None:
            self.recorder.mark("lost", problem=problem)
            self.world.abandon()


def _dashboard(site: Site, every: float) -> Dashboard:
    paths = site.address.names.paths
    return Dashboard(
        api=site.address.api.rstrip("/"),
        key=site.address.key,
        ca=_pem(site.address.ca),
        every=every,
        rollout_path=paths.get("read", PATHS["read"]),
        fleet_path=paths.get("fleet", PATHS["fleet"]),
    )


def _pem(path: Path | None) -> str:
    return "" if path is None else path.read_text(encoding="ascii")
