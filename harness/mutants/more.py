"""The wrong decisions that drawn drills must find, each registered with what must kill it.

They live under the door of `csms.py`: `mutated(name)` and `main` take them like the first eight.
"""

from __future__ import annotations

from harness.mutants import (
    csms_benign,
    csms_dating,
    csms_operating,
    csms_patience,
    csms_releasing,
    csms_sharing,
    csms_showing,
    csms_talking,
    csms_tracking,
    csms_updating,
    csms_wishes,
)
from harness.mutants.registry import DECISIONS, MORE

__all__ = [
    "DECISIONS", "MORE", "csms_benign", "csms_dating", "csms_operating", "csms_patience",
    "csms_releasing", "csms_sharing", "csms_showing", "csms_talking", "csms_tracking",
    "csms_updating", "csms_wishes",
]  # fmt: skip
