"""How a scenario writes a distribution."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from simulator.distributions import (
    DurationDistribution,
    OffsetDistribution,
    RateDistribution,
)
from simulator.faults import Exponential, Fixed, Lognormal, Mixture, Uniform

DURATION: TypeAdapter[Any] = TypeAdapter(DurationDistribution)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("30 s", Fixed(value=30)),
        (30, Fixed(value=30)),
        ({"uniform": ["20 s", "1 min"]}, Uniform(low=20, high=60)),
        ({"lognormal": {"median": "60 ms", "p95": "400 ms"}}, Lognormal(median=0.06, p95=0.4)),
        ({"exponential": {"mean": "20 min"}}, Exponential(mean=1200)),
        (
            {"mixture": [["80 %", "1 s"], ["20 %", {"uniform": ["1 min", "2 min"]}]]},
            Mixture(parts=((0.8, Fixed(value=1)), (0.2, Uniform(low=60, high=120)))),
        ),
    ],
)
def test_every_form_is_read_and_written(written: Any, meant: Any) -> None:
    """Each form means what it says, and what is written back means the same."""
    assert DURATION.validate_python(written) == meant
    assert DURATION.validate_python(DURATION.dump_python(meant)) == meant


def test_a_rate_takes_units_of_rate() -> None:
    """The same forms hold bytes a second."""
    rate: TypeAdapter[Any] = TypeAdapter(RateDistribution)
    assert rate.validate_python({"uniform": ["1 MB/s", "3 MB/s"]}) == Uniform(low=1e6, high=3e6)


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ({"uniform": ["60 s", "20 s"]}, "higher bound comes second"),
        ({"uniform": ["60 s"]}, "not a distribution"),
        ({"lognormal": {"median": "60 s", "p95": "20 s"}}, "at most the p95"),
        ({"lognormal": {"median": "60 s"}}, "exactly median and p95"),
        ({"exponential": {"mean": 0}}, "above zero"),
        ({"mixture": []}, "not a distribution"),
        ({"mixture": [["0 %", "1 s"]]}, "weight above zero"),
        ({"mixture": [["1 s"]]}, "weight, distribution"),
        ({"normal": {"mean": 0}}, "not a distribution"),
        ({"uniform": ["1 s", "2 s"], "exponential": {"mean": "1 s"}}, "not a distribution"),
        (-5, "from 0 to 36525 d"),
        ({"uniform": [-5, -1]}, "from 0 to 36525 d"),
        ({"uniform": [0, float("inf")]}, "inf is not a duration"),
        (float("nan"), "nan is not a duration"),
        (10**400, "is not a duration"),
        ("1e300 s", "from 0 to 36525 d"),
    ],
)
def test_a_wrong_distribution_is_refused_with_its_reason(written: Any, why: str) -> None:
    """The reason says what the form needs."""
    with pytest.raises(ValidationError, match=why):
        DURATION.validate_python(written)


def test_a_rate_of_nothing_is_refused() -> None:
    """A download at no bytes a second would never end."""
    rate: TypeAdapter[Any] = TypeAdapter(RateDistribution)
    for written in (0, "0 B/s", {"uniform": [0, "1 MB/s"]}):
        with pytest.raises(ValidationError, match="more than 0"):
            rate.validate_python(written)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("-5 min", Fixed(value=-300)),
        (-1.5, Fixed(value=-1.5)),
        ({"uniform": ["-2 min", "2 min"]}, Uniform(low=-120, high=120)),
    ],
)
def test_an_offset_may_be_negative(written: Any, meant: Any) -> None:
    """Clocks are behind as often as ahead; what is written back means the same."""
    offset: TypeAdapter[Any] = TypeAdapter(OffsetDistribution)
    assert offset.validate_python(written) == meant
    assert offset.validate_python(offset.dump_python(meant)) == meant
    with pytest.raises(ValidationError, match="at most 18000 d"):
        offset.validate_python("-1e9 d")
