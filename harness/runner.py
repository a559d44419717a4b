"""Runs one drill on real sockets: builds its world, goes through it, judges it, writes it down.

A shell. Everything that was started is ended again, whatever happens in between. The result is
always a `RunRecord`: an unreachable target, a fleet that never came up and Ctrl-C are outcomes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import platform
import re
import shlex
import tempfile
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from harness import processes, targets
from harness.about import quirky, scenario_facts, version
from harness.diagnosis import diagnose
from harness.drill import Drill, NotConnected
from harness.errors import TargetError
from harness.history import Header, History, encode
from harness.progress import Progress
from harness.recorder import Recorder
from harness.review import review
from harness.run_record import Counts, Ending, ExitCode, RunRecord
from harness.socket_world import Clock, SocketWorld, interrupted_by_signals
from simulator.certificates import Authority, KeyPair, client_context
from simulator.charger import Charger
from simulator.cohorts import download_plan
from simulator.dialect import dialect_of
from simulator.errors import SimulatorError
from simulator.sockets import Fleet

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from harness.history import Event
    from harness.processes import Child
    from harness.review import Review
    from harness.targets import Address, Reference, RestApi
    from simulator.faults import ChargerSpec
    from simulator.scenario import Scenario

IMAGE = "firmware.bin"
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
    target: Address | None = None  # None: our own CSMS, started for this drill
    virtual: bool = False

    @property
    def actual_seed(self) -> int:
        """The seed of this run."""
        return self.scenario.seed if self.seed is None else self.seed

    def reproduce(self) -> str:
        """Return one copyable command that repeats this run."""
        words = ["firmdrill", "run", self.source, "--seed", str(self.actual_seed)]
        if self.virtual:
            words.append("--virtual")
        if self.mutant is not None:
            words += ["--mutant", self.mutant]
        return shlex.join(words)


@dataclass(slots=True)
class Site:
    """What was built for one drill."""

    address: Address
    firmware: str  # base url of the firmware server
    download_ssl: ssl.SSLContext | None
    reference: Reference | None = None


def run(options: Options, view: View) -> RunRecord:
    """Run one drill from start to report. Raises only what is our own defect."""
    return asyncio.run(_Run(options, view).whole())


@dataclass(slots=True)
class _Run:
    """One run in the making."""

    options: Options
    view: View
    chargers: list[ChargerSpec] = field(default_factory=list)
    recorder: Recorder | None = None
    world: SocketWorld | None = None
    main: asyncio.Task[Any] | None = None
    interrupted: bool = False
    began: float = 0.0

    async def whole(self) -> RunRecord:
        """Build, drill, judge, write."""
        self.began = time.monotonic()
        self.options.folder.mkdir(parents=True, exist_ok=True)
        self.chargers = self.options.scenario.chargers(self.options.actual_seed)
        self.main = asyncio.current_task()
        with interrupted_by_signals(self._interrupt):
            try:
                record = await self._drill()
            except (TargetError, SimulatorError) as error:
                record = self._nothing(str(error), ExitCode.NOT_RUN)
            except asyncio.CancelledError:
                if not self.interrupted:
                    raise
                record = self._nothing("interrupted during set-up", ExitCode.INTERRUPTED)
        return replace(record, wall_seconds=time.monotonic() - self.began)

    def _interrupt(self) -> None:
        self.interrupted = True
        if self.world is not None:
            self.world.interrupt()
        elif self.main is not None:
            self.main.cancel()

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

    async def _drill(self) -> RunRecord:
        async with contextlib.AsyncExitStack() as stack:
            clock = Clock()
            site = await self._build(stack)
            header = self._header(site.address, clock)
            history = History(header)
            recorder = self.recorder = Recorder(history, clock.now)
            progress = Progress(len(self.chargers))
            history.subscribe(progress.see)
            _write_as_it_grows(stack, history, self.options.folder / HISTORY)
            api = await _opened(stack, site.address)
            await api.check()
            await targets.provision(api, self.chargers)
            fleet = self._fleet(site, clock, recorder)
            self.world = SocketWorld(
                clock=clock,
                recorder=recorder,
                progress=progress,
                api=api,
                fleet=fleet,
                kill=site.reference.child.kill if site.reference else None,
            )
            drill = Drill(
                self.world,
                self.options.scenario,
                self.chargers,
                lambda tag: f"{site.firmware}/{tag}/{IMAGE}",
                extensions=site.address.ext is not None,
            )
            stack.push_async_callback(fleet.stop)
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

    def _served(self, line: dict[str, Any]) -> None:
        if self.recorder is not None:
            self.recorder.served(line)

    async def _build(self, stack: contextlib.AsyncExitStack) -> Site:
        """Start the firmware server and, unless there is a target, our own CSMS."""
        temporary = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="firmdrill-")))
        self.view.say(f"Starting for {len(self.chargers)} chargers …")
        starting = self._start_firmware(temporary)
        if self.options.target is not None:
            child, context = await starting
            stack.push_async_callback(child.stop)
            return Site(self.options.target, str(child.ready["url"]), context)
        results = await asyncio.gather(
            starting, self._start_csms(temporary), return_exceptions=True
        )
        firmware, reference = results
        if not isinstance(firmware, BaseException):
            stack.push_async_callback(firmware[0].stop)
        if not isinstance(reference, BaseException):
            stack.push_async_callback(reference.stop)
        if isinstance(firmware, BaseException):
            raise firmware
        if isinstance(reference, BaseException):
            raise reference
        child, context = firmware
        self.view.say(f"Reference CSMS: {reference.address.api} and {reference.address.ocpp}")
        self.view.say(f"Firmware server: {child.ready['url']}")
        return Site(reference.address, str(child.ready["url"]), context, reference)

    async def _start_firmware(self, temporary: Path) -> tuple[Child, ssl.SSLContext | None]:
        firmware = self.options.scenario.firmware
        image = {"vendor": firmware.vendor, "model": firmware.model, "version": firmware.version,
                 "size": firmware.size, "seed": firmware.seed}  # fmt: skip
        arguments, context = ["--spec", "-"], None
        if firmware.tls:
            authority = Authority(temporary)
            pair: KeyPair = authority.server()
            arguments += ["--tls-cert", str(pair.certificate), "--tls-key", str(pair.key)]
            context = client_context(authority.certificate)
        child = await processes.start(
            "the firmware server",
            "simulator.firmware_server",
            arguments,
            listener=self._served,
            log=self.options.folder / "firmware-server.log",
            stdin=json.dumps(
                {"images": {IMAGE: image}, "faults": download_plan(self.chargers)}
            ).encode(),
        )
        return child, context

    async def _start_csms(self, temporary: Path) -> Reference:
        options = () if self.options.scenario.firmware.tls else ("--insecure-firmware-url",)
        return await targets.start_reference(
            temporary,
            options=options,
            mutant=self.options.mutant,
            log=self.options.folder / "csms.log",
        )

    def _fleet(self, site: Site, clock: Clock, recorder: Recorder) -> Fleet:
        seed = self.options.actual_seed
        return Fleet(
            [Charger(spec, seed=seed, start=clock.epoch) for spec in self.chargers],
            url=site.address.charger_url,
            observe=recorder.observe,
            password=site.address.passwords.get,
            download_ssl=site.download_ssl,
        )

    def _header(self, address: Address, clock: Clock) -> Header:
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
            started_at=datetime.fromtimestamp(clock.epoch, UTC).isoformat(),
        )

    async def _explain(self, error: NotConnected, address: Address) -> str:
        """Say which step of the first charger's connect fails."""
        spec = next(spec for spec in self.chargers if spec.id == error.first)
        url = address.charger_url(spec.id)
        found = await diagnose(url, subprotocols=(dialect_of(spec).subprotocol,))
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


def _write_as_it_grows(stack: contextlib.AsyncExitStack, history: History, path: Path) -> None:
    """Write every event as it comes: a history is evidence even if we are killed."""
    file = stack.enter_context(path.open("wb", buffering=1 << 16))
    file.write(encode(history.header))

    def write(event: Event) -> None:
        file.write(encode(event))

    history.subscribe(write)
