"""The judge remembers: what it said of every recorded drill, it says again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.harness.corpus import expected, histories, judged

if TYPE_CHECKING:
    from pathlib import Path

REMEMBERED = expected()


@pytest.mark.parametrize("history", histories(), ids=lambda path: path.name.split(".")[0])
def test_the_verdict_is_the_one_it_was(history: Path) -> None:
    """Verdict, how often each property was exercised, and every finding with its witness.

    Where the judge was changed on purpose: `python -m tests.harness.corpus judge`, then read the
    difference.
    """
    name = history.name.removesuffix(".ndjson.gz")
    assert judged(history) == REMEMBERED[name]


def test_every_wrong_decision_is_remembered_as_wrong() -> None:
    """The corpus convicts: it is no collection of accidents."""
    for name, lines in REMEMBERED.items():
        failed = any(" FAIL " in line for line in lines[1:])
        assert failed != name.startswith("sound-"), name
