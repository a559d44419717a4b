"""Rates as pauses between reads, on a clock that the test winds."""

from __future__ import annotations

import pytest

from simulator import pacing
from simulator.pacing import SHORTEST_PAUSE, Pace, Uplink


class Clock:
    """Stands in for the time module."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        """Return what the test has wound it to."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Replace the clock of the pacing."""
    clock = Clock()
    monkeypatch.setattr(pacing, "time", clock)
    return clock


def test_a_pace_keeps_its_rate_over_many_reads(clock: Clock) -> None:
    """Ten reads of 10 kB at 100 kB/s take a second, and a late reader is not made to wait more."""
    pace = Pace(100_000.0)
    for _ in range(10):
        clock.now += pace.pause(10_000)
    assert clock.now == pytest.approx(101.0, abs=SHORTEST_PAUSE)
    clock.now += 5.0
    assert pace.pause(10_000) == 0.0


def test_no_rate_is_no_pause(clock: Clock) -> None:
    """Without a cap reads follow one another."""
    assert Pace(None).pause(10**9) == 0.0
    assert clock.now == 100.0


def test_an_uplink_makes_one_read_wait_for_the_other(clock: Clock) -> None:
    """Two downloads that read at once get their bytes one after the other."""
    uplink = Uplink(100_000.0)
    assert [uplink.pause(50_000), uplink.pause(50_000)] == pytest.approx([0.5, 1.0])
    clock.now += 1.0
    assert uplink.pause(50_000) == pytest.approx(0.5)


def test_an_idle_uplink_saves_nothing_up(clock: Clock) -> None:
    """An hour without downloads does not make the next ones faster."""
    uplink = Uplink(100_000.0)
    clock.now += 3600.0
    assert uplink.pause(100_000) == pytest.approx(1.0)
