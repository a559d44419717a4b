"""The reference page of the scenario language."""

from __future__ import annotations

from pathlib import Path

from simulator.quirks import QUIRKS
from simulator.scenario_reference import page
from simulator.scenario_steps import STEPS

PAGE = Path(__file__).parents[2] / "docs" / "scenario-reference.md"


def test_the_committed_page_is_current() -> None:
    """docs/scenario-reference.md is what the models say; its first lines tell how to refresh it."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_step_and_quirk_has_a_line() -> None:
    """Nothing that can be written is missing from the page."""
    text = page()
    assert [name for name in STEPS if f"### `{name}`" not in text] == []
    assert [name for name in QUIRKS if f"| `{name}` |" not in text] == []
