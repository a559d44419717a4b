"""Named random streams and distributions."""

from __future__ import annotations

import random
import statistics
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.faults import Dice, Exponential, Fixed, Lognormal, Mixture, Uniform, stream


@given(st.integers(min_value=0), st.text(max_size=20), st.text(max_size=20))
def test_a_stream_depends_on_its_name_alone(seed: int, charger: str, purpose: str) -> None:
    """The same name gives the same draws, whatever was drawn elsewhere."""
    first = stream(seed, charger, purpose).random()
    stream(seed, charger, f"{purpose}!").random()
    assert stream(seed, charger, purpose).random() == first


def test_streams_of_different_names_differ() -> None:
    """Neither seed, charger nor purpose is forgotten in the name."""
    names = [(1, "a", "x"), (2, "a", "x"), (1, "b", "x"), (1, "a", "y")]
    assert len({stream(*name).random() for name in names}) == len(names)


def draws(distribution: Fixed | Uniform | Lognormal | Exponential | Mixture) -> list[float]:
    """Return many draws, in order of size."""
    rng = random.Random(7)
    return sorted(distribution.draw(rng) for _ in range(4000))


def test_a_lognormal_hits_its_median_and_its_95th_percentile() -> None:
    """What the scenario says about the tail is what chargers meet."""
    values = draws(Lognormal(median=60.0, p95=400.0))
    assert 55 < values[2000] < 65
    assert 350 < values[3800] < 450


def test_a_lognormal_without_spread_is_its_median() -> None:
    """Median and p95 at one value mean always the same value."""
    assert set(draws(Lognormal(median=60.0, p95=60.0))) == {60.0}


def test_the_other_distributions_hit_their_mean_and_bounds() -> None:
    """Uniform stays within its bounds, exponential has its mean, fixed never moves."""
    uniform = draws(Uniform(low=2.0, high=4.0))
    assert 2.0 <= uniform[0] <= uniform[-1] <= 4.0
    assert 19 < statistics.fmean(draws(Exponential(mean=20.0))) < 21
    assert set(draws(Fixed(value=3.0))) == {3.0}


def test_a_mixture_draws_each_part_by_its_weight() -> None:
    """Four fifths quick, one fifth slow, whatever the weights add up to."""
    values = draws(Mixture(parts=((4.0, Fixed(value=1.0)), (1.0, Fixed(value=60.0)))))
    assert set(values) == {1.0, 60.0}
    assert 3100 < values.count(1.0) < 3300


@pytest.mark.parametrize(
    ("distribution", "mean"),
    [
        (Uniform(low=2.0, high=6.0), 4.0),
        (Exponential(mean=3.0), 3.0),
        (Lognormal(median=1.0, p95=2.0), 1.093),
        (Mixture(parts=((1.0, Fixed(value=0.0)), (3.0, Fixed(value=4.0)))), 3.0),
    ],
)
def test_dice_fall_as_the_distribution_says(distribution: Any, mean: float) -> None:
    """Decisions named one after the other are independent draws, and the same ones every time."""
    drawn = [distribution.draw(Dice(1, "CP-1", f"latency/{n}")) for n in range(4000)]
    assert statistics.fmean(drawn) == pytest.approx(mean, rel=0.05)
    assert drawn[7] == distribution.draw(Dice(1, "CP-1", "latency/7"))
    assert len({Dice(seed, "CP-1", "x").random() for seed in range(500)}) == 500
