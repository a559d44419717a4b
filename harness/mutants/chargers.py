"""The simulator's chargers with one wrong decision: `mutated_charger(name)`, for a while.

Every charger that lives inside the block decides wrongly, in virtual time and over sockets. The
wrong decisions stand in `charger_downloading`, `charger_installing` and `charger_talking`, what a
sound charger may do otherwise in `charger_benign`.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from harness.mutants import (
    charger_benign,
    charger_downloading,
    charger_installing,
    charger_talking,
)
from harness.mutants.charger_registry import CHARGER_DECISIONS, CHARGERS
from harness.mutants.patching import Patch

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "CHARGERS", "CHARGER_DECISIONS", "charger_benign", "charger_downloading", "charger_installing",
    "charger_talking", "mutated_charger",
]  # fmt: skip


@contextlib.contextmanager
def mutated_charger(name: str) -> Iterator[None]:
    """Have all chargers decide wrongly inside the block; '' for none. KeyError: no such mutant."""
    patch = Patch()
    try:
        if name:
            CHARGER_DECISIONS[name](patch)
        yield
    finally:
        patch.undo()
