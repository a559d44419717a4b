"""One drill in virtual time, from scenario to judgement, in one call.

No files, no processes, no waiting: the reference CSMS (or a mutant of it) runs in this process.
Same scenario and seed, same history, byte for byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.about import quirky, scenario_facts
from harness.catalogue import catalogue
from harness.drill import Drill
from harness.history import Header, History
from harness.inprocess import InProcessCsms
from harness.progress import Progress
from harness.recorder import Recorder
from harness.review import Reviewer
from harness.virtual_world import VirtualWorld
from simulator.charger import Charger
from simulator.event_loop import patient_collector
from simulator.virtual import Scheduler, VirtualFleet
from simulator.virtual_downloads import ImageModel, Transfers

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.history import Event
    from harness.review import Review
    from harness.run_record import Expectation
    from harness.verdict import Judgement
    from simulator.scenario import Scenario

START = 1_767_225_600.0  # 2026-01-01T00:00:00Z: virtual drills always begin then
IMAGE_NAME = "firmware.bin"


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What came of a drill in virtual time."""

    header: Header
    history: History
    drill: Drill
    progress: Progress
    outcome: Review
    seconds: float  # virtual seconds that passed

    @property
    def judgement(self) -> Judgement:
        """The verdict on every property."""
        return self.outcome.judgement

    @property
    def expectations(self) -> tuple[Expectation, ...]:
        """What the scenario expects, and whether it came true."""
        return self.outcome.expectations


def rehearse(
    scenario: Scenario,
    *,
    seed: int | None = None,
    csms: Callable[[Scheduler], InProcessCsms] = InProcessCsms,
    header: Callable[[int], Header] | None = None,
    listener: Callable[[Event], None] | None = None,
    keep: bool = True,
) -> Rehearsal:
    """Run `scenario` in virtual time and judge it.

    `csms` builds the system under test, `listener` hears every event as it is recorded. Without
    `keep` the events are judged and forgotten: for fleets whose history is too large to hold.
    Raises `TargetError` if the fleet never came up.
    """
    with patient_collector():
        return _rehearse(scenario, seed, csms, header, listener, keep=keep)


def _rehearse(
    scenario: Scenario,
    seed: int | None,
    csms: Callable[[Scheduler], InProcessCsms],
    header: Callable[[int], Header] | None,
    listener: Callable[[Event], None] | None,
    *,
    keep: bool,
) -> Rehearsal:
    seed = scenario.seed if seed is None else seed
    specs = scenario.chargers(seed)
    scheduler = Scheduler(START)
    about = header(seed) if header else Header(
        scenario=scenario_facts(scenario, specs),
        seed=seed,
        target={"kind": "virtual"},
        quirky=quirky(specs),
        started_at="2026-01-01T00:00:00+00:00",  # what START says in words
    )  # fmt: skip
    history = History(about, keep=keep)
    recorder = Recorder(history, lambda: scheduler.now - START)
    progress = Progress(len(specs))
    history.subscribe(progress.see)
    reviewer = Reviewer(about, progress)
    history.subscribe(reviewer.see)
    if listener is not None:
        history.subscribe(listener)
    system = csms(scheduler)
    system.provision(specs)
    system.publish(catalogue(scenario, _image_url, now=START))
    fleet = VirtualFleet(
        scheduler,
        [Charger(spec, seed=seed, start=START) for spec in specs],
        peer=system,
        transfers=_transfers(scheduler, scenario, recorder),
        observe=recorder.observe,
    )
    fleet.transfers.faults = {spec.id: spec.download_faults for spec in specs}
    world = VirtualWorld(scheduler, recorder=recorder, progress=progress, fleet=fleet, csms=system)
    drill = Drill(world, scenario, specs, _image_url)
    try:
        world.run(drill.run())
    finally:
        system.close()
    return Rehearsal(about, history, drill, progress, reviewer.review(), world.now())


def _image_url(tag: str) -> str:
    return f"https://firmware.example/{tag}/{IMAGE_NAME}"


def _transfers(scheduler: Scheduler, scenario: Scenario, recorder: Recorder) -> Transfers:
    image = scenario.firmware.image
    model = ImageModel(image.size, image.sha256, image.head, image.body_sha256)

    def log(line: dict[str, Any]) -> None:
        recorder.served(line)

    return Transfers(scheduler, images={IMAGE_NAME: model}, faults={}, log=log)
