"""The mark of a test: one scenario, options by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from _pytest.mark import Mark

EXAMPLE = '@pytest.mark.drill("smoke", seed=7)'


def marked(item: pytest.Item) -> Mark | None:
    """Return the mark that counts for this test: its own before that of its class or module.

    Fails the test if it has two of its own, or if the mark is not one scenario and named options.
    """
    __tracebackhide__ = True
    mark = item.get_closest_marker("drill")
    if mark is None:
        return None
    own = [mark for mark in item.own_markers if mark.name == "drill"]
    if len(own) > 1:  # only one of them would run, and the test would seem to have passed both
        pytest.fail(
            "one test has one mark `drill`; for more drills use the fixture `drill`", pytrace=False
        )
    if not mark.args and "scenario" not in mark.kwargs:
        pytest.fail(f"the mark needs a scenario: {EXAMPLE}", pytrace=False)
    if len(mark.args) + ("scenario" in mark.kwargs) > 1:
        pytest.fail(f"the mark takes one scenario, and options by name: {EXAMPLE}", pytrace=False)
    return mark
