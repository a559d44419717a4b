"""Every checker there is, in the order of their ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.checkers.base import Checker
    from harness.verdict import Requirement

CHECKERS: tuple[type[Checker], ...] = ()

REQUIREMENTS: tuple[Requirement, ...] = tuple(checker.requirement for checker in CHECKERS)
