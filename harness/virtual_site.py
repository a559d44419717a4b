"""A scenario's fleet and a CSMS on one heap: what every run in virtual time begins with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.about import quirky, scenario_facts
from harness.catalogue import catalogue
from harness.history import Header, History
from harness.inprocess import InProcessCsms
from harness.progress import Progress
from harness.recorder import Recorder
from harness.virtual_world import VirtualWorld
from simulator.addresses import path_of, with_query
from simulator.charger import Charger
from simulator.virtual import Scheduler, VirtualFleet
from simulator.virtual_downloads import ImageModel, Transfers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simulator.faults import ChargerSpec
    from simulator.scenario import Scenario

START = 1_767_225_600.0  # 2026-01-01T00:00:00Z: virtual drills always begin then
HOST = "https://firmware.example"
IMAGE_NAME = "firmware.bin"


@dataclass(frozen=True, slots=True)
class VirtualSite:
    """The parts of one run; `specs` in fleet order, `image_url` says where a rollout's image is."""

    specs: Sequence[ChargerSpec]
    header: Header
    history: History
    progress: Progress
    system: InProcessCsms
    fleet: VirtualFleet
    world: VirtualWorld
    image_url: Callable[[str], str]


def set_up(
    scenario: Scenario,
    seed: int,
    *,
    csms: Callable[[Scheduler], InProcessCsms] = InProcessCsms,
    header: Callable[[int], Header] | None = None,
    keep: bool = True,
) -> VirtualSite:
    """Build the fleet and the CSMS of a scenario; nothing happens until the world runs."""
    specs = scenario.chargers(seed)
    scheduler = Scheduler(START)
    image_url = _image_urls(scenario)
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
    system = csms(scheduler)
    system.provision(specs)
    system.publish(catalogue(scenario, image_url, now=START))
    fleet = VirtualFleet(
        scheduler,
        [Charger(spec, seed=seed, start=START) for spec in specs],
        peer=system,
        transfers=_transfers(scheduler, scenario, recorder),
        observe=recorder.observe,
        password=system.passwords.get,
    )
    fleet.transfers.faults = {spec.id: spec.download_faults for spec in specs}
    world = VirtualWorld(scheduler, recorder=recorder, progress=progress, fleet=fleet, csms=system)
    return VirtualSite(specs, about, history, progress, system, fleet, world, image_url)


def _image_urls(scenario: Scenario) -> Callable[[str], str]:
    """Return what gives the URL of the scenario's image for one rollout."""
    presigned = scenario.firmware.presigned

    def image_url(tag: str) -> str:
        return HOST + with_query(path_of(tag, IMAGE_NAME, presigned=presigned))

    return image_url


def _transfers(scheduler: Scheduler, scenario: Scenario, recorder: Recorder) -> Transfers:
    image = scenario.firmware.image
    model = ImageModel(image.size, image.sha256, image.head, image.body_sha256)

    def log(line: dict[str, Any]) -> None:
        recorder.served(line)

    return Transfers(scheduler, images={IMAGE_NAME: model}, faults={}, log=log)
