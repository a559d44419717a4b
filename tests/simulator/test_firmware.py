"""The transition tables say what the protocol says, and hang together."""

from __future__ import annotations

import pytest

from simulator.firmware import (
    FAILURES,
    START,
    TABLES,
    TERMINAL,
    Status,
    final,
    legal,
    reachable,
)

LEGAL = [
    ("core", START, "Downloading"),
    ("core", START, "DownloadFailed"),  # TC_044_2: an immediate failure
    ("core", "DownloadFailed", "Downloading"),  # another attempt
    ("core", "Installing", "Installed"),
    ("plain", START, "DownloadScheduled"),  # L01.FR.13
    ("plain", "Downloading", "DownloadPaused"),
    ("plain", "Downloaded", "Installing"),
    ("plain", "Installing", "InstallRebooting"),
    ("secure", "Downloaded", "SignatureVerified"),  # L01.FR.04
    ("secure", "Downloaded", "InvalidSignature"),
    ("secure", "SignatureVerified", "InstallScheduled"),
]
ILLEGAL = [
    ("core", START, "Installed"),
    ("core", "Installed", "Downloading"),
    ("core", "Downloading", "DownloadPaused"),  # 1.6 core has no such status
    ("plain", "Downloaded", "SignatureVerified"),
    ("secure", "Downloaded", "Installing"),  # TC_L_01 wants SignatureVerified
    ("secure", "InvalidSignature", "Installing"),
    ("plain", "Installed", "Installing"),
    ("plain", START, "Idle"),
]


@pytest.mark.parametrize(("kind", "previous", "following"), LEGAL)
def test_what_may_follow(kind: str, previous: str, following: str) -> None:
    """Each legal step is in its table."""
    assert legal(TABLES[kind], previous, following)


@pytest.mark.parametrize(("kind", "previous", "following"), ILLEGAL)
def test_what_may_not_follow(kind: str, previous: str, following: str) -> None:
    """Each illegal step is not."""
    assert not legal(TABLES[kind], previous, following)


@pytest.mark.parametrize("kind", TABLES)
def test_tables_are_closed_and_idle_is_never_a_step(kind: str) -> None:
    """Every status that can be reached has a row, knows its name, and is not Idle."""
    table = TABLES[kind]
    named = set().union(*table.values())
    assert named <= set(table)
    assert named <= set(Status) - {Status.IDLE}


@pytest.mark.parametrize("kind", TABLES)
def test_every_way_can_end_well_until_it_has_ended(kind: str) -> None:
    """Installed is reachable from everything but the ends."""
    for status in TABLES[kind]:
        ended = final(TABLES[kind], status, retries_left=True)
        assert reachable(kind, status, "Installed") != ended


@pytest.mark.parametrize("kind", TABLES)
def test_ends_are_final_and_a_failed_download_only_without_retries(kind: str) -> None:
    """A DownloadFailed with retries left is not the end."""
    table = TABLES[kind]
    for status in TERMINAL & set(table):
        assert final(table, status, retries_left=False)
        assert final(table, status, retries_left=True) == (status != "DownloadFailed")
    assert FAILURES | {"Installed"} == TERMINAL


def test_repeats_are_tolerated_but_not_of_nothing() -> None:
    """A status may be reported twice; the start is no status."""
    assert legal(TABLES["core"], "Downloading", "Downloading")
    assert not legal(TABLES["core"], START, START)
