"""The judge: folds a history into one verdict a requirement.

`judge(header, events)` judges a whole history, `Judge` a running one; `REQUIREMENTS` lists what is
judged. A fold over facts each (`base.Checker`), on one shared view (`view.View`).
"""

from __future__ import annotations

from harness.checkers.judge import Judge, judge
from harness.checkers.registry import CHECKERS, REQUIREMENTS

__all__ = ["CHECKERS", "REQUIREMENTS", "Judge", "judge"]
