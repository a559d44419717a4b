"""Runs one drill on real sockets: builds its world, goes through it, judges it, writes it down.

A shell. Everything that was started is ended again, whatever happens in between. The result is
always a `RunRecord`: an unreachable target, a fleet that never came up and Ctrl-C are outcomes.
"""

from __future__ import annotations

import asyncio
import contextlib
import platform
import re
import shlex
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from harness import targets
from harness.about import quirky, scenario_facts, version
from harness.catalogue import catalogue
from harness.diagnosis import diagnose
from harness.drill import Drill, NotConnected
from harness.errors import TargetError
from harness.history import Header, History
from harness.history_file import HistoryFile
from harness.progress import Progress
from harness.recorder import Recorder
from harness.review import review
from harness.run_record import Counts, Ending, ExitCode, RunRecord
from harness.site import Builder
from harness.socket_world import Clock, SocketWorld, interrupted_by_signals
from simulator import event_loop
from simulator.certificates import client_context
from simulator.charger import Charger
from simulator.credentials import basic
from simulator.dialect import dialect_of
from simulator.divided import DividedFleet
from simulator.errors import SimulatorError
from simulator.sockets import Fleet

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.processes import Child
    from harness.review import Review
    from harness.site import Site
    from harness.target_file import Target
    from harness.targets import Address, RestApi
    from simulator.faults import ChargerSpec
    from simulator.scenario import Scenario

NO_CHARGERS = "the scenario has no chargers: there is nothing to rehearse"
HISTORY = "history.ndjson"


class View(Protocol):
    """What shows a running drill to a person."""

    def say(self, text: str) -> None:
        """Tell about set-up and tidying up."""

    def begin(self, drill: Drill, progress: Progress, now: Callable[[], float]) -> None:
        """Show this drill from now on."""

    def end(self) -> None:
        """Show it no longer."""


@dataclass(frozen=True, slots=True)
class Options:
    """What to run. `source` is the file or library name that `reproduce` repeats."""

    scenario: Scenario
    source: str
    folder: Path
    text: str = ""
    seed: int | None = None
    mutant: str | None = None
    target: Target | None = None  # None: our own CSMS, started for this drill
    target_source: str = ""
    processes: int = 1  # how many processes drive the fleet
    virtual: bool = False

    @property
    def actual_seed(self) -> int:
        """The seed of this run."""
        return self.scenario.seed if self.seed is None else self.seed

    def reproduce(self) -> str:
        """Return one copyable command that repeats this run."""
        words = ["firmdrill", "run", self.source, "--seed", str(self.actual_seed)]
        if self.target_source:
            words += ["--target", self.target_source]
        if self.processes > 1:
            words += ["--processes", str(self.processes)]
        if self.virtual:
            words.append("--virtual")
        if self.mutant is not None:
            words += ["--mutant", self.mutant]
        return shlex.join(words)


def run(options: Options, view: View) -> RunRecord:
    """Run one drill from start to report. Raises only what is our own defect."""
    records: list[RunRecord] = []

    async def whole() -> None:
        records.append(await _Run(options, view).whole())

    event_loop.run(whole())
    return records[0]


class _Interrupted(Exception):
    """The user interrupted the set-up."""


@dataclass(slots=True)
class _Run:
    """One run in the making."""

    options: Options
    view: View
    chargers: list[ChargerSpec] = field(default_factory=list)
    aliases: dict[str, str] = field(default_factory=dict)
    recorder: Recorder | None = None
    world: SocketWorld | None = None
    main: asyncio.Task[Any] | None = None
    interrupts: int = 0
    lost: str = ""  # which process ended by itself, and how
    began: float = 0.0

    async def whole(self) -> RunRecord:
        """Build, drill, judge, write."""
        self.began = time.monotonic()
        self.options.folder.mkdir(parents=True, exist_ok=True)
        written = self.options.scenario.chargers(self.options.actual_seed)
        target = self.options.target
        self.chargers = written if target is None else target.rename(written)
        self.aliases = {
            before.id: after.id for before, after in zip(written, self.chargers, strict=True)
        }
        self.main = asyncio.current_task()
        with (
            HistoryFile(self.options.folder / HISTORY, self._end_without) as file,
            interrupted_by_signals(self._interrupt),
        ):
            try:
                record = await self._drill(file)
            except (TargetError, SimulatorError) as error:
                record = self._nothing(str(error), ExitCode.NOT_RUN)
            except (_Interrupted, asyncio.CancelledError):
                if not self.interrupts:
                    raise
                record = self._nothing("interrupted during set-up", ExitCode.INTERRUPTED)
        return replace(record, wall_seconds=time.monotonic() - self.began)

    def _interrupt(self) -> None:
        self.interrupts += 1
        if self.world is not None:
            self.world.interrupt()
        elif self.interrupts > 1 and self.main is not None:
            # The first one waits until what is being started can be ended in good order.
            self.main.cancel()

    def _died(self, child: Child) -> None:
        """End the drill: without this process it can only accuse the wrong one."""
        self._end_without(child.ended)

    def _end_without(self, problem: str) -> None:
        if self.recorder is not None and self.recorder.stopped:
            return  # the drill is over; it was not needed any more
        self.lost = self.lost or problem
        if self.world is not None and self.recorder is not None:
            self.recorder.mark("lost", problem=problem)
            self.world.abandon()

    def _go_on(self) -> None:
        """Stop here if the user interrupted the set-up, or a process died in it."""
        if self.lost:
            raise TargetError(self.lost)
        if self.interrupts:
            raise _Interrupted

    def _nothing(self, problem: str, code: ExitCode) -> RunRecord:
        """Return the record of a run that never got to its operator."""
        return RunRecord(
            scenario=about(self.options),
            seed=self.options.actual_seed,
            ending=Ending.NOT_STARTED,
            exit_code=code,
            verdict="ERROR",
            reproduce=self.options.reproduce(),
            problem=problem,
            counts=Counts(chargers=len(self.chargers)),
            folder=self.options.folder,
        )

    # ------------------------------------------------------------------ the drill

    async def _drill(self, file: HistoryFile) -> RunRecord:
        if not self.chargers:
            return self._nothing(NO_CHARGERS, ExitCode.NOT_RUN)
        async with contextlib.AsyncExitStack() as stack:
            site = await self._site(stack)
            self._go_on()
            clock = Clock()
            header = self._header(site.address, clock)
            history = History(header)
            recorder = self.recorder = Recorder(history, clock.now)
            progress = Progress(len(self.chargers))
            history.subscribe(progress.see)
            file.follow(history)
            api = await _opened(stack, site.address)
            await api.check()
            await targets.provision(api, self.chargers)
            entries = catalogue(self.options.scenario, site.image_url, now=time.time())
            await targets.publish(api, entries)
            self._go_on()
            fleet = self._fleet(site, clock, recorder)
            stack.push_async_callback(fleet.stop)
            self.world = SocketWorld(
                clock=clock, recorder=recorder, progress=progress, api=api, fleet=fleet, site=site
            )
            drill = Drill(
                self.world,
                self.options.scenario,
                self.chargers,
                site.image_url,
                extensions=self.options.target is None or self.options.target.extensions,
                aliases=self.aliases,
            )
            self.view.begin(drill, progress, clock.now)
            try:
                await drill.run()
            except NotConnected as error:
                raise TargetError(await self._explain(error, site.address)) from error
            finally:
                recorder.stop()
                self.view.end()
            self.view.say("Judging …")
            return record_of(self.options, header, review(header, history.events))

    async def _site(self, stack: contextlib.AsyncExitStack) -> Site:
        """Build what the drill needs, and say where it is."""
        options, target = self.options, self.options.target
        self.view.say(f"Starting for {len(self.chargers)} chargers …")
        builder = Builder(
            options.scenario,
            self.chargers,
            options.folder,
            self._served,
            options.mutant,
            self._died,
        )
        site = await builder.build(
            stack,
            None if target is None else target.address(self.chargers),
            None if target is None else target.firmware,
            None if target is None else target.restart,
        )
        name = "Reference CSMS" if target is None else target.name
        self.view.say(f"{name}: {site.address.api} and {site.address.ocpp}")
        self.view.say(f"Firmware server: {site.firmware}")
        return site

    def _served(self, line: dict[str, Any]) -> None:
        if self.recorder is not None:
            self.recorder.served(line)

    def _fleet(self, site: Site, clock: Clock, recorder: Recorder) -> Fleet | DividedFleet:
        seed, address = self.options.actual_seed, site.address
        if self.options.processes > 1:
            return DividedFleet(
                self.chargers,
                processes=self.options.processes,
                seed=seed,
                start=clock.epoch,
                url=address.charger_url,
                observe=recorder.observe,
                password=address.passwords.get,
                ca=address.ca,
                certificate=address.shown,
                download_ca=site.authority,
                lost=self._end_without,
            )
        return Fleet(
            [Charger(spec, seed=seed, start=clock.epoch) for spec in self.chargers],
            url=address.charger_url,
            observe=recorder.observe,
            password=address.passwords.get,
            ssl=address.charger_trust if address.certificates else address.trust(),
            download_ssl=None if site.authority is None else client_context(site.authority),
        )

    def _header(self, address: Address, clock: Clock) -> Header:
        target = self.options.target
        return Header(
            versions={"firmdrill": version(), "python": platform.python_version()},
            scenario=scenario_facts(
                self.options.scenario,
                self.chargers,
                source=self.options.source,
                text=self.options.text,
            ),
            seed=self.options.actual_seed,
            target=address.describe(),
            quirky=quirky(self.chargers),
            profile={} if target is None else dict(target.profile),
            under_test=("csms", "charger") if target is None else target.under_test,
            started_at=datetime.fromtimestamp(clock.epoch, UTC).isoformat(),
        )

    async def _explain(self, error: NotConnected, address: Address) -> str:
        """Say which step of the first charger's connect fails."""
        spec = next(spec for spec in self.chargers if spec.id == error.first)
        url = address.charger_url(spec.id)
        password = address.passwords.get(spec.id)
        found = await diagnose(
            url,
            subprotocols=(dialect_of(spec).subprotocol,),
            authorization=None if password is None else basic(spec.id, password),
            tls=address.charger_trust(spec.id),
        )
        return f"{error}. Tried again: {found.sentence(url)}"


# ---------------------------------------------------------------------- parts


def record_of(options: Options, header: Header, outcome: Review) -> RunRecord:
    """Return the record of a drill that ran."""
    return RunRecord(
        scenario=about(options),
        seed=options.actual_seed,
        ending=outcome.ending,
        exit_code=outcome.exit_code,
        verdict=outcome.verdict,
        reproduce=options.reproduce(),
        target=dict(header.target),
        header=header,
        history=options.folder / HISTORY,
        judgement=outcome.judgement,
        expectations=outcome.expectations,
        phases=outcome.phases,
        counts=outcome.counts,
        rollouts=outcome.rollouts,
        problem=outcome.problem,
        folder=options.folder,
    )


def about(options: Options) -> dict[str, str]:
    """Return what a report says about the scenario."""
    scenario = options.scenario
    return {"name": scenario.name, "proves": scenario.proves, "file": options.source}


def slug(name: str) -> str:
    """Return a name that is safe as a part of a file name."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "drill"


async def _opened(stack: contextlib.AsyncExitStack, address: Address) -> RestApi:
    api = targets.RestApi(address)
    await api.open()
    stack.push_async_callback(api.close)
    return api
