"""Units in and out: what is written reads back as the same number, and nonsense is refused."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from simulator import units

if TYPE_CHECKING:
    from collections.abc import Callable

FINITE = st.floats(min_value=0, max_value=1e12, allow_nan=False)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("60 ms", 0.06), ("60ms", 0.06), ("1.5 s", 1.5), ("10 min", 600), ("2 h", 7200),
     ("1 d", 86400), ("7", 7), (7, 7), (0.25, 0.25), (".5 s", 0.5)],
)  # fmt: skip
def test_durations_are_seconds(text: Any, seconds: float) -> None:
    """Every unit of time, and a plain number, is read as seconds."""
    assert units.read_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "size"),
    [("2 MB", 2_000_000), ("800 kB", 800_000), ("1 MiB", 1_048_576), ("4 KiB", 4096),
     ("512 B", 512), (512, 512), ("1.5 GB", 1_500_000_000)],
)  # fmt: skip
def test_sizes_are_bytes(text: Any, size: int) -> None:
    """Decimal and binary units of size are told apart."""
    assert TypeAdapter(units.Size).validate_python(text) == size


def test_rates_and_shares_have_their_own_units() -> None:
    """A rate is bytes a second, a share is 0..1."""
    assert units.read_rate("800 kB/s") == 800_000
    assert units.read_share("6 %") == 0.06
    assert units.read_share(0.06) == 0.06


@pytest.mark.parametrize(
    ("read", "nonsense"),
    [(units.read_duration, "5 parsecs"), (units.read_duration, "-1 s"), (units.read_duration, True),
     (units.read_duration, "2 MB"), (units.read_size, "2 mb"), (units.read_rate, "800 kB"),
     (units.read_share, "6 pct"), (units.read_duration, ""), (units.read_duration, None),
     (units.read_duration, "1e s"), (units.read_size, [1])],
)  # fmt: skip
def test_nonsense_is_refused_with_an_example(read: Callable[[Any], float], nonsense: Any) -> None:
    """A wrong unit is an error that shows how to write it, never a silent zero."""
    with pytest.raises(ValueError, match="write it like '"):
        read(nonsense)


@pytest.mark.parametrize(
    ("kind", "value"),
    [(units.Duration, -1), (units.Duration, float("inf")), (units.Duration, float("nan")),
     (units.Interval, 0), (units.Interval, "1e-9 s"),
     (units.Share, 1.01), (units.Share, "120 %"), (units.Rate, 0), (units.Size, -1)],
)  # fmt: skip
def test_fields_refuse_values_out_of_range(kind: Any, value: Any) -> None:
    """No negative or endless duration, none of zero between repetitions, no rate of zero."""
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(value)


@given(FINITE)
def test_a_written_duration_reads_back_the_same(value: float) -> None:
    """Writing loses nothing, whatever unit it chooses."""
    assert units.read_duration(units.write_duration(value)) == value


@given(FINITE)
def test_a_written_rate_reads_back_the_same(value: float) -> None:
    """Writing loses nothing, whatever unit it chooses."""
    assert units.read_rate(units.write_rate(value)) == value


@given(st.integers(min_value=0, max_value=2**50))
def test_a_written_size_reads_back_the_same(value: int) -> None:
    """Writing loses nothing, whatever unit it chooses."""
    assert units.read_size(units.write_size(value)) == value


@given(st.floats(min_value=0, max_value=1))
def test_a_written_share_reads_back_the_same(value: float) -> None:
    """Writing loses nothing: a whole percentage is written as one, the rest as 0..1."""
    assert units.read_share(units.write_share(value)) == value


def test_writing_prefers_the_unit_a_person_would_take() -> None:
    """60 ms stays 60 ms and ten minutes stay ten minutes."""
    assert units.write_duration(0.06) == "60 ms"
    assert units.write_duration(600) == "10 min"
    assert units.write_size(2_000_000) == "2 MB"
    assert units.write_rate(800_000) == "800 kB/s"
    assert units.write_share(0.06) == "6 %"


@given(FINITE)
def test_what_is_written_matches_the_schema(value: float) -> None:
    """An editor never underlines what we wrote ourselves."""
    for write, schema in ((units.write_duration, units.DURATION_SCHEMA),
                          (units.write_rate, units.RATE_SCHEMA)):  # fmt: skip
        assert re.search(schema["pattern"], write(value))
