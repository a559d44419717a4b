"""The judge remembers: what it said of every recorded drill, it says again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.harness.corpus import (
    ALTERATIONS,
    TOLD,
    VERDICTS,
    alterations,
    expected,
    histories,
    judged,
    named,
    stories,
    told,
)

if TYPE_CHECKING:
    from pathlib import Path

REMEMBERED = expected(VERDICTS)
ALTERED = expected(ALTERATIONS)
STORIES = stories()
SAID = expected(TOLD)


@pytest.mark.parametrize("history", histories(), ids=named)
def test_the_verdict_is_the_one_it_was(history: Path) -> None:
    """Verdict, how often each property was exercised, and every finding with its witness.

    Where the judge was changed on purpose: `python -m tests.harness.corpus judge`, then read the
    difference.
    """
    assert judged(history) == REMEMBERED[named(history)]


@pytest.mark.parametrize("history", histories(), ids=named)
def test_what_an_alteration_changes_is_what_it_changed(history: Path) -> None:
    """Lost, late, moved, doubled and untrue events change the verdict as they did.

    No history, however strange, breaks the judge: an ERROR may never be remembered.
    """
    found = alterations(history)
    assert not [line for line in found if " ERROR" in line]
    assert found == ALTERED[named(history)]


@pytest.mark.parametrize("name", STORIES)
def test_a_story_is_judged_as_it_was(name: str) -> None:
    """Stories told by hand: with every property's verdict, not only that of the one in question."""
    assert told(STORIES[name], name) == SAID[name]


def test_every_wrong_decision_is_remembered_as_wrong() -> None:
    """The corpus convicts: it is no collection of accidents."""
    for name, lines in REMEMBERED.items():
        failed = any(" FAIL " in line for line in lines[1:])
        assert failed != name.startswith("sound-"), name
