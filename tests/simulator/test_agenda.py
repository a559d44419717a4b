"""One heap for all waiting: order, earliness, and a clock that never steps back."""

from __future__ import annotations

import asyncio
import time

import pytest

from simulator.agenda import Agenda


@pytest.mark.asyncio
async def test_callbacks_run_in_order_and_never_early() -> None:
    """By time, then by the order of asking; `now` is never before what was asked for."""
    agenda = Agenda(asyncio.get_running_loop())
    start = agenda.now
    done = asyncio.Event()
    ran: list[tuple[str, float]] = []
    for name, after in (("c", 0.02), ("a", 0.005), ("b", 0.01), ("a2", 0.005), ("past", -5.0)):
        agenda.at(start + after, lambda label: ran.append((label, agenda.now)), name)
    agenda.at(start + 0.03, lambda _: done.set())
    await asyncio.wait_for(done.wait(), 5)
    assert [name for name, _ in ran] == ["past", "a", "a2", "b", "c"]
    assert [at >= start + due for (_, at), due in zip(ran, (0, 0.005, 0.005, 0.01, 0.02),
                                                      strict=True)] == [True] * 5  # fmt: skip


@pytest.mark.asyncio
async def test_many_at_once_leave_turns_to_others() -> None:
    """Thousands of callbacks at one instant are spread over turns of the loop."""
    agenda = Agenda(asyncio.get_running_loop())
    ran = 0

    def count(_: object) -> None:
        nonlocal ran
        ran += 1

    for _ in range(3000):
        agenda.at(agenda.now, count)
    turns = 0
    while ran < 3000:
        await asyncio.sleep(0)
        turns += 1
    assert turns >= 3000 // 512


@pytest.mark.asyncio
async def test_clear_forgets_everything() -> None:
    """After clear nothing runs, and the agenda can be used again."""
    agenda = Agenda(asyncio.get_running_loop())
    ran: list[object] = []
    agenda.at(agenda.now, ran.append, "old")
    agenda.clear()
    done = asyncio.Event()
    agenda.at(agenda.now, lambda _: done.set())
    await asyncio.wait_for(done.wait(), 5)
    assert ran == []


@pytest.mark.asyncio
async def test_the_clock_ignores_steps_of_the_wall_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Setting the machine's clock back during a drill does not move the fleet's time."""
    agenda = Agenda(asyncio.get_running_loop())
    before = agenda.now
    assert abs(before - time.time()) < 1
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert before <= agenda.now < before + 5
