"""Chargers come back after the policy they have, however long it takes."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.faults import Reconnect, Window
from tests.simulator.lab import Lab


def opened(policy: Reconnect, refusals: int) -> float:
    """Return when a charger that is refused so often gets its connection."""
    lab = Lab(reconnect=policy)
    lab.csms.refuse = [503] * refusals
    lab.boot().run(600.0)
    return float(next(time for time, kind, _ in lab.log if kind == "open"))


def test_a_fixed_policy_waits_the_same_each_time() -> None:
    """A factor of 1 is a fixed interval."""
    policy = Reconnect(first=5.0, most=60.0, factor=1.0, jitter=0.0)
    assert opened(policy, 4) == pytest.approx(20.0)


def test_the_back_off_of_ocpp_2_doubles_a_few_times_only() -> None:
    """RetryBackOffRepeatTimes ends the doubling (Part 4 §5.3)."""
    policy = Reconnect(first=2.0, most=9999.0, jitter=0.0, repeats=2)
    assert opened(policy, 6) == pytest.approx(2 + 4 + 8 + 8 + 8 + 8)


def test_the_random_range_is_added_to_each_wait() -> None:
    """RetryBackOffRandomRange: between nothing and the range, each time anew."""
    policy = Reconnect(first=2.0, most=2.0, jitter=0.0, random_range=10.0)
    total = opened(policy, 4)
    assert 8.0 < total < 48.0
    assert opened(policy, 4) == total  # the same seed, the same chance


@given(st.integers(0, 10**6), st.floats(0.1, 100.0), st.floats(1.0, 10.0), st.floats(0, 1))
def test_no_wait_is_longer_than_the_most(
    refused: int, first: float, factor: float, jitter: float
) -> None:
    """However often it was refused, a charger comes back within the cap."""
    policy = Reconnect(first=first, most=60.0, factor=factor, jitter=jitter)
    wait = policy.vary(policy.wait(refused), random.Random(1))
    assert 0.0 <= wait <= 60.0


@pytest.mark.parametrize("same", [True, False])
def test_a_window_may_begin_and_end_some_time_after_a_mark(same: bool) -> None:
    """`from` waits its seconds after the mark; `until` counts from its own mark, or the same."""
    window = Window(from_mark="act", delay=10.0, until_mark="act" if same else "heal", plus=30.0)
    lab = Lab(offline=(window,)).boot()
    lab.fleet.mark("act")
    lab.run(5.0)
    assert lab.charger.online
    if not same:
        lab.fleet.mark("heal")
    lab.run(10.0)
    assert not lab.charger.online
    lab.run(60.0)
    assert lab.charger.online


def test_a_window_that_was_over_before_it_began_never_begins() -> None:
    """The mark that ends it came first: the charger does not stay away for ever."""
    window = Window(from_mark="act", delay=10.0, until_mark="heal")
    lab = Lab(offline=(window,)).boot()
    lab.fleet.mark("act")
    lab.run(1.0)
    lab.fleet.mark("heal")
    lab.run(60.0)
    assert lab.charger.online
    assert lab.notes("offline") == []
