"""Hypothesis over whole drills: a strategy of scenarios, and an operator as a state machine.

`scenarios()` draws what `generate` draws, with Hypothesis as the source of chance: it covers, keeps
and shrinks what it finds. `RolloutMachine` is an operator who decides step by step what to do next,
in virtual time, against a CSMS in this process; the judge has the last word. A CSMS of one's own:

    class MyMachine(RolloutMachine):
        csms = staticmethod(MyCsms)  # scheduler -> InProcessCsms

    TestMyCsms = MyMachine.TestCase

Raises `Broken` with the witness; each property has a subclass of its own, so that shrinking stays
with the defect that it began with.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from harness import generate
from harness.drill import Drill
from harness.inprocess import InProcessCsms
from harness.report.junit import witness_text
from harness.review import Reviewer
from harness.run_record import Ending
from harness.virtual_site import set_up
from simulator.scenario import Scenario, built, dump

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from harness.verdict import Judgement

CHANCE = st.randoms(use_true_random=False)
MOMENTS = ("1 ms", "50 ms", "1 s", "10 s")
REQUESTS = ("execute_stage", "execute_stage", "pause", "read")


class Broken(AssertionError):
    """A property does not hold; the text is its sentence and the first witness."""


@cache
def broken(requirement: str) -> type[Broken]:
    """Return the exception class of one property: `Broken_R18`."""
    return type(f"Broken_{requirement}", (Broken,), {"__module__": __name__})


def enforce(judgement: Judgement) -> None:
    """Raise `Broken` if anything failed."""
    for result in judgement.failed:
        requirement = result.requirement
        witness = witness_text(result.findings[0])
        raise broken(requirement.id)(f"{requirement.id} {requirement.sentence}\n{witness}")


def scenarios() -> st.SearchStrategy[Scenario]:
    """Draw whole scenarios: fleet, faults, operators, crashes; all of them valid."""
    return CHANCE.map(lambda draw: built(generate.drawn(draw, 0)))


def fleets() -> st.SearchStrategy[dict[str, Any]]:
    """Draw the fields of a scenario whose operator does nothing yet."""

    def fields(draw: Random) -> dict[str, Any]:
        fleet = generate.cohorts(draw)
        return {
            "version": 1,
            "name": "a state machine",
            "seed": draw.randrange(1000),
            "firmware": {"version": "2.0.0", "size": "100 kB"},
            "fleet": fleet,
            "operator": [{"create": generate.creation(draw, sum(c["count"] for c in fleet))}],
            "heal": {"within": "3 min"},
        }

    return CHANCE.map(fields)


class RolloutMachine(RuleBasedStateMachine):
    """An operator over the REST API, chargers over OCPP, and a CSMS that may die, on one heap."""

    csms: ClassVar[Callable[..., InProcessCsms]] = InProcessCsms

    @initialize(fields=fleets())
    def connect(self, fields: dict[str, Any]) -> None:
        """Begin with some fleet, and a rollout for all of it."""
        self.fields = fields
        self.steps: list[Any] = []
        self.down = False
        scenario = built(fields)
        self.site = set_up(scenario, scenario.seed, csms=type(self).csms)
        self.reviewer = Reviewer(self.site.header, self.site.progress)
        self.site.history.subscribe(self.reviewer.see)
        self.drill = Drill(self.site.world, scenario, self.site.specs, self.site.image_url)
        self.site.world.run(self.drill.connect())
        self.site.world.run(self.drill.baseline())
        self.follow(*fields["operator"])

    def follow(self, *steps: Any) -> None:
        """Have the operator do these steps, as a scenario would write them."""
        self.steps += steps
        plan = built({**self.fields, "operator": [*steps]}).operator
        self.site.world.run(self.drill.operator.follow(plan))

    def ask(self, name: str, *, background: bool = False) -> Any:
        """Return a step that may be refused, and may overlap the next ones."""
        if name == "read":
            return {"read": {"background": background}}
        return {name: {"refused": "maybe", "background": background}}

    # ------------------------------------------------------------------ what may come next

    @rule(name=st.sampled_from(REQUESTS))
    def one_request(self, name: str) -> None:
        """Send one request and wait for its answer; a dead CSMS gives none."""
        if not (self.down and name == "read"):
            self.follow(self.ask(name))

    @precondition(lambda self: not self.down)
    @rule(names=st.lists(st.sampled_from(REQUESTS), min_size=2, max_size=4))
    def overlapping_requests(self, names: list[str]) -> None:
        """Send several at once."""
        self.follow(*(self.ask(name, background=True) for name in names))

    @rule(moment=st.sampled_from(MOMENTS))
    def time_passes(self, moment: str) -> None:
        """Let the fleet go on."""
        self.follow({"hold": moment})

    @precondition(lambda self: not self.down)
    @rule()
    def the_stage_settles(self) -> None:
        """Wait until nobody of the stage is on the way, if that ever happens."""
        self.follow({"wait": {"stage": "settled", "within": "1 min"}})

    @precondition(lambda self: not self.down)
    @rule(at=st.sampled_from(["once", "commit"]))
    def it_dies(self, at: str) -> None:
        """Kill the CSMS, now or between its next commit and what follows from that."""
        self.follow({"kill": {"at": at}})
        self.down = True

    @precondition(lambda self: self.down)
    @rule()
    def it_comes_back(self) -> None:
        """Start it again on its database."""
        self.follow("restart")
        self.down = False

    # ------------------------------------------------------------------ the end

    def teardown(self) -> None:
        """Heal, drain, read everything once more, and let the judge speak."""
        if not hasattr(self, "drill"):
            return
        if self.down:
            self.follow("restart")
        world = self.site.world
        try:
            world.run(self.drill.heal())
            self.drill.ending = Ending.COMPLETED
            world.run(self.drill.drain(self.drill.patience()))
            world.run(self.drill.final())
        finally:
            self.site.system.close()
        note(dump(built({**self.fields, "operator": self.steps})))
        enforce(self.reviewer.review().judgement)
