"""The cases for chargers in virtual time, on the simulator's chargers or on mutants of them.

A core. Every case has a world of its own: a charger that has never been updated, so that cases do
not depend on one another.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, cast

from harness.history import History
from harness.progress import Progress
from harness.recorder import Recorder
from harness.suites.charger_bench import Bench
from harness.suites.charger_cases import QUICK, Equipment
from harness.suites.charger_desk import Desk
from harness.suites.charger_judging import concluded, header, play
from harness.virtual_world import VirtualWorld
from simulator.addresses import path_of, with_query
from simulator.charger import Charger
from simulator.dialect import rfc3339
from simulator.faults import ChargerSpec, Fixed, Reconnect
from simulator.image import Image
from simulator.manufacturer import Manufacturer
from simulator.virtual import Scheduler, VirtualFleet
from simulator.virtual_downloads import ImageModel, Transfers

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.suites.charger_cases import Case, CaseResult, Pace, Variant
    from harness.verdict import Verdict
    from simulator.faults import DownloadFault
    from simulator.manufacturer import Signed

    Factory = Callable[[ChargerSpec, int, float], Charger]

START = 1_767_225_600.0  # 2026-01-01T00:00:00Z
VIRTUAL = Equipment(person=True)
AFTERWARDS = 120.0  # virtual seconds in which late events still come
VERSIONS = {"good.bin": "2.0.0", "older.bin": "1.9.0", "corrupt.bin": "2.0.0"}


@cache
def images(size: int = 400_000) -> dict[str, Image]:
    """Return the images on the shelf."""
    return {name: Image(version=version, size=size) for name, version in VERSIONS.items()}


@cache
def manufacturer() -> Manufacturer:
    """Return whose root the chargers trust."""
    return Manufacturer(1, now=START)


def spec_for(variant: Variant, **fields: Any) -> ChargerSpec:
    """Return a charger of this variant, quick in everything."""
    facts: dict[str, Any] = {
        "id": "CP-1", "cohort": "suite", "ocpp": variant.ocpp, "signed": variant.signed,
        "vendor": "Vendor", "model": "Model", "serial": "CP-1", "firmware_version": "1.0.0",
        "install_time": Fixed(value=2.0), "reboot_time": Fixed(value=1.0), "stall_timeout": 2.0,
        "reconnect": Reconnect(first=0.5, most=8.0, jitter=0.0), "download_rate": Fixed(value=1e6),
        "firmware_root": manufacturer().root, "revoked": manufacturer().revoked,
    }  # fmt: skip
    return ChargerSpec(**(facts | fields))


class _Surroundings:
    """A bench's surroundings on a heap."""

    def __init__(self, world: VirtualWorld, scheduler: Scheduler, transfers: Transfers) -> None:
        self._world = world
        self._scheduler = scheduler
        self._transfers = transfers
        self.until = world.until
        self.sleep = world.sleep

    def now(self) -> float:
        return self._scheduler.now

    def shelve(
        self, charger: str, tag: str, image: str, faults: tuple[DownloadFault, ...], *,
        presigned: bool = False,
    ) -> str:  # fmt: skip
        self._transfers.expect(charger, faults)
        path = path_of(f"{charger}-{tag}", image, presigned=presigned)
        return "https://firmware.example" + with_query(path)

    def sign(self, image: str, flaw: str) -> Signed:
        return manufacturer().sign(images()[image].sha256, cast("Any", flaw or "good"))

    def size(self, image: str) -> int:
        return images()[image].size

    async def ask_person(self, charger: str, what: str) -> bool:
        del charger, what
        return True  # the script of the case does it itself


def rehearse_case(
    case: Case,
    variant: Variant,
    *,
    factory: Factory | None = None,
    pace: Pace = QUICK,
    seed: int = 1,
    **fields: Any,
) -> CaseResult:
    """Run one case on one charger in virtual time; `fields` go into the charger's spec."""
    scheduler = Scheduler(START)
    history = History(header(case, pace, started_at=rfc3339(START), variant=variant.name))
    recorder = Recorder(history, lambda: scheduler.now - START)
    progress = Progress(1)
    history.subscribe(progress.see)
    desk = Desk(lambda: scheduler.now)
    models = {name: ImageModel(i.size, i.sha256, i.head, i.body_sha256)
              for name, i in images().items()}  # fmt: skip
    transfers = Transfers(scheduler, images=models, faults={}, log=recorder.served)
    spec = spec_for(variant, **(_needed(case) | fields))
    made = factory(spec, seed, START) if factory else Charger(spec, seed=seed, start=START)
    fleet = VirtualFleet(scheduler, [made], peer=desk, transfers=transfers,
                         observe=recorder.observe)  # fmt: skip
    world = VirtualWorld(scheduler, recorder=recorder, progress=progress, fleet=fleet,
                         csms=cast("Any", None))  # fmt: skip
    bench = Bench(
        spec.id, variant=variant, pace=pace, desk=desk, recorder=recorder, flaw=case.flaw,
        at=_Surroundings(world, scheduler, transfers),
    )  # fmt: skip
    said: list[tuple[Verdict, str]] = []

    async def drill() -> None:
        await world.start_fleet()
        said.append(await play(case, bench))
        await world.sleep(AFTERWARDS)
        recorder.mark("end")

    world.run(drill())
    return concluded(case, bench, history, said[0])


def _needed(case: Case) -> dict[str, Any]:
    """Return what a simulated charger needs to be fit for a case: a car that is plugged in."""
    return {"transaction": Fixed(value=6.0)} if "person" in case.needs else {}
