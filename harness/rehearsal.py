"""One drill in virtual time, from scenario to judgement, in one call.

No files, no processes, no waiting: the reference CSMS (or a mutant of it) runs in this process.
Same scenario and seed, same history, byte for byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from harness.drill import Drill
from harness.inprocess import InProcessCsms
from harness.review import Reviewer
from harness.virtual_site import set_up
from simulator.event_loop import patient_collector

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.history import Event, Header, History
    from harness.progress import Progress
    from harness.review import Review
    from harness.run_record import Expectation
    from harness.verdict import Judgement
    from harness.virtual_site import VirtualSite
    from simulator.scenario import Scenario
    from simulator.virtual import Scheduler


class Judging(Protocol):
    """Who judges a drill while it runs: `Reviewer`, or `beside.Beside` in another process."""

    def see(self, event: Event) -> None:
        """Take one event in."""

    def review(self) -> Review:
        """Return the outcome; called once, at the end."""


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
    judging: Callable[[Header, Progress], Judging] = Reviewer,
    begun: Callable[[VirtualSite, Drill], None] | None = None,
    keep: bool = True,
) -> Rehearsal:
    """Run `scenario` in virtual time and judge it.

    `csms` builds the system under test, `judging` who judges it, event by event; `begun` is told
    before anything happens. Without `keep` the events are judged and forgotten: for fleets whose
    history is too large to hold. Raises `TargetError` if the fleet never came up.
    """
    seed = scenario.seed if seed is None else seed
    with patient_collector():
        site = set_up(scenario, seed, csms=csms, header=header, keep=keep)
        reviewer = judging(site.header, site.progress)
        site.history.subscribe(reviewer.see)
        drill = Drill(site.world, scenario, site.specs, site.image_url)
        if begun is not None:
            begun(site, drill)
        try:
            site.world.run(drill.run())
        finally:
            site.system.close()
        outcome = reviewer.review()
    return Rehearsal(site.header, site.history, drill, site.progress, outcome, site.world.now())
