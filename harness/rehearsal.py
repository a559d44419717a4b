"""One drill in virtual time, from scenario to judgement, in one call.

No files, no processes, no waiting: the reference CSMS (or a mutant of it) runs in this process.
Same scenario and seed, same history, byte for byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.drill import Drill
from harness.inprocess import InProcessCsms
from harness.review import Reviewer
from harness.virtual_site import image_url, set_up
from simulator.event_loop import patient_collector

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.history import Event, Header, History
    from harness.progress import Progress
    from harness.review import Review
    from harness.run_record import Expectation
    from harness.verdict import Judgement
    from harness.virtual_world import VirtualWorld
    from simulator.scenario import Scenario
    from simulator.virtual import Scheduler


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
    begun: Callable[[VirtualWorld], None] | None = None,
) -> Rehearsal:
    """Run `scenario` in virtual time and judge it.

    `csms` builds the system under test, `listener` hears every event as it is recorded. Without
    `keep` the events are judged and forgotten: for fleets whose history is too large to hold.
    `begun` is given the world before anything happens in it (to interrupt it).
    Raises `TargetError` if the fleet never came up.
    """
    with patient_collector():
        return _rehearse(scenario, seed, csms, header, listener, keep=keep, begun=begun)


def _rehearse(
    scenario: Scenario,
    seed: int | None,
    csms: Callable[[Scheduler], InProcessCsms],
    header: Callable[[int], Header] | None,
    listener: Callable[[Event], None] | None,
    *,
    keep: bool,
    begun: Callable[[VirtualWorld], None] | None,
) -> Rehearsal:
    seed = scenario.seed if seed is None else seed
    site = set_up(scenario, seed, csms=csms, header=header, keep=keep)
    reviewer = Reviewer(site.header, site.progress)
    site.history.subscribe(reviewer.see)
    if listener is not None:
        site.history.subscribe(listener)
    drill = Drill(site.world, scenario, site.specs, image_url)
    if begun is not None:
        begun(site.world)
    try:
        site.world.run(drill.run())
    finally:
        site.system.close()
    return Rehearsal(
        site.header, site.history, drill, site.progress, reviewer.review(), site.world.now()
    )
