"""Packed logs, cut short or with more behind them: all is read that anybody could."""

from __future__ import annotations

import gzip
import io
import random
from typing import TYPE_CHECKING

import pytest

from harness.fieldlog.packed import Unpacked
from tests.harness.fieldlog.reading import SAMPLES, read_text

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", ["steve.log", "table.csv", "microocpp.log", "frames.txt"])
def test_a_short_packed_log_that_is_cut_is_read_to_the_cut(name: str, tmp_path: Path) -> None:
    """All of it fits into what a reader reads ahead: that is no reason to lose it."""
    whole = gzip.compress((SAMPLES / name).read_bytes())
    seen = read_text(tmp_path, whole[:-20], form=read_text(tmp_path, whole).form)
    assert len(seen.frames) >= 14
    assert "breaks off" in seen.problems[-2][1] or "breaks off" in seen.problems[-1][1]
    seen = read_text(tmp_path, whole + b"left by another tool")
    assert len(seen.frames) == 16
    assert "not packed" in seen.problems[-1][1]


def test_everything_before_a_cut_is_unpacked() -> None:
    """Members, padding, cuts: as many bytes as anybody could tell."""
    chance = random.Random(4)
    data = b"".join(chance.randbytes(200) + b"0" * chance.randrange(9000) for _ in range(20))
    parts = b"".join(gzip.compress(data[at : at + 9999]) for at in range(0, len(data), 9999))
    for end in (b"", b"\0", b"\0" * 100_000):
        inside = Unpacked(io.BytesIO(parts + end))
        assert (io.BufferedReader(inside).read(), inside.problem) == (data, "")
    for _ in range(50):
        cut = chance.randrange(20, len(parts))
        got = io.BufferedReader(Unpacked(io.BytesIO(parts[:cut]))).read()
        assert data.startswith(got)
        assert len(got) >= 9999 * parts[:cut].count(b"\x1f\x8b\x08") - 9999
    inside = Unpacked(io.BytesIO(gzip.compress(b"0" * 5_000_000)))
    assert len(io.BufferedReader(inside, 100).read()) == 5_000_000
