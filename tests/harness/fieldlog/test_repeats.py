"""Lines that a log holds twice are taken once; what happened twice is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.harness.fieldlog.reading import SAMPLES, read_text

if TYPE_CHECKING:
    from pathlib import Path

DATED = ["steve.log", "evcc.log", "mobilityhouse.log", "trace.jsonl", "table.csv", "tshark.txt"]


@pytest.mark.parametrize("name", DATED)
@pytest.mark.parametrize("share", [1.0, 0.5])
def test_an_overlap_accuses_nobody(name: str, share: float, tmp_path: Path) -> None:
    """Two rotated files put together: the second begins before the end of the first."""
    lines = (SAMPLES / name).read_text().splitlines(keepends=True)
    alone = read_text(tmp_path, "".join(lines))
    twice = read_text(tmp_path, "".join([*lines, *lines[int(len(lines) * (1 - share)) :]]))
    assert twice.frames == alone.frames
    assert twice.accused == alone.accused
    assert [told for _, told in twice.problems if "it is taken once" in told]


def test_the_same_at_one_time_is_no_repetition(tmp_path: Path) -> None:
    """An answer that was sent twice in a moment is what the judge looks for."""
    lines = (SAMPLES / "steve.log").read_text().splitlines(keepends=True)
    at = next(n for n, line in enumerate(lines) if "Sending: [3" in line)
    alone = read_text(tmp_path, "".join(lines))
    seen = read_text(tmp_path, "".join([*lines[: at + 1], *lines[at:]]))
    assert len(seen.frames) == len(alone.frames) + 1


def test_a_clock_that_begins_in_1970_repeats_nothing(tmp_path: Path) -> None:
    """Every boot of such a charger begins with the same message at the same time."""
    lines = (SAMPLES / "steve.log").read_text().replace("2026-03-14", "1970-01-01")
    alone = read_text(tmp_path, lines)
    twice = read_text(tmp_path, lines + lines)
    assert len(twice.frames) == 2 * len(alone.frames)
