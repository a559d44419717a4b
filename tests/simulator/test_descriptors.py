"""The descriptor budget: room for every charger, and a remedy when there is none."""

from __future__ import annotations

import resource

import pytest

from simulator.descriptors import MOST_DOWNLOADS, budget
from simulator.errors import DescriptorLimit


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Pretend a [soft, hard] limit that can be raised up to the hard one."""
    now = [1024, 2048]

    def raise_soft(_: int, wanted: tuple[int, int]) -> None:
        assert wanted[0] <= now[1]
        now[0] = wanted[0]

    monkeypatch.setattr(resource, "getrlimit", lambda _: tuple(now))
    monkeypatch.setattr(resource, "setrlimit", raise_soft)
    return now


def test_small_fleets_get_a_download_each(limits: list[int]) -> None:
    """Within the soft limit nothing is raised, and nobody waits for a download."""
    assert budget(100, None) == 100
    assert budget(400, None) == MOST_DOWNLOADS
    assert limits[0] == 1024


def test_the_soft_limit_is_raised_as_far_as_needed(limits: list[int]) -> None:
    """A fleet between soft and hard limit starts, with the soft limit raised."""
    assert budget(1500, None) == MOST_DOWNLOADS
    assert 1500 + MOST_DOWNLOADS < limits[0] <= 2048


def test_downloads_share_what_is_left(limits: list[int]) -> None:
    """Near the hard limit fewer downloads run at a time, never none."""
    assert 1 <= budget(1900, None) < MOST_DOWNLOADS
    assert limits[0] == 2048


def test_too_many_chargers_are_told_what_to_do(limits: list[int]) -> None:
    """Beyond the hard limit the error names both numbers and the command."""
    for chargers, downloads in ((5000, None), (1900, 200)):
        with pytest.raises(DescriptorLimit, match=rf"{chargers} chargers .*2048: run `ulimit -n"):
            budget(chargers, downloads)
    assert limits[1] == 2048
