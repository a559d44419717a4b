"""The hub gets its turns: once an iteration, at its hour, and with the loop's work in between."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import pytest

from reference_csms.errors import Problem
from reference_csms.model import Reply, Ticket
from reference_csms.turns import Clock, Turns

if TYPE_CHECKING:
    from reference_csms.ocpp_hub import Hub

pytestmark = pytest.mark.asyncio


class FakeHub:
    """Counts turns and says when the next one is due."""

    def __init__(self, *due: float | None) -> None:
        self.due: list[float | None] = list(due)
        self.log: list[str] = []

    def turn(self, now: float) -> None:
        """Note a turn."""
        assert now > 0
        self.log.append("turn")

    def next_turn(self) -> float | None:
        """Return the next planned time."""
        return self.due.pop(0) if self.due else None


def turns(hub: FakeHub) -> Turns:
    """Return turns over a fake hub."""
    return Turns(cast("Hub", hub))


async def test_many_wishes_are_one_turn() -> None:
    """However often `soon` is called in an iteration, one transaction covers it."""
    hub = FakeHub()
    real = turns(hub)
    for _ in range(5):
        real.soon()
    assert hub.log == []
    await asyncio.sleep(0)
    assert hub.log == ["turn"]


async def test_between_two_batches_the_loop_does_other_work() -> None:
    """D31: `next_turn` 0.0 means at once, but not before what else is ready (a pause)."""
    hub = FakeHub(0.0, 0.0)
    real = turns(hub)
    real.soon()
    for _ in range(4):
        await asyncio.sleep(0)
        hub.log.append("other")
    assert hub.log[:6] == ["turn", "other", "turn", "other", "turn", "other"]


async def test_a_turn_comes_at_its_hour() -> None:
    """A due time in the future is a timer; a wish before replaces it."""
    clock = Clock()
    done = asyncio.Event()
    hub = FakeHub(clock.now() + 0.01)
    real = turns(hub)
    real.soon()
    await asyncio.sleep(0)
    hub.turn = lambda now: done.set()  # type: ignore[method-assign] # noqa: ARG005
    await asyncio.wait_for(done.wait(), 5)


async def test_outcomes_are_returned_or_raised() -> None:
    """The answer of a ticket is the result; a problem in it, or at once, is raised."""
    hub = FakeHub()
    real = turns(hub)

    def answering(outcome: Any) -> Ticket:
        ticket = Ticket()
        ticket.resolve(outcome)
        return ticket

    reply = Reply(200, {})
    assert await real.outcome(lambda _: answering(reply)) is reply
    with pytest.raises(Problem):
        await real.outcome(lambda _: answering(Problem(404, "", "")))


async def test_after_stop_there_are_no_turns() -> None:
    """The last turn is done at once, later wishes are in vain."""
    hub = FakeHub()
    real = turns(hub)
    real.soon()
    real.stop()
    real.soon()
    await asyncio.sleep(0)
    assert hub.log == ["turn"]


async def test_the_clock_never_steps_back() -> None:
    """D35: consecutive readings never fall."""
    clock = Clock()
    readings = [clock.now() for _ in range(1000)]
    assert readings == sorted(readings)
    assert Clock(readings[-1] + 3600).now() >= readings[-1] + 3600
