"""The published contract, restated."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.contract import Profile, stage_sizes


@pytest.mark.parametrize(
    ("strategy", "total", "batch", "canary", "sizes"),
    [
        ("all_at_once", 5, None, None, [5]),
        ("canary", 5, None, None, [1, 4]),
        ("canary", 5, None, 3, [3, 2]),
        ("canary", 1, None, None, [1]),
        ("canary", 3, None, 9, [3]),
        ("rolling", 20, None, None, [2] * 10),
        ("rolling", 11, None, None, [2, 2, 2, 2, 2, 1]),
        ("rolling", 5, None, None, [1] * 5),
        ("rolling", 5, 2, None, [2, 2, 1]),
        ("rolling", 5, 9, None, [5]),
    ],
)
def test_stage_sizes(
    strategy: str, total: int, batch: int | None, canary: int | None, sizes: list[int]
) -> None:
    """The examples of the published text and the clamped extremes."""
    assert stage_sizes(strategy, total, batch, canary) == sizes


@settings(deadline=None)
@given(
    st.sampled_from(["canary", "rolling", "all_at_once"]),
    st.integers(1, 300),
    st.none() | st.integers(1, 400),
)
def test_stages_hold_everyone_once(strategy: str, total: int, size: int | None) -> None:
    """Sizes are positive and add up to the total; all batches but the last are equal."""
    sizes = stage_sizes(strategy, total, size, size)
    assert sum(sizes) == total
    assert min(sizes) >= 1
    if strategy == "rolling":
        assert len(set(sizes[:-1])) <= 1
        assert sizes[-1] <= sizes[0]


def test_a_profile_switches_judgement_off_and_numbers_over() -> None:
    """`any` stops judging; numbers have the contract's defaults."""
    profile = Profile({"D6": "any", "D34": {"freshness": 10}, "D12": {"update_timeout": None}})
    assert not profile.judges("D6")
    assert profile.judges("D7")
    assert profile.number("D34", "freshness") == 10
    assert profile.number("D34", "http") == 5
    assert profile.number("D12", "update_timeout") is None
    assert Profile({"D34": "any"}).dispatch_bound(10) is None
    assert Profile().dispatch_bound(1000) == 6
